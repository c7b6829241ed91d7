// NS16550A serial port as a SystemC module; docs/peripherals/uart16550.md.
#pragma once

#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <functional>
#include <systemc>

#include "models/peripherals/uart16550_config.h"
#include "models/peripherals/uart16550_state.h"

namespace hpimvp::peripherals {

class Uart16550 : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<Uart16550> registers;
  sc_core::sc_out<bool> interrupt;

  // `transmit` gets each byte when its last bit has left.
  Uart16550(sc_core::sc_module_name name, const Uart16550Config& config,
            std::function<void(std::uint8_t)> transmit);

  // A byte arrives now; to be called from the simulation's thread.
  void push(std::uint8_t byte) { state_.push(byte); }

 private:
  void access(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  unsigned debug(tlm::tlm_generic_payload& payload);
  void wake();
  void drive();

  sc_core::sc_event wake_event_;
  sc_core::sc_event drive_event_;
  sc_core::sc_time access_delay_;  // how far the access in execution lies ahead of the kernel
  Uart16550State state_;
};

}  // namespace hpimvp::peripherals
