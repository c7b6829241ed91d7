// What a normal access means for the pseudo-channels of a stack: the bursts that each has to move.
//
// Pseudo-channels that move bursts at the same addresses share a piece: with the default mapping a
// whole access has as many pieces as one pseudo-channel has bursts.
#pragma once

#include <bitset>
#include <cstdint>
#include <utility>
#include <vector>

#include "models/hbm_pim/bit_field_mapping.h"

namespace hpimvp::hbm_pim {

inline constexpr std::uint32_t kMostPseudoChannels = 256;
using ChannelMask = std::bitset<kMostPseudoChannels>;

struct AccessPiece {
  CommandAddress address;
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
  void split_spread(std::uint64_t first, std::uint64_t end);
  void split_any(std::uint64_t first, std::uint64_t end);

  BitFieldMapping mapping_;
  ChannelMask all_;
  std::vector<AccessPiece> pieces_;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> bursts_;  // local number, pseudo-channel
};

}  // namespace hpimvp::hbm_pim
