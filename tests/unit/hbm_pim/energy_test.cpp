// Energy against closed forms, and against published figures a bit.
#include "models/hbm_pim/energy.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/common/random_seed.h"
#include "tests/unit/hbm_pim/device_presets.h"
#include "tests/unit/hbm_pim/random_commands.h"

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the test
using C = DramCommand;
using hpimvp::test_support::device_preset;
using hpimvp::test_support::device_preset_names;

namespace {

CommandCounts counts_of(std::initializer_list<std::pair<C, std::uint64_t>> commands) {
  CommandCounts counts;
  for (const auto& [command, number] : commands) counts[command] = number;
  return counts;
}

DeviceDescription with_model(ProgrammingModel model) {
  DeviceDescription device = device_preset("hbm3_attacc");
  device.pim.programming_model = model;
  return device;
}

}  // namespace

TEST_CASE("Reading whole rows costs AttAcc's energy a bit outside, plus the activation") {
  const DeviceDescription device = device_preset("hbm3_attacc");
  const double bits = 10 * 32 * 32 * 8;
  const EnergyBreakdown energy =
      energy_of(device, counts_of({{C::kActivate, 10}, {C::kPrecharge, 10}, {C::kRead, 320}}));
  CHECK(energy.activate == Approx(10 * 909));
  CHECK(energy.activate / bits == Approx(0.111).epsilon(0.01));  // AttAcc: 0.11 pJ/bit
  CHECK(energy.cell == Approx(bits * 0.44));
  CHECK(energy.bank_group == Approx(bits * 1.01));
  CHECK(energy.global_io == Approx(bits * 1.23));
  CHECK(energy.tsv == Approx(bits * 0.5));
  CHECK(energy.interposer == Approx(bits * 0.3));
  CHECK(energy.total() / bits == Approx(3.59).epsilon(0.001));  // AttAcc: 3.59 pJ/bit outside
  CHECK(energy_of(device, counts_of({{C::kActivate, 10}, {C::kWrite, 320}})).total() ==
        Approx(energy.total()));
}

TEST_CASE(
    "MACs on whole rows cost AttAcc's energy a bit at the bank, plus operands and arithmetic") {
  const DeviceDescription device = device_preset("hbm3_attacc");
  const double bits = 32.0 * 32 * 32 * 8;  // banks, bursts, bytes
  const EnergyBreakdown energy =
      energy_of(device, counts_of({{C::kActivateBanks, 1}, {C::kMac, 32}}));
  CHECK((energy.activate + energy.cell) / bits == Approx(0.55).epsilon(0.002));
  CHECK(energy.mac == Approx(bits / 16 * 0.32));
  CHECK(energy.buffer == Approx(32 * 256 * 0.22));
  CHECK(energy.broadcast == Approx(32 * 256 * (1.23 + 8 * 1.01)));
  CHECK(energy.bank_group + energy.global_io + energy.tsv + energy.interposer == 0);
  CHECK(energy.total() ==
        Approx(energy.activate + energy.cell + energy.mac + energy.buffer + energy.broadcast));
}

TEST_CASE("Each command costs its closed form") {
  const double burst = 256;
  const double units = 32;
  const double broadcast = burst * (1.23 + 8 * 1.01);
  const double values = 16;
  struct Example {
    C command;
    double native;
    double samsung;
  };
  const double segments = burst * (1.01 + 1.23 + 0.5 + 0.3);
  const double copy = burst * (0.44 + 1.01 + 1.23);
  const double unit_buffers = units * burst * 0.22;
  const double element = units * (2 * burst * 0.44 + values * 0.32);
  const double mac = units * (burst * 0.44 + values * 0.32);
  const double write_buffer = burst * (0.5 + 0.3);
  const Example examples[] = {
      {C::kActivate, 909, 909},
      {C::kPrecharge, 0, 0},
      {C::kPrechargeAll, 0, 0},
      {C::kRead, burst * 0.44 + segments, burst * 0.44 + segments},
      {C::kWrite, burst * 0.44 + segments, burst * 0.44 + segments},
      {C::kRefresh, 32 * 1818, 32 * 1818},
      {C::kRefreshBank, 1818, 1818},
      {C::kPimEnter, 909, 909},
      {C::kPimExit, 909, 909},
      {C::kActivateBanks, 32 * 909, 32 * 909},
      {C::kPrechargeBanks, 0, 0},
      {C::kWriteBuffer, write_buffer + burst * 0.22, write_buffer + broadcast + unit_buffers},
      {C::kWriteBias, segments, segments},
      {C::kMac, mac + burst * 0.22 + broadcast, mac + unit_buffers},
      {C::kReadResult, segments, segments},
      {C::kElementAdd, element + burst * 0.22 + broadcast, element + unit_buffers},
      {C::kElementMultiply, element + burst * 0.22 + broadcast, element + unit_buffers},
      {C::kCopyToBuffer, copy + burst * 0.22, copy + broadcast + unit_buffers},
      {C::kCopyFromBuffer, copy + burst * 0.22, copy + burst * 0.22},
  };
  for (const Example& example : examples) {
    INFO(command_name(example.command));
    const CommandCounts counts = counts_of({{example.command, 7}});
    CHECK(energy_of(with_model(ProgrammingModel::kNative), counts).total() ==
          Approx(7 * example.native));
    CHECK(energy_of(with_model(ProgrammingModel::kSamsung), counts).total() ==
          Approx(7 * example.samsung));
  }
}

TEST_CASE("Background is power times time, less in power-down") {
  DeviceDescription device = device_preset("hbm3_6400");  // 0.625 ns
  device.energy.background_mw = 20;
  device.energy.power_down_mw = 8;
  CommandCounter counter;
  counter.count(C::kPowerDownEnter, 1000);
  counter.count(C::kPowerDownExit, 5000);
  counter.count(C::kPowerDownEnter, 9000);
  CHECK(counter.counts(16'000).power_down_cycles == 4000 + 7000);
  counter.count(C::kPowerDownExit, 10'000);
  const CommandCounts counts = counter.counts(16'000);
  CHECK(counts.power_down_cycles == 5000);
  const EnergyBreakdown energy = energy_of(device, counts);
  CHECK(energy.background == Approx(0.625 * (11'000 * 20 + 5000 * 8)));
  CHECK(energy.total() == Approx(energy.background));
}

TEST_CASE("Energy of a sum of counts is the sum of energies, component by component") {
  const auto seed = hpimvp::random_seed(20261124);
  INFO("seed " << seed);
  for (const std::string& name : device_preset_names()) {
    INFO(name);
    const DeviceDescription device = device_preset(name);
    CommandCounts all;
    EnergyBreakdown sum;
    std::uint64_t commands = 0;
    for (std::uint16_t i = 0; i < 3; ++i) {
      hpimvp::test_support::RandomCommands stream(device, i, seed + i);
      CommandCounter counter;
      std::uint64_t end = 0;
      for (unsigned step = 0; step < 20'000; ++step) {
        const CommandRecord record = stream.next();
        counter.count(record);
        end = record.cycle;
      }
      const CommandCounts counts = counter.counts(end);
      for (const std::uint64_t number : counts.commands) commands += number;
      CHECK(counts.power_down_cycles < counts.cycles);
      all += counts;
      sum += energy_of(device, counts);
    }
    CHECK(commands == 60'000);
    const EnergyBreakdown whole = energy_of(device, all);
    std::vector<double> parts;
    sum.for_each([&parts](const char*, double picojoules) { parts.push_back(picojoules); });
    std::size_t i = 0;
    double total = 0;
    whole.for_each([&](const char* component, double picojoules) {
      INFO(component);
      CHECK(picojoules > 0);
      CHECK(picojoules == Approx(parts[i++]));
      total += picojoules;
    });
    CHECK(total == Approx(whole.total()));
  }
}
