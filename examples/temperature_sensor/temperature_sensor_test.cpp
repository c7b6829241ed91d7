#include "examples/temperature_sensor/temperature_sensor.h"

#include <tlm_utils/simple_initiator_socket.h>

#include <catch2/catch.hpp>
#include <functional>
#include <string>

#include "examples/temperature_sensor/temperature_sensor_block.h"
#include "generated/models/temperature_sensor/temperature_sensor_registers.h"
#include "platform/config/machine_reader.h"
#include "platform/hpim/hpim_machine.h"

using namespace hpimvp;
using temperature_sensor::TemperatureSensor;
using temperature_sensor::TemperatureSensorConfig;
namespace reg = temperature_sensor::temperature_sensor_registers;
using sc_core::SC_US;

namespace {

// Pokes the sensor as software would. It is 10 degrees, and 2 more with every 100 us.
struct Bench : sc_core::sc_module {
  TemperatureSensor sensor{
      "sensor", TemperatureSensorConfig{[](double time_s) { return 10 + time_s * 20'000; }}};
  sc_core::sc_signal<bool> line{"line"};
  tlm_utils::simple_initiator_socket<Bench> socket{"socket"};
  std::function<void(Bench&)> body;

  SC_HAS_PROCESS(Bench);
  Bench(sc_core::sc_module_name name, std::function<void(Bench&)> body_in)
      : sc_module(name), body(std::move(body_in)) {
    sensor.interrupt.bind(line);
    socket.bind(sensor.registers);
    SC_THREAD(run);
  }
  void run() {
    body(*this);
    sc_core::sc_stop();
  }
  tlm::tlm_response_status access(bool is_write, std::uint64_t offset, std::uint64_t& value,
                                  unsigned bytes) {
    tlm::tlm_generic_payload payload;
    payload.set_command(is_write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
    payload.set_address(offset);
    payload.set_data_ptr(reinterpret_cast<unsigned char*>(&value));
    payload.set_data_length(bytes);
    payload.set_streaming_width(bytes);
    sc_core::sc_time delay;
    socket->b_transport(payload, delay);
    return payload.get_response_status();
  }
  void write(std::uint64_t offset, std::uint64_t value,
             tlm::tlm_response_status expected = tlm::TLM_OK_RESPONSE) {
    CHECK(access(true, offset, value, 4) == expected);
  }
  std::uint64_t read(std::uint64_t offset, unsigned bytes = 4) {
    std::uint64_t value = 0;
    CHECK(access(false, offset, value, bytes) == tlm::TLM_OK_RESPONSE);
    return value;
  }
};

}  // namespace

TEST_CASE("the sensor measures at its interval while it is enabled") {
  Bench bench("bench", [](Bench& b) {
    b.write(reg::kIntervalOffset, 100);
    b.write(reg::kControlOffset, reg::kControlEnableMask);
    wait(250, SC_US);
    CHECK(b.read(reg::kMeasurementsOffset, 8) == 2);
    CHECK(b.read(reg::kTemperatureOffset) == 14 * 256);
    b.write(reg::kControlOffset, 0);
    wait(1000, SC_US);
    CHECK(b.read(reg::kMeasurementsOffset, 8) == 2);
  });
  sc_core::sc_start();
}

TEST_CASE("a temperature above the limit interrupts until it is cleared") {
  Bench bench("bench", [](Bench& b) {
    b.write(reg::kIntervalOffset, 100);
    b.write(reg::kLimitOffset, 14 * 256);
    b.write(reg::kControlOffset, reg::kControlEnableMask | reg::kControlInterruptEnableMask);
    wait(250, SC_US);
    CHECK_FALSE(b.line.read());
    wait(b.line.posedge_event());
    CHECK(sc_core::sc_time_stamp() == sc_core::sc_time(300, SC_US));
    b.write(reg::kStatusOffset, reg::kStatusAboveMask);
    wait(1, SC_US);
    CHECK_FALSE(b.line.read());
  });
  sc_core::sc_start();
}

TEST_CASE("the interval is fixed while the sensor measures, and never 0") {
  Bench bench("bench", [](Bench& b) {
    b.write(reg::kIntervalOffset, 0, tlm::TLM_COMMAND_ERROR_RESPONSE);
    b.write(reg::kControlOffset, reg::kControlEnableMask);
    b.write(reg::kIntervalOffset, 5, tlm::TLM_COMMAND_ERROR_RESPONSE);
    CHECK(b.read(reg::kIntervalOffset) == 1000);
    b.write(reg::kTemperatureOffset, 5, tlm::TLM_COMMAND_ERROR_RESPONSE);
  });
  sc_core::sc_start();
}

TEST_CASE("firmware on the whole machine reads the sensor") {
  hpim::BlockRegistry registry = hpim::standard_blocks();
  temperature_sensor::add_temperature_sensor(registry);
  const auto document = config::Document::load(HPIMVP_EXAMPLE_FOLDER "/machine.json");
  const hpim::HpimMachineConfig config = config::read_machine(
      document, "", HPIMVP_EXAMPLE_FOLDER, HPIMVP_SOURCE_DIR "/scenarios/presets");

  std::string text;
  hpim::MachineOptions options;
  options.on_uart_byte = [&](std::uint8_t byte) { text += static_cast<char>(byte); };
  hpim::HpimMachine machine("hpim", hpim::resolve(config, registry), options);
  machine.load_firmware(
      common::load_elf_file(std::string(HPIMVP_FIRMWARE_FOLDER) + "/read_temperature.elf"));
  const hpim::RunStatus status = machine.run(1'000'000'000'000);
  REQUIRE(status.reason == hpim::StopReason::kExit);
  CHECK(status.exit_code == 0);
  // 20 degrees at the start, 2 more a millisecond, measured every 100 us: the first measurement
  // above 25 degrees is the 25th or, with the time until the sensor was enabled, the one after.
  CHECK_THAT(text, Catch::Contains("25 degrees after 25 measurements"));
}
