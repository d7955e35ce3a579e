// The tables of the CUDA backend, one per device, because the entries of a table are plain functions, which cannot carry a
// device.
#include <utility>

#include "cuda/families.h"
#include "cuda/frame/device.h"
#include "ops/geometries/cards.h"

namespace horoball {
namespace {

constexpr int kDevices = 16;

template <auto family, int kDevice, class Args>
Status on(const Args& args, const Run& run) {
  return family(kDevice, args, run);
}

template <int kDevice>
constexpr Backend table() {
  return {
      .name = "cuda",
      .pairwise = on<gpu::pairwise, kDevice, PairwiseArgs>,
      .pairwise_vjp = on<gpu::pairwise_vjp, kDevice, PairwiseVjpArgs>,
      .contrast = on<gpu::contrast, kDevice, ContrastArgs>,
      .select = on<gpu::select, kDevice, SelectArgs>,
      .delta = on<gpu::delta, kDevice, DeltaArgs>,
      .row = on<gpu::row, kDevice, RowArgs>,
      .row_vjp = on<gpu::row_vjp, kDevice, RowArgs>,
      .geometries = kGeometries,
      .reads_of = reads_of,
      .check_contrast = check_contrast,
  };
}

template <int... devices>
const Backend* tables(std::integer_sequence<int, devices...>) {
  static constexpr Backend all[] = {table<devices>()...};
  return all;
}

}  // namespace

const Backend* cuda(int device, Status* why) {
  if (!gpu::usable(device, why)) return nullptr;
  return tables(std::make_integer_sequence<int, kDevices>{}) + device;
}

}  // namespace horoball
