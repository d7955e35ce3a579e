// The list of metric cards. A card's position is its index in every pairwise family (Metric in native/core.h).
#pragma once

#include "ops/metrics/flat.h"
#include "ops/metrics/lorentz.h"
#include "ops/metrics/poincare.h"
#include "ops/metrics/poincare_hypmix.h"

namespace horoball {
namespace {

// A metric: its card, and the card with the published guards if it has one.
template <class ExactCard, class PublishedCard = ExactCard>
struct MetricEntry {
  using Exact = ExactCard;
  using Published = PublishedCard;
};

using PoincareMetric = MetricEntry<Poincare, PoincareHypmix>;

template <class... Entries>
struct MetricList {};

using Metrics = MetricList<PoincareMetric, MetricEntry<Lorentz>, MetricEntry<Euclidean>, MetricEntry<Cosine>,
                           MetricEntry<Chordal>>;

template <class Body, class First, class... Others>
inline auto with_metric_of(MetricList<First, Others...>, int index, bool published, Body body) {
  if constexpr (sizeof...(Others) > 0) {
    if (index > 0) return with_metric_of(MetricList<Others...>{}, index - 1, published, body);
  }
  return published ? body.template operator()<typename First::Published>()
                   : body.template operator()<typename First::Exact>();
}

// Calls body with the card as its type argument.
template <class Body>
inline auto with_metric(int index, bool published, Body body) {
  return with_metric_of(Metrics{}, index, published, body);
}

}  // namespace
}  // namespace horoball
