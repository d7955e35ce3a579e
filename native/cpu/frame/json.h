// Writes strings, numbers and tolerances as JSON, for the lists of cards.
#pragma once

#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>

#include "ops/tolerance.h"

namespace horoball::json {

inline std::string text(std::string_view s) {
  std::string out = "\"";
  for (const char each : s) {
    if (each == '"' || each == '\\') out += '\\';
    out += each;
  }
  return out + '"';
}

// Returns x as JSON, or null if x is NaN or infinite, which JSON cannot express.
inline std::string number(double x) {
  if (!std::isfinite(x)) return "null";
  char out[32];
  std::snprintf(out, sizeof out, "%.17g", x);
  return out;
}

inline const char* boolean(bool x) { return x ? "true" : "false"; }

inline std::string tolerance(const Tolerance& t) {
  return "{\"float32\":" + number(t.f32) + ",\"float64\":" + number(t.f64) + "}";
}

inline std::string tolerances(const Tolerances& t) {
  return "\"value\":" + tolerance(t.value) + ",\"gradient\":" + tolerance(t.gradient) +
         ",\"parameters\":" + tolerance(t.parameters);
}

inline std::string accuracy(const Accuracy& a) {
  return "{" + tolerances(a.cpu) + ",\"device\":{" + tolerances(a.device) + "}}";
}

}  // namespace horoball::json
