// The metric and geometry cards as JSON (names, formulas, parameters and tolerances come from here only), and
// lookups of a card by its index.
#include "ops/geometries/cards.h"
#include "core.h"
#include "cpu/frame/json.h"

namespace horoball {
namespace {

using json::boolean;
using json::number;
using json::text;

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

// The name of a distance, or null without one.
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

// The names of the parameters that enter the logit.
std::string parameters(const GeometryTerms& terms, bool tied) {
  std::string out;
  for (const LogitIndex parameter : {kTauE, kTauH, kLambda, kC}) {
    if (terms.acts(parameter, tied)) out += (out.empty() ? "" : ",") + text(kLogitParameters[parameter].name);
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

template <class... Entries>
constexpr int count(MetricList<Entries...>) {
  return sizeof...(Entries);
}

// True if the matrix is non-null and has the batch's shape.
template <class AnyMatrix>
bool is_read(const AnyMatrix& m, const ConstMatrix& shape) {
  return m.data != nullptr && m.rows == shape.rows && m.cols == shape.cols;
}

// True if the gradient is not requested, or its matrix is read.
bool is_wanted(const Matrix& gradient, bool read, const ConstMatrix& shape) {
  return gradient.data == nullptr || (read && is_read(gradient, shape));
}

bool in_range(const std::int32_t* order, std::int64_t rows) {
  for (std::int64_t i = 0; order != nullptr && i < rows; ++i) {
    if (order[i] < 0 || order[i] >= rows) return false;
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

const char* logit_parameters() {
  static const std::string json = logit_parameter_list();
  return json.c_str();
}

Metric last_of(Metric) { return static_cast<Metric>(count(Metrics{}) - 1); }
Geometry last_of(Geometry) { return static_cast<Geometry>(kGeometries - 1); }

Reads reads_of(Geometry geometry, bool tied) {
  const GeometryTerms terms = terms_of_geometry(static_cast<int>(geometry));
  return {terms.reads_euclidean(tied), terms.reads_hyperbolic(tied)};
}

Status check_contrast(const ContrastArgs& args) {
  if (static_cast<int>(args.geometry) >= kGeometries) return {Code::unsupported, "unknown geometry"};
  const ConstMatrix &e = args.euclidean, &h = args.hyperbolic;
  const auto [reads_e, reads_h] = reads_of(args.geometry, args.tied);
  const bool batch = e.rows > 0 && e.cols > 0 && e.rows == h.rows && e.cols == h.cols;
  if (!batch || (reads_e && e.data == nullptr) || (reads_h && h.data == nullptr))
    return {Code::shape, "the shapes of the matrices do not match"};
  if (args.views < 2 || e.rows % args.views != 0)
    return {Code::shape, "the rows do not consist of classes of 2 or more views"};
  if (args.loss == nullptr || !is_wanted(args.grad_euclidean, reads_e, e) ||
      !is_wanted(args.grad_hyperbolic, reads_h, h))
    return {Code::shape, "the shapes of the gradients do not match"};
  if (!in_range(args.order, e.rows)) return {Code::shape, "the order has an index that is not a row"};
  return {};
}

}  // namespace horoball
