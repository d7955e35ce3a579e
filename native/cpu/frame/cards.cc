// The metric, geometry and loss cards as JSON (names, formulas, parameters and tolerances come from here only), the largest
// index of each list, the matrices that a geometry reads, and the checks of the arguments of contrast() and pair_loss().
#include "ops/geometries/cards.h"
#include "core.h"
#include "cpu/frame/json.h"
#include "ops/losses.h"

namespace horoball {
namespace {

using json::boolean;
using json::number;
using json::text;
using json::tolerances;

const char* points(Points where) {
  static constexpr const char* kNames[] = {"anywhere", "ball", "hyperboloid"};
  return kNames[static_cast<int>(where)];
}

template <class Entry>
std::string metric_card() {
  const MetricInfo& info = Entry::Exact::kInfo;
  const bool published = !kSame<typename Entry::Exact, typename Entry::Published>;
  return "{\"name\":" + text(info.name) + ",\"formula\":" + text(info.formula) +
         ",\"domain\":" + text(info.domain) + ",\"points\":" + text(points(info.points)) +
         ",\"curved\":" + boolean(info.curved) + ",\"slope\":" + number(info.slope) +
         ",\"published\":" + (published ? text(Entry::Published::kInfo.formula) : "null") +
         ",\"tolerance\":" + json::accuracy(info.tolerance) + ",\"publishedTolerance\":" +
         (published ? json::accuracy(Entry::Published::kInfo.tolerance) : "null") + "}";
}

template <class... Entries>
std::string all_metrics(MetricList<Entries...>) {
  std::string out;
  ((out += (out.empty() ? "" : ",\n") + metric_card<Entries>()), ...);
  return "[" + out + "]";
}

// Returns the name of a geometry's distance as JSON: null if its logit uses no distance.
template <class Geometry, bool kTied>
std::string distance_of() {
  if constexpr (kHasDistance<Geometry>) {
    return text(DistanceOf<Geometry, kTied>::Exact::kInfo.name);
  } else {
    return "null";
  }
}

std::string reads(const GeometryTerms& terms, bool tied) {
  return "{\"euclidean\":" + std::string(boolean(terms.reads_euclidean(tied))) +
         ",\"hyperbolic\":" + boolean(terms.reads_hyperbolic(tied)) + "}";
}

// Returns the names of the parameters that enter the logit, as a JSON array.
std::string parameters(const GeometryTerms& terms, bool tied) {
  std::string out;
  for (const LogitIndex parameter : {kTauE, kTauH, kLambda, kC}) {
    if (terms.uses(parameter, tied)) out += (out.empty() ? "" : ",") + text(kLogitParameters[parameter].name);
  }
  return "[" + out + "]";
}

template <class Geometry>
std::string geometry_card() {
  const GeometryInfo& info = Geometry::kInfo;
  const GeometryTerms& terms = kTermsOf<Geometry>;
  return "{\"name\":" + text(info.name) + ",\"label\":" + text(info.label) +
         ",\"formula\":" + text(info.formula) + ",\"inner\":" + boolean(Geometry::kInner) +
         ",\"weighted\":" + boolean(Geometry::kWeighted) + ",\"distance\":" + distance_of<Geometry, false>() +
         ",\"tiedDistance\":" + distance_of<Geometry, true>() + ",\"ranking\":" + text(info.ranking) +
         ",\"reads\":" + reads(terms, false) + ",\"tiedReads\":" + reads(terms, true) +
         ",\"parameters\":" + parameters(terms, false) + ",\"tiedParameters\":" + parameters(terms, true) +
         ",\"tolerance\":" + json::accuracy(info.tolerance) +
         ",\"separated\":" + json::accuracy(info.separated) + "}";
}

std::string logit_parameter_list() {
  std::string out;
  for (const LogitParameter& each : kLogitParameters)
    out += (out.empty() ? "" : ",") + ("{\"name\":" + text(each.name)) + ",\"start\":" + number(each.start) +
           "}";
  return "[" + out + "]";
}

template <class... Cards>
std::string all_geometries(GeometryList<Cards...>) {
  std::string out;
  ((out += (out.empty() ? "" : ",\n") + geometry_card<Cards>()), ...);
  return "[" + out + "]";
}

template <class... Cards>
std::string all_losses(LossList<Cards...>) {
  std::string out;
  ((out += (out.empty() ? "" : ",\n") + ("{\"name\":" + text(Cards::kInfo.name)) +
           ",\"label\":" + text(Cards::kInfo.label) + ",\"formula\":" + text(Cards::kInfo.formula) +
           ",\"tolerance\":{" + tolerances(Cards::kInfo.tolerance) + "}}"),
   ...);
  return "[" + out + "]";
}

template <class... Entries>
constexpr int count(MetricList<Entries...>) {
  return sizeof...(Entries);
}

// Whether the matrix is given and has the expected shape.
template <class AnyMatrix>
bool is_read(const AnyMatrix& m, const ConstMatrix& shape) {
  return m.data != nullptr && m.rows == shape.rows && m.cols == shape.cols;
}

// Whether the gradient is null, or has this shape and belongs to a matrix that the geometry reads (`read`).
bool is_wanted(const Matrix& gradient, bool read, const ConstMatrix& shape) {
  return gradient.data == nullptr || (read && is_read(gradient, shape));
}

// Whether all of `count` indices are from 0 to limit - 1. True for a null list.
bool in_range(const std::int32_t* list, std::int64_t count, std::int64_t limit) {
  for (std::int64_t i = 0; list != nullptr && i < count; ++i) {
    if (list[i] < 0 || list[i] >= limit) return false;
  }
  return true;
}

}  // namespace

const char* metric_cards() {
  static const std::string json = all_metrics(Metrics{});
  return json.c_str();
}

const char* geometry_cards() {
  static const std::string json = all_geometries(Geometries{});
  return json.c_str();
}

const char* loss_cards() {
  static const std::string json = all_losses(Losses{});
  return json.c_str();
}

static_assert(sizeof(kLogitParameters) / sizeof(kLogitParameters[0]) == kLogitNumbers);

const char* logit_parameters() {
  static const std::string json = logit_parameter_list();
  return json.c_str();
}

Metric last_of(Metric) { return static_cast<Metric>(count(Metrics{}) - 1); }
Geometry last_of(Geometry) { return static_cast<Geometry>(kGeometries - 1); }
Loss last_of(Loss) { return static_cast<Loss>(kLosses - 1); }

Reads reads_of(Geometry geometry, bool tied) {
  const GeometryTerms terms = terms_of_geometry(static_cast<int>(geometry));
  return {terms.reads_euclidean(tied), terms.reads_hyperbolic(tied)};
}

namespace {

// Whether `gather` is given, the ranks partition the classes, and the gradients have exactly the rows of this rank's first
// `wanted` classes.
bool is_part(const ContrastArgs& args) {
  const ContrastPart& part = *args.part;
  const std::int64_t classes = args.euclidean.rows / args.views;
  if (part.gather == nullptr || part.starts == nullptr || part.rank < 0 || part.rank >= part.ranks)
    return false;
  if (part.starts[0] != 0 || part.starts[part.ranks] != classes) return false;
  for (std::int64_t rank = 0; rank < part.ranks; ++rank) {
    if (part.starts[rank] > part.starts[rank + 1]) return false;
  }
  const std::int64_t first = part.starts[part.rank], own = part.starts[part.rank + 1] - first;
  if (part.wanted < 0 || part.wanted > own) return false;
  for (std::int64_t sample = first * args.views; sample < (first + part.wanted) * args.views; ++sample) {
    const std::int64_t row = (args.order == nullptr ? sample : args.order[sample]) - part.first_row;
    if (row < 0 || row >= part.wanted * args.views) return false;
  }
  return true;
}

}  // namespace

Status check_contrast(const ContrastArgs& args) {
  if (static_cast<int>(args.geometry) >= kGeometries) return {Code::unsupported, "unknown geometry"};
  const ConstMatrix &e = args.euclidean, &h = args.hyperbolic;
  const auto [reads_e, reads_h] = reads_of(args.geometry, args.tied);
  const bool batch = e.rows > 0 && e.cols > 0 && e.rows == h.rows && e.cols == h.cols;
  if (!batch || (reads_e && e.data == nullptr) || (reads_h && h.data == nullptr))
    return {Code::shape, "the shapes of the matrices do not match"};
  if (args.views < 2 || e.rows % args.views != 0)
    return {Code::shape, "the rows do not form classes with 2 or more views each"};
  if (!in_range(args.order, e.rows, e.rows))
    return {Code::shape, "the order contains an index that is not a row"};
  if (args.part != nullptr && !is_part(args)) return {Code::shape, "the ranks do not partition the classes"};
  const std::int64_t wanted = args.part == nullptr ? e.rows : args.part->wanted * args.views;
  const ConstMatrix shape{nullptr, wanted, e.cols};
  if (args.loss == nullptr || !is_wanted(args.grad_euclidean, reads_e, shape) ||
      !is_wanted(args.grad_hyperbolic, reads_h, shape))
    return {Code::shape, "the shapes of the gradients do not match"};
  return {};
}

namespace {

// Whether the positives of every anchor are in order and in range.
bool are_lists(const PairLossArgs& args, std::int64_t anchors, std::int64_t candidates) {
  if (args.starts == nullptr || args.positives == nullptr || args.starts[0] != 0 ||
      args.starts[anchors] != args.positive_count)
    return false;
  for (std::int64_t i = 0; i < anchors; ++i) {
    const std::int32_t begin = args.starts[i], end = args.starts[i + 1];
    if (begin > end || end > args.positive_count) return false;
    for (std::int32_t at = begin; at < end; ++at) {
      const std::int32_t least = at == begin ? 0 : args.positives[at - 1] + 1;
      if (args.positives[at] < least || args.positives[at] >= candidates) return false;
    }
  }
  return true;
}

}  // namespace

Status check_pair_loss(const PairLossArgs& args) {
  if (static_cast<int>(args.geometry) >= kGeometries || static_cast<int>(args.variant) >= kLosses)
    return {Code::unsupported, "unknown geometry or loss"};
  const ConstMatrix &e = args.euclidean, &h = args.hyperbolic, &re = args.ref_euclidean,
                    &rh = args.ref_hyperbolic;
  const auto [reads_e, reads_h] = reads_of(args.geometry, args.tied);
  const bool refs = re.cols > 0;
  const bool batch = e.rows > 0 && e.cols > 0 && e.rows == h.rows && e.cols == h.cols;
  const bool other = !refs || (re.rows > 0 && re.rows == rh.rows && re.cols == e.cols && rh.cols == e.cols);
  const auto given = [&](const ConstMatrix& of_e, const ConstMatrix& of_h) {
    return (!reads_e || of_e.data != nullptr) && (!reads_h || of_h.data != nullptr);
  };
  if (!batch || !other || !given(e, h) || (refs && !given(re, rh)))
    return {Code::shape, "the shapes of the matrices do not match"};
  if (args.loss == nullptr || !is_wanted(args.grad_euclidean, reads_e, e) ||
      !is_wanted(args.grad_hyperbolic, reads_h, h) ||
      !is_wanted(args.grad_ref_euclidean, reads_e && refs, re) ||
      !is_wanted(args.grad_ref_hyperbolic, reads_h && refs, rh))
    return {Code::shape, "the shapes of the gradients do not match"};
  const std::int64_t rows = e.rows + re.rows;
  if (rows > INT32_MAX) return {Code::shape, "there are more than 2^31 - 1 rows"};
  if (args.columns == 0) {
    return are_lists(args, e.rows, refs ? re.rows : e.rows)
               ? Status{}
               : Status{Code::shape, "the lists of positives are not ascending row indices"};
  }
  if (args.columns < 0 || args.labels == nullptr || (refs && args.ref_labels == nullptr) ||
      !in_range(args.labels, args.columns * e.rows, rows) ||
      !in_range(args.ref_labels, args.columns * re.rows, rows))
    return {Code::shape, "a label is not the number of a class"};
  return {};
}

}  // namespace horoball
