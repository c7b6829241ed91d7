// Host time of GEMVs on HBM-PIM: the command engine's commands a second, how much faster the fast
// engine is on the feed-forward GEMV of OPT-13B, and a token's worth of that model's GEMVs over
// four stacks. "cold": an engine that has seen nothing; "warm": one that has run the same before.
#include <benchmark/benchmark.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/hbm_pim/gemv_command_engine.h"
#include "models/hbm_pim/gemv_fast_engine.h"
#include "models/hbm_pim/gemv_stream.h"
#include "models/hbm_pim/pim_cursor.h"
#include "platform/config/device_reader.h"

namespace {

using namespace hpimvp::hbm_pim;  // NOLINT: the program is about it

constexpr std::uint32_t kStacks = 4;

// OPT-13B
constexpr std::uint32_t kLayers = 40;
constexpr std::uint32_t kHidden = 5120;
constexpr std::uint32_t kFeedForward = 20480;
constexpr std::uint32_t kVocabulary = 50272;

DeviceDescription preset(const std::string& name) {
  return hpimvp::config::load_device(std::string(HPIMVP_SOURCE_DIR) + "/scenarios/presets/hbm/" +
                                     name + ".json");
}

using Slices = std::vector<PseudoChannelGemv>;

Slices feed_forward(const DeviceDescription& device) {
  return slice_rows(device, kStacks, {kHidden, kFeedForward, 0, true});
}

// The GEMVs of a token in their order.
std::vector<Slices> token(const DeviceDescription& device) {
  const Slices square = slice_rows(device, kStacks, {kHidden, kHidden, 0, true});
  const Slices up = feed_forward(device);
  const Slices down = slice_rows(device, kStacks, {kFeedForward, kHidden, 0, true});
  std::vector<Slices> gemvs;
  for (std::uint32_t layer = 0; layer < kLayers; ++layer) {
    gemvs.insert(gemvs.end(), 4, square);  // Q, K, V, projection
    gemvs.push_back(up);
    gemvs.push_back(down);
  }
  gemvs.push_back(slice_rows(device, kStacks, {kHidden, kVocabulary, 0, false}));
  return gemvs;
}

void command_engine(benchmark::State& state, const char* name) {
  const DeviceDescription device = preset(name);
  const GemvCommandEngine engine(device);
  GemvStream stream(device, feed_forward(device).front());
  const PseudoChannelState fresh(device);
  std::uint64_t commands = 0;
  for (auto _ : state) {
    PseudoChannelState channel = fresh;
    commands += engine.run(channel, stream.source()).all_commands();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(commands));
}

// All pseudo-channels, command by command.
std::uint64_t run_commands(const DeviceDescription& device, const Slices& gemvs) {
  const GemvCommandEngine engine(device);
  const PseudoChannelState fresh(device);
  std::uint64_t end = 0;
  for (const PseudoChannelGemv& gemv : gemvs) {
    PseudoChannelState channel = fresh;
    GemvStream stream(device, gemv);
    end = std::max(end, engine.run(channel, stream.source()).end);
  }
  return end;
}

struct FastRun {
  GemvFastEngine& engine;
  std::vector<GemvFastEngine::Channel> channels;
  std::vector<GemvResult> results;

  FastRun(GemvFastEngine& fast, const PseudoChannelState& fresh, std::size_t count)
      : engine(fast), channels(count, fast.channel_of(fresh)), results(count) {}
  std::uint64_t run(const Slices& gemvs) {
    engine.run(channels, gemvs, results);
    std::uint64_t end = 0;
    for (const GemvResult& result : results) end = std::max(end, result.end);
    return end;
  }
};

void feed_forward_commands(benchmark::State& state, const char* name) {
  const DeviceDescription device = preset(name);
  const Slices gemvs = feed_forward(device);
  for (auto _ : state) benchmark::DoNotOptimize(run_commands(device, gemvs));
}

void feed_forward_fast_cold(benchmark::State& state, const char* name) {
  const DeviceDescription device = preset(name);
  const Slices gemvs = feed_forward(device);
  const PseudoChannelState fresh(device);
  for (auto _ : state) {
    GemvFastEngine engine(device);
    benchmark::DoNotOptimize(FastRun(engine, fresh, gemvs.size()).run(gemvs));
  }
}

// Both engines alternate in one loop, so that the load of the machine hits both.
void feed_forward_speed_up(benchmark::State& state, const char* name) {
  using Clock = std::chrono::steady_clock;
  const DeviceDescription device = preset(name);
  const Slices gemvs = feed_forward(device);
  const PseudoChannelState fresh(device);
  GemvFastEngine engine(device);
  FastRun(engine, fresh, gemvs.size()).run(gemvs);
  Clock::duration commanded{};
  Clock::duration fast{};
  std::uint64_t cycles = 0;
  for (auto _ : state) {
    const Clock::time_point start = Clock::now();
    cycles = run_commands(device, gemvs);
    const Clock::time_point middle = Clock::now();
    for (int i = 0; i < 100; ++i) {
      if (FastRun(engine, fresh, gemvs.size()).run(gemvs) != cycles) {
        throw std::logic_error("the engines differ");
      }
    }
    commanded += middle - start;
    fast += Clock::now() - middle;
  }
  state.counters["warm speed-up"] =
      100 * static_cast<double>(commanded.count()) / static_cast<double>(fast.count());
  state.counters["DRAM cycles"] = static_cast<double>(cycles);
}

void token_fast(benchmark::State& state, const char* name, bool warm) {
  const DeviceDescription device = preset(name);
  const std::vector<Slices> gemvs = token(device);
  const PseudoChannelState fresh(device);
  std::uint64_t end = 0;
  const auto run = [&](GemvFastEngine& engine) {
    FastRun all(engine, fresh, gemvs.front().size());
    for (const Slices& gemv : gemvs) end = all.run(gemv);
  };
  GemvFastEngine kept(device);
  if (warm) run(kept);
  for (auto _ : state) {
    if (warm) {
      run(kept);
    } else {
      GemvFastEngine engine(device);
      run(engine);
    }
  }
  state.counters["DRAM ms"] = static_cast<double>(end * device.clock_period_ps) * 1e-9;
}

void token_cold(benchmark::State& state, const char* name) {
  token_fast(state, name, false);
}
void token_warm(benchmark::State& state, const char* name) {
  token_fast(state, name, true);
}

BENCHMARK_CAPTURE(command_engine, hbm3_hpim, "hbm3_hpim");
BENCHMARK_CAPTURE(command_engine, hbm3_attacc, "hbm3_attacc");
BENCHMARK_CAPTURE(command_engine, hbm2_samsung_pim, "hbm2_samsung_pim");
BENCHMARK_CAPTURE(feed_forward_commands, hbm3_hpim, "hbm3_hpim")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(feed_forward_fast_cold, hbm3_hpim, "hbm3_hpim")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(feed_forward_speed_up, hbm3_hpim, "hbm3_hpim")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(token_cold, hbm3_hpim, "hbm3_hpim")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(token_warm, hbm3_hpim, "hbm3_hpim")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(token_cold, hbm2_samsung_pim, "hbm2_samsung_pim")->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
