// Where the bursts of a bank stand in the memory of an HBM-PIM stack, under the default address
// mapping (docs/machine.md, "Address mapping of a stack").
#pragma once

#include <cstdint>

namespace hpimvp::firmware {

// The organisation of a stack's device, as in its preset (scenarios/presets/hbm).
struct StackShape {
  static constexpr std::uint32_t kBurstBytes = 32;

  std::uint32_t channels;
  std::uint32_t pseudo_channels_per_channel;
  std::uint32_t stack_ids;
  std::uint32_t bank_groups;
  std::uint32_t banks_per_group;
  std::uint32_t columns;

  constexpr std::uint32_t pseudo_channels() const { return channels * pseudo_channels_per_channel; }
  constexpr std::uint32_t banks() const { return stack_ids * bank_groups * banks_per_group; }

  // Byte offset in the stack's memory of a burst. `pseudo_channel` and `bank` are numbered as
  // descriptors and PIM commands number them.
  constexpr std::uint64_t offset(std::uint32_t pseudo_channel, std::uint32_t bank,
                                 std::uint32_t row, std::uint32_t column) const {
    const std::uint32_t group = bank / banks_per_group;
    std::uint64_t burst = row;
    burst = burst * stack_ids + group / bank_groups;
    burst = burst * banks_per_group + bank % banks_per_group;
    burst = burst * columns + column;
    burst = burst * bank_groups + group % bank_groups;
    burst = burst * pseudo_channels_per_channel + pseudo_channel % pseudo_channels_per_channel;
    burst = burst * channels + pseudo_channel / pseudo_channels_per_channel;
    return burst * kBurstBytes;
  }
};

inline constexpr StackShape kHbm3HpimShape = {16, 2, 2, 4, 4, 32};
inline constexpr StackShape kHbm2SamsungShape = {8, 2, 1, 4, 4, 32};

}  // namespace hpimvp::firmware
