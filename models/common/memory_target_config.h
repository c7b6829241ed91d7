// Configuration of a MemoryTarget.
#pragma once

#include <cstdint>

namespace hpimvp::common {

struct MemoryTargetConfig {
  std::uint64_t size_bytes = 0;
  // An access takes latency_ps, and ps_per_64_bytes for each further 64 bytes begun after the first
  // 64.
  std::uint64_t latency_ps = 0;
  std::uint64_t ps_per_64_bytes = 0;
  bool allow_dmi = true;
};

}  // namespace hpimvp::common
