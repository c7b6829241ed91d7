// A controller that hands its pseudo-channel to a GEMV engine and takes it back, against one that
// issues the GEMV's commands itself; copies, and controllers that claim to be the same.
#include <catch2/catch.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

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
using hpimvp::test_support::scaled_cases;

namespace {

using Random = std::mt19937_64;
using Cycle = std::uint64_t;

struct Recorder {
  std::vector<CommandRecord> commands;
  std::vector<Completion> completions;

  void listen_to(MemoryController& controller) {
    controller.set_command_sink({[](void* context, const CommandRecord& record) {
                                   static_cast<Recorder*>(context)->commands.push_back(record);
                                 },
                                 this});
    controller.set_completion_sink({[](void* context, const Completion& completion) {
                                      static_cast<Recorder*>(context)->completions.push_back(
                                          completion);
                                    },
                                    this});
  }
  CommandObserver observer() {
    return {[](void* context, const CommandRecord& record) {
              static_cast<Recorder*>(context)->commands.push_back(record);
            },
            this};
  }
};

std::string text(const CommandRecord& record) {
  const CommandAddress& at = record.address;
  return std::to_string(record.cycle) + " " + command_name(record.command) + " " +
         std::to_string(at.stack_id) + "/" + std::to_string(at.bank_group) + "/" +
         std::to_string(at.bank) + " row " + std::to_string(at.row) + " column " +
         std::to_string(at.column);
}

void require_same_records(const Recorder& one, const Recorder& other) {
  for (std::size_t i = 0; i < std::min(one.commands.size(), other.commands.size()); ++i) {
    if (text(one.commands[i]) == text(other.commands[i])) continue;
    INFO("command " << i);
    REQUIRE(text(one.commands[i]) == text(other.commands[i]));
  }
  REQUIRE(one.commands.size() == other.commands.size());
  REQUIRE(one.completions.size() == other.completions.size());
  for (std::size_t i = 0; i < one.completions.size(); ++i) {
    if (one.completions[i].id == other.completions[i].id &&
        one.completions[i].cycle == other.completions[i].cycle) {
      continue;
    }
    FAIL("completion " << i << " of request " << one.completions[i].id << " at "
                       << one.completions[i].cycle << ", of " << other.completions[i].id << " at "
                       << other.completions[i].cycle);
  }
}

ControllerConfig random_config(Random& random, bool per_bank) {
  ControllerConfig config;
  config.page_policy = static_cast<PagePolicy>(random() % 2);
  config.refresh = random() % 8 == 0 ? RefreshPolicy::kNone : RefreshPolicy::kAllBank;
  if (per_bank && random() % 3 == 0) config.refresh = RefreshPolicy::kPerBank;
  config.most_postponed = static_cast<std::uint32_t>(random() % 9);
  config.read_queue = 1 + static_cast<std::uint32_t>(random() % 64);
  config.write_queue = 1 + static_cast<std::uint32_t>(random() % 64);
  config.drain_from = 1 + static_cast<std::uint32_t>(random() % config.write_queue);
  config.drain_to = static_cast<std::uint32_t>(random() % config.drain_from);
  config.starvation_limit = 100 + static_cast<std::uint32_t>(random() % 5000);
  config.arbitration = static_cast<Arbitration>(random() % 3);
  config.pim_window = 1 + static_cast<std::uint32_t>(random() % 4000);
  config.memory_window = 1 + static_cast<std::uint32_t>(random() % 2000);
  config.power_down_after = random() % 3 != 0 ? 0 : 1 + static_cast<std::uint32_t>(random() % 300);
  return config;
}

// Requests to come, as pauses before each, so that they can be played from any moment on.
struct Offer {
  Cycle pause;
  MemoryRequest request;
};

std::vector<Offer> random_offers(const DeviceDescription& device, Random& random) {
  std::vector<Offer> offers;
  const auto count = random() % 4 == 0 ? random() % 4 : random() % 60;
  const unsigned longest = 1 + random() % 40;
  const std::uint32_t rows = 1 + static_cast<std::uint32_t>(random() % 4);
  const unsigned writes_in_8 = random() % 9;
  for (std::uint64_t id = 0; id < count; ++id) {
    CommandAddress at = device.organisation.bank_address(
        static_cast<std::uint32_t>(random() % device.organisation.banks()));
    at.row = static_cast<std::uint32_t>(random() % rows);
    at.column = static_cast<std::uint16_t>(random() % device.organisation.columns);
    const Cycle pause = random() % longest + (random() % 100 == 0 ? 10'000 : 0);
    offers.push_back({pause, {id, 0, at, random() % 8 < writes_in_8, 0}});
  }
  return offers;
}

void play(MemoryController& controller, const std::vector<Offer>& offers) {
  for (const Offer& offer : offers) {
    controller.run(controller.now() + offer.pause);
    while (!controller.can_accept(offer.request.write)) {
      if (!controller.issue_next(~Cycle{0})) throw std::logic_error("the controller hangs");
    }
    controller.push(offer.request);
  }
}

// At the first moment, or a while later. False: it is powered down.
bool come_to_rest(MemoryController& controller, Cycle pause) {
  while (!controller.idle()) controller.issue_next(~Cycle{0});
  controller.run(controller.now() + pause);
  while (!controller.at_rest() && !controller.timing().powered_down()) {
    controller.run(controller.now() + 1);
  }
  return controller.at_rest();
}

// So that refresh is postponed.
void keep_busy(MemoryController& controller, Cycle cycles) {
  const Cycle end = controller.now() + cycles;
  while (controller.now() < end) {
    if (controller.idle()) controller.push({0, 0, {}, false, 0});
    controller.issue_next(end);
  }
}

Cycle random_pause(const DeviceDescription& device, Random& random) {
  switch (random() % 4) {
    case 0:
      return 0;
    case 1:
      return random() % 200;
    case 2:
      return random() % (2 * device[Parameter::kTREFI]);
    default:
      return random() % (20 * device[Parameter::kTREFI]);
  }
}

// Requests, then with another stream among them.
bool go_on(MemoryController& controller, const std::vector<Offer>& offers, GemvStream& stream,
           Cycle pause) {
  play(controller, offers);
  controller.start_pim(stream.source());
  play(controller, offers);
  while (controller.pim_end() > controller.now()) controller.run(controller.now() + 100);
  return come_to_rest(controller, pause);
}

// By the controller itself, by the command engine, by the fast engine.
struct Trio {
  MemoryController itself;
  MemoryController commanded;
  MemoryController fast;
  Recorder itself_records;
  Recorder commanded_records;
  Recorder fast_records;

  explicit Trio(const MemoryController& controller)
      : itself(controller), commanded(controller), fast(controller) {
    itself_records.listen_to(itself);
    commanded_records.listen_to(commanded);
    fast_records.listen_to(fast);
  }
};

void compute_gemv(Trio& trio, const DeviceDescription& device, GemvFastEngine& engine,
                  const PseudoChannelGemv& gemv) {
  GemvStream stream(device, gemv);
  trio.itself.start_pim(stream.source());
  while (trio.itself.pim_end() == MemoryController::kNever) {
    REQUIRE(trio.itself.issue_next(~Cycle{0}));
  }
  trio.itself.run(trio.itself.pim_end());

  REQUIRE(trio.commanded.can_hand_over());
  PseudoChannelState state = trio.commanded.take_over_state();
  const GemvResult result =
      GemvCommandEngine(device).run(state, stream.source(), trio.commanded_records.observer());
  trio.commanded.resume(state);
  trio.commanded.add_commands(result.commands);

  GemvFastEngine::Channel channel = engine.channel_of(trio.fast.take_over_state());
  const GemvResult fast_result = engine.run(channel, gemv);
  trio.fast.resume(engine.state_of(channel));
  trio.fast.add_commands(fast_result.commands);

  REQUIRE(result.end == trio.itself.pim_end());
  REQUIRE(result == fast_result);
  require_same_records(trio.itself_records, trio.commanded_records);
  trio.fast_records = trio.itself_records;
  for (const MemoryController* other : {&trio.commanded, &trio.fast}) {
    REQUIRE(other->now() == result.end);
    REQUIRE(other->pim_end() == result.end);
    REQUIRE(other->counters().commands == trio.itself.counters().commands);
    REQUIRE(other->counters().turnarounds == trio.itself.counters().turnarounds);
    REQUIRE(other->same_as(trio.itself));
    REQUIRE(trio.itself.same_as(*other));
  }
}

}  // namespace

TEST_CASE("A GEMV handed to an engine is one that the controller issues itself") {
  const std::uint64_t seed = hpimvp::random_seed(0x4A01);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  std::vector<DeviceDescription> devices;
  std::vector<GemvFastEngine> engines;
  for (const std::string& name : device_preset_names()) {
    devices.push_back(device_preset(name));
    engines.emplace_back(devices.back());
  }
  std::uint64_t cases = 0;
  std::uint64_t with_open_rows = 0;
  std::uint64_t with_refresh_owed = 0;
  std::uint64_t refreshed = 0;
  for (std::uint64_t i = 0; i < scaled_cases(400); ++i) {
    const DeviceDescription& device = devices[i % devices.size()];
    GemvFastEngine& engine = engines[i % devices.size()];
    if (engine.statistics().states > 2000) engine.forget();
    INFO(device.name << ", case " << i);
    MemoryController controller(device, random_config(random, false));
    if (random() % 8 != 0) play(controller, random_offers(device, random));
    Cycle pause = random_pause(device, random);
    if (random() % 3 == 0) {
      keep_busy(controller, random() % (10 * device[Parameter::kTREFI]));
      pause = 0;
    }
    if (!come_to_rest(controller, pause)) continue;
    ++cases;
    Trio trio(controller);
    with_open_rows += !controller.timing().all_closed();
    RefreshSchedule schedule = controller.take_over_state().refresh;
    schedule.advance(controller.now());
    with_refresh_owed += schedule.owed() > 0;
    for (std::uint64_t left = 1 + random() % 2; left > 0; --left) {
      PseudoChannelGemv gemv = random_gemv(device, random);
      if (gemv.outputs == 0) gemv = {gemv.inputs, 1, 0, gemv.bias};
      const auto refreshes = trio.itself.counters()[DramCommand::kRefresh];
      compute_gemv(trio, device, engine, gemv);
      refreshed += trio.itself.counters()[DramCommand::kRefresh] > refreshes;
    }
    const std::vector<Offer> offers = random_offers(device, random);
    pause = random_pause(device, random);
    GemvStream stream(device, {300, 40, 5, true});
    const bool rests = go_on(trio.itself, offers, stream, pause);
    REQUIRE(go_on(trio.commanded, offers, stream, pause) == rests);
    REQUIRE(go_on(trio.fast, offers, stream, pause) == rests);
    require_same_records(trio.itself_records, trio.commanded_records);
    require_same_records(trio.itself_records, trio.fast_records);
    REQUIRE(trio.itself.same_as(trio.commanded) == rests);
    REQUIRE(trio.itself.same_as(trio.fast) == rests);
  }
  // The histories are what they are meant to be.
  CHECK(cases > scaled_cases(400) / 2);
  CHECK(with_open_rows > cases / 20);
  CHECK(with_refresh_owed > cases / 10);
  CHECK(refreshed > cases / 20);
}

TEST_CASE("A GEMV without outputs leaves the controller where it is") {
  const DeviceDescription device = device_preset("hbm3_hpim");
  MemoryController controller(device, {});
  controller.run(100);
  const MemoryController before = controller;
  GemvStream stream(device, {16, 0, 0, true});
  PseudoChannelState state = controller.take_over_state();
  GemvCommandEngine(device).run(state, stream.source());
  controller.resume(state);
  CHECK(controller.same_as(before));
  controller.start_pim(stream.source());
  CHECK(controller.pim_end() == MemoryController::kNever);
  controller.run(101);
  CHECK(controller.pim_end() == 100);
}

TEST_CASE("A controller hands over only at rest, and not with per-bank refresh") {
  const DeviceDescription device = device_preset("hbm3_hpim");
  ControllerConfig config;
  config.power_down_after = 50;
  MemoryController controller(device, config);
  CHECK(controller.can_hand_over());
  controller.push({1, 0, {}, false, 0});
  CHECK_FALSE(controller.at_rest());
  while (!controller.idle()) controller.issue_next(~Cycle{0});
  CHECK(controller.can_hand_over());  // with an open row, data on their way
  controller.run(1000);
  CHECK(controller.timing().powered_down());
  CHECK_FALSE(controller.can_hand_over());
  // PIM mode is left behind the stream's end.
  GemvStream stream(device, {16, 16, 0, false});
  controller.start_pim(stream.source());
  while (!controller.idle()) controller.run(controller.now() + 1);
  CHECK(controller.timing().pim_mode());
  CHECK_FALSE(controller.at_rest());
  while (controller.pim_end() == MemoryController::kNever) controller.issue_next(~Cycle{0});
  CHECK(controller.can_hand_over());

  config.refresh = RefreshPolicy::kPerBank;
  const MemoryController per_bank(device, config);
  CHECK(per_bank.at_rest());
  CHECK_FALSE(per_bank.can_hand_over());
}

TEST_CASE("A controller is not at rest amid a round of refreshes") {
  const DeviceDescription device = device_preset("hbm3_hpim");
  ControllerConfig config;
  MemoryController controller(device, config);
  // Kept busy until 8 are owed.
  while (controller.counters()[DramCommand::kRefresh] == 0) {
    if (controller.idle()) controller.push({1, 0, {}, false, 0});
    controller.issue_next(~Cycle{0});
  }
  for (unsigned i = 1; i < 8; ++i) {
    // A request that has waited all the time would hide it.
    if (controller.idle()) CHECK_FALSE(controller.at_rest());
    controller.issue_next(~Cycle{0});
    CHECK(controller.counters()[DramCommand::kRefresh] == i + 1);
  }
}

TEST_CASE("Controllers that are the same do the same, with all policies") {
  const std::uint64_t seed = hpimvp::random_seed(0x4A02);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  unsigned same = 0;
  unsigned different_same = 0;  // with different histories
  for (std::uint64_t i = 0; i < scaled_cases(300); ++i) {
    const DeviceDescription device =
        device_preset(device_preset_names()[i % device_preset_names().size()]);
    INFO(device.name << ", case " << i);
    MemoryController one(device, random_config(random, true));
    play(one, random_offers(device, random));
    if (!come_to_rest(one, random_pause(device, random))) continue;
    MemoryController other = one;
    REQUIRE(one.same_as(other));
    // One of them reads a row more, or the same row in another order.
    const bool changed = random() % 2 == 0;
    if (changed) {
      const std::vector<Offer> offers = random_offers(device, random);
      std::vector<Offer> reordered = offers;
      for (std::size_t k = 0; k + 1 < reordered.size(); ++k) {
        if (random() % 8 == 0) std::swap(reordered[k].request, reordered[k + 1].request);
      }
      play(one, offers);
      play(other, reordered);
      come_to_rest(one, 0);
      come_to_rest(other, 0);
      const Cycle meet = std::max(one.now(), other.now()) + random_pause(device, random);
      one.run(meet);
      other.run(meet);
    }
    if (!one.same_as(other)) continue;
    ++same;
    different_same += changed;
    REQUIRE(other.same_as(one));
    Recorder one_records;
    Recorder other_records;
    one_records.listen_to(one);
    other_records.listen_to(other);
    const std::vector<Offer> offers = random_offers(device, random);
    const Cycle pause = random_pause(device, random);
    GemvStream stream(device, {300, 40, 5, true});
    const bool rests = go_on(one, offers, stream, pause);
    REQUIRE(go_on(other, offers, stream, pause) == rests);
    require_same_records(one_records, other_records);
    REQUIRE(one.same_as(other) == rests);
  }
  CHECK(same < scaled_cases(300));
  CHECK(different_same > 0);
}

TEST_CASE("What differs between controllers is seen") {
  const DeviceDescription device = device_preset("hbm3_hpim");
  const MemoryController fresh(device, {});
  const auto read = [](MemoryController& controller, std::uint32_t row) {
    CommandAddress at;
    at.row = row;
    controller.push({1, 0, at, false, 0});
    while (!controller.idle()) controller.issue_next(~Cycle{0});
    controller.run(1000);
  };
  MemoryController one = fresh;
  MemoryController other = fresh;
  one.run(10);
  CHECK_FALSE(one.same_as(other));  // another time
  one = fresh;
  read(one, 1);
  other.run(1000);
  CHECK_FALSE(one.same_as(other));  // an open row
  other = fresh;
  read(other, 2);
  CHECK_FALSE(one.same_as(other));
  other = fresh;
  read(other, 1);
  CHECK(one.same_as(other));
  other.push({2, 0, {}, false, 0});
  CHECK_FALSE(one.same_as(other));  // not at rest
  // A refresh has just been done by one and is still owed by the other, which was busy.
  one = fresh;
  other = fresh;
  const Cycle due = device[Parameter::kTREFI];
  one.run(due - 1);
  other.run(due - 1);
  other.push({1, 0, {}, false, 0});
  one.run(due + 500);
  other.run(due + 1);
  other.run(due + 500);
  CHECK(one.counters()[DramCommand::kRefresh] == 1);
  CHECK_FALSE(one.same_as(other));
}

TEST_CASE("A copy of a busy controller goes on alone") {
  const std::uint64_t seed = hpimvp::random_seed(0x4A03);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (std::uint64_t i = 0; i < scaled_cases(100); ++i) {
    const DeviceDescription device =
        device_preset(device_preset_names()[i % device_preset_names().size()]);
    INFO(device.name << ", case " << i);
    MemoryController original(device, random_config(random, true));
    Recorder original_records;
    original_records.listen_to(original);
    play(original, random_offers(device, random));
    MemoryController copy = original;
    Recorder copy_records = original_records;
    copy_records.listen_to(copy);
    const std::vector<Offer> offers = random_offers(device, random);
    play(original, offers);
    const bool rests = come_to_rest(original, 1000);
    play(copy, offers);
    REQUIRE(come_to_rest(copy, 1000) == rests);
    require_same_records(original_records, copy_records);
    REQUIRE(original.same_as(copy) == rests);
  }
}
