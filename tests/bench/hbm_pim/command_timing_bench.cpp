// How many DRAM commands a second one core can time: legality, earliest cycle and issue of each.
// The streams are written out before the clock starts.
#include <benchmark/benchmark.h>

#include <random>
#include <stdexcept>
#include <vector>

#include "models/hbm_pim/command_timing.h"
#include "platform/config/device_reader.h"

namespace {

using hpimvp::hbm_pim::CommandAddress;
using hpimvp::hbm_pim::CommandTiming;
using hpimvp::hbm_pim::DeviceDescription;
using hpimvp::hbm_pim::DramCommand;

constexpr std::size_t kCommands = 100'000;

struct Command {
  DramCommand command;
  CommandAddress address;
};

DeviceDescription preset(const std::string& name) {
  return hpimvp::config::load_device(std::string(HPIMVP_SOURCE_DIR) + "/scenarios/presets/hbm/" +
                                     name + ".json");
}

// Reads and writes with a share of row hits, banks and rows at random.
std::vector<Command> ordinary_stream(const DeviceDescription& device, unsigned hits_in_8) {
  std::mt19937 random(1);
  CommandTiming timing(device);
  std::vector<Command> stream;
  const auto add = [&](DramCommand command, const CommandAddress& address) {
    stream.push_back({command, address});
    timing.issue(command, address, timing.earliest(command, address));
  };
  while (stream.size() < kCommands) {
    CommandAddress address =
        device.organisation.bank_address(random() % device.organisation.banks());
    const bool hit = random() % 8 < hits_in_8;
    const bool open = timing.open_row(address) != CommandTiming::kNoRow;
    address.row = hit && open ? timing.open_row(address) : random() % device.organisation.rows;
    if (open && !hit) add(DramCommand::kPrecharge, address);
    if (!open || !hit) add(DramCommand::kActivate, address);
    address.column = static_cast<std::uint16_t>(random() % device.organisation.columns);
    add(random() % 3 == 0 ? DramCommand::kWrite : DramCommand::kRead, address);
  }
  return stream;
}

// Rows of a GEMV: activate all groups, a MAC for every column, precharge.
std::vector<Command> gemv_stream(const DeviceDescription& device) {
  std::vector<Command> stream;
  CommandAddress address;
  stream.push_back({DramCommand::kPimEnter, address});
  while (stream.size() < kCommands) {
    for (std::uint32_t group = 0; group < device.activate_groups(); ++group) {
      address.bank = static_cast<std::uint8_t>(group);
      stream.push_back({DramCommand::kActivateBanks, address});
    }
    for (std::uint32_t group = 0; group < device.operand_groups(); ++group) {
      address.bank = static_cast<std::uint8_t>(group);
      for (std::uint16_t column = 0; column < device.organisation.columns; ++column) {
        address.column = column;
        stream.push_back({DramCommand::kMac, address});
      }
      stream.push_back({DramCommand::kPrechargeBanks, address});
    }
  }
  return stream;
}

void run(benchmark::State& state, const DeviceDescription& device,
         const std::vector<Command>& stream) {
  std::uint64_t last = 0;
  for (auto _ : state) {
    state.PauseTiming();
    CommandTiming timing(device);
    std::uint64_t now = 0;
    state.ResumeTiming();
    for (const Command& command : stream) {
      if (!timing.is_legal(command.command, command.address)) {
        throw std::logic_error("the stream is illegal");
      }
      now = std::max(now, timing.earliest(command.command, command.address));
      timing.issue(command.command, command.address, now);
    }
    last = now;
    benchmark::DoNotOptimize(last);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * stream.size()));
  state.counters["cycles/command"] = static_cast<double>(last) / static_cast<double>(stream.size());
}

void random_accesses(benchmark::State& state, const char* name) {
  const DeviceDescription device = preset(name);
  run(state, device, ordinary_stream(device, 0));
}

void row_hits(benchmark::State& state, const char* name) {
  const DeviceDescription device = preset(name);
  run(state, device, ordinary_stream(device, 7));
}

void gemv(benchmark::State& state, const char* name) {
  const DeviceDescription device = preset(name);
  run(state, device, gemv_stream(device));
}

BENCHMARK_CAPTURE(random_accesses, hbm3_6400, "hbm3_6400");
BENCHMARK_CAPTURE(random_accesses, hbm3_hpim, "hbm3_hpim");
BENCHMARK_CAPTURE(row_hits, hbm3_hpim, "hbm3_hpim");
BENCHMARK_CAPTURE(gemv, hbm3_hpim, "hbm3_hpim");
BENCHMARK_CAPTURE(gemv, hbm3_attacc, "hbm3_attacc");
BENCHMARK_CAPTURE(gemv, hbm2_samsung_pim, "hbm2_samsung_pim");

}  // namespace

BENCHMARK_MAIN();
