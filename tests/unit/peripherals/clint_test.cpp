#include "models/peripherals/clint.h"

#include <catch2/catch.hpp>
#include <random>
#include <stdexcept>

#include "generated/models/peripherals/clint_registers.h"
#include "tests/unit/common/random_seed.h"
#include "tests/unit/peripherals/register_driver.h"

namespace hpimvp::peripherals {
namespace {

namespace regs = clint_registers;
using sc_core::SC_NS;
using sc_core::SC_PS;
using sc_core::sc_time;
using sc_core::sc_time_stamp;
using sc_core::SC_US;

struct Bench : RegisterDriver {
  explicit Bench(const ClintConfig& config = {}) : clint("clint", config) {
    socket.bind(clint.registers);
    for (unsigned hart = 0; hart < config.harts; ++hart) {
      clint.timer_interrupt[hart].bind(timer[hart]);
      clint.software_interrupt[hart].bind(software[hart]);
    }
  }
  void set_compare(unsigned hart, std::uint64_t value) {
    write(regs::kMtimecmpOffset + 8 * hart, value, 8);
  }

  Clint clint;
  sc_core::sc_vector<sc_core::sc_signal<bool>> timer{"timer", 16};
  sc_core::sc_vector<sc_core::sc_signal<bool>> software{"software", 16};
};

TEST_CASE("after reset no interrupt is pending and MTIME counts at 10 MHz") {
  Bench bench;
  bench.simulate([&] {
    bench.settle();
    CHECK_FALSE(bench.timer[0].read());
    CHECK_FALSE(bench.software[0].read());
    CHECK(bench.read(regs::kMtimecmpOffset, 8) == ~0ULL);
    CHECK(bench.read(regs::kMtimeOffset, 8) == 0);
    wait(99'999, SC_PS);
    CHECK(bench.read(regs::kMtimeOffset, 8) == 0);
    wait(1, SC_PS);
    CHECK(bench.read(regs::kMtimeOffset, 8) == 1);
    wait(1, sc_core::SC_SEC);
    CHECK(bench.read(regs::kMtimeOffset, 8) == 10'000'001);
    CHECK(bench.clint.time() == 10'000'001);
  });
}

TEST_CASE("the timer interrupt rises at the tick of MTIMECMP and falls when it is moved on") {
  Bench bench;
  bench.simulate([&] {
    wait(50, SC_NS);
    bench.set_compare(0, 25);
    wait(bench.timer[0].posedge_event());
    CHECK(sc_time_stamp() == sc_time(2500, SC_NS));
    bench.set_compare(0, 40);
    bench.settle();
    CHECK_FALSE(bench.timer[0].read());
    bench.set_compare(0, 30);  // replaces the appointment for tick 40
    wait(bench.timer[0].posedge_event());
    CHECK(sc_time_stamp() == sc_time(3000, SC_NS));
    bench.set_compare(0, 0);
    bench.settle();
    CHECK(bench.timer[0].read());
  });
}

TEST_CASE("each hart has its own compare register and software interrupt") {
  Bench bench({.harts = 3});
  bench.simulate([&] {
    bench.set_compare(2, 10);
    bench.set_compare(1, 20);
    bench.write(regs::kMsipOffset + 4, 0xFFFFFFFF, 4);
    bench.settle();
    CHECK(bench.read(regs::kMsipOffset + 4, 4) == 1);
    CHECK_FALSE(bench.software[0].read());
    CHECK(bench.software[1].read());
    wait(1, SC_US);
    bench.settle();
    CHECK(bench.timer[2].read());
    CHECK_FALSE(bench.timer[1].read());
    wait(1, SC_US);
    bench.settle();
    CHECK(bench.timer[1].read());
    CHECK_FALSE(bench.timer[0].read());
    bench.write(regs::kMsipOffset + 4, 0xFFFFFFFE, 4);
    bench.settle();
    CHECK_FALSE(bench.software[1].read());
    CHECK(bench.try_read(regs::kMsipOffset + 12, 4) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(bench.try_read(regs::kMtimecmpOffset + 24, 8) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(bench.try_read(0x8000, 8) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  });
}

TEST_CASE("MTIME can be written, as a whole and in halves, and moves the interrupt") {
  Bench bench;
  bench.simulate([&] {
    wait(1, SC_US);
    bench.write(regs::kMtimeOffset, 0x1'0000'0000, 8);
    CHECK(bench.read(regs::kMtimeOffset + 4, 4) == 1);
    bench.write(regs::kMtimeOffset + 4, 2, 4);
    CHECK(bench.read(regs::kMtimeOffset, 8) == 0x2'0000'0000);
    bench.write(regs::kMtimeOffset, 95, 4);
    CHECK(bench.read(regs::kMtimeOffset, 8) == 0x2'0000'005F);
    bench.set_compare(0, 0x2'0000'0064);
    wait(bench.timer[0].posedge_event());
    CHECK(sc_time_stamp() == sc_time(1500, SC_NS));
    bench.write(regs::kMtimeOffset, 0, 8);
    bench.settle();
    CHECK_FALSE(bench.timer[0].read());
    CHECK(bench.try_write(regs::kMtimeOffset, 0, 2) == tlm::TLM_BURST_ERROR_RESPONSE);
  });
}

TEST_CASE("an access from ahead of the kernel sees the time that it arrives at") {
  Bench bench;
  bench.simulate([&] {
    bench.delay = sc_time(700, SC_NS);
    CHECK(bench.read(regs::kMtimeOffset, 8) == 7);
    CHECK(bench.debug_read(regs::kMtimeOffset, 8) == 0);
  });
}

TEST_CASE("the interrupt rises at the first picosecond of its tick, at any frequency") {
  const std::uint64_t seed = random_seed(77);
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 2000; ++round) {
    const std::uint64_t hz = 1 + random() % (round % 2 == 0 ? 1'000'000'000'000 : 50'000'000);
    std::uint64_t now = random() % 1'000'000'000'000'000;
    std::uint64_t wake = 0;
    ClintState clint({.harts = 1, .timer_hz = hz}, {.now_ps = [&] { return now; },
                                                    .wake_at = [&](std::uint64_t at) { wake = at; },
                                                    .levels_changed = [] {}});
    const std::uint64_t ahead = 1 + random() % 1000;
    REQUIRE(clint.write(regs::kMtimecmpOffset, 8, clint.time() + ahead) ==
            common::AccessResult::kOk);
    const std::uint64_t compare = clint.time() + ahead;
    REQUIRE_FALSE(clint.timer_interrupt(0));
    now = wake - 1;
    REQUIRE(clint.time() == compare - 1);
    clint.wake();
    REQUIRE_FALSE(clint.timer_interrupt(0));
    now = wake;
    clint.wake();
    REQUIRE(clint.timer_interrupt(0));
  }
}

TEST_CASE("a compare value beyond the end of simulated time asks for no wake-up") {
  std::uint64_t wake = 0;
  ClintState clint({}, {.now_ps = [] { return std::uint64_t{5}; },
                        .wake_at = [&](std::uint64_t at) { wake = at; },
                        .levels_changed = [] {}});
  REQUIRE(clint.write(regs::kMtimecmpOffset, 8, ~0ULL - 1) == common::AccessResult::kOk);
  CHECK(wake == ClintState::kNever);
}

TEST_CASE("impossible CLINT configurations are refused") {
  CHECK_THROWS_AS(ClintState({.harts = 0}, {}), std::invalid_argument);
  CHECK_THROWS_AS(ClintState({.harts = 17}, {}), std::invalid_argument);
  CHECK_THROWS_AS(ClintState({.timer_hz = 0}, {}), std::invalid_argument);
}

}  // namespace
}  // namespace hpimvp::peripherals
