#include "examples/temperature_sensor/temperature_sensor_block.h"

#include <memory>

#include "examples/temperature_sensor/temperature_sensor.h"
#include "generated/models/temperature_sensor/temperature_sensor_registers.h"
#include "platform/hpim/built_block.h"

namespace hpimvp::temperature_sensor {

void add_temperature_sensor(hpim::BlockRegistry& registry) {
  hpim::BlockType type;
  type.name = "temperature_sensor";
  type.register_bytes = temperature_sensor_registers::kBlockBytes;
  type.has_interrupt = true;
  type.factory = [](const hpim::BlockContext& context) {
    TemperatureSensorConfig config;
    // A machine that warms up from 20 degrees by 2 degrees a millisecond.
    config.celsius_at = [](double time_s) { return 20 + 2000 * time_s; };
    return hpim::built(std::make_unique<TemperatureSensor>(context.instance.name.c_str(), config));
  };
  registry.add(std::move(type));
}

}  // namespace hpimvp::temperature_sensor
