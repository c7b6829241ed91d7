// The kinds of bus initiators, for attribution of traffic.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hpimvp::common {

enum class Initiator : std::uint8_t { kHost, kDma, kTile, kDispatcher, kHbmStack, kDebugger };
inline constexpr std::size_t kInitiators = 6;

inline const char* initiator_name(Initiator initiator) {
  constexpr const char* kNames[kInitiators] = {"host",       "dma",       "tile",
                                               "dispatcher", "hbm_stack", "debugger"};
  return kNames[static_cast<std::size_t>(initiator)];
}

// Operation number of traffic that belongs to no operator of the plan.
inline constexpr std::uint32_t kNoOperation = 0xFFFFFFFF;

}  // namespace hpimvp::common
