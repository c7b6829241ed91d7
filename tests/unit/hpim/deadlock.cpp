// Gives the DMA engine a command but does not enable its queue, and sleeps without any interrupt
// that could wake it.
#include <cstdint>

#include "firmware/host/default_addresses.h"
#include "hal/dma_engine.h"

extern "C" std::uint32_t firmware_main(std::uint64_t /*hart*/, std::uint64_t /*plan_address*/) {
  const auto queue =
      hal::dma_engine::Registers(hpimvp::firmware::default_addresses::kDma).command_queue();
  queue.write_base(0x8100'0000);
  queue.write_size(8);
  queue.write_tail(3);
  asm volatile("csrw mie, zero");
  for (;;) asm volatile("wfi");
}
