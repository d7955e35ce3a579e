#include "rotary.h"

#include <cmath>

namespace horoball::train {
namespace {

constexpr double kPi = 3.14159265358979323846;

at::Tensor counted(std::int64_t count) { return at::arange(count, at::TensorOptions(at::kFloat)); }

// Returns the row and the column of every patch, with the patches in row-major order.
std::array<at::Tensor, 2> over_grid(const at::Tensor& rows, const at::Tensor& columns) {
  return {rows.repeat_interleave(columns.size(0)), columns.repeat({rows.size(0)})};
}

// Returns temperature^(-i / count) for i from 0 to count - 1.
at::Tensor bands(double temperature, std::int64_t count) {
  return 1 / at::pow(at::Scalar(temperature), counted(count) / count);
}

at::Tensor axial_angles(const ViTConfig& config, std::int64_t pairs) {
  const auto& [type, temperature, offset, column_first, half, reference] = config.rope;
  auto rows = counted(config.rows()) + offset, columns = counted(config.columns()) + offset;
  if (reference) {
    rows = rows / config.rows() * (*reference)[0];
    columns = columns / config.columns() * (*reference)[1];
  }
  auto [row, column] = over_grid(rows, columns);
  if (column_first) std::swap(row, column);
  return (at::stack({row, column}, -1).unsqueeze(-1) * bands(temperature, pairs / 2)).flatten(1);
}

// Centers of `count` patches along one side of the image, which is scaled to [-1, 1].
at::Tensor centers(std::int64_t count) { return (counted(count) + 0.5) / count * 2 - 1; }

at::Tensor dinov3_angles(const ViTConfig& config, std::int64_t pairs) {
  const auto [row, column] = over_grid(centers(config.rows()), centers(config.columns()));
  const auto turns = at::stack({row, column}, -1).unsqueeze(-1) * (2 * kPi);
  return (turns * bands(config.rope.temperature, pairs / 2)).flatten(1);
}

// Returns initial frequencies for `mixed`, along a random direction for each head of each block.
at::Tensor mixed_freqs(const ViTConfig& config, std::int64_t pairs, Initial& initial) {
  auto direction = at::empty({config.depth, config.num_heads, 1}, at::TensorOptions(at::kFloat));
  initial.uniform(direction, kPi);
  const auto size = bands(config.rope.temperature, pairs / 2).view({1, 1, -1});
  const auto side = direction + kPi / 2;
  const auto x = at::cat({size * direction.cos(), size * side.cos()}, -1);
  const auto y = at::cat({size * direction.sin(), size * side.sin()}, -1);
  return at::stack({x, y});
}

}  // namespace

at::Tensor Rotation::operator()(const at::Tensor& x) const {
  const auto rest = x.size(2) - prefix;
  if (rest <= 0) return x;
  const auto patches = x.narrow(2, prefix, rest);
  at::Tensor across;
  if (half) {
    const auto halves = patches.chunk(2, -1);
    across = at::cat({-halves[1], halves[0]}, -1);
  } else {
    const auto each = [&](std::int64_t first) { return patches.slice(-1, first, c10::nullopt, 2); };
    across = at::stack({-each(1), each(0)}, -1).flatten(-2);
  }
  const auto turned = (patches * cos + across * sin).to(x.scalar_type());
  return prefix == 0 ? turned : at::cat({x.narrow(2, 0, prefix), turned}, 2);
}

RotaryImpl::RotaryImpl(const ViTConfig& config, Initial& initial) : config_(config) {
  const auto pairs = config.embed_dim / config.num_heads / 2;
  switch (config.rope.type) {
    case RopeType::axial:
      angles_ = axial_angles(config, pairs);
      break;
    case RopeType::dinov3:
      angles_ = dinov3_angles(config, pairs);
      break;
    case RopeType::mixed:
      freqs = register_parameter("freqs", mixed_freqs(config, pairs, initial));
      break;
    case RopeType::none:
      break;
  }
}

Rotation RotaryImpl::turned(const at::Tensor& angles, bool tiled) const {
  const auto all = tiled ? at::cat({angles, angles}, -1) : angles.repeat_interleave(2, -1);
  return {all.sin(), all.cos(), config_.prefix(), config_.rope.rotate_half};
}

std::vector<Rotation> RotaryImpl::forward(const at::Tensor& like) {
  if (config_.rope.type != RopeType::mixed) {
    if (angles_.device() != like.device()) angles_ = angles_.to(like.device());
    const auto same = turned(angles_, config_.rope.type == RopeType::dinov3);
    return std::vector<Rotation>(static_cast<std::size_t>(config_.depth), same);
  }
  auto [x, y] = over_grid(counted(config_.rows()), counted(config_.columns()));
  if (config_.rope.column_first) std::swap(x, y);
  const auto column = [&](const at::Tensor& at) { return at.to(like.device()).unsqueeze(-1); };
  const auto angles = column(x) * freqs[0].unsqueeze(-2) + column(y) * freqs[1].unsqueeze(-2);
  std::vector<Rotation> blocks;
  for (std::int64_t i = 0; i < config_.depth; ++i) blocks.push_back(turned(angles[i], false));
  return blocks;
}

}  // namespace horoball::train
