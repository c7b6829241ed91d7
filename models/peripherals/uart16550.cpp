#include "models/peripherals/uart16550.h"

#include <utility>

#include "models/common/register_port.h"
#include "models/peripherals/wake_event.h"

namespace hpimvp::peripherals {

Uart16550::Uart16550(sc_core::sc_module_name name, const Uart16550Config& config,
                     std::function<void(std::uint8_t)> transmit)
    : sc_module(name),
      registers("registers"),
      interrupt("interrupt"),
      state_(config,
             {.now_ps = [this] { return (sc_core::sc_time_stamp() + access_delay_).value(); },
              .wake_at = [this](std::uint64_t at_ps) { notify_at(wake_event_, at_ps); },
              .transmit = std::move(transmit),
              .interrupt = [this](bool) { drive_event_.notify(sc_core::SC_ZERO_TIME); }}) {
  registers.register_b_transport(this, &Uart16550::access);
  registers.register_transport_dbg(this, &Uart16550::debug);
  SC_HAS_PROCESS(Uart16550);
  SC_METHOD(wake);
  sensitive << wake_event_;
  dont_initialize();
  SC_METHOD(drive);
  sensitive << drive_event_;
}

void Uart16550::access(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  access_delay_ = delay;
  common::serve_register_access(state_, payload);
  access_delay_ = sc_core::SC_ZERO_TIME;
}

unsigned Uart16550::debug(tlm::tlm_generic_payload& payload) {
  return common::serve_register_debug(state_, payload);
}

void Uart16550::wake() {
  state_.wake();
}

void Uart16550::drive() {
  interrupt.write(state_.interrupt_level());
}

}  // namespace hpimvp::peripherals
