// How many requests and commands a second a pseudo-channel's controller handles on one core, with
// and without somebody who looks at the commands.
#include <benchmark/benchmark.h>

#include <random>
#include <stdexcept>
#include <vector>

#include "models/hbm_pim/bit_field_mapping.h"
#include "models/hbm_pim/memory_controller.h"
#include "platform/config/device_reader.h"

namespace {

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the benchmark

constexpr std::uint64_t kRequests = 100'000;

DeviceDescription preset() {
  return hpimvp::config::load_device(std::string(HPIMVP_SOURCE_DIR) +
                                     "/scenarios/presets/hbm/hbm3_hpim.json");
}

std::vector<MemoryRequest> requests(const DeviceDescription& device, bool sequential,
                                    unsigned writes_in_8) {
  DeviceOrganisation organisation = device.organisation;
  organisation.channels = 1;
  organisation.pseudo_channels_per_channel = 1;
  const BitFieldMapping mapping(organisation);
  std::mt19937_64 random(1);
  std::vector<MemoryRequest> list;
  for (std::uint64_t id = 0; id < kRequests; ++id) {
    const std::uint64_t offset =
        sequential ? id * organisation.burst_bytes : random() % organisation.stack_bytes();
    list.push_back({id, 0, mapping.map(offset).address, random() % 8 < writes_in_8, 0});
  }
  return list;
}

void play(benchmark::State& state, bool sequential, unsigned writes_in_8, bool traced) {
  const DeviceDescription device = preset();
  const std::vector<MemoryRequest> list = requests(device, sequential, writes_in_8);
  std::uint64_t commands = 0;
  std::uint64_t seen = 0;
  for (auto _ : state) {
    MemoryController controller(device, {});
    if (traced) {
      controller.set_command_sink({[](void* context, const CommandRecord& record) {
                                     *static_cast<std::uint64_t*>(context) += record.cycle;
                                   },
                                   &seen});
    }
    for (const MemoryRequest& request : list) {
      while (!controller.can_accept(request.write)) controller.issue_next(~std::uint64_t{0});
      controller.push(request);
    }
    while (!controller.idle()) controller.issue_next(~std::uint64_t{0});
    commands = 0;
    for (const std::uint64_t count : controller.counters().commands) commands += count;
  }
  benchmark::DoNotOptimize(seen);
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * list.size()));
  state.counters["commands/s"] = benchmark::Counter(
      static_cast<double>(commands * state.iterations()), benchmark::Counter::kIsRate);
}

// A GEMV's rows as a stream that is given out again and again.
struct Rows {
  std::vector<PimCommand> commands;
  unsigned left = 0;

  static std::span<const PimCommand> next(void* context) {
    auto& rows = *static_cast<Rows*>(context);
    if (rows.left == 0) return {};
    --rows.left;
    return rows.commands;
  }
};

void gemv(benchmark::State& state) {
  const DeviceDescription device = preset();
  Rows rows;
  CommandAddress address;
  for (std::uint32_t group = 0; group < device.activate_groups(); ++group) {
    address.bank = static_cast<std::uint8_t>(group);
    rows.commands.push_back({DramCommand::kActivateBanks, address});
  }
  address.bank = 0;
  for (std::uint16_t column = 0; column < device.organisation.columns; ++column) {
    address.column = column;
    rows.commands.push_back({DramCommand::kMac, address});
  }
  rows.commands.push_back({DramCommand::kPrechargeBanks, address});
  constexpr unsigned kRows = 2000;
  for (auto _ : state) {
    MemoryController controller(device, {});
    rows.left = kRows;
    controller.start_pim({&Rows::next, &rows});
    while (!controller.idle()) controller.issue_next(~std::uint64_t{0});
  }
  state.SetItemsProcessed(
      static_cast<std::int64_t>(state.iterations() * kRows * rows.commands.size()));
}

BENCHMARK_CAPTURE(play, sequential_reads, true, 0, false);
BENCHMARK_CAPTURE(play, sequential_reads_traced, true, 0, true);
BENCHMARK_CAPTURE(play, random_reads, false, 0, false);
BENCHMARK_CAPTURE(play, random_reads_and_writes, false, 3, false);
BENCHMARK(gemv);

}  // namespace

BENCHMARK_MAIN();
