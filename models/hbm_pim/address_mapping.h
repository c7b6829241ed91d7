// Where a byte of a stack's memory is (docs/machine.md, address mapping of a stack):
//
//   offset = ((row * BANKS + bank) * PSEUDO_CHANNELS + pseudo_channel) * ROW_BYTES + byte
//
// Rows need not be a power of two; neither need anything else here.
#pragma once

#include <cstdint>

#include "models/hbm_pim/config.h"

namespace hpimvp::hbm_pim {

struct Coordinates {
  std::uint32_t pseudo_channel = 0;
  std::uint32_t bank = 0;  // in the pseudo-channel, over all bank groups
  std::uint32_t row = 0;
  std::uint32_t byte = 0;  // in the row

  friend bool operator==(const Coordinates&, const Coordinates&) = default;
};

class AddressMapping {
 public:
  explicit AddressMapping(const Organisation& organisation) : organisation_(organisation) {}

  // `offset` in the stack's memory, below stack_bytes().
  Coordinates decode(std::uint64_t offset) const {
    Coordinates at;
    at.byte = static_cast<std::uint32_t>(offset % organisation_.row_bytes);
    offset /= organisation_.row_bytes;
    at.pseudo_channel = static_cast<std::uint32_t>(offset % organisation_.pseudo_channels());
    offset /= organisation_.pseudo_channels();
    at.bank = static_cast<std::uint32_t>(offset % organisation_.banks());
    at.row = static_cast<std::uint32_t>(offset / organisation_.banks());
    return at;
  }

  std::uint64_t encode(const Coordinates& at) const {
    const std::uint64_t bank_row = std::uint64_t{at.row} * organisation_.banks() + at.bank;
    return (bank_row * organisation_.pseudo_channels() + at.pseudo_channel) *
               organisation_.row_bytes +
           at.byte;
  }

  // Neighbouring bank numbers are in different bank groups, so that a sequential stream can use
  // tCCD_S.
  std::uint32_t bank_group(std::uint32_t bank) const { return bank % organisation_.bank_groups; }

  const Organisation& organisation() const { return organisation_; }

 private:
  Organisation organisation_;
};

}  // namespace hpimvp::hbm_pim
