// What one HBM-PIM stack is: its device, how its controllers work, and where addresses lead.
#pragma once

#include <cstdint>
#include <string>

#include "models/hbm_pim/bit_field_mapping.h"
#include "models/hbm_pim/device_description.h"
#include "models/hbm_pim/error_model.h"
#include "models/hbm_pim/memory_controller.h"

namespace hpimvp::hbm_pim {

struct HbmPimConfig {
  DeviceDescription device;
  ControllerConfig controller;
  std::string mapping = std::string(kDefaultMapping);  // see BitFieldMapping
  // From the stack's port to the command bus and back: queue, decode, PHY. Assumed.
  std::uint32_t controller_latency = 13;  // cycles of the DRAM clock; 10 ns
  ErrorConfig errors;
};

// Throws std::invalid_argument naming the first value that makes no sense, or that the processing
// units' numerics do not cover (lanes other than 16, bursts other than 32 bytes).
void check(const HbmPimConfig& config);

}  // namespace hpimvp::hbm_pim
