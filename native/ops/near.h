// What a pair of rows is to the families before any metric sees it: outside the domain, or too near for the
// matrix product.
#pragma once

namespace horoball {
namespace {

// A row that is outside the metric's domain: every pair with it counts as near, and is looked at by itself.
constexpr double kOutside = -1e30;

// What an infinite distance counts as where it is a factor: of a weight that may be 0, in a sum.
template <class T>
constexpr T kFarthest = static_cast<T>(sizeof(T) == 4 ? 1e30 : 1e300);

// s = |x|^2 + |y|^2 - 2<x,y> is taken directly from the rows below this part of the two norms: there float32
// would keep no digit of a near pair.
constexpr double kNear = 0.01;

// Below this part a float32 product of many columns has lost more digits than a distance may.
constexpr double kFair = 0.1;

// The same of minkowski rows, whose times enter the product and are then counted the other way: what rounding
// takes counts more than once.
constexpr double kNearMinkowski = 4 * kNear;
constexpr double kFairMinkowski = 1.5 * kFair;

}  // namespace
}  // namespace horoball
