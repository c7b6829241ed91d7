// The controller, which remembers much between commands, against the plain search of all requests
// for every command, command by command.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/hbm_pim/memory_controller.h"
#include "models/hbm_pim/pim_cursor.h"
#include "tests/unit/common/random_seed.h"
#include "tests/unit/hbm_pim/device_presets.h"
#include "tests/unit/hbm_pim/random_gemvs.h"
#include "tests/unit/hbm_pim/reference_controller.h"

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the test
using hpimvp::test_support::device_preset;
using hpimvp::test_support::device_preset_names;
using hpimvp::test_support::ReferenceController;
using hpimvp::test_support::scaled_cases;

namespace {

using Random = std::mt19937_64;
using Cycle = std::uint64_t;

// What the requests of a case are like.
struct Traffic {
  std::uint32_t banks;
  std::uint32_t rows;
  std::uint32_t columns;
  std::uint32_t writes_in_8;
  Cycle longest_pause;
  std::uint32_t long_pause_in;  // one pause in so many lasts longer than tREFI
};

Traffic random_traffic(const DeviceDescription& device, Random& random) {
  const auto up_to = [&random](std::uint64_t most) {
    return static_cast<std::uint32_t>(1 + random() % most);
  };
  Traffic traffic;
  traffic.banks = random() % 2 == 0 ? device.organisation.banks()
                                    : std::min(device.organisation.banks(), up_to(8));
  traffic.rows = random() % 2 == 0 ? up_to(3) : device.organisation.rows;
  traffic.columns = random() % 2 == 0 ? up_to(4) : device.organisation.columns;
  traffic.writes_in_8 = static_cast<std::uint32_t>(random() % 9);
  traffic.longest_pause = random() % 3 == 0 ? 1 : up_to(60);
  traffic.long_pause_in = 1 + 50 * up_to(10);
  return traffic;
}

MemoryRequest random_request(const DeviceDescription& device, const Traffic& traffic,
                             std::uint64_t id, Random& random) {
  CommandAddress at =
      device.organisation.bank_address(static_cast<std::uint32_t>(random() % traffic.banks));
  at.row = static_cast<std::uint32_t>(random() % traffic.rows);
  at.column = static_cast<std::uint16_t>(random() % traffic.columns);
  return {id, 0, at, random() % 8 < traffic.writes_in_8, 0};
}

ControllerConfig random_config(Random& random) {
  ControllerConfig config;
  config.page_policy = static_cast<PagePolicy>(random() % 2);
  config.refresh = static_cast<RefreshPolicy>(random() % 3);
  config.most_postponed = static_cast<std::uint32_t>(random() % 9);
  config.read_queue = 1 + static_cast<std::uint32_t>(random() % 64);
  config.write_queue = 1 + static_cast<std::uint32_t>(random() % 64);
  config.drain_from = 1 + static_cast<std::uint32_t>(random() % config.write_queue);
  config.drain_to = static_cast<std::uint32_t>(random() % config.drain_from);
  config.starvation_limit =
      1 + static_cast<std::uint32_t>(random() % (random() % 2 == 0 ? 300 : 5000));
  config.arbitration = static_cast<Arbitration>(random() % 3);
  config.pim_window = 1 + static_cast<std::uint32_t>(random() % 4000);
  config.memory_window = 1 + static_cast<std::uint32_t>(random() % 2000);
  config.power_down_after = random() % 3 != 0 ? 0 : 1 + static_cast<std::uint32_t>(random() % 300);
  return config;
}

// More rules between banks than the presets have, at all levels, on the same and on other
// instances.
void add_random_rules(DeviceDescription& device, Random& random) {
  constexpr std::array kCommands = {DramCommand::kActivate, DramCommand::kPrecharge,
                                    DramCommand::kRead, DramCommand::kWrite,
                                    DramCommand::kRefreshBank};
  for (auto left = random() % 4; left > 0; --left) {
    ConstraintRow row;
    row.name = "random" + std::to_string(left);
    row.level = static_cast<ConstraintLevel>(random() % 4);
    row.before = command_bit(kCommands[random() % kCommands.size()]);
    row.after = command_bit(kCommands[random() % kCommands.size()]);
    row.latency = 1 + static_cast<std::uint32_t>(random() % 30);
    row.window = 1 + static_cast<std::uint32_t>(random() % 3);
    row.other_instances = row.window == 1 && random() % 2 == 0;
    device.constraints.push_back(row);
  }
}

std::string text(const CommandRecord& record) {
  const CommandAddress& at = record.address;
  return std::to_string(record.cycle) + " " + command_name(record.command) + " " +
         std::to_string(at.stack_id) + "/" + std::to_string(at.bank_group) + "/" +
         std::to_string(at.bank) + " row " + std::to_string(at.row) + " column " +
         std::to_string(at.column);
}

bool same(const CommandRecord& one, const CommandRecord& other) {
  return one.cycle == other.cycle && one.command == other.command &&
         one.address.stack_id == other.address.stack_id &&
         one.address.bank_group == other.address.bank_group &&
         one.address.bank == other.address.bank && one.address.row == other.address.row &&
         one.address.column == other.address.column;
}

// Both, asked the same.
class Pair {
 public:
  Pair(const DeviceDescription& device, const ControllerConfig& config)
      : controller_(device, config), reference_(device, config) {
    controller_.set_command_sink({[](void* context, const CommandRecord& record) {
                                    static_cast<Pair*>(context)->commands_.push_back(record);
                                  },
                                  this});
    controller_.set_completion_sink({[](void* context, const Completion& completion) {
                                       static_cast<Pair*>(context)->completions_.push_back(
                                           completion);
                                     },
                                     this});
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  bool issue_next(Cycle until) {
    const bool issued = reference_.issue_next(until);
    REQUIRE(controller_.issue_next(until) == issued);
    REQUIRE(commands_.size() == reference_.commands().size());
    if (issued && !same(commands_.back(), reference_.commands().back())) {
      REQUIRE(text(commands_.back()) == text(reference_.commands().back()));
    }
    REQUIRE(controller_.now() == reference_.now());
    REQUIRE(completions_.size() == reference_.completions().size());
    if (!completions_.empty()) {
      REQUIRE(completions_.back().id == reference_.completions().back().id);
      REQUIRE(completions_.back().cycle == reference_.completions().back().cycle);
    }
    return issued;
  }
  void run(Cycle until) {
    while (issue_next(until)) {
    }
  }
  void push(const MemoryRequest& request) {
    while (!controller_.can_accept(request.write)) REQUIRE(issue_next(~Cycle{0}));
    REQUIRE(reference_.can_accept(request.write));
    controller_.push(request);
    reference_.push(request);
  }
  void start_pim(const std::vector<PimCommand>& commands) {
    pim_ = commands;
    given_ = false;
    reference_.start_pim(commands);
    controller_.start_pim({[](void* context) -> std::span<const PimCommand> {
                             auto& pair = *static_cast<Pair*>(context);
                             if (std::exchange(pair.given_, true)) return {};
                             return pair.pim_;
                           },
                           this});
  }
  void finish() {
    while (!controller_.idle()) REQUIRE(issue_next(~Cycle{0}));
    REQUIRE(reference_.idle());
  }
  Cycle now() const { return controller_.now(); }
  const MemoryController& controller() const { return controller_; }

 private:
  MemoryController controller_;
  ReferenceController reference_;
  std::vector<CommandRecord> commands_;
  std::vector<Completion> completions_;
  std::vector<PimCommand> pim_;
  bool given_ = false;
};

std::vector<PimCommand> commands_of(const DeviceDescription& device, Random& random) {
  PseudoChannelGemv gemv = hpimvp::test_support::random_gemv(device, random);
  gemv.inputs = 1 + gemv.inputs % 600;
  gemv.outputs = 1 + gemv.outputs % 40;
  gemv.weight_row %= 100;
  GemvStream stream(device, gemv);
  const PimCommandSource source = stream.source();
  std::vector<PimCommand> commands;
  for (auto piece = source.next(source.context); !piece.empty();
       piece = source.next(source.context)) {
    commands.insert(commands.end(), piece.begin(), piece.end());
  }
  return commands;
}

void compare(const DeviceDescription& device, const ControllerConfig& config, Random& random) {
  INFO("refresh " << static_cast<int>(config.refresh) << ", postponed " << config.most_postponed
                  << ", pages " << static_cast<int>(config.page_policy) << ", arbitration "
                  << static_cast<int>(config.arbitration) << ", starvation "
                  << config.starvation_limit);
  Pair pair(device, config);
  const Traffic traffic = random_traffic(device, random);
  const bool pim = random() % 2 == 0;
  for (std::uint64_t id = 0; id < 400; ++id) {
    Cycle pause = random() % traffic.longest_pause;
    if (random() % traffic.long_pause_in == 0) pause = random() % (3 * device[Parameter::kTREFI]);
    pair.run(pair.now() + pause);
    pair.push(random_request(device, traffic, id, random));
    if (pim && random() % 150 == 0 && !pair.controller().pim_active()) {
      pair.start_pim(commands_of(device, random));
    }
  }
  pair.finish();
  pair.run(pair.now() + 10'000);
}

}  // namespace

TEST_CASE("The controller issues what a plain search for the best command finds") {
  const std::uint64_t seed = hpimvp::random_seed(0x4F01);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (std::uint64_t i = 0; i < scaled_cases(300); ++i) {
    const DeviceDescription device =
        device_preset(device_preset_names()[i % device_preset_names().size()]);
    INFO(device.name << ", case " << i);
    compare(device, random_config(random), random);
  }
}

TEST_CASE("The same on devices with other organisations and rules") {
  const std::uint64_t seed = hpimvp::random_seed(0x4F02);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (std::uint64_t i = 0; i < scaled_cases(150); ++i) {
    DeviceDescription device =
        device_preset(device_preset_names()[i % device_preset_names().size()]);
    device.organisation.stack_ids = 1 + static_cast<std::uint32_t>(random() % 6);
    // At least 8 banks: with fewer, refresh bank by bank can leave no time for anything else.
    device.organisation.bank_groups = 1u << (1 + random() % 3);
    device.organisation.banks_per_group = 4;
    device.pim.banks_per_unit = 1u << random() % 2;
    device.pim.banks_per_activate_group = 1;
    add_random_rules(device, random);
    check(device);
    INFO(device.name << ", " << device.organisation.banks() << " banks, case " << i);
    compare(device, random_config(random), random);
  }
}

// What a controller remembers of banks goes stale most often where the exceptions follow each other
// closely: one request starves after the other, each bank's refresh is urgent at once, the
// direction changes with every few requests.
TEST_CASE("The same where exceptions are the rule") {
  const std::uint64_t seed = hpimvp::random_seed(0x4F03);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (std::uint64_t i = 0; i < scaled_cases(200); ++i) {
    DeviceDescription device =
        device_preset(device_preset_names()[i % device_preset_names().size()]);
    if (random() % 2 == 0) add_random_rules(device, random);
    check(device);
    ControllerConfig config = random_config(random);
    if (random() % 3 != 0) config.refresh = RefreshPolicy::kPerBank;
    config.most_postponed = static_cast<std::uint32_t>(random() % 2);
    config.read_queue = 1 + static_cast<std::uint32_t>(random() % 8);
    config.write_queue = 1 + static_cast<std::uint32_t>(random() % 8);
    config.drain_from = 1 + static_cast<std::uint32_t>(random() % config.write_queue);
    config.drain_to = static_cast<std::uint32_t>(random() % config.drain_from);
    config.starvation_limit = 1 + static_cast<std::uint32_t>(random() % 100);
    config.pim_window = 1 + static_cast<std::uint32_t>(random() % 400);
    config.memory_window = 1 + static_cast<std::uint32_t>(random() % 200);
    INFO(device.name << ", case " << i);
    compare(device, config, random);
  }
}
