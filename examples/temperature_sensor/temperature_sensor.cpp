#include "examples/temperature_sensor/temperature_sensor.h"

#include <cmath>
#include <utility>

#include "generated/models/temperature_sensor/temperature_sensor_registers.h"
#include "models/common/register_port.h"

namespace hpimvp::temperature_sensor {

using common::AccessResult;
namespace reg = temperature_sensor_registers;

TemperatureSensor::TemperatureSensor(sc_core::sc_module_name name, TemperatureSensorConfig config)
    : sc_module(name),
      registers("registers"),
      interrupt("interrupt"),
      config_(std::move(config)),
      block_(reg::kBlock) {
  registers.register_b_transport(this, &TemperatureSensor::access);
  registers.register_transport_dbg(this, &TemperatureSensor::debug);
  block_.on_write(reg::kControlOffset,
                  [this](const auto& write) { return control_written(write.previous); });
  block_.on_write(reg::kStatusOffset, [this](const auto&) {
    level_event_.notify(sc_core::SC_ZERO_TIME);
    return AccessResult::kOk;
  });
  block_.on_write(reg::kIntervalOffset,
                  [this](const auto& write) { return interval_written(write.written); });
  SC_HAS_PROCESS(TemperatureSensor);
  SC_METHOD(measure);
  sensitive << measure_event_;
  dont_initialize();
  SC_METHOD(drive_interrupt);
  sensitive << level_event_;
}

void TemperatureSensor::access(tlm::tlm_generic_payload& payload, sc_core::sc_time&) {
  common::serve_register_access(block_, payload);
}

unsigned TemperatureSensor::debug(tlm::tlm_generic_payload& payload) {
  return common::serve_register_debug(block_, payload);
}

bool TemperatureSensor::enabled() const {
  return (block_.get(reg::kControlOffset) & reg::kControlEnableMask) != 0;
}

AccessResult TemperatureSensor::control_written(std::uint64_t previous) {
  const bool was_enabled = (previous & reg::kControlEnableMask) != 0;
  if (!enabled()) measure_event_.cancel();
  if (enabled() && !was_enabled) schedule();
  level_event_.notify(sc_core::SC_ZERO_TIME);
  return AccessResult::kOk;
}

AccessResult TemperatureSensor::interval_written(std::uint64_t interval_us) {
  return enabled() || interval_us == 0 ? AccessResult::kCommandError : AccessResult::kOk;
}

void TemperatureSensor::schedule() {
  const std::uint64_t interval_us = block_.get(reg::kIntervalOffset);
  measure_event_.notify(sc_core::sc_time(static_cast<double>(interval_us), sc_core::SC_US));
}

void TemperatureSensor::measure() {
  const double celsius = config_.celsius_at(sc_core::sc_time_stamp().to_seconds());
  const auto temperature = static_cast<std::int32_t>(std::lround(celsius * 256));
  const auto limit = static_cast<std::int32_t>(block_.get(reg::kLimitOffset));
  block_.set(reg::kTemperatureOffset, static_cast<std::uint32_t>(temperature));
  block_.set(reg::kMeasurementsOffset, block_.get(reg::kMeasurementsOffset) + 1);
  if (temperature > limit) block_.set(reg::kStatusOffset, reg::kStatusAboveMask);
  level_event_.notify(sc_core::SC_ZERO_TIME);
  schedule();
}

void TemperatureSensor::drive_interrupt() {
  const bool above = (block_.get(reg::kStatusOffset) & reg::kStatusAboveMask) != 0;
  const bool wanted = (block_.get(reg::kControlOffset) & reg::kControlInterruptEnableMask) != 0;
  interrupt.write(above && wanted);
}

common::Statistics TemperatureSensor::statistics() const {
  return {{"measurements", block_.get(reg::kMeasurementsOffset)}};
}

}  // namespace hpimvp::temperature_sensor
