// Configuration of a Uart16550.
#pragma once

#include <cstdint>

namespace hpimvp::peripherals {

struct Uart16550Config {
  std::uint64_t clock_hz = 100'000'000;  // input clock, 1 Hz to 1 THz
};

}  // namespace hpimvp::peripherals
