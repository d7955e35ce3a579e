// Candidates for the nearest rows, in arrays of their own: what selects and sorts them is the standard
// library's, and is compiled once, below all levels of instructions.
#pragma once

#include <cstdint>

namespace horoball {

template <class T>
struct Candidate {
  T distance;
  std::int32_t index;
};

// Puts the k nearest of `count` first, the farthest of them at place k - 1; ties to the lower index.
void keep_nearest(Candidate<float>* first, std::int64_t count, std::int64_t k);
void keep_nearest(Candidate<double>* first, std::int64_t count, std::int64_t k);

void sort_nearest(Candidate<float>* first, std::int64_t count);
void sort_nearest(Candidate<double>* first, std::int64_t count);

}  // namespace horoball
