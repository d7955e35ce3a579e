// The row cards as JSON, so that names, arguments, ranges and documentation have one source.
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>

#include "cpu/row_formula.h"

namespace horoball {
namespace rowwise {
namespace {

std::string text(std::string_view s) {
  std::string out = "\"";
  for (const char each : s) {
    if (each == '"' || each == '\\') out += '\\';
    out += each;
  }
  return out + '"';
}

// JSON has neither NaN nor infinities: null is "none".
std::string number(double x) {
  if (!std::isfinite(x)) return "null";
  char out[32];
  std::snprintf(out, sizeof out, "%.17g", x);
  return out;
}

const char* boolean(bool x) { return x ? "true" : "false"; }

std::string inputs(const RowInfo& info) {
  static constexpr const char* kDomains[] = {"ball", "klein", "hyperboloid", "anywhere"};
  std::string out;
  for (int i = 0; i < info.vectors(); ++i) {
    const RowInput& each = info.inputs[i];
    out += std::string(i > 0 ? "," : "") + "{\"name\":" + text(each.name) + ",\"doc\":" + text(each.doc) +
           ",\"domain\":" + text(kDomains[static_cast<int>(each.domain)]) + "}";
  }
  return "[" + out + "]";
}

std::string parameter(const RowParameter& p) {
  if (p.name == nullptr) return "null";
  return "{\"name\":" + text(p.name) + ",\"doc\":" + text(p.doc) + ",\"start\":" + number(p.start) +
         ",\"low\":" + number(p.low) + ",\"high\":" + number(p.high) + ",\"leading\":" + boolean(p.leading) +
         "}";
}

std::string card(const RowInfo& info) {
  static constexpr const char* kFamilies[] = {"row", "matvec", "midpoint", "planes"};
  static constexpr const char* kResults[] = {"vector", "number", "lifted"};
  return "{\"name\":" + text(info.name) + ",\"doc\":" + text(info.doc) +
         ",\"gradient\":" + text(info.gradient) + ",\"inputs\":" + inputs(info) +
         ",\"parameter\":" + parameter(info.parameter) + ",\"result\":\"" +
         kResults[static_cast<int>(info.result)] + "\",\"family\":\"" +
         kFamilies[static_cast<int>(info.family)] + "\",\"liftedInput\":" + boolean(info.lifted_input) +
         ",\"curved\":" + boolean(info.curved) + ",\"published\":" + boolean(info.published) +
         ",\"tolerance\":" + number(info.tolerance) + "}";
}

std::string all_cards() {
  std::string out;
  for (const RowFormula& each : row_formulas()) out += (out.empty() ? "" : ",\n") + card(*each.info);
  return "[" + out + "]";
}

}  // namespace
}  // namespace rowwise

const char* row_cards() {
  static const std::string json = rowwise::all_cards();
  return json.c_str();
}

}  // namespace horoball
