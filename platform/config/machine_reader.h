// The `machine` part of a scenario: JSON to the typed configuration of the HPIM machine.
#pragma once

#include <string>

#include "platform/config/document.h"
#include "platform/hpim/machine_config.h"

namespace hpimvp::config {

// Makes the name of a device, machine.hbm.device, an object with that base, so that there is
// something to override and to merge. `pointer` is the machine's.
void expand_device_name(Document& document, const std::string& pointer);
// The same, and gives a device that has no base the default one.
void complete_device_base(Document& document, const std::string& pointer);

// Throws ConfigError. Keys that are left out keep the defaults of HpimMachineConfig, and the device
// is the default preset's. `folder` is the document's, for files that it names.
hpim::HpimMachineConfig read_machine(Document document, const std::string& pointer,
                                     const std::string& folder, const std::string& preset_folder);

}  // namespace hpimvp::config
