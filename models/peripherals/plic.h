// Platform-level interrupt controller as a SystemC module; docs/peripherals/plic.md.
#pragma once

#include <tlm_utils/simple_target_socket.h>

#include <systemc>

#include "models/peripherals/plic_config.h"
#include "models/peripherals/plic_state.h"

namespace hpimvp::peripherals {

class Plic : public sc_core::sc_module {
 public:
  using SourcePort =
      sc_core::sc_port<sc_core::sc_signal_in_if<bool>, 1, sc_core::SC_ZERO_OR_MORE_BOUND>;

  tlm_utils::simple_target_socket<Plic> registers;
  // Indexed by source number; those that nobody binds are low. sources[0] is not used.
  sc_core::sc_vector<SourcePort> sources;
  sc_core::sc_vector<sc_core::sc_out<bool>> interrupt;  // one a context

  Plic(sc_core::sc_module_name name, const PlicConfig& config);

 private:
  void end_of_elaboration() override;
  void access(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  unsigned debug(tlm::tlm_generic_payload& payload);
  void sample_sources();
  void drive();

  sc_core::sc_event drive_event_;
  PlicState state_;
};

}  // namespace hpimvp::peripherals
