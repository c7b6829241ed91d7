// The `machine` part of a scenario: JSON to the typed configuration of the HPIM machine.
#pragma once

#include <string>

#include "platform/config/document.h"
#include "platform/hpim/machine_config.h"

namespace hpimvp::config {

// Throws ConfigError. Keys that are left out keep the defaults of HpimMachineConfig.
hpim::HpimMachineConfig read_machine(const Document& document, const std::string& pointer);

}  // namespace hpimvp::config
