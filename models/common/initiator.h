// The kinds of bus initiators, for attribution of traffic.
#pragma once

#include <cstdint>

namespace hpimvp::common {

enum class Initiator : std::uint8_t { kHost, kDma, kTile, kDispatcher, kHbmStack, kDebugger };

// Operation number of traffic that belongs to no operator of the plan.
inline constexpr std::uint32_t kNoOperation = 0xFFFFFFFF;

}  // namespace hpimvp::common
