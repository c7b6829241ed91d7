// Where a token's time goes, on timelines that can be worked out by hand. Times in microseconds.
#include "platform/output/operator_profile.h"

#include <catch2/catch.hpp>
#include <random>

#include "tests/unit/common/random_seed.h"

using namespace hpimvp;
using common::Resource;
using common::ResourceUsage;
using output::GroupProfile;
using output::OperatorProfile;
using output::ProfiledOperator;
using output::TokenProfile;

namespace {

constexpr std::uint64_t kUs = 1'000'000;
constexpr std::uint32_t kStack0 = 0, kStack1 = 1, kTile = 2;

// A profile that knows three engines.
class Profile : public OperatorProfile {
 public:
  Profile(std::vector<ProfiledOperator> operators, bool one_at_a_time)
      : OperatorProfile(std::move(operators), one_at_a_time) {
    for (const char* name : {"stack0", "stack1", "tile0"}) declare_engine(name);
  }
};

std::vector<ProfiledOperator> example_operators() {
  return {{"norm", "norm", "sram_pim", {}},
          {"key", "key", "hbm_pim", {0}},
          {"query", "query", "hbm_pim", {0}},
          {"scores", "attention", "sram_pim", {1}},
          {"out", "projection", "hbm_pim", {2, 3}}};
}

// From one token to the next 60 us later.
void run_example(OperatorProfile& profile, std::uint64_t at_us) {
  const auto report = [&](std::uint32_t engine, std::uint32_t op, std::uint64_t start,
                          std::uint64_t end) {
    profile.operation(engine, op, (at_us + start) * kUs, (at_us + end) * kUs);
  };
  report(kTile, 0, 5, 10);
  report(kStack1, 1, 14, 18);
  report(kStack0, 1, 12, 20);
  ResourceUsage usage;
  usage[Resource::kColumns] = 9 * kUs;
  usage[Resource::kTransfer] = 3 * kUs;
  profile.usage(kStack0, 1, usage);
  report(kStack0, 2, 21, 30);
  report(kTile, 3, 22, 35);
  report(kStack0, 4, 40, 50);
  profile.on_token((at_us + 60) * kUs);
}

const GroupProfile& group(const TokenProfile& profile, const std::string& name) {
  for (const GroupProfile& one : profile.groups) {
    if (one.group == name) return one;
  }
  throw std::runtime_error("no group " + name);
}

double accounted_for(const TokenProfile& profile) {
  double sum = profile.between_s;
  for (const GroupProfile& one : profile.groups) sum += one.critical_s + one.critical_issue_s;
  return sum;
}

Approx us(double value) {
  return Approx(value * 1e-6).epsilon(1e-9);
}

}  // namespace

TEST_CASE(
    "there is no profile before the second token, and what came before the first is left out") {
  Profile profile(example_operators(), false);
  profile.operation(0, 0, 0, 5 * kUs);
  CHECK_FALSE(profile.profile());
  profile.on_token(100 * kUs);
  CHECK_FALSE(profile.profile());
  run_example(profile, 100);
  REQUIRE(profile.profile());
  CHECK(profile.profile()->tokens == 1);
  CHECK(group(*profile.profile(), "norm").busy_s == us(5));
}

TEST_CASE("a token's time is divided by what was at work, and along the critical path") {
  Profile log(example_operators(), false);
  log.on_token(100 * kUs);
  run_example(log, 100);
  run_example(log, 160);
  const TokenProfile profile = *log.profile();
  CHECK(profile.tokens == 2);
  CHECK(profile.token_s == us(60));
  CHECK(profile.idle_s == us(23));
  CHECK(profile.concurrent_s == us(8));
  CHECK(profile.between_s == us(15));
  CHECK(accounted_for(profile) == us(60));

  const GroupProfile& key = group(profile, "key");
  CHECK(key.busy_s == us(12));
  CHECK(key.span_s == us(8));
  CHECK(key.exclusive_s == us(8));
  CHECK(key.critical_s == us(8));
  CHECK(key.critical_issue_s == us(2));
  CHECK(key.imbalance_s == us(2));
  CHECK(key.resources_s[static_cast<unsigned>(Resource::kColumns)] == us(4.5));
  CHECK(key.resources_s[static_cast<unsigned>(Resource::kTransfer)] == us(1.5));
  CHECK(key.bound == "columns");

  const GroupProfile& query = group(profile, "query");
  CHECK(query.exclusive_s == us(1));
  CHECK(query.critical_s == 0);
  CHECK(query.queue_s == us(10));  // for the stacks, which the keys had
  CHECK(query.issue_s == us(1));

  const GroupProfile& scores = group(profile, "scores");
  CHECK(scores.span_s == us(13));
  CHECK(scores.exclusive_s == us(5));
  CHECK(scores.critical_s == us(13));
  CHECK(scores.critical_issue_s == us(2));
  CHECK(group(profile, "out").critical_issue_s == us(5));
}

TEST_CASE("operators of several layers with one name are one group") {
  std::vector<ProfiledOperator> operators = {{"up", "feed_forward", "hbm_pim", {}},
                                             {"up", "feed_forward", "hbm_pim", {0}}};
  Profile log(operators, false);
  log.on_token(0);
  log.operation(0, 0, 1 * kUs, 2 * kUs);
  log.operation(0, 1, 4 * kUs, 7 * kUs);
  log.on_token(8 * kUs);
  const TokenProfile profile = *log.profile();
  REQUIRE(profile.groups.size() == 1);
  CHECK(profile.groups[0].span_s == us(4));
  CHECK(profile.groups[0].issue_s == us(2));
}

TEST_CASE("in a serial schedule an operator waits for one that it does not need") {
  const std::vector<ProfiledOperator> operators = {{"key", "key", "hbm_pim", {}},
                                                   {"query", "query", "hbm_pim", {}},
                                                   {"keys", "attention", "sram_pim", {0}}};
  for (const bool serial : {false, true}) {
    Profile log(operators, serial);
    log.on_token(0);
    log.operation(0, 0, 1 * kUs, 3 * kUs);
    log.operation(0, 1, 4 * kUs, 10 * kUs);
    log.operation(kTile, 2, 11 * kUs, 12 * kUs);
    log.on_token(12 * kUs);
    const TokenProfile profile = *log.profile();
    CHECK(group(profile, "keys").queue_s == us(serial ? 7 : 0));
    CHECK(group(profile, "keys").issue_s == us(serial ? 1 : 8));
    CHECK(group(profile, "query").critical_s == us(serial ? 6 : 0));
    CHECK(accounted_for(profile) == us(12));
  }
}

TEST_CASE("an operator that waits for an engine takes over from the one that had it") {
  const std::vector<ProfiledOperator> operators = {{"key", "key", "hbm_pim", {}},
                                                   {"query", "query", "hbm_pim", {}}};
  Profile log(operators, false);
  log.on_token(0);
  log.operation(kStack0, 0, 1 * kUs, 5 * kUs);
  log.operation(kStack1, 0, 2 * kUs, 9 * kUs);
  log.operation(kStack0, 1, 6 * kUs, 10 * kUs);
  log.operation(kStack1, 1, 10 * kUs, 12 * kUs);
  log.on_token(13 * kUs);
  const TokenProfile profile = *log.profile();
  CHECK(group(profile, "query").critical_s == us(6));
  CHECK(group(profile, "query").critical_issue_s == us(1));
  CHECK(group(profile, "query").queue_s == us(5));
  CHECK(group(profile, "key").critical_s == us(4));
  CHECK(accounted_for(profile) == us(13));
}

TEST_CASE("operators that take no time do not wait for each other") {
  const std::vector<ProfiledOperator> operators = {
      {"a", "k", "dma", {}}, {"b", "k", "dma", {}}, {"c", "k", "dma", {0, 1}}};
  Profile log(operators, false);
  log.on_token(0);
  for (std::uint32_t op = 0; op < 3; ++op) log.operation(0, op, 4 * kUs, 4 * kUs);
  log.on_token(6 * kUs);
  CHECK(accounted_for(*log.profile()) == us(6));
}

TEST_CASE("on random timelines everything adds up") {
  const std::uint64_t seed = random_seed(0x0F11E);
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    std::vector<ProfiledOperator> operators;
    std::vector<std::uint64_t> ends;
    const auto count = static_cast<std::uint32_t>(1 + random() % 12);
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::string name = "g" + std::to_string(random() % 5);
      operators.push_back({name, "k", random() % 2 == 0 ? "hbm_pim" : "sram_pim", {}});
      if (i != 0) operators.back().predecessors.push_back(random() % i);
    }
    Profile log(operators, random() % 2 == 0);
    log.on_token(0);
    std::uint64_t last = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint64_t ready = i == 0 ? 0 : ends[operators[i].predecessors[0]];
      const std::uint64_t start = ready + random() % 1000;
      ends.push_back(start + random() % 5000);
      last = std::max(last, ends.back());
      log.operation(random() % 3, i, start, ends.back());
    }
    log.on_token(last + random() % 100);
    const TokenProfile profile = *log.profile();
    REQUIRE(accounted_for(profile) == Approx(profile.token_s).margin(1e-18));
    double exclusive = 0;
    for (const GroupProfile& one : profile.groups) {
      exclusive += one.exclusive_s;
      REQUIRE(one.exclusive_s <= one.span_s * (1 + 1e-12));
    }
    REQUIRE(profile.idle_s + profile.concurrent_s + exclusive ==
            Approx(profile.token_s).margin(1e-18));
  }
}
