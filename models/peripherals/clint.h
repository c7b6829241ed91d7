// Core-local interruptor as a SystemC module; docs/peripherals/clint.md.
#pragma once

#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <systemc>

#include "models/peripherals/clint_config.h"
#include "models/peripherals/clint_state.h"

namespace hpimvp::peripherals {

class Clint : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<Clint> registers;
  sc_core::sc_vector<sc_core::sc_out<bool>> timer_interrupt;     // one a hart
  sc_core::sc_vector<sc_core::sc_out<bool>> software_interrupt;  // one a hart

  Clint(sc_core::sc_module_name name, const ClintConfig& config);

  // MTIME at the kernel's time.
  std::uint64_t time() const { return state_.time(); }

 private:
  void access(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  unsigned debug(tlm::tlm_generic_payload& payload);
  void wake();
  void drive();

  sc_core::sc_event wake_event_;
  sc_core::sc_event drive_event_;
  sc_core::sc_time access_delay_;  // how far the access in execution lies ahead of the kernel
  ClintState state_;
};

}  // namespace hpimvp::peripherals
