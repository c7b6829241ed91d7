// Traps of the hart: whom interrupts go to, and how a fault or an exit leaves the machine.
#pragma once

#include <cstdint>

#include "firmware/host/interrupt_controller.h"
#include "firmware/host/system_controller.h"
#include "firmware/host/uart.h"

namespace hpimvp::firmware {

// Interrupts go to `controller` from now on.
void set_interrupt_controller(InterruptController* controller);

// Has something to add to the report of a fault. Called from the fault's handler.
class FaultNotes {
 public:
  virtual void print_notes(TextOutput& out) const = 0;

 protected:
  ~FaultNotes() = default;
};

// What faults are reported on, and how runs end, from now on. Before the first call these are the
// devices at the default addresses.
struct MachineOutput {
  Uart& uart;
  SystemController& system_controller;
  const FaultNotes* notes = nullptr;
};
void set_machine_output(const MachineOutput* output);

// Ends the run: sends what is still to be printed, marks an error unless `code` is 0, and exits.
[[noreturn]] void exit_machine(std::uint32_t code);

// Starts an error message on the UART, which a newline and exit_machine() end.
TextOutput& begin_error_message();

}  // namespace hpimvp::firmware
