// Candidates for the nearest rows. The functions use templates of the standard library, so they are compiled once, for the
// baseline: with a copy per ISA level, the linker could use the AVX-512 copy of a template on every machine.
#pragma once

#include <cstdint>

namespace horoball {

template <class T>
struct Candidate {
  T distance;
  std::int32_t index;
};

// Moves the k nearest of `count` to the front, the farthest of them to position k - 1. Ties go to the lower index.
void keep_nearest(Candidate<float>* first, std::int64_t count, std::int64_t k);
void keep_nearest(Candidate<double>* first, std::int64_t count, std::int64_t k);

void sort_nearest(Candidate<float>* first, std::int64_t count);
void sort_nearest(Candidate<double>* first, std::int64_t count);

}  // namespace horoball
