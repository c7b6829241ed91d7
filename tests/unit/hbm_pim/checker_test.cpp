// Every rule of the checker: a sequence whose last command is just in time, and the same a cycle
// earlier. The device is made for it: all parameters are small but those of the rule.
#include "models/hbm_pim/checker.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the test
using C = DramCommand;
using P = Parameter;

namespace {

constexpr std::uint64_t kStart = 10'000;  // of all sequences: no rule counts from cycle 0

// 8 banks: bank index = stack ID x 4 + bank group x 2 + bank. Two operand groups (even and odd
// banks) of two activate groups (0 and 2, 1 and 3) of two banks, two ACT_AB in a window.
DeviceDescription small_device() {
  DeviceDescription device;
  device.name = "small";
  device.clock_period_ps = 1000;
  device.organisation = {1, 2, 2, 2, 2, 100, 8, 32};
  device.parameters.fill(1);
  device.parameters[static_cast<unsigned>(P::kTREFI)] = 1u << 24;
  device.pim.lanes = 16;
  device.pim.banks_per_unit = 2;
  device.pim.banks_per_activate_group = 2;
  device.pim.activate_groups_per_window = 2;
  device.pim.buffer_bytes = 64;
  device.pim.accumulators = 1;
  return device;
}

using Overrides = std::vector<std::pair<P, std::uint32_t>>;

DeviceDescription small_device(const Overrides& overrides) {
  DeviceDescription device = small_device();
  for (const auto& [parameter, value] : overrides) {
    device.parameters[static_cast<unsigned>(parameter)] = value;
  }
  return device;
}

constexpr std::uint32_t kRow = 7;

struct Step {
  std::uint64_t cycle = 0;  // from kStart
  C command = C::kActivate;
  std::uint32_t place = 0;  // bank, activate group or operand group
  std::uint32_t row = kRow;
};

CommandRecord record(const Step& step, std::uint16_t pseudo_channel = 0) {
  CommandRecord record{kStart + step.cycle, pseudo_channel, step.command, {}};
  switch (step.command) {
    case C::kActivate:
    case C::kPrecharge:
    case C::kRead:
    case C::kWrite:
    case C::kRefreshBank:
    case C::kCopyToBuffer:
    case C::kCopyFromBuffer:
      record.address = small_device().organisation.bank_address(step.place);
      break;
    default:
      record.address.bank = static_cast<std::uint8_t>(step.place);
      break;
  }
  record.address.row = step.row;
  return record;
}

std::optional<Violation> run(DramChecker& checker, const std::vector<Step>& steps) {
  for (const Step& step : steps) {
    const auto violation = checker.check(record(step));
    if (violation) return violation;
  }
  return std::nullopt;
}

struct DistanceCase {
  const char* rule;
  Overrides overrides;
  std::vector<Step> before;
  Step last;         // its cycle is set by the test
  std::size_t from;  // which of `before` the distance counts from
  std::uint64_t required;
};

void check_distance(const DistanceCase& example) {
  const DeviceDescription device = small_device(example.overrides);
  std::string name = std::string(example.rule) + ":";
  for (const Step& step : example.before) name += std::string(" ") + command_name(step.command);
  INFO(name << " " << command_name(example.last.command));
  Step last = example.last;
  last.cycle = example.before[example.from].cycle + example.required;
  {
    DramChecker checker(device);
    REQUIRE_FALSE(run(checker, example.before));
    const auto violation = checker.check(record(last));
    INFO((violation ? to_string(*violation) : ""));
    CHECK_FALSE(violation);
  }
  --last.cycle;
  DramChecker checker(device);
  REQUIRE_FALSE(run(checker, example.before));
  const auto violation = checker.check(record(last));
  REQUIRE(violation);
  INFO(to_string(*violation));
  CHECK(violation->rule == std::string(example.rule));
  CHECK(violation->has_earlier);
  CHECK(violation->earlier.cycle == kStart + example.before[example.from].cycle);
  CHECK(violation->earlier.command == example.before[example.from].command);
  CHECK(violation->command.command == example.last.command);
  CHECK(violation->required == example.required);
  CHECK(violation->actual == example.required - 1);
  // On another pseudo-channel nothing of it counts.
  DramChecker other(device);
  REQUIRE_FALSE(run(other, example.before));
  const auto elsewhere = other.check(record(last, 1));
  CHECK((!elsewhere || !elsewhere->has_earlier));
}

// PIM mode with a written buffer and all rows of operand group 0 open, at cycle 400.
std::vector<Step> pim_open(std::vector<Step> more = {}) {
  std::vector<Step> steps = {{0, C::kPimEnter},
                             {100, C::kWriteBuffer},
                             {200, C::kActivateBanks, 0},
                             {300, C::kActivateBanks, 2}};
  steps.insert(steps.end(), more.begin(), more.end());
  return steps;
}

}  // namespace

TEST_CASE("Checker: command buses") {
  check_distance(
      {"tACTBUS", {{P::kTACTBUS, 3}}, {{0, C::kActivate, 0}}, {0, C::kPrecharge, 1}, 0, 3});
  check_distance({"tACTBUS",
                  {{P::kTACTBUS, 3}},
                  {{0, C::kPimEnter}, {100, C::kActivateBanks, 0}},
                  {0, C::kActivateBanks, 2},
                  1,
                  3});
  check_distance(
      {"tROWBUS", {{P::kTROWBUS, 3}}, {{0, C::kPrecharge, 0}}, {0, C::kActivate, 1}, 0, 3});
  check_distance({"tCOLBUS",
                  {{P::kTCOLBUS, 3}},
                  {{0, C::kActivate, 0}, {100, C::kActivate, 2}, {200, C::kRead, 0}},
                  {0, C::kRead, 2},
                  2,
                  3});
}

TEST_CASE("Checker: a bank's row") {
  const std::vector<Step> act = {{0, C::kActivate, 3}};
  check_distance({"tRCDRD", {{P::kTRCDRD, 40}}, act, {0, C::kRead, 3}, 0, 40});
  check_distance({"tRCDWR", {{P::kTRCDWR, 40}}, act, {0, C::kWrite, 3}, 0, 40});
  check_distance({"tRAS", {{P::kTRAS, 40}}, act, {0, C::kPrecharge, 3}, 0, 40});
  check_distance({"tRAS", {{P::kTRAS, 40}}, act, {0, C::kPrechargeAll}, 0, 40});

  const std::vector<Step> act_pre = {{0, C::kActivate, 3}, {10, C::kPrecharge, 3}};
  const std::vector<Step> act_prea = {{0, C::kActivate, 3}, {10, C::kPrechargeAll}};
  for (const C next : {C::kActivate, C::kRefreshBank, C::kRefresh}) {
    check_distance({"tRC", {{P::kTRC, 40}}, act_pre, {0, next, 3}, 0, 40});
  }
  for (const C next : {C::kActivate, C::kRefreshBank, C::kRefresh, C::kPimEnter}) {
    check_distance({"tRP", {{P::kTRP, 40}}, act_pre, {0, next, 3}, 1, 40});
    check_distance({"tRP", {{P::kTRP, 40}}, act_prea, {0, next, 3}, 1, 40});
  }
  for (const C next : {C::kPrecharge, C::kPrechargeAll}) {
    const Overrides write = {{P::kTWR, 40}, {P::kTWL, 5}, {P::kTBL, 2}};
    check_distance(
        {"tRTP", {{P::kTRTP, 40}}, {{0, C::kActivate, 3}, {10, C::kRead, 3}}, {0, next, 3}, 1, 40});
    check_distance(
        {"tWR", write, {{0, C::kActivate, 3}, {10, C::kWrite, 3}}, {0, next, 3}, 1, 5 + 2 + 40});
    check_distance({"tPPD", {{P::kTPPD, 3}}, {{0, C::kPrecharge, 0}}, {0, next, 1}, 0, 3});
  }
}

TEST_CASE("Checker: activates of different banks") {
  for (const C next : {C::kActivate, C::kRefreshBank}) {
    check_distance({"tRRDS", {{P::kTRRDS, 9}}, {{0, C::kActivate, 0}}, {0, next, 2}, 0, 9});
    check_distance({"tRRDS", {{P::kTRRDS, 9}}, {{0, C::kActivate, 0}}, {0, next, 4}, 0, 9});
    check_distance({"tRRDL", {{P::kTRRDL, 9}}, {{0, C::kActivate, 0}}, {0, next, 1}, 0, 9});
    check_distance(
        {"tFAW",
         {{P::kTFAW, 40}},
         {{0, C::kActivate, 0}, {3, C::kActivate, 2}, {6, C::kActivate, 4}, {9, C::kActivate, 6}},
         {0, next, 1},
         0,
         40});
    // A REFpb is one of the four.
    check_distance({"tFAW",
                    {{P::kTFAW, 40}},
                    {{0, C::kRefreshBank, 0},
                     {3, C::kActivate, 2},
                     {6, C::kRefreshBank, 4},
                     {9, C::kActivate, 6}},
                    {0, next, 1},
                    0,
                    40});
  }
}

TEST_CASE("Checker: columns of one and of different banks") {
  const std::vector<Step> open = {
      {0, C::kActivate, 0}, {100, C::kActivate, 1}, {200, C::kActivate, 2}, {300, C::kActivate, 4}};
  const auto after = [&open](C command, std::uint32_t bank) {
    std::vector<Step> steps = open;
    steps.push_back({400, command, bank});
    return steps;
  };
  for (const C command : {C::kRead, C::kWrite}) {
    check_distance({"tCCDS", {{P::kTCCDS, 9}}, after(command, 0), {0, command, 2}, 4, 9});
    check_distance({"tCCDL", {{P::kTCCDL, 9}}, after(command, 0), {0, command, 1}, 4, 9});
    check_distance({"tCCDL", {{P::kTCCDL, 9}}, after(command, 0), {0, command, 0}, 4, 9});
  }
  check_distance({"tCCDR", {{P::kTCCDR, 9}}, after(C::kRead, 0), {0, C::kRead, 4}, 4, 9});
  check_distance({"tRTW", {{P::kTRTW, 9}}, after(C::kRead, 0), {0, C::kWrite, 2}, 4, 9});
  const Overrides to_read = {{P::kTWL, 5}, {P::kTBL, 2}, {P::kTRL, 5}};
  Overrides same_group = to_read;
  same_group.push_back({P::kTWTRL, 20});
  Overrides other_group = to_read;
  other_group.push_back({P::kTWTRS, 20});
  check_distance({"tWTRL", same_group, after(C::kWrite, 0), {0, C::kRead, 1}, 4, 5 + 2 + 20});
  check_distance({"tWTRS", other_group, after(C::kWrite, 0), {0, C::kRead, 2}, 4, 5 + 2 + 20});
}

TEST_CASE("Checker: refresh") {
  const std::vector<Step> all = {{0, C::kRefresh}};
  for (const C next :
       {C::kActivate, C::kPrechargeAll, C::kRefresh, C::kRefreshBank, C::kPimEnter}) {
    check_distance({"tRFC", {{P::kTRFC, 40}}, all, {0, next, 0}, 0, 40});
  }
  const std::vector<Step> bank = {{0, C::kRefreshBank, 5}};
  for (const C next : {C::kActivate, C::kRefreshBank, C::kRefresh, C::kPrechargeAll, C::kPrecharge,
                       C::kPimEnter}) {
    check_distance({"tRFCpb", {{P::kTRFCpb, 40}}, bank, {0, next, 5}, 0, 40});
  }
  for (const C next : {C::kActivate, C::kRefreshBank}) {
    check_distance({"tRREFD", {{P::kTRREFD, 40}}, bank, {0, next, 2}, 0, 40});
  }
}

TEST_CASE("Checker: power-down") {
  const std::vector<Step> read = {{0, C::kActivate, 0}, {100, C::kRead, 0}};
  const std::vector<Step> write = {{0, C::kActivate, 0}, {100, C::kWrite, 0}};
  check_distance(
      {"tRDPDE", {{P::kTRL, 30}, {P::kTBL, 4}}, read, {0, C::kPowerDownEnter}, 1, 30 + 4 + 1});
  check_distance({"tWRPDE",
                  {{P::kTWL, 10}, {P::kTBL, 4}, {P::kTWR, 20}},
                  write,
                  {0, C::kPowerDownEnter},
                  1,
                  10 + 4 + 20 + 1});
  check_distance(
      {"tPD", {{P::kTPD, 40}}, {{0, C::kPowerDownEnter}}, {0, C::kPowerDownExit}, 0, 40});
  const std::vector<Step> asleep = {
      {0, C::kActivate, 0}, {100, C::kPowerDownEnter}, {200, C::kPowerDownExit}};
  for (const C next : {C::kRead, C::kWrite, C::kPrecharge, C::kPrechargeAll, C::kPowerDownEnter}) {
    check_distance({"tXP", {{P::kTXP, 40}}, asleep, {0, next, 0}, 2, 40});
  }
  for (const C next : {C::kActivate, C::kRefreshBank}) {
    check_distance({"tXP", {{P::kTXP, 40}}, asleep, {0, next, 2}, 2, 40});
  }
}

TEST_CASE("Checker: PIM mode") {
  for (const C next : {C::kActivateBanks, C::kWriteBuffer, C::kRefresh, C::kPimExit}) {
    check_distance({"tPIMIN", {{P::kTPIMIN, 40}}, {{0, C::kPimEnter}}, {0, next}, 0, 40});
  }
  const std::vector<Step> in_and_out = {{0, C::kPimEnter}, {100, C::kPimExit}};
  for (const C next :
       {C::kActivate, C::kRefresh, C::kRefreshBank, C::kPrechargeAll, C::kPimEnter}) {
    check_distance({"tPIMOUT", {{P::kTPIMOUT, 40}}, in_and_out, {0, next}, 1, 40});
  }
  const std::vector<Step> closed = pim_open({{400, C::kMac, 0}, {410, C::kPrechargeBanks, 0}});
  check_distance({"tMACL", {{P::kTMACL, 40}}, closed, {0, C::kPimExit}, 4, 40});
  check_distance({"tRP", {{P::kTRP, 40}}, closed, {0, C::kPimExit}, 5, 40});
  check_distance({"tRL",
                  {{P::kTRL, 30}, {P::kTBL, 4}},
                  {{0, C::kPimEnter}, {100, C::kWriteBias}, {200, C::kReadResult}},
                  {0, C::kPimExit},
                  2,
                  34});
  for (const C write : {C::kWriteBuffer, C::kWriteBias}) {
    check_distance({"tWL",
                    {{P::kTWL, 30}, {P::kTBL, 4}},
                    {{0, C::kPimEnter}, {100, write}},
                    {0, C::kPimExit},
                    1,
                    34});
  }
  const std::vector<Step> refresh = {{0, C::kPimEnter}, {100, C::kRefresh}};
  for (const C next : {C::kActivateBanks, C::kPrechargeBanks, C::kPimExit, C::kRefresh}) {
    check_distance({"tRFC", {{P::kTRFC, 40}}, refresh, {0, next, 0}, 1, 40});
  }
}

TEST_CASE("Checker: rows of many banks") {
  const std::vector<Step> one = {{0, C::kPimEnter}, {100, C::kActivateBanks, 0}};
  check_distance({"tRRDAB", {{P::kTRRDAB, 40}}, one, {0, C::kActivateBanks, 1}, 1, 40});
  check_distance({"tFAWAB",
                  {{P::kTFAWAB, 40}},
                  {{0, C::kPimEnter}, {100, C::kActivateBanks, 0}, {110, C::kActivateBanks, 1}},
                  {0, C::kActivateBanks, 2},
                  1,
                  40});
  check_distance({"tRAS", {{P::kTRAS, 40}}, one, {0, C::kPrechargeBanks, 0}, 1, 40});
  const std::vector<Step> closed = {
      {0, C::kPimEnter}, {100, C::kActivateBanks, 0}, {110, C::kPrechargeBanks, 0}};
  for (const C next : {C::kActivateBanks, C::kRefresh}) {
    check_distance({"tRC", {{P::kTRC, 40}}, closed, {0, next, 0}, 1, 40});
    check_distance({"tRP", {{P::kTRP, 40}}, closed, {0, next, 0}, 2, 40});
  }
  // The other operand group is not concerned.
  DramChecker checker(small_device({{P::kTRP, 40}}));
  REQUIRE_FALSE(run(checker, closed));
  CHECK_FALSE(checker.check(record({111, C::kActivateBanks, 1})));
}

TEST_CASE("Checker: columns of many banks, accumulators and the buffer") {
  for (const C next : {C::kMac, C::kElementAdd, C::kElementMultiply}) {
    check_distance({"tRCDMAC", {{P::kTRCDMAC, 40}}, pim_open(), {0, next, 0}, 3, 40});
    check_distance({"tMAC", {{P::kTMAC, 9}}, pim_open({{400, C::kMac, 0}}), {0, next, 0}, 4, 9});
    check_distance({"tMAC", {{P::kTMAC, 9}}, pim_open({{400, next, 0}}), {0, C::kMac, 0}, 4, 9});
    check_distance(
        {"tGBL", {{P::kTGBL, 40}}, pim_open({{400, C::kWriteBuffer}}), {0, next, 0}, 4, 40});
    check_distance(
        {"tCOPY", {{P::kTCOPY, 40}}, pim_open({{400, C::kCopyToBuffer, 0}}), {0, next, 0}, 4, 40});
  }
  check_distance(
      {"tGBL", {{P::kTGBL, 40}}, pim_open({{400, C::kWriteBias}}), {0, C::kMac, 0}, 4, 40});
  check_distance({"tGBL",
                  {{P::kTGBL, 40}},
                  pim_open({{400, C::kWriteBuffer}}),
                  {0, C::kCopyFromBuffer, 0},
                  4,
                  40});
  const std::vector<Step> mac = pim_open({{400, C::kMac, 0}});
  check_distance({"tMACL", {{P::kTMACL, 40}}, mac, {0, C::kReadResult}, 4, 40});
  check_distance({"tMACL", {{P::kTMACL, 40}}, mac, {0, C::kWriteBias}, 4, 40});
  check_distance({"tRTP", {{P::kTRTP, 40}}, mac, {0, C::kPrechargeBanks, 0}, 4, 40});
  check_distance({"tWR",
                  {{P::kTMACL, 10}, {P::kTWR, 30}},
                  pim_open({{400, C::kElementAdd, 0}}),
                  {0, C::kPrechargeBanks, 0},
                  4,
                  40});
  check_distance({"tRDMAC",
                  {{P::kTRDMAC, 9}},
                  pim_open({{400, C::kMac, 0}, {500, C::kReadResult}}),
                  {0, C::kReadResult},
                  5,
                  9});
  for (const C write : {C::kWriteBuffer, C::kWriteBias}) {
    for (const C next : {C::kWriteBuffer, C::kWriteBias}) {
      check_distance({"tGBW", {{P::kTGBW, 9}}, {{0, C::kPimEnter}, {100, write}}, {0, next}, 1, 9});
    }
    check_distance({"tWTRS",
                    {{P::kTWTRS, 20}, {P::kTWL, 5}, {P::kTRL, 5}, {P::kTBL, 2}},
                    pim_open({{400, C::kMac, 0}, {500, write}}),
                    {0, C::kReadResult},
                    5,
                    27});
    check_distance({"tRTW",
                    {{P::kTRTW, 20}},
                    pim_open({{400, C::kMac, 0}, {500, C::kReadResult}}),
                    {0, write},
                    5,
                    20});
  }
}

TEST_CASE("Checker: copies between a bank and the buffer") {
  const std::vector<Step> open = pim_open();
  check_distance({"tRCDRD", {{P::kTRCDRD, 40}}, open, {0, C::kCopyToBuffer, 4}, 3, 40});
  check_distance({"tRCDWR", {{P::kTRCDWR, 40}}, open, {0, C::kCopyFromBuffer, 4}, 3, 40});
  for (const C copy : {C::kCopyToBuffer, C::kCopyFromBuffer}) {
    for (const C next : {C::kCopyToBuffer, C::kCopyFromBuffer}) {
      check_distance({"tCOPY", {{P::kTCOPY, 40}}, pim_open({{400, copy, 0}}), {0, next, 2}, 4, 40});
    }
    check_distance({"tMAC", {{P::kTMAC, 9}}, pim_open({{400, C::kMac, 0}}), {0, copy, 2}, 4, 9});
  }
  check_distance({"tRTP",
                  {{P::kTRTP, 40}},
                  pim_open({{400, C::kCopyToBuffer, 2}}),
                  {0, C::kPrechargeBanks, 0},
                  4,
                  40});
  check_distance({"tWR",
                  {{P::kTWR, 30}, {P::kTWL, 5}, {P::kTBL, 2}},
                  pim_open({{400, C::kCopyFromBuffer, 2}}),
                  {0, C::kPrechargeBanks, 0},
                  4,
                  37});
}

TEST_CASE("Checker: bursts share the data bus") {
  const DeviceDescription device = small_device({{P::kTRL, 40}, {P::kTWL, 10}, {P::kTBL, 4}});
  const auto write_after_read = [&device](std::uint64_t distance) -> std::string {
    DramChecker checker(device);
    REQUIRE_FALSE(run(checker, {{0, C::kActivate, 0}, {100, C::kActivate, 2}, {200, C::kRead, 0}}));
    const auto violation = checker.check(record({200 + distance, C::kWrite, 2}));
    return violation ? violation->rule : "";
  };
  // Read data at 240 to 243.
  CHECK(write_after_read(26).empty());
  for (std::uint64_t distance = 27; distance < 34; ++distance) {
    CHECK(write_after_read(distance) == "data bus");
  }
  CHECK(write_after_read(34).empty());
  // Not only the newest read: the write's data go between those of two reads, or they do not fit.
  for (const bool fits : {true, false}) {
    DramChecker checker(device);
    REQUIRE_FALSE(run(checker, {{0, C::kActivate, 0},
                                {100, C::kActivate, 2},
                                {200, C::kRead, 0},
                                {fits ? 208u : 207u, C::kRead, 0}}));
    const auto violation = checker.check(record({234, C::kWrite, 2}));
    CHECK(violation.has_value() == !fits);
  }
}

TEST_CASE("Checker: every bank is refreshed in time") {
  const DeviceDescription device = small_device({{P::kTREFI, 100}});
  const auto rule_at = [](DramChecker& checker, const Step& step) -> std::string {
    const auto violation = checker.check(record(step));
    return violation ? violation->rule : "";
  };
  const std::vector<Step> start = {{0, C::kPrechargeAll}};
  SECTION("eight may be postponed") {
    DramChecker checker(device);
    REQUIRE_FALSE(run(checker, start));
    CHECK(rule_at(checker, {900, C::kPrechargeAll}).empty());
    CHECK_FALSE(checker.finish(0, kStart + 900));
    CHECK(checker.finish(0, kStart + 901));
    CHECK(rule_at(checker, {901, C::kPrechargeAll}) == "tREFI");
  }
  SECTION("a refresh pays for one interval") {
    DramChecker checker(device);
    REQUIRE_FALSE(run(checker, {{0, C::kPrechargeAll}, {850, C::kRefresh}}));
    CHECK(rule_at(checker, {1000, C::kPrechargeAll}).empty());
    CHECK(rule_at(checker, {1001, C::kPrechargeAll}) == "tREFI");
  }
  SECTION("per-bank refresh pays when all banks had it") {
    DramChecker checker(device);
    REQUIRE_FALSE(run(checker, start));
    for (std::uint32_t bank = 0; bank < 7; ++bank) {
      REQUIRE(rule_at(checker, {800 + 10 * bank, C::kRefreshBank, bank}).empty());
    }
    CHECK(checker.finish(0, kStart + 950));
    REQUIRE(rule_at(checker, {890, C::kRefreshBank, 7}).empty());
    CHECK_FALSE(checker.finish(0, kStart + 1000));
    CHECK(checker.finish(0, kStart + 1001));
  }
  SECTION("no more than eight count in advance") {
    DramChecker checker(device);
    REQUIRE_FALSE(run(checker, start));
    for (std::uint32_t i = 0; i < 20; ++i) {
      REQUIRE(rule_at(checker, {2 + i, C::kRefresh}).empty());
    }
    CHECK_FALSE(checker.finish(0, kStart + 1700));
    CHECK(checker.finish(0, kStart + 1701));
  }
  SECTION("the rule can be left out") {
    DramChecker checker(device, {.refresh_required = false, .postponed_refreshes = 8});
    REQUIRE_FALSE(run(checker, start));
    CHECK(rule_at(checker, {100'000, C::kPrechargeAll}).empty());
    CHECK_FALSE(checker.finish(0, kStart + 200'000));
  }
}

namespace {

struct StateCase {
  const char* rule;
  std::vector<Step> legal;
  Step last;
};

}  // namespace

TEST_CASE("Checker: commands that the state forbids") {
  const std::vector<Step> open = {{0, C::kActivate, 0}};
  const std::vector<Step> pim = {{0, C::kPimEnter}};
  const std::vector<Step> asleep = {{0, C::kActivate, 0}, {100, C::kPowerDownEnter}};
  const std::vector<Step> half_open = {
      {0, C::kPimEnter}, {100, C::kWriteBuffer}, {200, C::kActivateBanks, 0}};
  std::vector<StateCase> cases = {
      {"row open", open, {500, C::kActivate, 0}},
      {"row open", open, {500, C::kRefreshBank, 0}},
      {"row open", half_open, {500, C::kActivateBanks, 0}},
      {"row closed", open, {500, C::kRead, 1}},
      {"row closed", open, {500, C::kWrite, 1}},
      {"row closed", half_open, {500, C::kMac, 0}},
      {"row closed", half_open, {500, C::kCopyToBuffer, 1}},
      {"wrong row", open, {500, C::kRead, 0, kRow + 1}},
      {"wrong row", open, {500, C::kWrite, 0, kRow + 1}},
      {"wrong row", half_open, {500, C::kCopyFromBuffer, 0, kRow + 1}},
      {"wrong row", pim_open(), {500, C::kMac, 0, kRow + 1}},
      {"wrong row",
       {{0, C::kPimEnter},
        {100, C::kWriteBuffer},
        {200, C::kActivateBanks, 0},
        {300, C::kActivateBanks, 2, kRow + 1}},
       {500, C::kElementAdd, 0}},
      {"banks open", open, {500, C::kRefresh}},
      {"banks open", open, {500, C::kPimEnter}},
      {"banks open", half_open, {500, C::kPimExit}},
      {"banks open", half_open, {500, C::kRefresh}},
      {"buffer",
       {{0, C::kPimEnter}, {100, C::kActivateBanks, 0}, {200, C::kActivateBanks, 2}},
       {500, C::kMac, 0}},
      {"buffer", {{0, C::kPimEnter}, {100, C::kActivateBanks, 0}}, {500, C::kCopyFromBuffer, 0}},
      {"accumulators", pim, {500, C::kReadResult}},
      {"power-down", open, {500, C::kPowerDownExit}},
      {"address", open, {500, C::kActivate, 2, 100}},
      {"address", pim, {500, C::kActivateBanks, 4}},
      {"address", pim, {500, C::kPrechargeBanks, 2}},
      {"order", {{500, C::kActivate, 0}}, {499, C::kPrecharge, 1}},
  };
  for (unsigned i = 0; i < kDramCommands; ++i) {
    const auto command = static_cast<C>(i);
    if (command != C::kPowerDownExit) cases.push_back({"power-down", asleep, {500, command, 0}});
    if (command == C::kRefresh || command == C::kPowerDownExit) continue;
    const bool for_pim = command >= C::kPimExit;
    cases.push_back(
        {"mode", for_pim ? std::vector<Step>{{0, C::kPrechargeAll}} : pim, {500, command, 0}});
  }
  for (const StateCase& example : cases) {
    INFO(example.rule << ": " << command_name(example.last.command));
    DramChecker checker(small_device());
    REQUIRE_FALSE(run(checker, example.legal));
    const auto violation = checker.check(record(example.last));
    REQUIRE(violation);
    INFO(to_string(*violation));
    CHECK(violation->rule == std::string(example.rule));
    CHECK_FALSE(violation->has_earlier);
  }
  SECTION("a pseudo-channel that does not exist") {
    DramChecker checker(small_device());
    CommandRecord stray = record({0, C::kActivate, 0}, 2);
    REQUIRE(checker.check(stray));
    CHECK(checker.check(stray)->rule == std::string("address"));
  }
}

TEST_CASE("Checker: a message names rule, distances, and both commands with their places") {
  DramChecker checker(small_device({{P::kTRCDRD, 19}}));
  REQUIRE_FALSE(run(checker, {{0, C::kActivate, 7}}));
  const auto violation = checker.check(record({13, C::kRead, 7}));
  REQUIRE(violation);
  CHECK(to_string(*violation) ==
        "tRCDRD: RD at cycle 10013 (pseudo-channel 0, SID 1, bank group 1, bank 1, row 7, column "
        "0) comes 13 cycles after ACT at cycle 10000 (pseudo-channel 0, SID 1, bank group 1, bank "
        "1, row 7); 19 are required");
  // It goes on: the read counts from now on.
  CHECK(checker.check(record({13, C::kPrecharge, 7}))->rule == std::string("tRTP"));
  CHECK(checker.commands() == 3);
}
