// What checking a command and counting it for the energy cost: to be held against
// hbm_command_timing_bench. The streams are written out before the clock starts.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "models/hbm_pim/checker.h"
#include "models/hbm_pim/energy.h"
#include "platform/config/device_reader.h"
#include "tests/unit/hbm_pim/random_commands.h"

namespace {

using namespace hpimvp::hbm_pim;  // NOLINT: the subject

constexpr std::size_t kCommands = 200'000;

DeviceDescription preset(const std::string& name) {
  return hpimvp::config::load_device(std::string(HPIMVP_SOURCE_DIR) + "/scenarios/presets/hbm/" +
                                     name + ".json");
}

std::vector<CommandRecord> stream(const DeviceDescription& device) {
  hpimvp::test_support::RandomCommands commands(device, 0, 1);
  std::vector<CommandRecord> records;
  for (std::size_t i = 0; i < kCommands; ++i) records.push_back(commands.next());
  return records;
}

void check(benchmark::State& state, const char* name) {
  const DeviceDescription device = preset(name);
  const std::vector<CommandRecord> records = stream(device);
  for (auto _ : state) {
    state.PauseTiming();
    DramChecker checker(device);
    state.ResumeTiming();
    std::uint64_t violations = 0;
    for (const CommandRecord& record : records) violations += checker.check(record).has_value();
    benchmark::DoNotOptimize(violations);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kCommands));
}

void count_energy(benchmark::State& state, const char* name) {
  const DeviceDescription device = preset(name);
  const std::vector<CommandRecord> records = stream(device);
  for (auto _ : state) {
    CommandCounter counter;
    for (const CommandRecord& record : records) counter.count(record);
    double picojoules = energy_of(device, counter.counts(records.back().cycle)).total();
    benchmark::DoNotOptimize(picojoules);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kCommands));
}

BENCHMARK_CAPTURE(check, hbm3_hpim, "hbm3_hpim");
BENCHMARK_CAPTURE(check, hbm3_attacc, "hbm3_attacc");
BENCHMARK_CAPTURE(check, hbm2_samsung_pim, "hbm2_samsung_pim");
BENCHMARK_CAPTURE(count_energy, hbm3_hpim, "hbm3_hpim");

}  // namespace

BENCHMARK_MAIN();
