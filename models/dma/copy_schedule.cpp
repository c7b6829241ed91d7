#include "models/dma/copy_schedule.h"

#include <algorithm>
#include <limits>

namespace hpimvp::dma {
namespace {

using common::command_queue_registers::CommandHeader;

// The byte after the last one of `rows` rows; false if the area leaves the address space. Row 0 is
// the lowest one: strides are unsigned.
bool area_end(std::uint64_t address, std::uint32_t row_bytes, std::uint32_t rows,
              std::uint64_t stride, std::uint64_t& last) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t steps = rows - 1;
  if (steps != 0 && stride > (kMax - (row_bytes - 1)) / steps) return false;
  const std::uint64_t span = steps * stride + (row_bytes - 1);
  if (span > kMax - address) return false;
  last = address + span;
  return true;
}

}  // namespace

bool is_valid(const CopyDescriptor& d) {
  if ((d.header.flags & ~CommandHeader::kFlagInterrupt) != 0) return false;
  if (d.reserved0 != 0 || d.reserved1 != 0) return false;
  if (d.row_bytes == 0 || d.row_count == 0) return false;
  std::uint64_t source_last = 0;
  std::uint64_t destination_last = 0;
  if (!area_end(d.source_address, d.row_bytes, d.row_count, d.source_stride, source_last) ||
      !area_end(d.destination_address, d.row_bytes, d.row_count, d.destination_stride,
                destination_last)) {
    return false;
  }
  const bool solid =
      d.row_count == 1 || (d.source_stride == d.row_bytes && d.destination_stride == d.row_bytes);
  const bool apart = source_last < d.destination_address || destination_last < d.source_address;
  return !solid || apart;
}

Burst CopySchedule::next() {
  const std::uint64_t row = row_;
  Burst burst;
  burst.source = descriptor_.source_address + row * descriptor_.source_stride + offset_;
  burst.destination =
      descriptor_.destination_address + row * descriptor_.destination_stride + offset_;
  burst.bytes = std::min(burst_bytes_, descriptor_.row_bytes - offset_);
  offset_ += burst.bytes;
  if (offset_ == descriptor_.row_bytes) {
    offset_ = 0;
    ++row_;
  }
  return burst;
}

}  // namespace hpimvp::dma
