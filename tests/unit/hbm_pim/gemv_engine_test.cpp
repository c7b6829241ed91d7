// The fast engine against the command engine, and that against the memory controller.
#include <catch2/catch.hpp>
#include <numeric>
#include <random>

#include "models/hbm_pim/gemv_command_engine.h"
#include "models/hbm_pim/gemv_fast_engine.h"
#include "models/hbm_pim/memory_controller.h"
#include "models/hbm_pim/pim_cursor.h"
#include "tests/unit/common/random_seed.h"
#include "tests/unit/hbm_pim/device_presets.h"
#include "tests/unit/hbm_pim/random_gemvs.h"

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the test
using hpimvp::test_support::device_preset;
using hpimvp::test_support::device_preset_names;
using hpimvp::test_support::random_gemv;
using hpimvp::test_support::random_variant;
using hpimvp::test_support::scaled_cases;

namespace {

using Random = std::mt19937_64;

// Ordinary traffic, which leaves rows open and constraints that still bind; an interval of refresh
// that has begun some time ago, and refreshes owed.
PseudoChannelState random_state(const DeviceDescription& device, Random& random) {
  GemvRefresh refresh;
  refresh.enabled = random() % 8 != 0;
  refresh.most_postponed = 1 + static_cast<std::uint32_t>(random() % 8);
  PseudoChannelState state(device, refresh);
  state.now = random() % 3 == 0 ? 0 : random() % 1'000'000;
  for (std::uint64_t left = random() % 3 == 0 ? 0 : random() % 20; left > 0; --left) {
    CommandAddress at = device.organisation.bank_address(
        static_cast<std::uint32_t>(random() % device.organisation.banks()));
    DramCommand command = DramCommand::kActivate;
    if (state.timing.open_row(at) != CommandTiming::kNoRow) {
      command = std::array{DramCommand::kRead, DramCommand::kWrite,
                           DramCommand::kPrecharge}[random() % 3];
    }
    state.now = std::max(state.now, state.timing.earliest(command, at)) + random() % 4;
    state.timing.issue(command, at, state.now);
  }
  state.refresh.advance(state.now);
  state.refresh.pay(state.refresh.owed() - std::min(state.refresh.owed(), random() % 9));
  return state;
}

void require_same(const GemvResult& fast, const GemvResult& commanded) {
  REQUIRE(fast.start == commanded.start);
  REQUIRE(fast.end == commanded.end);
  REQUIRE(fast.commands == commanded.commands);
  REQUIRE(fast.cycles == commanded.cycles);
}

void require_same_state(const PseudoChannelState& fast, const PseudoChannelState& commanded) {
  REQUIRE(fast.now == commanded.now);
  REQUIRE(fast.timing.same_from(fast.now, commanded.timing, commanded.now));
  RefreshSchedule one = fast.refresh;
  RefreshSchedule other = commanded.refresh;
  one.advance(fast.now);
  other.advance(fast.now);
  REQUIRE(one == other);
}

std::uint64_t sum(const GemvResult& result) {
  return std::accumulate(result.cycles.begin(), result.cycles.end(), std::uint64_t{0});
}

// A few GEMVs in a row from one start state.
void compare_engines(const DeviceDescription& device, GemvFastEngine& fast, Random& random) {
  const GemvCommandEngine commanded(device);
  PseudoChannelState state = random_state(device, random);
  GemvFastEngine::Channel channel = fast.channel_of(state);
  for (std::uint64_t left = 1 + random() % 3; left > 0; --left) {
    const PseudoChannelGemv gemv = random_gemv(device, random);
    INFO(device.name << ": " << gemv.inputs << " inputs, " << gemv.outputs << " outputs, bias "
                     << gemv.bias << ", from row " << gemv.weight_row << ", cycle " << state.now);
    GemvStream stream(device, gemv);
    const GemvResult expected = commanded.run(state, stream.source());
    require_same(fast.run(channel, gemv), expected);
    REQUIRE(sum(expected) == expected.end - expected.start);
    require_same_state(fast.state_of(channel), state);
    if (random() % 4 == 0) {
      state.now += random() % 200;  // a pause
      channel = fast.channel_of(state);
    }
  }
}

}  // namespace

TEST_CASE("The fast GEMV engine equals the command engine, on the presets") {
  const std::uint64_t seed = hpimvp::random_seed(0x6E31);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  std::vector<DeviceDescription> devices;
  std::vector<GemvFastEngine> engines;
  for (const std::string& name : device_preset_names()) {
    devices.push_back(device_preset(name));
    engines.emplace_back(devices.back());
  }
  for (std::uint64_t i = 0; i < scaled_cases(10000); ++i) {
    const std::size_t which = i % devices.size();
    compare_engines(devices[which], engines[which], random);
    if (engines[which].statistics().states > 2000) engines[which].forget();
  }
  for (const GemvFastEngine& engine : engines) {
    const GemvFastEngine::Statistics statistics = engine.statistics();
    INFO(statistics.states << " states, " << statistics.patterns << " patterns");
    // Both ways are taken.
    CHECK(statistics.walked_blocks > 0);
    CHECK(statistics.learned_blocks < statistics.blocks);
  }
}

TEST_CASE("The fast GEMV engine equals the command engine, on variants of the presets") {
  const std::uint64_t seed = hpimvp::random_seed(0x6E32);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (std::uint64_t i = 0; i < scaled_cases(300); ++i) {
    const DeviceDescription device = random_variant(random);
    INFO("banks per unit " << device.pim.banks_per_unit << ", buffer " << device.pim.buffer_bytes
                           << ", accumulators " << device.pim.accumulators);
    GemvFastEngine fast(device);
    compare_engines(device, fast, random);
  }
}

TEST_CASE("Pseudo-channels in the same state with the same work are computed once") {
  const DeviceDescription device = device_preset("hbm3_hpim");
  const GemvCommandEngine commanded(device);
  GemvFastEngine fast(device);
  const std::vector<PseudoChannelGemv> gemvs = slice_rows(device, 2, {1000, 3000, 0, true});
  std::vector<PseudoChannelState> states(gemvs.size(), PseudoChannelState(device));
  for (std::size_t i = 0; i < states.size(); i += 5) states[i].now = 77;
  std::vector<GemvFastEngine::Channel> channels;
  for (const PseudoChannelState& state : states) channels.push_back(fast.channel_of(state));
  std::vector<GemvResult> results(gemvs.size());
  for (int round = 0; round < 3; ++round) {
    fast.run(channels, gemvs, results);
    for (std::size_t i = 0; i < states.size(); ++i) {
      GemvStream stream(device, gemvs[i]);
      require_same(results[i], commanded.run(states[i], stream.source()));
      require_same_state(fast.state_of(channels[i]), states[i]);
    }
  }
  // At most: two shapes and no work, in two states.
  CHECK(fast.statistics().shared_channels >= 3 * (gemvs.size() - 6));
  CHECK_THROWS_AS(fast.run(std::span(channels).first(1), gemvs, results), std::invalid_argument);
}

TEST_CASE("The command engine issues what a controller without other requests issues") {
  const std::uint64_t seed = hpimvp::random_seed(0x6E33);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (std::uint64_t i = 0; i < scaled_cases(100); ++i) {
    const DeviceDescription device =
        device_preset(device_preset_names()[i % device_preset_names().size()]);
    PseudoChannelGemv gemv = random_gemv(device, random);
    if (gemv.outputs == 0) gemv = {gemv.inputs, 1, 0, gemv.bias};
    INFO(device.name << ": " << gemv.inputs << " inputs, " << gemv.outputs << " outputs");
    ControllerConfig config;
    config.most_postponed = 1 + static_cast<std::uint32_t>(random() % 8);
    GemvStream stream(device, gemv);
    std::vector<CommandRecord> expected;
    MemoryController controller(device, config);
    const auto append = [](void* context, const CommandRecord& record) {
      static_cast<std::vector<CommandRecord>*>(context)->push_back(record);
    };
    controller.set_command_sink({append, &expected});
    controller.start_pim(stream.source());
    while (expected.empty() || expected.back().command != DramCommand::kPimExit) {
      REQUIRE(controller.issue_next(1'000'000'000));
    }
    std::vector<CommandRecord> records;
    PseudoChannelState state(device, {.most_postponed = config.most_postponed});
    const GemvResult result =
        GemvCommandEngine(device).run(state, stream.source(), {append, &records});
    REQUIRE(records.size() == expected.size());
    REQUIRE(result.all_commands() == records.size());
    for (std::size_t k = 0; k < records.size(); ++k) {
      INFO("command " << k);
      REQUIRE(command_name(records[k].command) == std::string(command_name(expected[k].command)));
      REQUIRE(records[k].cycle == expected[k].cycle);
    }
  }
}
