// A temperature sensor (temperature_sensor.registers.json): the example of
// docs/adding_a_peripheral.md.
#pragma once

#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <functional>
#include <systemc>

#include "models/common/register_block.h"
#include "models/common/statistics.h"

namespace hpimvp::temperature_sensor {

struct TemperatureSensorConfig {
  // The temperature in degrees Celsius at a simulated time.
  std::function<double(double time_s)> celsius_at = [](double) { return 20.0; };
};

class TemperatureSensor : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<TemperatureSensor> registers;
  sc_core::sc_out<bool> interrupt;

  TemperatureSensor(sc_core::sc_module_name name, TemperatureSensorConfig config);

  common::Statistics statistics() const;

 private:
  void access(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  unsigned debug(tlm::tlm_generic_payload& payload);
  common::AccessResult control_written(std::uint64_t previous);
  common::AccessResult interval_written(std::uint64_t interval_us);
  bool enabled() const;
  void schedule();
  void measure();
  void drive_interrupt();

  TemperatureSensorConfig config_;
  common::RegisterBlock block_;
  sc_core::sc_event measure_event_;
  sc_core::sc_event level_event_;
};

}  // namespace hpimvp::temperature_sensor
