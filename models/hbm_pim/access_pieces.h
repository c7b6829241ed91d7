// What a normal access means for the pseudo-channels of a stack: the bursts that each has to move.
//
// Bursts at consecutive columns are one piece where the mapping keeps them together.
// Pseudo-channels that move bursts at the same addresses share a piece: with the default mapping a
// whole access has as many pieces as one pseudo-channel has bursts.
#pragma once

#include <bitset>
#include <compare>
#include <cstdint>
#include <vector>

#include "models/hbm_pim/bit_field_mapping.h"

namespace hpimvp::hbm_pim {

inline constexpr std::uint32_t kMostPseudoChannels = 256;
using ChannelMask = std::bitset<kMostPseudoChannels>;

struct AccessPiece {
  CommandAddress address;   // of the first burst
  std::uint32_t count = 1;  // of bursts, at consecutive columns
  ChannelMask pseudo_channels;
};

// Computes pieces; keeps their memory from one access to the next.
class AccessSplitter {
 public:
  // `mapping` has at most kMostPseudoChannels.
  explicit AccessSplitter(const BitFieldMapping& mapping);

  // The bursts that hold `length` bytes (at least 1) from `offset` on. For each pseudo-channel its
  // bursts come in ascending order of offsets. Valid until the next call.
  const std::vector<AccessPiece>& split(std::uint64_t offset, std::uint64_t length);

 private:
  // Bursts of one pseudo-channel, from a local number on.
  struct Run {
    std::uint64_t number;
    std::uint32_t count;
    std::uint32_t pseudo_channel;

    friend auto operator<=>(const Run&, const Run&) = default;
  };

  void split_spread(std::uint64_t first, std::uint64_t end);
  void split_any(std::uint64_t first, std::uint64_t end);

  BitFieldMapping mapping_;
  ChannelMask all_;
  std::vector<AccessPiece> pieces_;
  std::vector<Run> runs_;
};

}  // namespace hpimvp::hbm_pim
