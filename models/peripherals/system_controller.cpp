#include "models/peripherals/system_controller.h"

#include <utility>

#include "models/common/register_port.h"

namespace hpimvp::peripherals {
namespace {

namespace regs = system_controller_registers;
using common::AccessResult;

}  // namespace

SystemController::SystemController(sc_core::sc_module_name name,
                                   const SystemControllerConfig& config, Hooks hooks)
    : sc_module(name), registers("registers"), block_(regs::kBlock), hooks_(std::move(hooks)) {
  block_.set(regs::kBootParameterOffset, config.boot_parameter);
  block_.on_write(regs::kExitOffset, [this](const auto& write) {
    if (hooks_.exit) hooks_.exit(static_cast<std::uint32_t>(write.written), now_ps());
    return AccessResult::kOk;
  });
  block_.on_write(regs::kMarkerOffset, [this](const auto& write) {
    const auto kind = static_cast<MarkerKind>(write.written >> regs::kMarkerKindShift);
    if (hooks_.marker) hooks_.marker({now_ps(), kind, write.written & regs::kMarkerValueMask});
    return AccessResult::kOk;
  });
  registers.register_b_transport(this, &SystemController::access);
  registers.register_transport_dbg(this, &SystemController::debug);
}

std::uint64_t SystemController::now_ps() const {
  return (sc_core::sc_time_stamp() + access_delay_).value();
}

void SystemController::access(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  access_delay_ = delay;
  common::serve_register_access(block_, payload);
  access_delay_ = sc_core::SC_ZERO_TIME;
}

unsigned SystemController::debug(tlm::tlm_generic_payload& payload) {
  return common::serve_register_debug(block_, payload);
}

}  // namespace hpimvp::peripherals
