// The command timing against the independent checker: random streams that must be legal, and
// streams of a timing that lacks one constraint, which must not go unnoticed.
//
// HPIMVP_DRAM_COMMANDS: commands of the first test, over all presets (default 4,000,000).
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "models/hbm_pim/checker.h"
#include "tests/unit/common/random_seed.h"
#include "tests/unit/hbm_pim/device_presets.h"
#include "tests/unit/hbm_pim/random_commands.h"

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the test
using hpimvp::test_support::device_preset;
using hpimvp::test_support::device_preset_names;
using hpimvp::test_support::RandomCommands;

namespace {

constexpr std::uint64_t kDefaultCommands = 4'000'000;
constexpr std::uint64_t kMutantCommands = 1'000'000;  // at most, for each preset

std::uint64_t commands_to_issue() {
  const char* text = std::getenv("HPIMVP_DRAM_COMMANDS");
  return text == nullptr ? kDefaultCommands : std::strtoull(text, nullptr, 10);
}

// What a timing without one constraint is caught at.
struct Found {
  std::string preset;
  std::uint64_t commands = 0;
  std::string message;
};

// Runs `mutant`, the device with something wrong in its table, until the checker names `rule`, or
// for kMutantCommands. It may break other rules too.
Found run_mutant(const DeviceDescription& mutant, const std::string& rule, std::uint64_t seed) {
  RandomCommands stream(mutant, 0, seed);
  DramChecker checker(mutant);
  Found found{mutant.name, 0, ""};
  while (found.commands < kMutantCommands && found.message.empty()) {
    ++found.commands;
    const auto violation = checker.check(stream.next());
    if (violation && violation->rule == rule) found.message = to_string(*violation);
  }
  return found;
}

void print(const std::string& mutation, const Found& found) {
  std::cout << mutation << " (" << found.preset << "): ";
  if (found.message.empty()) {
    std::cout << "NOT CAUGHT\n";
  } else {
    std::cout << found.commands << " commands, " << found.message << '\n';
  }
}

std::vector<DeviceDescription> all_presets() {
  std::vector<DeviceDescription> devices;
  for (const std::string& name : device_preset_names()) devices.push_back(device_preset(name));
  return devices;
}

std::string commands_in(std::uint32_t set) {
  std::string text;
  for (unsigned i = 0; i < kDramCommands; ++i) {
    if ((set >> i & 1) == 0) continue;
    if (!text.empty()) text += ' ';
    text += command_name(static_cast<DramCommand>(i));
  }
  return text;
}

}  // namespace

TEST_CASE("Random streams of the command timing break no rule of the checker") {
  const auto seed = hpimvp::random_seed(20261124);
  INFO("seed " << seed);
  const std::uint64_t of_preset = commands_to_issue() / device_preset_names().size();
  for (const std::string& name : device_preset_names()) {
    INFO(name);
    const DeviceDescription device = device_preset(name);
    DramChecker checker(device);
    // Two pseudo-channels at once: they must not mix.
    const std::uint16_t last =
        static_cast<std::uint16_t>(device.organisation.pseudo_channels() - 1);
    RandomCommands first(device, 0, seed);
    RandomCommands second(device, last, seed + 1);
    std::array<std::uint64_t, kDramCommands> issued{};
    std::uint64_t cycles = 0;
    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < of_preset; ++i) {
      const CommandRecord record = i % 2 == 0 ? first.next() : second.next();
      ++issued[static_cast<unsigned>(record.command)];
      if (record.pseudo_channel == 0) cycles = record.cycle;
      const auto violation = checker.check(record);
      if (violation) FAIL("command " << i << ": " << to_string(*violation));
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    CHECK(checker.commands() == of_preset);
    CHECK_FALSE(checker.finish(0, cycles));
    std::cout << name << ": " << of_preset << " commands, seed " << seed << ", "
              << static_cast<double>(of_preset) / seconds.count() / 1e6
              << " million a second (generated, timed and checked)\n";
    for (unsigned i = 0; i < kDramCommands; ++i) {
      INFO(command_name(static_cast<DramCommand>(i)));
      CHECK(issued[i] > 0);
    }
  }
}

TEST_CASE("A timing that lacks any one constraint is caught by the rule of that name") {
  const auto seed = hpimvp::random_seed(20261124);
  INFO("seed " << seed);
  const std::vector<DeviceDescription> devices = all_presets();
  std::vector<std::string> names;
  for (const DeviceDescription& device : devices) {
    for (const ConstraintRow& row : device.constraints) {
      if (std::find(names.begin(), names.end(), row.name) == names.end()) names.push_back(row.name);
    }
  }
  REQUIRE(names.size() > 30);
  std::cout << "constraint left out, seed " << seed << ": caught after, by\n";
  for (const std::string& name : names) {
    Found found;
    for (const DeviceDescription& device : devices) {
      DeviceDescription mutant = device;
      std::erase_if(mutant.constraints,
                    [&name](const ConstraintRow& row) { return row.name == name; });
      found = run_mutant(mutant, name, seed);
      if (!found.message.empty()) break;
    }
    print(name, found);
    INFO(name);
    CHECK_FALSE(found.message.empty());
  }
  std::cout << names.size() << " constraints\n";
}

// Sharper: the table and the checker agree to the cycle. A row counts where it binds in a shipped
// preset, and not only behind another row.
TEST_CASE("A timing with any one row of its table a cycle too short is caught") {
  const auto seed = hpimvp::random_seed(20261124);
  INFO("seed " << seed);
  const std::vector<DeviceDescription> devices = all_presets();
  const std::size_t rows = devices.front().constraints.size();
  std::cout << "row a cycle shorter, seed " << seed << ": caught after, by\n";
  for (std::size_t i = 0; i < rows; ++i) {
    const ConstraintRow& row = devices.front().constraints[i];
    Found found;
    for (const DeviceDescription& device : devices) {
      REQUIRE(device.constraints.size() == rows);
      REQUIRE(device.constraints[i].name == row.name);
      if (device.constraints[i].latency == 0) continue;
      DeviceDescription mutant = device;
      --mutant.constraints[i].latency;
      found = run_mutant(mutant, row.name, seed);
      if (!found.message.empty()) break;
    }
    const std::string mutation = row.name + " of " + commands_in(row.before) + " before " +
                                 commands_in(row.after) + ", by " + level_name(row.level);
    print(mutation, found);
    INFO(mutation);
    CHECK_FALSE(found.message.empty());
  }
  std::cout << rows << " rows\n";
}
