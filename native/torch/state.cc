// Copies weights, by name, and the states of random generators to and from JavaScript; copies gradients to JavaScript.
#include <cstring>

#include "device.h"
#include "embedder.h"
#include "exports.h"

namespace horoball::train {

namespace {

using Names = std::vector<std::string>;
using Arrays = std::vector<Span<float>>;

void read_model(const EmbedderResource& model, bool gradients, const Names& names, const Arrays& to) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto& value = model.parameter(names[i]);
    if (!gradients) {
      copy_out(value, to.at(i));
    } else if (value.grad().defined()) {  // otherwise the array keeps its zeros
      copy_out(value.grad(), to.at(i));
    }
  }
}

void write_model(const EmbedderResource& model, const Names& names, const Arrays& values) {
  for (std::size_t i = 0; i < names.size(); ++i) copy_in(values.at(i), model.parameter(names[i]));
}

// Returns the state of a device's default random generator.
std::vector<std::uint8_t> read_random(const std::string& device) {
  const auto state = at::globalContext().defaultGenerator(device_from(device)).get_state().contiguous();
  const auto* bytes = static_cast<const std::uint8_t*>(state.data_ptr());
  return {bytes, bytes + state.numel()};
}

void write_random(const std::string& device, Span<std::uint8_t> bytes) {
  auto state = at::empty({static_cast<std::int64_t>(bytes.length)}, at::TensorOptions(at::kByte));
  std::memcpy(state.data_ptr(), bytes.data, bytes.length);
  auto generator = at::globalContext().defaultGenerator(device_from(device));
  generator.set_state(state);
}

}  // namespace

void bind_state(Exports& exports) {
  exports.answers("readModel", "embedder.state", read_model, "embedder", "gradients", "names", "out");
  exports.answers("writeModel", "embedder.loadState", write_model, "embedder", "names", "values");
  exports.answers("readRandom", "random.state", read_random, "device");
  exports.answers("writeRandom", "random.loadState", write_random, "device", "state");
}

}  // namespace horoball::train
