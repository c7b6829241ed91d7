// The seed of a random test: HPIMVP_SEED if it is set, else the given one. Tests put it into
// an INFO, so that a failure prints it.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace hpimvp {

inline std::uint64_t random_seed(std::uint64_t otherwise) {
  const char* text = std::getenv("HPIMVP_SEED");
  return text != nullptr ? std::stoull(text, nullptr, 0) : otherwise;
}

}  // namespace hpimvp
