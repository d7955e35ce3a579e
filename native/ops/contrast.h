// The scalar mathematics of the contrastive loss: the logit of a pair and its derivatives, log-sum-exp, the loss of an
// anchor, and the gradients of the parameters. Templates over the number type, which is a vector on the CPU. PairKind
// (ops/geometries/card.h) defines which terms a geometry has.
#pragma once

#include "ops/geometries/cards.h"
#include "ops/head.h"
#include "ops/near.h"

namespace horoball {
namespace {

// The logit of masked pairs: padding, and samples with themselves. Positives are masked too and handled separately: in a
// sum with a much larger positive, rounding would erase the negatives.
constexpr double kNone = -1e30;

// The constants of the logit  e_weight <e_i,e_j> - h_weight d(h_i,h_j), where d is the distance of points whose squared
// difference is ratio * s. `infinite` is the distance from a row outside the domain; it is kFiniteDistance if h_weight
// is 0, because 0 times infinity would be NaN. `radius` is the radius of the ball points of tied heads, otherwise 1.
template <class T>
struct LogitScale {
  T e_weight, h_weight, ratio, radius, infinite;
};

template <class T>
inline LogitScale<T> logit_scale(const GeometryTerms& terms, double tau_e, double tau_h, double lambda,
                                 double radius) {
  const T h_weight = static_cast<T>(terms.distance_weight(lambda, tau_h));
  return {static_cast<T>(1 / tau_e), h_weight, static_cast<T>(radius * radius), static_cast<T>(radius),
          h_weight == 0 ? kFiniteDistance<T> : static_cast<T>(HUGE_VAL)};
}

// The inputs of a pair's logit, and the logit: the inner product g, the squared difference s, the squared norms n and the
// quantities q of both rows. If s < near_below, the gradient is computed from x - y, not from a product of weights and rows.
template <class V>
struct PairTerms {
  V g, s, near_below, qx, qy, nx, ny, distance, logit;
};

// Returns the squared difference between the points whose distance enters the logit.
template <class K, class V, class T>
HD_INLINE V scaled_s(const LogitScale<T>& scale, const PairTerms<V>& p) {
  return K::kTied ? V(scale.ratio) * p.s : p.s;
}

// Computes the distance and the logit from the other terms. For tied heads, also computes g, and scales nx and ny to the ball
// points.
template <class K, class V, class T>
HD_INLINE void compute_logit(const typename K::Card& card, const LogitScale<T>& scale, PairTerms<V>& p) {
  if constexpr (K::kTied) p.g = constant<V>(0.5) * (p.nx + p.ny - p.s);
  if constexpr (K::kDistance) {
    const V s = p.s;
    // A pair at infinite distance (a point outside the ball) has no gradient: it is treated as coincident.
    if constexpr (K::kBounded) p.s = where(s > constant<V>(-kOutside<T>), constant<V>(0), s);
    p.distance = card.distance(scaled_s<K>(scale, p), p.qx, p.qy);
    if constexpr (K::kBounded) p.distance = where(s > p.s, V(scale.infinite), p.distance);
    if constexpr (K::kTied) {
      p.nx = V(scale.ratio) * p.nx;
      p.ny = V(scale.ratio) * p.ny;
    }
  }
  p.logit = constant<V>(0);
  if constexpr (K::kInner) p.logit = V(scale.e_weight) * p.g;
  if constexpr (K::kDistance) p.logit = fma(V(-scale.h_weight), p.distance, p.logit);
}

// The derivatives of w times the distance of a pair. `pull` is the weight of x - y in the gradient; `far` is the same,
// but 0 if s < near_below (see PairTerms). `distance` and `radius` are terms of ParamSums.
// For untied heads, `lift_x` and `lift_y` are the coefficients of x and of y in their own gradients.
template <class V>
struct DistanceTerms {
  V pull, far, distance, radius, lift_x, lift_y;
};

template <class K, class V, class T>
HD_INLINE DistanceTerms<V> distance_terms(const typename K::Card& card, const LogitScale<T>& scale,
                                          const PairTerms<V>& p, V w) {
  const V s = scaled_s<K>(scale, p);
  const Slope<V> slope = card.slope(s, p.qx, p.qy);
  DistanceTerms<V> out;
  out.pull = K::kTied ? V(scale.h_weight * scale.ratio) * (w * slope.pull) : w * slope.pull;
  out.far = where(p.s < p.near_below, constant<V>(0), out.pull);
  out.distance = w * min(V(kFiniteDistance<T>), p.distance);
  if constexpr (K::kTied) {
    out.radius = w * fma(slope.pull, s, fma(slope.lift_x, p.nx, slope.lift_y * p.ny));
  } else {
    out.lift_x = fma(w, slope.lift_x, out.far);
    out.lift_y = fma(w, slope.lift_y, out.far);
  }
  return out;
}

template <class K, class V, class T>
HD_INLINE V curvature_term(const typename K::Card& card, const LogitScale<T>& scale, const PairTerms<V>& p,
                           V w) {
  return w * card.by_curvature(p.distance, scaled_s<K>(scale, p), p.qx, p.qy, p.nx, p.ny);
}

// The log-sum-exp of the logits of an anchor: the largest, the sum of exp(logit - largest), and the lowest class that
// attains the largest.
template <class V, class Class = V>
struct LogSum {
  V top = constant<V>(kNone), total = constant<V>(0);
  Class first;

  HD void merge(const LogSum& other) {
    const V best = max(top, other.top);
    total = fma(total, exp(top - best), other.total * exp(other.top - best));
    const Class lower = where(other.first < first, other.first, first);
    first = where(other.top > top, other.first, where(other.top == top, lower, first));
    top = best;
  }
};

// Returns the logarithm of a total; finite for 0, and NaN for NaN.
template <class V>
HD V log_total(V total) {
  return log(max(constant<V>(kIsSingle<V> ? 1.1754943508222875e-38 : 2.2250738585072014e-308), total));
}

// The odds of the negatives against the positive of an anchor. For anchor i of view a and its positive in view b, with
// logit S+: N_ab = logsumexp of its negatives in the views a and b, loss_ab(i) = log(1 + exp(N_ab - S+)) and
// L_ab = logaddexp(N_ab, S+). The loss is accurate however small it is.
template <class V>
struct Odds {
  V loss, whole, miss;  // loss_ab, L_ab, and the probability of the positive minus 1

  // N_ab is top + log_sum. `alone`: the anchor has no negatives.
  HD Odds(V top, V log_sum, V positive, bool alone) {
    const V zero = constant<V>(0), one = constant<V>(1);
    V gap = (top - positive) + log_sum;  // N_ab - S+
    // Without negatives the loss is 0 even if the positive is infinitely far.
    if (alone) gap = where(gap > zero, constant<V>(kNone), gap);
    const V odds = exp(min(gap, -gap)), tail = log1p(odds);
    loss = max(zero, gap) + tail;
    whole = max(top + log_sum, positive) + tail;
    miss = -(where(gap > zero, one, odds) / (one + odds));
  }
};

// Sums over all pairs, each with a weight: the inner product, the distance, and the derivatives of the distance with respect
// to c and to the logarithm of the radius of tied heads. The gradients of the parameters are computed from these sums.
struct ParamSums {
  double inner = 0, distance = 0, curvature = 0, radius = 0;

  HD void add(const ParamSums& other, double times) {
    inner += times * other.inner;
    distance += times * other.distance;
    curvature += times * other.curvature;
    radius += times * other.radius;
  }
};

// The factors that turn ParamSums into the gradients of the parameters.
struct ParamFactors {
  double inner, distance_by_tau, distance_by_lambda, by_c, radius;
};

// Returns these factors. `weight` is the weight of one term in the loss, and `tied` is null for untied heads.
inline ParamFactors param_factors(const GeometryTerms& terms, double tau_e, double tau_h, double lambda,
                                  double weight, const TiedRadius* tied) {
  const double h_weight = terms.distance_weight(lambda, tau_h);
  return {terms.inner ? -weight / (tau_e * tau_e) : 0, terms.distance ? weight * h_weight / tau_h : 0,
          terms.weighted ? -weight / tau_h : 0, terms.distance ? -weight * h_weight : 0,
          tied != nullptr ? tied->by_curvature / tied->radius : 0};
}

// Writes the gradients of the parameters, in the order of kLogitParameters.
HD void gradients_of_params(const ParamSums& sums, const ParamFactors& factors, double* gradient) {
  gradient[kTauE] = factors.inner * sums.inner;
  gradient[kTauH] = factors.distance_by_tau * sums.distance;
  gradient[kLambda] = factors.distance_by_lambda * sums.distance;
  gradient[kC] = factors.by_c * (sums.curvature + factors.radius * sums.radius);
}

}  // namespace
}  // namespace horoball
