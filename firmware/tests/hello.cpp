// Prints by polling, then by interrupt, more than the FIFO holds; exit code 0.

#include "firmware/tests/test_program.h"

namespace hpimvp::firmware {

extern "C" std::uint32_t firmware_main(std::uint64_t hart, std::uint64_t plan_address) {
  TestMachine machine(plan_address);
  machine.uart << "Hello from hart " << hart << "\n";
  InterruptController interrupts(machine.devices.plic);
  interrupts.install();
  machine.uart.attach(interrupts, machine.devices.uart_interrupt);
  for (std::uint64_t i = 0; i < 200; ++i) machine.uart << "line " << i << " by interrupt\n";
  exit_machine(0);
}

}  // namespace hpimvp::firmware
