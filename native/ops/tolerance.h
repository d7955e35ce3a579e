// Relative error bounds by element type. Tests use them unscaled; a test may add only the error of its reference
// (`referenceError`, test/tolerances.ts). The tables in the documentation are generated from them.
#pragma once

namespace horoball {

struct Tolerance {
  double f32, f64;
};

// Bounds for values, for a whole gradient relative to its norm, and for the gradients of scalar parameters.
struct Tolerances {
  Tolerance value, gradient, parameters;

  constexpr Tolerances with_value(Tolerance of_value) const { return {of_value, gradient, parameters}; }
};

// Error bounds: on the CPU, compared with float64 formulas; on a CUDA device, compared with the CPU. A device splits
// the factors of a float32 product into rounded parts, and adds in a different order.
struct Accuracy {
  Tolerances cpu, device;

  constexpr Accuracy with_value(Tolerance value) const { return {cpu.with_value(value), device}; }
  constexpr Accuracy with_parameters(Tolerance parameters) const {
    Accuracy out = *this;
    out.cpu.parameters = parameters;
    return out;
  }
  constexpr Accuracy with_gradient(Tolerance gradient) const {
    Accuracy out = *this;
    out.cpu.gradient = gradient;
    return out;
  }
};

}  // namespace horoball
