#include "cpu/candidates.h"

#include <algorithm>

namespace horoball {
namespace {

template <class T>
bool is_nearer(const Candidate<T>& a, const Candidate<T>& b) {
  return a.distance < b.distance || (a.distance == b.distance && a.index < b.index);
}

}  // namespace

void keep_nearest(Candidate<float>* first, std::int64_t count, std::int64_t k) {
  std::nth_element(first, first + (k - 1), first + count, is_nearer<float>);
}
void keep_nearest(Candidate<double>* first, std::int64_t count, std::int64_t k) {
  std::nth_element(first, first + (k - 1), first + count, is_nearer<double>);
}

void sort_nearest(Candidate<float>* first, std::int64_t count) {
  std::sort(first, first + count, is_nearer<float>);
}
void sort_nearest(Candidate<double>* first, std::int64_t count) {
  std::sort(first, first + count, is_nearer<double>);
}

}  // namespace horoball
