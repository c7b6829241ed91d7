// Hashing of a sequence of 64-bit values, for tables of what has been learned.
#pragma once

#include <cstdint>

namespace hpimvp::common {

inline constexpr std::uint64_t kHashStart = 0x9E3779B97F4A7C15;

// The hash of a sequence, from that of all but its last value.
constexpr std::uint64_t hash_with(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0xFF51AFD7ED558CCD;
  return hash ^ hash >> 32;
}

}  // namespace hpimvp::common
