// What a scenario may ask of the compiler: how a request's prompt is processed.
#pragma once

#include <cstdint>

namespace hpimvp::compiler {

enum class PrefillChoice : std::uint8_t {
  kAuto,    // in chunks on the tiles where that is possible and pays, else token by token
  kTiles,   // in chunks, however small; an error where it is not possible
  kTokens,  // token by token
};

}  // namespace hpimvp::compiler
