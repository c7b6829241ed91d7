// Sleeps through five timer interrupts and checks that they are a period of mtime apart.

#include "firmware/host/timer.h"

#include "firmware/host/csr.h"
#include "firmware/tests/test_program.h"

namespace hpimvp::firmware {
namespace {

constexpr std::uint64_t kPeriodTicks = 10000;
constexpr std::uint32_t kTicks = 5;

class TickCounter final : public InterruptHandler {
 public:
  void handle_interrupt() override { count = count + 1; }
  volatile std::uint32_t count = 0;
};

}  // namespace

extern "C" std::uint32_t firmware_main(std::uint64_t /*hart*/, std::uint64_t plan_address) {
  TestMachine machine(plan_address);
  InterruptController interrupts(machine.devices.plic);
  interrupts.install();
  const hal::clint::Registers clint(machine.devices.clint);
  const std::uint64_t start = clint.read_mtime();
  TickCounter counter;
  PeriodicTimer timer(machine.devices.clint, kPeriodTicks, interrupts, counter);

  // Even ticks end a sleep with interrupts masked, odd ones trap.
  while (counter.count < kTicks) {
    if (counter.count % 2 == 0) {
      const InterruptsMasked masked;
      interrupts.sleep_and_service();
    } else {
      wait_for_interrupt();
    }
  }
  const std::uint64_t elapsed = clint.read_mtime() - start;
  if (elapsed < kTicks * kPeriodTicks) machine.fail("ticks come too early");
  machine.uart << std::uint64_t{kTicks} << " ticks\n";
  exit_machine(0);
}

}  // namespace hpimvp::firmware
