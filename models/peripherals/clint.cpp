#include "models/peripherals/clint.h"

#include "models/common/register_port.h"
#include "models/peripherals/wake_event.h"

namespace hpimvp::peripherals {

Clint::Clint(sc_core::sc_module_name name, const ClintConfig& config)
    : sc_module(name),
      registers("registers"),
      timer_interrupt("timer_interrupt", config.harts),
      software_interrupt("software_interrupt", config.harts),
      state_(config,
             {.now_ps = [this] { return (sc_core::sc_time_stamp() + access_delay_).value(); },
              .wake_at = [this](std::uint64_t at_ps) { notify_at(wake_event_, at_ps); },
              .levels_changed = [this] { drive_event_.notify(sc_core::SC_ZERO_TIME); }}) {
  registers.register_b_transport(this, &Clint::access);
  registers.register_transport_dbg(this, &Clint::debug);
  SC_HAS_PROCESS(Clint);
  SC_METHOD(wake);
  sensitive << wake_event_;
  dont_initialize();
  SC_METHOD(drive);
  sensitive << drive_event_;
}

void Clint::access(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  access_delay_ = delay;
  common::serve_register_access(state_, payload);
  access_delay_ = sc_core::SC_ZERO_TIME;
}

unsigned Clint::debug(tlm::tlm_generic_payload& payload) {
  return common::serve_register_debug(state_, payload);
}

void Clint::wake() {
  state_.wake();
}

void Clint::drive() {
  for (unsigned hart = 0; hart < state_.harts(); ++hart) {
    timer_interrupt[hart].write(state_.timer_interrupt(hart));
    software_interrupt[hart].write(state_.software_interrupt(hart));
  }
}

}  // namespace hpimvp::peripherals
