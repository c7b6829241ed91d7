// Parameters of the DMA engine. None is published for HPIM; all are this project's assumptions.
#pragma once

#include <cstdint>

namespace hpimvp::dma {

struct DmaEngineConfig {
  std::uint64_t clock_period_ps = 1250;  // the interconnect's
  std::uint32_t burst_bytes = 4096;  // at most this much in one transaction, so others get a turn
  std::uint32_t buffers = 2;         // bursts between reading and writing
  std::uint32_t decode_cycles = 4;   // from a fetched descriptor to its first read
};

}  // namespace hpimvp::dma
