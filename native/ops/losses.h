// The list of loss cards. A card's position is its index in the pair losses (Loss in native/core.h).
#pragma once

#include "ops/losses/dcl.h"
#include "ops/losses/multi_similarity.h"
#include "ops/losses/ntxent.h"
#include "ops/losses/proxy_anchor.h"
#include "ops/losses/supcon.h"

namespace horoball {
namespace {

template <class... Cards>
struct LossList {};

using Losses = LossList<losses::NTXent, losses::SupCon, losses::SupConIn, losses::Decoupled,
                        losses::MultiSimilarity, losses::ProxyAnchor>;

template <class... Cards>
constexpr int count(LossList<Cards...>) {
  return sizeof...(Cards);
}
constexpr int kLosses = count(Losses{});

// Calls body with the card as its type argument.
template <class Body, class First, class... Others>
inline auto with_loss_of(LossList<First, Others...>, int index, Body body) {
  if constexpr (sizeof...(Others) > 0) {
    if (index > 0) return with_loss_of(LossList<Others...>{}, index - 1, body);
  }
  return body.template operator()<First>();
}
template <class Body>
inline auto with_loss(int index, Body body) {
  return with_loss_of(Losses{}, index, body);
}

}  // namespace
}  // namespace horoball
