// Address mapping of a stack by bit fields: which pseudo-channel, bank, row and column an offset
// means, as a string such as "row:stack_id:bank:column:bank_group:pseudo_channel:channel" says,
// from the most to the least significant field above the burst.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "models/hbm_pim/device_description.h"

namespace hpimvp::hbm_pim {

// Why this is the default: consecutive bursts go to all pseudo-channels first, and within one of
// them to its bank groups in turn, so that a sequential stream pays tCCD_S and never tCCD_L; it
// then uses up the rows that are open (four of them: 4 KiB a pseudo-channel) before it opens
// others, and those lie in other banks, which a scheduler opens while the stream is still in the
// first ones; the same bank comes back after all others, long past tRC.
inline constexpr std::string_view kDefaultMapping =
    "row:stack_id:bank:column:bank_group:pseudo_channel:channel";

struct MappedAddress {
  std::uint32_t pseudo_channel = 0;  // of the stack: channel * pseudo-channels + pseudo-channel
  CommandAddress address;
};

// A burst as its pseudo-channel sees it: numbered in the order of offsets, without the digits that
// choose the pseudo-channel.
struct LocalBurst {
  std::uint32_t pseudo_channel = 0;
  std::uint64_t number = 0;
};

class BitFieldMapping {
 public:
  // Fields: channel, pseudo_channel, stack_id, bank_group, bank, row, column. A field may be split:
  // "column[2]" is two bits of it, the rightmost part the lowest ones; one part of each field has
  // no brackets and takes what is left. A field of which there is only one may be left out. Sizes
  // that are no power of two work like digits of a number. Throws std::invalid_argument.
  explicit BitFieldMapping(const DeviceOrganisation& organisation,
                           std::string_view fields = kDefaultMapping);

  // `offset` in bytes, less than the stack's size.
  MappedAddress map(std::uint64_t offset) const;
  // The offset of the burst at an address: the inverse of map().
  std::uint64_t offset_of(const MappedAddress& mapped) const;

  // Burst `burst` of the stack (offset / burst_bytes) within its pseudo-channel, and the address
  // that a number has in every pseudo-channel.
  LocalBurst local(std::uint64_t burst) const;
  CommandAddress local_address(std::uint64_t number) const;
  // Whether the lowest digits choose the pseudo-channel, so that each aligned run of
  // pseudo_channels() bursts is one burst of every pseudo-channel, at the same local number.
  bool spreads_bursts() const { return spreads_bursts_; }
  // Each aligned run of so many bursts is in one row, at consecutive columns.
  std::uint32_t bursts_together() const { return bursts_together_; }
  std::uint32_t pseudo_channels() const { return pseudo_channels_; }
  std::uint32_t burst_bytes() const { return burst_bytes_; }

 private:
  enum Field : std::uint8_t {
    kChannel,
    kPseudoChannel,
    kStackId,
    kBankGroup,
    kBank,
    kRow,
    kColumn,
    kFields,
  };
  // A digit of the burst's number: from `weight` of its field on, `size` values.
  struct Part {
    Field field = kRow;
    std::uint32_t size = 1;
    std::uint32_t weight = 1;
    int shift = -1;  // log2 of the size, or -1 where that is no whole number

    bool chooses_channel() const { return field == kChannel || field == kPseudoChannel; }
    std::uint32_t take(std::uint64_t& number) const {
      std::uint64_t digit = 0;
      if (shift >= 0) {
        digit = number & (size - 1);
        number >>= shift;
      } else {
        digit = number % size;
        number /= size;
      }
      return static_cast<std::uint32_t>(digit) * weight;
    }
  };
  using Values = std::array<std::uint32_t, kFields>;

  static CommandAddress address(const Values& values);

  std::vector<Part> parts_;  // from the least significant
  std::uint32_t burst_bytes_;
  std::uint32_t pseudo_channels_per_channel_;
  std::uint32_t pseudo_channels_;
  bool spreads_bursts_ = false;
  std::uint32_t bursts_together_ = 1;
};

}  // namespace hpimvp::hbm_pim
