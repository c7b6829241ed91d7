// The compiled command timing against the constraint table read literally: for every candidate all
// rows and all commands issued so far.
#include "models/hbm_pim/command_timing.h"

#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <random>
#include <set>

#include "tests/unit/common/random_seed.h"
#include "tests/unit/hbm_pim/device_presets.h"

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the test
using hpimvp::test_support::device_preset;
using hpimvp::test_support::device_preset_names;

namespace {

using Random = std::mt19937_64;

struct Issued {
  DramCommand command;
  CommandAddress address;
  std::uint64_t cycle;
};

// Which instance of a level a command acts on.
std::uint32_t instance_of(const DeviceDescription& device, ConstraintLevel level,
                          const Issued& issued) {
  const CommandAddress& at = issued.address;
  switch (level) {
    case ConstraintLevel::kStackId:
      return at.stack_id;
    case ConstraintLevel::kBankGroup:
      return at.stack_id * 1000u + at.bank_group;
    case ConstraintLevel::kBank:
      return (at.stack_id * 1000u + at.bank_group) * 1000u + at.bank;
    case ConstraintLevel::kOperandGroup:
      return issued.command == DramCommand::kActivateBanks ? at.bank % device.operand_groups()
                                                           : at.bank;
    case ConstraintLevel::kActivateGroup:
      return at.bank;
    default:
      return 0;
  }
}

std::uint64_t earliest_by_table(const DeviceDescription& device, const std::deque<Issued>& history,
                                DramCommand command, const CommandAddress& address) {
  std::uint64_t earliest = 0;
  const Issued candidate{command, address, 0};
  for (const ConstraintRow& row : device.constraints) {
    if ((row.after & command_bit(command)) == 0) continue;
    const std::uint32_t instance = instance_of(device, row.level, candidate);
    std::uint32_t seen = 0;
    for (auto issued = history.rbegin(); issued != history.rend(); ++issued) {
      if ((row.before & command_bit(issued->command)) == 0) continue;
      const bool same = instance_of(device, row.level, *issued) == instance;
      if (same == row.other_instances) continue;
      if (++seen < row.window) continue;
      earliest = std::max(earliest, issued->cycle + row.latency);
      break;
    }
  }
  return earliest;
}

struct Candidate {
  DramCommand command;
  CommandAddress address;
};

Candidate random_candidate(const DeviceDescription& device, Random& random) {
  Candidate candidate;
  candidate.command = static_cast<DramCommand>(random() % kDramCommands);
  candidate.address = device.organisation.bank_address(
      static_cast<std::uint32_t>(random() % device.organisation.banks()));
  switch (candidate.command) {
    case DramCommand::kActivateBanks:
      candidate.address = {};
      candidate.address.bank = static_cast<std::uint8_t>(random() % device.activate_groups());
      break;
    case DramCommand::kPrechargeBanks:
    case DramCommand::kMac:
    case DramCommand::kElementAdd:
    case DramCommand::kElementMultiply:
      candidate.address = {};
      candidate.address.bank = static_cast<std::uint8_t>(random() % device.operand_groups());
      break;
    default:
      break;
  }
  candidate.address.row = static_cast<std::uint32_t>(random() % device.organisation.rows);
  candidate.address.column = static_cast<std::uint16_t>(random() % device.organisation.columns);
  return candidate;
}

// The modes and rows, kept in the simplest way.
class RowModel {
 public:
  explicit RowModel(const DeviceDescription& device) : device_(device) {}

  bool legal(const Candidate& candidate) const {
    if (power_down_) return candidate.command == DramCommand::kPowerDownExit;
    const bool open = open_.contains(bank(candidate));
    switch (candidate.command) {
      case DramCommand::kActivate:
      case DramCommand::kRefreshBank:
        return !pim_ && !open;
      case DramCommand::kPrecharge:
      case DramCommand::kRead:
      case DramCommand::kWrite:
        return !pim_ && open;
      case DramCommand::kPrechargeAll:
      case DramCommand::kPowerDownEnter:
        return !pim_;
      case DramCommand::kPimEnter:
        return !pim_ && open_.empty();
      case DramCommand::kPimExit:
        return pim_ && open_.empty();
      case DramCommand::kRefresh:
        return open_.empty();
      case DramCommand::kPowerDownExit:
        return false;
      case DramCommand::kActivateBanks: {
        bool any = false;
        for (const std::uint32_t one : activate_group(candidate)) any |= open_.contains(one);
        return pim_ && !any;
      }
      case DramCommand::kMac:
      case DramCommand::kElementAdd:
      case DramCommand::kElementMultiply: {
        bool all = true;
        for (const std::uint32_t one : operand_group(candidate)) all &= open_.contains(one);
        return pim_ && all;
      }
      case DramCommand::kCopyToBuffer:
      case DramCommand::kCopyFromBuffer:
        return pim_ && open;
      default:
        return pim_;
    }
  }

  void apply(const Candidate& candidate) {
    switch (candidate.command) {
      case DramCommand::kActivate:
        open_[bank(candidate)] = candidate.address.row;
        break;
      case DramCommand::kPrecharge:
        open_.erase(bank(candidate));
        break;
      case DramCommand::kPrechargeAll:
        open_.clear();
        break;
      case DramCommand::kActivateBanks:
        for (const std::uint32_t one : activate_group(candidate))
          open_[one] = candidate.address.row;
        break;
      case DramCommand::kPrechargeBanks:
        for (const std::uint32_t one : operand_group(candidate)) open_.erase(one);
        break;
      case DramCommand::kPimEnter:
      case DramCommand::kPimExit:
        pim_ = candidate.command == DramCommand::kPimEnter;
        break;
      case DramCommand::kPowerDownEnter:
      case DramCommand::kPowerDownExit:
        power_down_ = candidate.command == DramCommand::kPowerDownEnter;
        break;
      default:
        break;
    }
  }

  std::uint32_t row(std::uint32_t bank) const {
    const auto found = open_.find(bank);
    return found == open_.end() ? CommandTiming::kNoRow : found->second;
  }

 private:
  std::uint32_t bank(const Candidate& candidate) const {
    return device_.organisation.bank_index(candidate.address);
  }
  std::vector<std::uint32_t> operand_group(const Candidate& candidate) const {
    std::vector<std::uint32_t> banks;
    for (std::uint32_t i = 0; i < device_.organisation.banks(); ++i) {
      if (i % device_.operand_groups() == candidate.address.bank) banks.push_back(i);
    }
    return banks;
  }
  std::vector<std::uint32_t> activate_group(const Candidate& candidate) const {
    std::vector<std::uint32_t> banks;
    for (std::uint32_t i = 0; i < device_.organisation.banks(); ++i) {
      if (device_.activate_group_of(i) == candidate.address.bank) banks.push_back(i);
    }
    return banks;
  }

  const DeviceDescription& device_;
  std::map<std::uint32_t, std::uint32_t> open_;
  bool pim_ = false;
  bool power_down_ = false;
};

}  // namespace

TEST_CASE("Command timing is the constraint table, command by command") {
  const auto seed = hpimvp::random_seed(20261124);
  Random random(seed);
  INFO("seed " << seed);
  for (const std::string& name : device_preset_names()) {
    INFO(name);
    const DeviceDescription device = device_preset(name);
    CommandTiming timing(device);
    RowModel rows(device);
    std::deque<Issued> history;
    std::uint64_t now = 0;
    std::set<DramCommand> issued;
    for (unsigned step = 0; step < 20'000; ++step) {
      const Candidate candidate = random_candidate(device, random);
      REQUIRE(timing.is_legal(candidate.command, candidate.address) == rows.legal(candidate));
      const std::uint64_t earliest = timing.earliest(candidate.command, candidate.address);
      // What lies before now does not matter: the history is forgotten some day.
      REQUIRE(
          std::max(earliest, now) ==
          std::max(earliest_by_table(device, history, candidate.command, candidate.address), now));
      // Modes change seldom, so that much happens in each.
      const bool rare = candidate.command == DramCommand::kPimEnter ||
                        candidate.command == DramCommand::kPimExit ||
                        candidate.command == DramCommand::kPrechargeAll ||
                        candidate.command == DramCommand::kPrechargeBanks ||
                        candidate.command == DramCommand::kPowerDownEnter;
      if (!rows.legal(candidate) || (rare && random() % 8 != 0)) continue;
      now = std::max(now, earliest) + (random() % 4 == 0 ? random() % 30 : 0);
      timing.issue(candidate.command, candidate.address, now);
      rows.apply(candidate);
      issued.insert(candidate.command);
      history.push_back({candidate.command, candidate.address, now});
      if (history.size() > 800) history.pop_front();
      for (std::uint32_t bank = 0; bank < device.organisation.banks(); ++bank) {
        REQUIRE(timing.open_row(bank) == rows.row(bank));
      }
    }
    CHECK(issued.size() == kDramCommands);
  }
}

TEST_CASE("A shifted state is the same state later") {
  const auto seed = hpimvp::random_seed(20261124);
  Random random(seed);
  INFO("seed " << seed);
  for (const std::string& name : device_preset_names()) {
    INFO(name);
    const DeviceDescription device = device_preset(name);
    CommandTiming timing(device);
    CommandTiming late(device);
    const std::uint64_t delay = 1 + random() % 1'000'000;
    std::uint64_t now = 0;
    for (unsigned step = 0; step < 3000; ++step) {
      const Candidate candidate = random_candidate(device, random);
      if (!timing.is_legal(candidate.command, candidate.address)) continue;
      now = std::max(now, timing.earliest(candidate.command, candidate.address));
      timing.issue(candidate.command, candidate.address, now);
      late.issue(candidate.command, candidate.address, now + delay);
    }
    CHECK(timing.same_from(now, late, now + delay));
    CHECK_FALSE(timing.same_from(now, late, now));
    CommandTiming shifted = timing;
    shifted.shift(delay);
    CHECK(shifted.same_from(now + delay, late, now + delay));
    // A command more makes a difference.
    const CommandTiming before = timing;
    for (bool done = false; !done;) {
      const Candidate candidate = random_candidate(device, random);
      if (!timing.is_legal(candidate.command, candidate.address)) continue;
      now = std::max(now, timing.earliest(candidate.command, candidate.address));
      timing.issue(candidate.command, candidate.address, now);
      done = true;
    }
    CHECK_FALSE(timing.same_from(now, before, now));
  }
}

TEST_CASE("A named constraint can be left out") {
  const DeviceDescription device = device_preset("hbm3_6400");
  CommandTiming all(device);
  CommandTiming without(device, "tRCDRD");
  const CommandAddress address;
  all.issue(DramCommand::kActivate, address, 10);
  without.issue(DramCommand::kActivate, address, 10);
  CHECK(all.earliest(DramCommand::kRead, address) == 10 + 31);
  CHECK(without.earliest(DramCommand::kRead, address) == 0);
  CHECK(without.earliest(DramCommand::kPrecharge, address) == 10 + 45);
  CHECK_THROWS_AS(CommandTiming(device, "tNONE"), std::invalid_argument);
}
