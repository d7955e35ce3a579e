// How the families classify a pair of rows before a metric is applied: outside the domain, or too near for the
// matrix product.
#pragma once

namespace horoball {
namespace {

// The squared norm that marks a row outside the domain of the metric: every pair with it counts as near and is
// computed directly.
constexpr double kOutside = -1e30;

// The finite value that replaces an infinite distance as a factor in a sum, because a weight may be 0.
template <class T>
constexpr T kFarthest = static_cast<T>(sizeof(T) == 4 ? 1e30 : 1e300);

// Below this part of the two norms s = |x|^2 + |y|^2 - 2<x,y> is computed directly from the rows, because float32
// would keep no digit of a near pair.
constexpr double kNear = 0.01;

// Below this part a float32 product of many columns has lost more digits than a distance allows.
constexpr double kFair = 0.1;

// The same for minkowski rows: their times enter the product and are then added with the opposite sign, so their
// rounding errors count more than once.
constexpr double kNearMinkowski = 4 * kNear;
constexpr double kFairMinkowski = 1.5 * kFair;

}  // namespace
}  // namespace horoball
