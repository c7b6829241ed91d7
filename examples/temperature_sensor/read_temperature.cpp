// Firmware: sleeps until the sensor reports more than 25 degrees, and prints what it reads.
#include <cstdint>

#include "firmware/host/csr.h"
#include "firmware/host/default_addresses.h"
#include "firmware/host/interrupt_controller.h"
#include "firmware/host/traps.h"
#include "firmware/host/uart.h"
#include "hal/temperature_sensor.h"

namespace hpimvp::firmware {
namespace {

// Where machine.json puts the sensor.
constexpr std::uint64_t kSensor = 0x1000'2000;
constexpr std::uint32_t kSensorInterrupt = 40;

class SensorDriver final : public InterruptHandler {
 public:
  explicit SensorDriver(std::uint64_t address) : registers_(address) {}

  void start(std::int32_t limit_celsius) {
    registers_.write_interval(100);
    registers_.write_limit(static_cast<std::uint32_t>(limit_celsius * 256));
    registers_.write_control(hal::temperature_sensor::kControlEnableMask |
                             hal::temperature_sensor::kControlInterruptEnableMask);
  }
  void handle_interrupt() override {
    registers_.write_control(0);
    registers_.write_status(hal::temperature_sensor::kStatusAboveMask);
    is_hot_ = true;
  }
  bool is_hot() const { return is_hot_; }
  std::uint64_t whole_degrees() const { return registers_.read_temperature() / 256; }
  std::uint64_t measurements() const { return registers_.read_measurements(); }

 private:
  hal::temperature_sensor::Registers registers_;
  volatile bool is_hot_ = false;
};

}  // namespace

extern "C" std::uint32_t firmware_main(std::uint64_t /*hart*/, std::uint64_t /*plan_address*/) {
  Uart uart(default_addresses::kUart);
  InterruptController interrupts(default_addresses::kPlic);
  interrupts.install();
  SensorDriver sensor(kSensor);
  interrupts.attach(kSensorInterrupt, sensor);
  sensor.start(25);
  {
    const InterruptsMasked masked;
    while (!sensor.is_hot()) interrupts.sleep_and_service();
  }
  uart << sensor.whole_degrees() << " degrees after " << sensor.measurements() << " measurements\n";
  uart.flush();
  return 0;
}

}  // namespace hpimvp::firmware
