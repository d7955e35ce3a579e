// The options that JavaScript passes to a loss, and the arguments of the core that follow from them.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "named.h"

namespace horoball::train {

// The options of every loss: its geometry, its guards and the parameters of its logit.
struct LogitOptions {
  std::int32_t geometry = 0;
  std::optional<std::string> compat;
  bool tied = false;
  double tau_e = 0, tau_h = 0, lambda = 0, c = 0;
  std::optional<double> clip;

  // Fills the arguments of one of the core's losses, after checking the index of the geometry and `compat`.
  template <class Args>
  void fill(Args& args, const node::Arguments& in, const Tables& tables) const {
    in.require(tables.cpu != nullptr, "a loss after the core's tables were opened");
    in.require(geometry >= 0 && geometry < tables.cpu->geometries, "the index of a geometry");
    args.geometry = static_cast<Geometry>(geometry);
    args.guards = guards_of(in, compat);
    args.tied = tied;
    args.tau_e = tau_e;
    args.tau_h = tau_h;
    args.lambda = lambda;
    args.c = c;
    args.clip = clip.value_or(std::numeric_limits<double>::infinity());
  }
};

// Options of the loss over views (ContrastArgs in core.h), or of a pair loss over the same batch.
struct LossOptions : LogitOptions {
  std::string reduction;
  std::int64_t views = 0;
  bool grad_params = false, divide = false;
  double beta = 0;        // strength of hard_negatives
  std::int32_t loss = 0;  // -1: the loss over views
};

// Options of pair losses only.
struct PairOptions {
  double alpha = 0, beta = 0, base = 0, margin = 0;
  bool proxies_are_anchors = false;
};

// Options of the loss on one level of a class tree.
struct LevelOptions : LogitOptions {
  std::int32_t loss = 0;
};

}  // namespace horoball::train

namespace horoball::node {

template <>
inline constexpr auto kProperties<train::LogitOptions> = bind::FieldList<
    bind::Field<"geometryIndex", &train::LogitOptions::geometry>,
    bind::Field<"compat", &train::LogitOptions::compat>, bind::Field<"tied", &train::LogitOptions::tied>,
    bind::Field<"tauE", &train::LogitOptions::tau_e>, bind::Field<"tauH", &train::LogitOptions::tau_h>,
    bind::Field<"lambda", &train::LogitOptions::lambda>, bind::Field<"c", &train::LogitOptions::c>,
    bind::Field<"clipR", &train::LogitOptions::clip>>{};

template <>
inline constexpr auto kProperties<train::LossOptions> =
    bind::FieldList<Properties<train::LogitOptions>, bind::Field<"reduction", &train::LossOptions::reduction>,
                    bind::Field<"views", &train::LossOptions::views>,
                    bind::Field<"gradParams", &train::LossOptions::grad_params>,
                    bind::Field<"divide", &train::LossOptions::divide>,
                    bind::Field<"beta", &train::LossOptions::beta>,
                    bind::Field<"lossIndex", &train::LossOptions::loss>>{};

template <>
inline constexpr auto kProperties<train::PairOptions> =
    bind::FieldList<bind::Field<"alpha", &train::PairOptions::alpha>,
                    bind::Field<"similarityBeta", &train::PairOptions::beta>,
                    bind::Field<"base", &train::PairOptions::base>,
                    bind::Field<"margin", &train::PairOptions::margin>,
                    bind::Field<"proxiesAreAnchors", &train::PairOptions::proxies_are_anchors>>{};

template <>
inline constexpr auto kProperties<train::LevelOptions> =
    bind::FieldList<Properties<train::LogitOptions>, bind::Field<"lossIndex", &train::LevelOptions::loss>>{};

}  // namespace horoball::node
