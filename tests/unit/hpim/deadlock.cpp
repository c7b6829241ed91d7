// Sleeps without any interrupt that could wake it.
#include <cstdint>

extern "C" std::uint32_t firmware_main(std::uint64_t /*hart*/, std::uint64_t /*plan_address*/) {
  asm volatile("csrw mie, zero");
  for (;;) asm volatile("wfi");
}
