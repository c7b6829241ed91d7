// System controller (system_controller.registers.json) as a SystemC module: the boot parameter, the
// firmware's markers and its exit. docs/peripherals/system_controller.md.
#pragma once

#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <functional>
#include <systemc>

#include "generated/models/peripherals/system_controller_registers.h"
#include "models/common/register_block.h"

namespace hpimvp::peripherals {

using MarkerKind = system_controller_registers::MarkerKind;

struct Marker {
  std::uint64_t time_ps;
  MarkerKind kind;      // as written: may be a number that MarkerKind does not name
  std::uint64_t value;  // 48 bits
};

struct SystemControllerConfig {
  std::uint64_t boot_parameter = 0;
};

class SystemController : public sc_core::sc_module {
 public:
  struct Hooks {
    // What to do when the firmware ends the run, at a simulated time that may lie ahead of the
    // kernel's by the access's delay.
    std::function<void(std::uint32_t code, std::uint64_t time_ps)> exit;
    std::function<void(const Marker& marker)> marker;
  };

  tlm_utils::simple_target_socket<SystemController> registers;

  SystemController(sc_core::sc_module_name name, const SystemControllerConfig& config, Hooks hooks);

 private:
  void access(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  unsigned debug(tlm::tlm_generic_payload& payload);
  std::uint64_t now_ps() const;

  common::RegisterBlock block_;
  Hooks hooks_;
  sc_core::sc_time access_delay_;  // how far the access in execution lies ahead of the kernel
};

}  // namespace hpimvp::peripherals
