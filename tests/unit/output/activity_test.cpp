#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "platform/output/activity_fan_out.h"
#include "platform/output/operation_log.h"

using hpimvp::output::ActivityFanOut;
using hpimvp::output::OperationLog;

namespace {

// Numbers signals from `first` on and writes down all calls.
struct Recorder : hpimvp::common::ActivitySink {
  explicit Recorder(std::uint32_t first) : next(first) {}
  std::uint32_t next;
  std::string log;

  hpimvp::common::SignalId declare_signal(std::string_view name, unsigned bits,
                                          const std::vector<std::string>& names) override {
    log += "signal " + std::string(name) + " " + std::to_string(bits) + " " +
           std::to_string(names.size()) + "\n";
    return next++;
  }
  void change(hpimvp::common::SignalId signal, std::uint64_t time, std::uint64_t value) override {
    log += "change " + std::to_string(signal) + " " + std::to_string(time) + " " +
           std::to_string(value) + "\n";
  }
  std::uint32_t declare_engine(std::string_view name) override {
    log += "engine " + std::string(name) + "\n";
    return next++;
  }
  void operation(std::uint32_t engine, std::uint32_t operation, std::uint64_t start,
                 std::uint64_t end) override {
    log += "operation " + std::to_string(engine) + " " + std::to_string(operation) + " " +
           std::to_string(start) + " " + std::to_string(end) + "\n";
  }
};

}  // namespace

TEST_CASE("every listener hears everything under its own numbers") {
  Recorder first(10);
  Recorder second(20);
  ActivityFanOut fan_out({&first, &second});
  const auto a = fan_out.declare_signal("a", 1, {});
  const auto engine = fan_out.declare_engine("dma");
  const auto b = fan_out.declare_signal("b", 8, {"x", "y"});
  fan_out.change(b, 5, 1);
  fan_out.change(a, 6, 0);
  fan_out.operation(engine, 3, 7, 8);
  CHECK(first.log ==
        "signal a 1 0\nengine dma\nsignal b 8 2\nchange 12 5 1\nchange 10 6 0\n"
        "operation 11 3 7 8\n");
  CHECK(second.log ==
        "signal a 1 0\nengine dma\nsignal b 8 2\nchange 22 5 1\nchange 20 6 0\n"
        "operation 21 3 7 8\n");
}

TEST_CASE("operations add up by operator and engine") {
  OperationLog log;
  const auto dma = log.declare_engine("dma");
  const auto tile = log.declare_engine("tile0");
  log.operation(tile, 2, 100, 150);
  log.operation(dma, 2, 40, 60);
  log.operation(tile, 2, 10, 20);
  log.operation(tile, 1, 0, 1);
  CHECK(log.engines() == std::vector<std::string>{"dma", "tile0"});
  REQUIRE(log.totals().size() == 3);
  CHECK(log.totals().begin()->first == OperationLog::Key{1, tile});
  const OperationLog::Total& total = log.totals().at({2, tile});
  CHECK(total.count == 2);
  CHECK(total.busy_ps == 60);
  CHECK(total.first_start_ps == 10);
  CHECK(total.last_end_ps == 150);
  CHECK(log.totals().at({2, dma}).busy_ps == 20);
}
