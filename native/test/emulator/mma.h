// Matrix fragments of 16 x 16 x 8 in TF32, on fibers. The layout of the elements is scrambled, so code that assumes a
// particular one gives a different result; factors lose the bits that tensor cores ignore, and sums are truncated, not rounded.
#pragma once

#include "cuda_runtime.h"

namespace emulator {

// Shares `count` numbers of every lane of the warp with all lanes, [lane][count].
void share(const float* mine, int count, float* all);
[[noreturn]] void fail(const char* what);

}  // namespace emulator

namespace nvcuda::wmma {

struct matrix_a;
struct matrix_b;
struct accumulator;
struct row_major;
struct col_major;
enum layout_t { mem_row_major, mem_col_major };
namespace precision {
struct tf32;
}

template <int kRows, int kColumns>
struct Fragment {
  static constexpr int num_elements = kRows * kColumns / 32;
  float x[num_elements];

  // Returns the position of element i of a lane. Multiplying by an odd number permutes the positions, because their count
  // is a power of two.
  static int slot(int lane, int i) { return ((lane * num_elements + i) * 37 + 11) % (kRows * kColumns); }
  static int row(int slot) { return slot / kColumns; }
  static int column(int slot) { return slot % kColumns; }
};

template <class Use, int kM, int kN, int kK, class T, class Layout = void>
struct fragment;
template <class Layout>
struct fragment<matrix_a, 16, 16, 8, precision::tf32, Layout> : Fragment<16, 8> {};
template <class Layout>
struct fragment<matrix_b, 16, 16, 8, precision::tf32, Layout> : Fragment<8, 16> {};
template <>
struct fragment<accumulator, 16, 16, 8, float> : Fragment<16, 16> {};

inline float __float_to_tf32(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7f800000u) != 0x7f800000u) bits += 0x1000u;
  bits &= 0xffffe000u;
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}

inline void check_matrix(const float* data, unsigned pitch) {
  if (reinterpret_cast<std::uintptr_t>(data) % 32 != 0 || pitch % 4 != 0)
    emulator::fail("a fragment's matrix is not aligned");
}

template <class F>
void load(F& to, const float* from, unsigned pitch, bool by_row) {
  check_matrix(from, pitch);
  for (int i = 0; i < to.num_elements; ++i) {
    const int slot = F::slot(emulator::lane(), i);
    to.x[i] =
        by_row ? from[F::row(slot) * pitch + F::column(slot)] : from[F::column(slot) * pitch + F::row(slot)];
  }
}
template <class Use>
void load_matrix_sync(fragment<Use, 16, 16, 8, precision::tf32, row_major>& to, const float* from,
                      unsigned pitch) {
  load(to, from, pitch, true);
}
template <class Use>
void load_matrix_sync(fragment<Use, 16, 16, 8, precision::tf32, col_major>& to, const float* from,
                      unsigned pitch) {
  load(to, from, pitch, false);
}

using Sums = fragment<accumulator, 16, 16, 8, float>;

inline void load_matrix_sync(Sums& to, const float* from, unsigned pitch, layout_t layout) {
  load(to, from, pitch, layout == mem_row_major);
}
inline void store_matrix_sync(float* to, const Sums& from, unsigned pitch, layout_t layout) {
  check_matrix(to, pitch);
  for (int i = 0; i < from.num_elements; ++i) {
    const int slot = Sums::slot(emulator::lane(), i);
    if (layout == mem_row_major) {
      to[Sums::row(slot) * pitch + Sums::column(slot)] = from.x[i];
    } else {
      to[Sums::column(slot) * pitch + Sums::row(slot)] = from.x[i];
    }
  }
}
inline void fill_fragment(Sums& to, float value) {
  for (float& each : to.x) each = value;
}

// Writes a whole factor, [row][column] with the precision of tensor cores, from the numbers shared by the lanes.
template <class F>
void gather(const float* all, int stride, float* matrix) {
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < F::num_elements; ++i) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, &all[lane * stride + i], sizeof bits);
      bits &= 0xffffe000u;
      std::memcpy(&matrix[F::slot(lane, i)], &bits, sizeof bits);
    }
  }
}

// Rounds to float32, toward zero.
inline float cut(double value) {
  const float near = static_cast<float>(value);
  const bool beyond = std::fabs(static_cast<double>(near)) > std::fabs(value);
  return beyond ? std::nextafterf(near, 0.0f) : near;
}

template <class LayoutA, class LayoutB>
void mma_sync(Sums& to, const fragment<matrix_a, 16, 16, 8, precision::tf32, LayoutA>& a,
              const fragment<matrix_b, 16, 16, 8, precision::tf32, LayoutB>& b, const Sums& c) {
  constexpr int kEach = 4;
  float mine[2 * kEach], all[32 * 2 * kEach], left[16 * 8], right[8 * 16];
  std::memcpy(mine, a.x, sizeof a.x);
  std::memcpy(mine + kEach, b.x, sizeof b.x);
  emulator::share(mine, 2 * kEach, all);
  gather<Fragment<16, 8>>(all, 2 * kEach, left);
  gather<Fragment<8, 16>>(all + kEach, 2 * kEach, right);
  for (int i = 0; i < to.num_elements; ++i) {
    const int slot = Sums::slot(emulator::lane(), i), row = Sums::row(slot), column = Sums::column(slot);
    double sum = static_cast<double>(c.x[i]);
    for (int k = 0; k < 8; ++k) {
      sum += static_cast<double>(left[row * 8 + k]) * static_cast<double>(right[k * 16 + column]);
    }
    to.x[i] = cut(sum);
  }
}

}  // namespace nvcuda::wmma
