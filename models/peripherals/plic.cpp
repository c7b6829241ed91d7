#include "models/peripherals/plic.h"

#include "models/common/register_port.h"

namespace hpimvp::peripherals {

Plic::Plic(sc_core::sc_module_name name, const PlicConfig& config)
    : sc_module(name),
      registers("registers"),
      sources("sources", config.sources + 1),
      interrupt("interrupt", config.contexts),
      state_(config, [this] { drive_event_.notify(sc_core::SC_ZERO_TIME); }) {
  registers.register_b_transport(this, &Plic::access);
  registers.register_transport_dbg(this, &Plic::debug);
  SC_HAS_PROCESS(Plic);
  SC_METHOD(drive);
  sensitive << drive_event_;
}

void Plic::end_of_elaboration() {
  sc_core::sc_spawn_options options;
  options.spawn_method();
  for (unsigned source = 1; source < sources.size(); ++source) {
    if (sources[source].size() > 0) {
      options.set_sensitivity(&sources[source]->value_changed_event());
    }
  }
  sc_core::sc_spawn([this] { sample_sources(); }, "sample_sources", &options);
}

void Plic::sample_sources() {
  for (unsigned source = 1; source < sources.size(); ++source) {
    if (sources[source].size() > 0) state_.set_source(source, sources[source]->read());
  }
}

void Plic::access(tlm::tlm_generic_payload& payload, sc_core::sc_time&) {
  common::serve_register_access(state_, payload);
}

unsigned Plic::debug(tlm::tlm_generic_payload& payload) {
  return common::serve_register_debug(state_, payload);
}

void Plic::drive() {
  for (unsigned context = 0; context < state_.contexts(); ++context) {
    interrupt[context].write(state_.interrupt(context));
  }
}

}  // namespace hpimvp::peripherals
