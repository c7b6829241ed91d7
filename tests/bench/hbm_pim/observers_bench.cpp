// What each observer of DRAM commands costs a controller that issues them: nobody, counting each
// command with its energy (once more: the controller's own counters are always on), and the
// checker.
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "models/hbm_pim/bit_field_mapping.h"
#include "models/hbm_pim/checker.h"
#include "models/hbm_pim/energy.h"
#include "models/hbm_pim/memory_controller.h"
#include "platform/config/device_reader.h"

namespace {

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the benchmark

constexpr std::uint64_t kReads = 100'000;

DeviceDescription preset() {
  return hpimvp::config::load_device(std::string(HPIMVP_SOURCE_DIR) +
                                     "/scenarios/presets/hbm/hbm3_hpim.json");
}

// One read in four at a random place, three that follow it.
std::vector<CommandAddress> places(const DeviceDescription& device) {
  DeviceOrganisation organisation = device.organisation;
  organisation.channels = 1;
  organisation.pseudo_channels_per_channel = 1;
  const BitFieldMapping mapping(organisation);
  std::mt19937_64 random(1);
  std::vector<CommandAddress> list;
  std::uint64_t offset = 0;
  for (std::uint64_t i = 0; i < kReads; ++i) {
    offset = i % 4 == 0 ? random() : offset + organisation.burst_bytes;
    list.push_back(mapping.map(offset % organisation.stack_bytes()).address);
  }
  return list;
}

std::uint64_t play(MemoryController& controller, const std::vector<CommandAddress>& list) {
  for (std::uint64_t i = 0; i < list.size(); ++i) {
    while (!controller.can_accept(false)) controller.issue_next(MemoryController::kNever);
    controller.push({i, 0, list[i], false, 0});
  }
  while (!controller.idle()) controller.issue_next(MemoryController::kNever);
  std::uint64_t commands = 0;
  for (const std::uint64_t count : controller.counters().commands) commands += count;
  return commands;
}

// The controller tells `observer(record)` of every command; `finish(controller)` is timed too.
template <typename Observer, typename Finish>
void run(benchmark::State& state, const DeviceDescription& device, const Observer& observer,
         const Finish& finish) {
  const std::vector<CommandAddress> list = places(device);
  std::int64_t commands = 0;
  for (auto _ : state) {
    MemoryController controller(device, {});
    controller.set_command_sink({[](void* context, const CommandRecord& record) {
                                   (*static_cast<const Observer*>(context))(record);
                                 },
                                 const_cast<Observer*>(&observer)});
    commands += static_cast<std::int64_t>(play(controller, list));
    finish(controller);
  }
  state.SetItemsProcessed(commands);
}

void unobserved(benchmark::State& state) {
  const DeviceDescription device = preset();
  const std::vector<CommandAddress> list = places(device);
  std::int64_t commands = 0;
  for (auto _ : state) {
    MemoryController controller(device, {});
    commands += static_cast<std::int64_t>(play(controller, list));
  }
  state.SetItemsProcessed(commands);
}

void told(benchmark::State& state) {
  std::uint64_t sum = 0;
  const auto observer = [&sum](const CommandRecord& record) { sum += record.cycle; };
  run(state, preset(), observer, [](const MemoryController&) {});
  benchmark::DoNotOptimize(sum);
}

void counted_with_energy(benchmark::State& state) {
  const DeviceDescription device = preset();
  CommandCounter counter;
  const auto observer = [&counter](const CommandRecord& record) { counter.count(record); };
  run(state, device, observer, [&](const MemoryController& controller) {
    benchmark::DoNotOptimize(energy_of(device, counter.counts(controller.now())).total());
    counter = {};
  });
}

void checked(benchmark::State& state) {
  const DeviceDescription device = preset();
  DramChecker checker(device);
  std::uint64_t violations = 0;
  const auto observer = [&](const CommandRecord& record) {
    violations += checker.check(record).has_value();
  };
  run(state, device, observer, [&](const MemoryController&) { checker = DramChecker(device); });
  if (violations != 0) state.SkipWithError("the checker found violations");
}

// What the end of a run computes from the counters of a stack.
void energy_of_counts(benchmark::State& state) {
  const DeviceDescription device = preset();
  CommandCounts counts;
  counts.commands.fill(1000);
  for (auto _ : state) {
    benchmark::DoNotOptimize(counts);
    benchmark::DoNotOptimize(energy_of(device, counts).total());
  }
}

BENCHMARK(unobserved);
BENCHMARK(told);
BENCHMARK(counted_with_energy);
BENCHMARK(checked);
BENCHMARK(energy_of_counts);

}  // namespace

BENCHMARK_MAIN();
