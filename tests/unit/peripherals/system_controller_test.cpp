#include "models/peripherals/system_controller.h"

#include <catch2/catch.hpp>
#include <vector>

#include "tests/unit/peripherals/register_driver.h"

namespace hpimvp::peripherals {
namespace {

namespace regs = system_controller_registers;

struct Bench : RegisterDriver {
  Bench() { socket.bind(controller.registers); }

  std::vector<Marker> markers;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> exits;  // code, time
  SystemController controller{
      "controller",
      {.boot_parameter = 0x8765'4321'0000},
      {.exit = [this](std::uint32_t code, std::uint64_t time) { exits.emplace_back(code, time); },
       .marker = [this](const Marker& marker) { markers.push_back(marker); }}};
};

TEST_CASE("firmware finds its boot parameter and cannot change it") {
  Bench bench;
  bench.simulate([&] {
    CHECK(bench.read(regs::kBootParameterOffset, 8) == 0x8765'4321'0000);
    CHECK(bench.try_write(regs::kBootParameterOffset, 1, 8) == tlm::TLM_COMMAND_ERROR_RESPONSE);
    CHECK(bench.try_read(regs::kExitOffset, 4) == tlm::TLM_COMMAND_ERROR_RESPONSE);
    CHECK(bench.try_read(0x20, 4) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  });
}

TEST_CASE("markers are reported with their time, the access's own delay included") {
  Bench bench;
  bench.simulate([&] {
    wait(3, sc_core::SC_NS);
    bench.write(regs::kMarkerOffset, 0x0003'1234'5678'9ABC, 8);
    bench.delay = sc_core::sc_time(250, sc_core::SC_PS);
    bench.write(regs::kMarkerOffset, 0xFFFF'FFFF'FFFF'FFFF, 8);
    CHECK(bench.try_write(regs::kMarkerOffset, 0, 4) == tlm::TLM_BURST_ERROR_RESPONSE);
  });
  REQUIRE(bench.markers.size() == 2);
  CHECK(bench.markers[0].time_ps == 3000);
  CHECK(bench.markers[0].kind == MarkerKind::kToken);
  CHECK(bench.markers[0].value == 0x1234'5678'9ABC);
  CHECK(bench.markers[1].time_ps == 3250);
  CHECK(static_cast<unsigned>(bench.markers[1].kind) == 0xFFFF);
  CHECK(bench.markers[1].value == 0xFFFF'FFFF'FFFF);
}

TEST_CASE("a write to EXIT reports the firmware's exit code") {
  Bench bench;
  bench.simulate([&] {
    wait(1, sc_core::SC_NS);
    bench.write(regs::kExitOffset, 42, 4);
  });
  REQUIRE(bench.exits.size() == 1);
  CHECK(bench.exits[0] == std::make_pair(42U, std::uint64_t{1000}));
}

}  // namespace
}  // namespace hpimvp::peripherals
