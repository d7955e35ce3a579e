// Forward-mode dual numbers: a value and its partial derivatives with respect to N scalars. A row card writes its formula
// once, for doubles and for dual numbers.
#pragma once

#include <cmath>

#include "hd.h"

namespace horoball::rowwise {

template <int N>
struct Dual {
  double v = 0;
  double d[N] = {};

  Dual() = default;
  HD Dual(double value) : v(value) {}  // NOLINT: constants convert implicitly
  HD static Dual variable(double value, int index) {
    Dual out(value);
    out.d[index] = 1;
    return out;
  }
};

HD double value(double x) { return x; }
template <int N>
HD double value(const Dual<N>& x) {
  return x.v;
}

// Applies a function to x by the chain rule, given its value `f` and its slope at x.
HD double chain(double, double f, double) { return f; }
template <int N>
HD Dual<N> chain(const Dual<N>& x, double f, double slope) {
  Dual<N> out(f);
  for (int i = 0; i < N; ++i) out.d[i] = slope * x.d[i];
  return out;
}

// Returns x, with its value replaced by a more accurate one.
HD double with_value(double, double exact) { return exact; }
template <int N>
HD Dual<N> with_value(Dual<N> x, double exact) {
  x.v = exact;
  return x;
}

template <int N>
HD Dual<N> operator+(const Dual<N>& x, const Dual<N>& y) {
  Dual<N> out(x.v + y.v);
  for (int i = 0; i < N; ++i) out.d[i] = x.d[i] + y.d[i];
  return out;
}
template <int N>
HD Dual<N> operator-(const Dual<N>& x, const Dual<N>& y) {
  Dual<N> out(x.v - y.v);
  for (int i = 0; i < N; ++i) out.d[i] = x.d[i] - y.d[i];
  return out;
}
template <int N>
HD Dual<N> operator*(const Dual<N>& x, const Dual<N>& y) {
  Dual<N> out(x.v * y.v);
  for (int i = 0; i < N; ++i) out.d[i] = x.d[i] * y.v + x.v * y.d[i];
  return out;
}
template <int N>
HD Dual<N> operator/(const Dual<N>& x, const Dual<N>& y) {
  Dual<N> out(x.v / y.v);
  for (int i = 0; i < N; ++i) out.d[i] = (x.d[i] - out.v * y.d[i]) / y.v;
  return out;
}

template <int N>
HD Dual<N> operator-(const Dual<N>& x) {
  return chain(x, -x.v, -1);
}
template <int N>
HD Dual<N> operator+(const Dual<N>& x, double y) {
  return chain(x, x.v + y, 1);
}
template <int N>
HD Dual<N> operator+(double x, const Dual<N>& y) {
  return y + x;
}
template <int N>
HD Dual<N> operator-(const Dual<N>& x, double y) {
  return x + -y;
}
template <int N>
HD Dual<N> operator-(double x, const Dual<N>& y) {
  return chain(y, x - y.v, -1);
}
template <int N>
HD Dual<N> operator*(const Dual<N>& x, double y) {
  return chain(x, x.v * y, y);
}
template <int N>
HD Dual<N> operator*(double x, const Dual<N>& y) {
  return y * x;
}
template <int N>
HD Dual<N> operator/(const Dual<N>& x, double y) {
  return chain(x, x.v / y, 1 / y);
}
template <int N>
HD Dual<N> operator/(double x, const Dual<N>& y) {
  const double f = x / y.v;
  return chain(y, f, -f / y.v);
}

}  // namespace horoball::rowwise
