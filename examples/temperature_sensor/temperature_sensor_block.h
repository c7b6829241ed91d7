// Makes the type "temperature_sensor" known to a machine.
#pragma once

#include "platform/hpim/block_registry.h"

namespace hpimvp::temperature_sensor {

void add_temperature_sensor(hpim::BlockRegistry& registry);

}  // namespace hpimvp::temperature_sensor
