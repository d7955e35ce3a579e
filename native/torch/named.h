// Options that JavaScript passes by name.
#pragma once

#include <optional>
#include <string>

#include "environment.h"

namespace horoball::train {

// Converts the name of an enumerator to its value; `names` lists the names of all enumerators in order.
template <class Enum, bind::Name... names>
struct Named {
  static Enum from(node::Arguments& in, const Napi::Value& value) {
    const auto text = in.convert<std::string>(value);
    int index = 0, found = -1;
    ((found = text == names.text ? index : found, ++index), ...);
    if (found >= 0) return static_cast<Enum>(found);
    std::string known;
    ((known += std::string(known.empty() ? "" : ", ") + names.text), ...);
    in.fail(("one of " + known).c_str());
  }
};

// Returns the guards that the option `compat` selects; `clean` if it is not given.
inline Guards guards_of(const node::Arguments& in, const std::optional<std::string>& compat) {
  in.require(!compat || *compat == "hypmix", "compat hypmix or none");
  return compat ? Guards::hypmix : Guards::clean;
}

}  // namespace horoball::train
