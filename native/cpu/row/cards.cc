// The row cards as JSON, and the order of those that form the head, with its constants. TypeScript has no other source of
// names, arguments, ranges and documentation.
#include "cpu/frame/json.h"
#include "cpu/row/formula.h"
#include "ops/head.h"

namespace horoball {
namespace rowwise {
namespace {

using json::boolean;
using json::number;
using json::text;

std::string inputs(const RowInfo& info) {
  static constexpr const char* kDomains[] = {"ball", "klein", "hyperboloid", "anywhere"};
  std::string out;
  for (int i = 0; i < info.vectors(); ++i) {
    const RowInput& each = info.inputs[i];
    out += std::string(i > 0 ? "," : "") + "{\"name\":" + text(each.name) + ",\"doc\":" + text(each.doc) +
           ",\"domain\":" + text(kDomains[static_cast<int>(each.domain)]) + "}";
  }
  return "[" + out + "]";
}

std::string parameter(const RowParameter& p) {
  if (p.name == nullptr) return "null";
  return "{\"name\":" + text(p.name) + ",\"doc\":" + text(p.doc) + ",\"start\":" + number(p.start) +
         ",\"low\":" + number(p.low) + ",\"high\":" + number(p.high) + ",\"leading\":" + boolean(p.leading) +
         "}";
}

std::string card(const RowInfo& info) {
  static constexpr const char* kFamilies[] = {"row", "matvec", "midpoint", "planes"};
  static constexpr const char* kResults[] = {"vector", "number", "lifted"};
  return "{\"name\":" + text(info.name) + ",\"doc\":" + text(info.doc) +
         ",\"gradient\":" + text(info.gradient) + ",\"inputs\":" + inputs(info) +
         ",\"parameter\":" + parameter(info.parameter) + ",\"result\":\"" +
         kResults[static_cast<int>(info.result)] + "\",\"family\":\"" +
         kFamilies[static_cast<int>(info.family)] + "\",\"liftedInput\":" + boolean(info.lifted_input) +
         ",\"curved\":" + boolean(info.curved) + ",\"published\":" + boolean(info.published) +
         ",\"tolerance\":" + json::accuracy(info.tolerance) + "}";
}

std::string all_cards() {
  std::string out;
  for (const RowFormula& each : row_formulas()) out += (out.empty() ? "" : ",\n") + card(*each.info);
  return "[" + out + "]";
}

template <class... Cards>
std::string names(RowList<Cards...>) {
  std::string out;
  ((out += (out.empty() ? "" : ",") + text(Cards::kInfo.name)), ...);
  return "[" + out + "]";
}

std::string published_guards() {
  return "{\"bias\":" + number(hypmix::kBias) + ",\"leastNorm\":" + number(hypmix::kLeastNorm) +
         ",\"topTanh\":" + number(hypmix::kTopTanh) + ",\"topArtanh\":" + number(hypmix::kTopArtanh) + "}";
}

}  // namespace
}  // namespace rowwise

const char* row_cards() {
  static const std::string json = rowwise::all_cards();
  return json.c_str();
}

const char* head_cards() {
  static const std::string json = "{\"operations\":" + rowwise::names(rowwise::HeadCards{}) +
                                  ",\"unitFloor\":" + json::number(kUnitFloor) +
                                  ",\"published\":" + rowwise::published_guards() + "}";
  return json.c_str();
}

}  // namespace horoball
