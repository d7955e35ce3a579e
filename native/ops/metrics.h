// The registry of metric cards. A card's place in Metric (native/core.h) is its identity everywhere.
#pragma once

#include "core.h"
#include "ops/metrics/flat.h"
#include "ops/metrics/lorentz.h"
#include "ops/metrics/poincare.h"
#include "ops/metrics/poincare_hypmix.h"

namespace horoball {
namespace {

// Calls body with the card as its type argument.
template <class Body>
inline auto with_metric(Metric metric, Guards guards, Body body) {
  switch (metric) {
    case Metric::lorentz:
      return body.template operator()<Lorentz>();
    case Metric::euclidean:
      return body.template operator()<Euclidean>();
    case Metric::cosine:
      return body.template operator()<Cosine>();
    case Metric::chordal:
      return body.template operator()<Chordal>();
    case Metric::poincare:
      break;
  }
  return guards == Guards::hypmix ? body.template operator()<PoincareHypmix>()
                                  : body.template operator()<Poincare>();
}

}  // namespace
}  // namespace horoball
