#include "cpu/select/candidates.h"

#include <algorithm>

namespace horoball {
namespace {

struct IsNearer {
  template <class T>
  bool operator()(const Candidate<T>& a, const Candidate<T>& b) const {
    return a.distance < b.distance || (a.distance == b.distance && a.index < b.index);
  }
};

}  // namespace

void keep_nearest(Candidate<float>* first, std::int64_t count, std::int64_t k) {
  std::nth_element(first, first + (k - 1), first + count, IsNearer{});
}
void keep_nearest(Candidate<double>* first, std::int64_t count, std::int64_t k) {
  std::nth_element(first, first + (k - 1), first + count, IsNearer{});
}

void sort_nearest(Candidate<float>* first, std::int64_t count) {
  std::sort(first, first + count, IsNearer{});
}
void sort_nearest(Candidate<double>* first, std::int64_t count) {
  std::sort(first, first + count, IsNearer{});
}

}  // namespace horoball
