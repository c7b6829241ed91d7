#include "platform/cli/dram_waveform.h"

#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/hbm_pim/device_presets.h"

using namespace hpimvp;
using hbm_pim::CommandAddress;
using hbm_pim::CommandRecord;
using hbm_pim::DramCommand;
using hbm_pim::Parameter;

namespace {

using Changes = std::vector<std::pair<std::uint64_t, std::string>>;

// Keeps the changes of each signal as a viewer shows them.
class Recorder : public common::ActivitySink {
 public:
  common::SignalId declare_signal(std::string_view name, unsigned bits,
                                  const std::vector<std::string>& value_names) override {
    names.emplace_back(name);
    widths[names.back()] = bits;
    texts_.push_back(value_names);
    return static_cast<common::SignalId>(names.size() - 1);
  }
  void change(common::SignalId signal, std::uint64_t time_ps, std::uint64_t value) override {
    const auto& texts = texts_.at(signal);
    changes[names.at(signal)].emplace_back(time_ps,
                                           texts.empty() ? std::to_string(value) : texts.at(value));
  }
  std::uint32_t declare_engine(std::string_view) override { return 0; }
  void operation(std::uint32_t, std::uint32_t, std::uint64_t, std::uint64_t) override {}

  std::vector<std::string> names;
  std::map<std::string, unsigned> widths;
  std::map<std::string, Changes> changes;

 private:
  std::vector<std::vector<std::string>> texts_;
};

CommandRecord command(std::uint64_t cycle, DramCommand what, const CommandAddress& address = {}) {
  return {cycle, 0, what, address};
}

}  // namespace

TEST_CASE("a waveform shows what stands on the two command buses") {
  const hbm_pim::DeviceDescription device = test_support::device_preset("hbm3_hpim");
  const std::uint64_t period = device.clock_period_ps;
  Recorder recorder;
  cli::DramWaveform waveform(recorder, device, 0);
  const std::size_t first = waveform.add("stack0.pc0");
  const std::size_t second = waveform.add("stack0.pc1");
  waveform.take(first, command(10, DramCommand::kActivate, {1, 2, 3, 77, 0}));
  waveform.take(first, command(30, DramCommand::kRead, {1, 2, 3, 77, 5}));
  waveform.take(first, command(30, DramCommand::kPrecharge, {0, 1, 1, 0, 0}));
  waveform.take(first, command(31, DramCommand::kRead, {1, 2, 3, 77, 5}));
  waveform.take(second, command(4, DramCommand::kActivate, {0, 0, 0, 8, 0}));
  waveform.settle(40 * period);

  // An ACT takes two cycles of its bus, other commands one; equal ones are told apart.
  const auto& of = recorder.changes;
  CHECK(of.at("stack0.pc0.row_bus.command") == Changes{{0, "-"},
                                                       {10 * period, "ACT"},
                                                       {12 * period - 1, "-"},
                                                       {30 * period, "PRE"},
                                                       {31 * period - 1, "-"},
                                                       {0, "-"}});
  CHECK(of.at("stack0.pc0.column_bus.command") == Changes{{0, "-"},
                                                          {30 * period, "RD"},
                                                          {31 * period - 1, "-"},
                                                          {31 * period, "RD"},
                                                          {32 * period - 1, "-"},
                                                          {0, "-"}});
  CHECK(of.at("stack0.pc0.row_bus.row") ==
        Changes{{10 * period, "77"}, {30 * period, "0"}, {0, "0"}});
  CHECK(of.at("stack0.pc0.row_bus.bank_group") ==
        Changes{{10 * period, "2"}, {30 * period, "1"}, {0, "0"}});
  CHECK(of.at("stack0.pc0.column_bus.column") == Changes{{30 * period, "5"}, {0, "0"}});
  CHECK(of.at("stack0.pc0.column_bus.bank") == Changes{{30 * period, "3"}, {0, "0"}});
  CHECK(of.at("stack0.pc1.row_bus.row") == Changes{{4 * period, "8"}, {0, "0"}});

  // Wide enough for every address.
  CHECK(1u << recorder.widths.at("stack0.pc0.row_bus.row") >= device.organisation.rows);
  CHECK(1u << recorder.widths.at("stack0.pc0.row_bus.bank") >= device.activate_groups());
  CHECK(1u << recorder.widths.at("stack0.pc0.column_bus.column") >= device.organisation.columns);
}

TEST_CASE("a waveform shows a pseudo-channel's state") {
  const hbm_pim::DeviceDescription device = test_support::device_preset("hbm3_hpim");
  const std::uint64_t period = device.clock_period_ps;
  const std::uint64_t refresh = device[Parameter::kTRFC];
  Recorder recorder;
  cli::DramWaveform waveform(recorder, device, 0);
  const std::size_t channel = waveform.add("pc");
  const auto take = [&](std::uint64_t cycle, DramCommand what) {
    waveform.take(channel, command(cycle, what));
  };
  waveform.settle(1);
  recorder.changes.clear();

  // Two refreshes with nothing in between are one stretch; in PIM mode it leads back there.
  take(100, DramCommand::kRefresh);
  take(100 + refresh, DramCommand::kRefresh);
  take(100 + 2 * refresh, DramCommand::kPimEnter);
  const std::uint64_t in_pim = 1000 + 2 * refresh;
  take(in_pim, DramCommand::kRefresh);
  waveform.settle((in_pim + refresh) * period);
  CHECK(recorder.changes.at("pc.state").back().second == "REFRESH");
  waveform.settle((in_pim + refresh + 1) * period);
  const std::uint64_t after = in_pim + refresh + 100;
  take(after, DramCommand::kPimExit);
  take(after + 50, DramCommand::kPowerDownEnter);
  take(after + 90, DramCommand::kPowerDownExit);
  CHECK(recorder.changes.at("pc.state") == Changes{{100 * period, "REFRESH"},
                                                   {(100 + 2 * refresh) * period, "NORMAL"},
                                                   {(100 + 2 * refresh) * period, "PIM"},
                                                   {in_pim * period, "REFRESH"},
                                                   {(in_pim + refresh) * period, "PIM"},
                                                   {after * period, "NORMAL"},
                                                   {(after + 50) * period, "POWER_DOWN"},
                                                   {(after + 90) * period, "NORMAL"}});
}

TEST_CASE("of what was before a waveform's window only the outcome is told") {
  const hbm_pim::DeviceDescription device = test_support::device_preset("hbm3_hpim");
  const std::uint64_t period = device.clock_period_ps;
  const std::uint64_t start = 500 * period;
  Recorder recorder;
  cli::DramWaveform waveform(recorder, device, start);
  const std::size_t channel = waveform.add("pc");
  waveform.take(channel, command(10, DramCommand::kPimEnter));
  waveform.take(channel, command(400, DramCommand::kActivateBanks, {0, 0, 3, 9, 0}));
  waveform.take(channel, command(499, DramCommand::kActivateBanks, {0, 0, 2, 9, 0}));
  waveform.settle(499 * period);
  CHECK(recorder.changes.at("pc.row_bus.command").size() <= 2);
  CHECK(recorder.changes.count("pc.row_bus.bank") == 0);
  waveform.settle(start);
  // The second ACT_AB stands on the bus at the start and goes behind it.
  CHECK(recorder.changes.at("pc.row_bus.command") ==
        Changes{{0, "-"}, {501 * period - 1, "-"}, {start, "ACT_AB"}});
  CHECK(recorder.changes.at("pc.row_bus.bank") == Changes{{start, "2"}});
  CHECK(recorder.changes.at("pc.row_bus.row") == Changes{{start, "9"}});
  CHECK(recorder.changes.at("pc.state") == Changes{{start, "PIM"}});
}
