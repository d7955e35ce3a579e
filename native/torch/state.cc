// Weights and gradients by name, out of and into arrays of JavaScript's.
#include <cstring>

#include "device.h"
#include "embedder.h"
#include "tensor.h"

namespace horoball::train {
namespace {

// readModel(embedder, 'value' | 'gradient', names, out, cancel): Promise<void>
Napi::Value read_model(const Napi::CallbackInfo& info) {
  Call call{"embedder.state", cancel_from(info[4])};
  const auto to = float_arrays(info[3], call.held);
  const auto work = [model = from<EmbedderResource>(info[0]), gradient = text(info[1]) == "gradient",
                     names = texts(info[2]), to](const Flag*) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto& value = model->parameter(names[i]);
      if (!gradient) {
        copy_out(value, to.at(i));
      } else if (value.grad().defined()) {  // else the array's zeros stand
        copy_out(value.grad(), to.at(i));
      }
    }
  };
  return room(info.Env()).lane.run(std::move(call), work, undefined());
}

// writeModel(embedder, names, values, cancel): Promise<void>. JavaScript has checked every shape.
Napi::Value write_model(const Napi::CallbackInfo& info) {
  Call call{"embedder.loadState", cancel_from(info[3])};
  const auto values = float_arrays(info[2], call.held);
  const auto work = [model = from<EmbedderResource>(info[0]), names = texts(info[1]), values](const Flag*) {
    for (std::size_t i = 0; i < names.size(); ++i) copy_in(values.at(i), model->parameter(names[i]));
  };
  return room(info.Env()).lane.run(std::move(call), work, undefined());
}

// readRandom(device): Promise<Uint8Array>, the state of that device's default generator
Napi::Value read_random(const Napi::CallbackInfo& info) {
  const auto out = std::make_shared<at::Tensor>();
  const auto work = [out, device = text(info[0])](const Flag*) {
    *out = at::globalContext().defaultGenerator(device_from(device)).get_state().contiguous();
  };
  const auto answer = [out](Napi::Env env) -> Napi::Value {
    auto bytes = Napi::Uint8Array::New(env, static_cast<std::size_t>(out->numel()));
    std::memcpy(bytes.Data(), out->data_ptr(), bytes.ByteLength());
    return bytes;
  };
  return room(info.Env()).lane.run({"random.state"}, work, answer);
}

// writeRandom(device, state): Promise<void>
Napi::Value write_random(const Napi::CallbackInfo& info) {
  Call call{"random.loadState"};
  const auto bytes = array<std::uint8_t>(info[1], call.held);
  const auto work = [bytes, device = text(info[0])](const Flag*) {
    auto state = at::empty({static_cast<std::int64_t>(bytes.length)}, at::TensorOptions(at::kByte));
    std::memcpy(state.data_ptr(), bytes.data, bytes.length);
    auto generator = at::globalContext().defaultGenerator(device_from(device));
    generator.set_state(state);
  };
  return room(info.Env()).lane.run(std::move(call), work, undefined());
}

}  // namespace

void bind_state(Napi::Env env, Napi::Object exports) {
  exports.Set("readModel", Napi::Function::New(env, read_model, "readModel"));
  exports.Set("readRandom", Napi::Function::New(env, read_random, "readRandom"));
  exports.Set("writeRandom", Napi::Function::New(env, write_random, "writeRandom"));
  exports.Set("writeModel", Napi::Function::New(env, write_model, "writeModel"));
}

}  // namespace horoball::train
