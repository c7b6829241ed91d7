// What a copy descriptor asks of the DMA engine: its check, and the bursts into which it is cut.
#pragma once

#include <cstdint>

#include "generated/models/dma/dma_engine_registers.h"

namespace hpimvp::dma {

using dma_engine_registers::CopyDescriptor;

// The descriptor asks for something: flags and reserved fields are clean, sizes are at least 1,
// both areas stay inside the address space, and, where source and destination are one block of
// bytes each, they do not overlap. (Whether rows with gaps between them overlap is not looked at;
// the bytes of such an overlap depend on the order of the bursts.)
bool is_valid(const CopyDescriptor& descriptor);

struct Burst {
  std::uint64_t source = 0;
  std::uint64_t destination = 0;
  std::uint32_t bytes = 0;
};

// The bursts of a valid descriptor in the order in which they are issued: row by row, each row in
// pieces of `burst_bytes` and a rest.
class CopySchedule {
 public:
  CopySchedule(const CopyDescriptor& descriptor, std::uint32_t burst_bytes)
      : descriptor_(descriptor), burst_bytes_(burst_bytes) {}

  bool done() const { return row_ == descriptor_.row_count; }
  // Only while not done().
  Burst next();

 private:
  CopyDescriptor descriptor_;
  std::uint32_t burst_bytes_;
  std::uint32_t row_ = 0;
  std::uint32_t offset_ = 0;  // in the row
};

}  // namespace hpimvp::dma
