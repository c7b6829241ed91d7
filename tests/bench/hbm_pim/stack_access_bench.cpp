// How many normal accesses a second a stack's scheduler times on one core: sections of a KV cache,
// read one after the other at random places, with either mapping, and command by command as with an
// observer.
#include <benchmark/benchmark.h>

#include <random>

#include "models/hbm_pim/stack_scheduler.h"
#include "platform/config/device_reader.h"

namespace {

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the benchmark

constexpr std::uint64_t kSectionBytes = 16 * 1024;
constexpr std::uint64_t kAccesses = 2000;
constexpr const char* kColumnLowest = "row:channel:pseudo_channel:stack_id:bank:bank_group:column";

void read_sections(benchmark::State& state, std::string_view fields, bool observed) {
  const DeviceDescription device = hpimvp::config::load_device(
      std::string(HPIMVP_SOURCE_DIR) + "/scenarios/presets/hbm/hbm3_hpim.json");
  const BitFieldMapping mapping(device.organisation, fields);
  const std::uint64_t sections = device.organisation.stack_bytes() / kSectionBytes;
  std::mt19937_64 random(1);
  StackScheduler stack(device, {}, mapping);
  std::uint64_t seen = 0;
  if (observed) {
    stack.observe({[](void* context, const CommandRecord& record) {
                     *static_cast<std::uint64_t*>(context) += record.cycle;
                   },
                   &seen});
  }
  StackScheduler::Cycle now = 0;
  for (auto _ : state) {
    for (std::uint64_t i = 0; i < kAccesses; ++i) {
      const std::uint32_t access =
          stack.start_access(now, false, random() % sections * kSectionBytes, kSectionBytes);
      for (StackScheduler::Progress progress; !progress.ended; now = progress.cycle) {
        progress = stack.access_progress(access, now);
      }
    }
  }
  benchmark::DoNotOptimize(seen);
  const auto accesses = static_cast<double>(state.iterations() * kAccesses);
  state.counters["accesses/s"] = benchmark::Counter(accesses, benchmark::Counter::kIsRate);
}

}  // namespace

BENCHMARK_CAPTURE(read_sections, default_mapping, kDefaultMapping, false);
BENCHMARK_CAPTURE(read_sections, default_mapping_observed, kDefaultMapping, true);
BENCHMARK_CAPTURE(read_sections, column_lowest, kColumnLowest, false);
BENCHMARK_CAPTURE(read_sections, column_lowest_observed, kColumnLowest, true);

BENCHMARK_MAIN();
