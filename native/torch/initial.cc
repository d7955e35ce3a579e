#include "initial.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

namespace horoball::train {

Initial::Initial(std::uint64_t seed) : generator_(at::make_generator<at::CPUGeneratorImpl>(seed)) {}

void Initial::normal(at::Tensor to, double std) {
  const torch::NoGradGuard frozen;
  to.normal_(0, std, generator_);
}

void Initial::uniform(at::Tensor to, double bound) {
  const torch::NoGradGuard frozen;
  to.uniform_(-bound, bound, generator_);
}

// Draws from a normal distribution truncated at +-2 by inverse transform sampling: applies the inverse of the cumulative
// distribution function to uniform numbers between its values at -2 and 2.
void Initial::trunc_normal(at::Tensor to, double std) {
  const torch::NoGradGuard frozen;
  const double cut = 2 / std;
  const double bound = std::erf(cut / std::sqrt(2.0));
  to.uniform_(-bound, bound, generator_).erfinv_().mul_(std * std::sqrt(2.0)).clamp_(-2, 2);
}

void Initial::trunc_normal_scaled(at::Tensor to, double std) {
  trunc_normal(to, 1);
  const torch::NoGradGuard frozen;
  to.mul_(std);
}

// Draws uniformly from the orthogonal matrices (Saxe et al. 2014): takes the Q factor of a random normal matrix, times the
// signs of the diagonal of R.
void Initial::orthogonal(at::Tensor to) {
  const torch::NoGradGuard frozen;
  const bool wide = to.size(0) < to.size(1);
  auto drawn = at::empty_like(to).normal_(0, 1, generator_);
  if (wide) drawn = drawn.t();
  const auto [q, r] = at::linalg_qr(drawn);
  const auto unit = q * r.diagonal().sign();
  to.copy_(wide ? unit.t() : unit);
}

}  // namespace horoball::train
