// Configuration of a Clint.
#pragma once

#include <cstdint>

namespace hpimvp::peripherals {

struct ClintConfig {
  unsigned harts = 1;                   // 1 to 16
  std::uint64_t timer_hz = 10'000'000;  // frequency of MTIME, 1 Hz to 1 THz
};

}  // namespace hpimvp::peripherals
