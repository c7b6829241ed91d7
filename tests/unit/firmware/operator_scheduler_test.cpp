#include "firmware/host/operator_scheduler.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <map>
#include <random>
#include <set>

#include "tests/unit/common/random_seed.h"
#include "tests/unit/firmware/fake_machine.h"
#include "tests/unit/firmware/plan_builder.h"

namespace hpimvp::firmware {
namespace {

using plan::DeviceKind;
using plan::Engine;
using plan::PatchSource;

constexpr std::uint32_t kStacks = 4;

// Devices 0 to 3: stacks, 4: dispatcher, 5: DMA.
void add_machine(PlanBuilder& builder) {
  for (std::uint32_t i = 0; i < kStacks; ++i) builder.add_device(DeviceKind::kHbmPimStack, i);
  builder.add_device(DeviceKind::kSramPimDispatcher, 0);
  builder.add_device(DeviceKind::kDma, 0);
}

PlanBuilder::Operator random_operator(std::mt19937& random, std::uint32_t index) {
  PlanBuilder::Operator op = {};
  op.engine = static_cast<Engine>(1 + random() % 3);
  if (op.engine == Engine::kDma) {
    op.devices = {kStacks + 1};
  } else if (op.engine == Engine::kSramPim) {
    op.devices = {kStacks};
  } else {
    for (std::uint32_t stack = 0; stack < kStacks; ++stack) {
      op.devices.insert(op.devices.end(), random() % 4, stack);  // none at all, sometimes
    }
  }
  const std::uint32_t most = std::min(index, plan::kMaxPredecessors);
  const std::uint32_t predecessors = most == 0 ? 0 : random() % (most + 1);
  for (std::uint32_t p = 0; p < predecessors; ++p) op.predecessors.push_back(random() % index);
  if (random() % 5 == 0) op.flags = plan::kFlagNeedsLogits;
  op.layer = static_cast<std::uint16_t>(random() % 3);
  return op;
}

// Chunks of four tokens; operators are yet to be added.
void allow_chunks(PlanBuilder& builder) {
  builder.header.block_tokens = 4;
  builder.header.block_bytes = 1024;
  builder.header.chunk_tokens = 4;
  builder.header.chunk_least_tokens = 1;
}

PlanBuilder::Operator random_chunk_operator(std::mt19937& random, std::uint32_t index) {
  PlanBuilder::Operator op = random_operator(random, index);
  op.flags = 0;
  return op;
}

// Follows a run: what was submitted and completed, in which order.
struct RunRecord {
  std::map<std::uint32_t, std::multiset<std::uint32_t>> submitted;  // operator -> devices
  std::map<std::uint32_t, std::uint32_t> completed;                 // operator -> descriptors
};

TEST_CASE("in random graphs every operator runs once, after its predecessors") {
  const auto seed = static_cast<std::uint32_t>(random_seed(20260301));
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    PlanBuilder builder(3, 10);
    add_machine(builder);
    allow_chunks(builder);
    std::vector<PlanBuilder::Operator> of_token;
    std::vector<PlanBuilder::Operator> of_chunk;
    const std::uint32_t most = 1 + random() % 60;
    for (std::uint32_t i = 0; i < most; ++i) {
      of_token.push_back(random_operator(random, i));
      builder.add_operator(of_token.back());
    }
    for (std::uint32_t i = 0; i < 1 + most / 2; ++i) {
      of_chunk.push_back(random_chunk_operator(random, i));
      builder.add_chunk_operator(of_chunk.back());
    }
    const PlanView plan = builder.build();
    REQUIRE_FALSE(check_plan(plan));
    std::vector<std::uint32_t> capacities(kStacks + 2);
    for (auto& capacity : capacities) capacity = 3 + random() % 5;
    FakeEngines engines(capacities, random());
    RecordedProgress progress;
    TestMemory memory;
    OperatorScheduler scheduler(plan, engines, &progress, memory.arena());

    for (int step = 0; step < 6; ++step) {
      const bool is_chunk = random() % 2 == 0;
      const std::vector<PlanBuilder::Operator>& operators = is_chunk ? of_chunk : of_token;
      const std::size_t first = is_chunk ? of_token.size() : 0;
      const std::size_t count = operators.size();
      const bool needs_logits = random() % 2 == 0;
      const auto is_run = [&](std::uint32_t op) {
        return needs_logits || (operators[op].flags & plan::kFlagNeedsLogits) == 0;
      };
      RunRecord record;
      engines.on_submit = [&](std::uint32_t device, const Descriptor& descriptor) {
        REQUIRE(operation_of(descriptor) >= first);
        const auto op = static_cast<std::uint32_t>(operation_of(descriptor) - first);
        REQUIRE(op < count);
        REQUIRE(is_run(op));
        REQUIRE((descriptor[0] >> 16 & 1) == 1);  // interrupts at completion
        record.submitted[op].insert(device);
        // Everything before it is complete, through operators that were skipped or had nothing to
        // do.
        std::vector<std::uint32_t> open = operators[op].predecessors;
        std::set<std::uint32_t> seen;
        while (!open.empty()) {
          const std::uint32_t before = open.back();
          open.pop_back();
          if (!seen.insert(before).second) continue;
          if (is_run(before)) {
            REQUIRE(record.completed[before] == operators[before].devices.size());
          }
          const auto& more = operators[before].predecessors;
          open.insert(open.end(), more.begin(), more.end());
        }
      };
      engines.on_complete = [&](std::uint32_t /*device*/, const Descriptor& descriptor) {
        ++record.completed[static_cast<std::uint32_t>(operation_of(descriptor) - first)];
      };
      progress.events.clear();
      const auto failure = is_chunk ? scheduler.run_chunk({plan.prompt(), 0, {}})
                                    : scheduler.run_position({5, 9, needs_logits, {}});
      REQUIRE_FALSE(failure);
      REQUIRE(engines.is_idle());
      std::size_t with_descriptors = 0;
      for (std::uint32_t op = 0; op < count; ++op) {
        const std::multiset<std::uint32_t> expected(operators[op].devices.begin(),
                                                    operators[op].devices.end());
        REQUIRE(record.submitted[op] == (is_run(op) ? expected : std::multiset<std::uint32_t>{}));
        with_descriptors += is_run(op) && !expected.empty();
      }
      REQUIRE(progress.events.size() == 2 * with_descriptors);
    }
  }
}

TEST_CASE("independent operators are in flight together") {
  PlanBuilder builder(1, 10);
  add_machine(builder);
  for (int i = 0; i < 6; ++i) builder.add_operator({Engine::kHbmPim, {0, 1, 2, 3}, {}, {}});
  const PlanView plan = builder.build();
  FakeEngines engines(std::vector<std::uint32_t>(6, 63), 1);
  TestMemory memory;
  OperatorScheduler scheduler(plan, engines, nullptr, memory.arena());
  REQUIRE_FALSE(scheduler.run_position({0, 0, true, {}}));
  CHECK(engines.most_in_flight() == 6);
}

TEST_CASE("with the serial policy an operator starts when nothing else is at work") {
  const auto seed = static_cast<std::uint32_t>(random_seed(20260302));
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 100; ++round) {
    PlanBuilder builder(3, 10);
    builder.header.request.policy = plan::SchedulePolicy::kSerial;
    add_machine(builder);
    const std::uint32_t count = 1 + random() % 40;
    std::uint32_t with_descriptors = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      const PlanBuilder::Operator op = random_operator(random, i);
      with_descriptors += op.devices.empty() ? 0 : 1;
      builder.add_operator(op);
    }
    const PlanView plan = builder.build();
    REQUIRE_FALSE(check_plan(plan));
    FakeEngines engines(std::vector<std::uint32_t>(kStacks + 2, 7), random());
    RecordedProgress progress;
    TestMemory memory;
    OperatorScheduler scheduler(plan, engines, &progress, memory.arena());
    REQUIRE_FALSE(scheduler.run_position({5, 9, true, {}}));
    REQUIRE(progress.events.size() == 2 * with_descriptors);
    for (std::size_t i = 0; i < progress.events.size(); i += 2) {
      const std::string& start = progress.events[i];
      REQUIRE(start.rfind("start ", 0) == 0);
      REQUIRE(progress.events[i + 1] == "end " + start.substr(6));
    }
  }
}

TEST_CASE("descriptors are the templates with what is known at run time added") {
  PlanBuilder builder(3, 10);
  add_machine(builder);
  const std::vector<plan::Patch> patches = {{PatchSource::kToken, 8, 0, 100},
                                            {PatchSource::kPosition, 16, 0, 1},
                                            {PatchSource::kPositionUpperHalf, 24, 0, 3},
                                            {PatchSource::kBlockTableAddress, 56, 0, 1}};
  builder.header.block_tokens = 4;
  builder.header.block_bytes = 1024;
  builder.add_operator({Engine::kSramPim, {kStacks}, {}, patches, 0, 2});
  const PlanView plan = builder.build();
  REQUIRE_FALSE(check_plan(plan));
  Descriptor expected;
  std::memcpy(expected.data(), plan.descriptors()[0].descriptor, sizeof expected);
  FakeEngines engines(std::vector<std::uint32_t>(6, 63), 1);
  TestMemory memory;
  OperatorScheduler scheduler(plan, engines, nullptr, memory.arena());

  for (std::uint64_t position = 0; position < 3; ++position) {
    Descriptor found = {};
    engines.on_submit = [&](std::uint32_t device, const Descriptor& descriptor) {
      CHECK(device == kStacks);
      found = descriptor;
    };
    const auto token = static_cast<std::uint32_t>(7 + position);
    REQUIRE_FALSE(scheduler.run_position({token, position, true, {0x8100'0000, 0x40}}));
    Descriptor patched = expected;
    patched[0] = (expected[0] & 0xFFFFFFFF) | 0x10000;  // operator 0, with interrupt
    patched[1] += token * 100;
    patched[2] += position;
    patched[3] += position * 0x3'0000'0000;
    patched[7] += 0x8100'0080;
    CHECK(found == patched);
  }
}

TEST_CASE("descriptors of a chunk get its first position, its tokens and how many there are") {
  PlanBuilder builder(3, 10);
  add_machine(builder);
  allow_chunks(builder);
  builder.prompt = {4, 5, 6, 7, 8, 9};
  builder.add_operator({Engine::kDma, {5}, {}, {{PatchSource::kToken, 8, 0, 1}}});
  builder.add_chunk_operator({Engine::kDma, {5}, {}, {}});
  const std::vector<plan::Patch> patches = {{PatchSource::kChunkTokensAddress, 16, 0, 1},
                                            {PatchSource::kChunkTokenCount, 24, 0, 0x100},
                                            {PatchSource::kPosition, 40, 0, 64},
                                            {PatchSource::kBlockTableAddress, 48, 0, 1}};
  builder.add_chunk_operator({Engine::kSramPim, {kStacks}, {0}, patches, 0, 2});
  const PlanView plan = builder.build();
  REQUIRE_FALSE(check_plan(plan));
  FakeEngines engines(std::vector<std::uint32_t>(6, 63), 1);
  std::vector<Descriptor> found;
  engines.on_submit = [&](std::uint32_t, const Descriptor& descriptor) {
    found.push_back(descriptor);
  };
  TestMemory memory;
  RecordedProgress progress;
  OperatorScheduler scheduler(plan, engines, &progress, memory.arena());

  for (const std::uint32_t count : {4u, 2u}) {
    found.clear();
    progress.events.clear();
    const std::uint64_t position = 4 - count;
    const auto tokens = plan.prompt().subspan(position, count);
    REQUIRE_FALSE(scheduler.run_chunk({tokens, position, {0x8100'0000, 0x40}}));
    REQUIRE(found.size() == 2);
    Descriptor expected;
    std::memcpy(expected.data(), plan.descriptors()[2].descriptor, sizeof expected);
    expected[0] = (expected[0] & 0xFFFFFFFF) | (std::uint64_t{2} << 32) | 0x10000;
    expected[2] += plan.request().prompt_address + 4 * position;
    expected[3] += count * 0x100;
    expected[5] += position * 64;
    expected[6] += 0x8100'0080;
    CHECK(operation_of(found[0]) == 1);
    CHECK(found[1] == expected);
    CHECK(progress.events == std::vector<std::string>{"start 1", "end 1", "start 2", "end 2"});
  }
}

TEST_CASE("a device that stops in a chunk is reported with the operator's number in the table") {
  PlanBuilder builder(3, 10);
  add_machine(builder);
  allow_chunks(builder);
  for (std::uint32_t i = 0; i < 3; ++i) builder.add_operator({Engine::kDma, {5}, {}, {}});
  builder.add_chunk_operator({Engine::kHbmPim, {0, 1}, {}, {}});
  builder.add_chunk_operator({Engine::kHbmPim, {0, 1}, {0}, {}});
  const PlanView plan = builder.build();
  FakeEngines engines(std::vector<std::uint32_t>(6, 3), 1);
  engines.fails_at = {1, 4};
  TestMemory memory;
  OperatorScheduler scheduler(plan, engines, nullptr, memory.arena());
  REQUIRE_FALSE(scheduler.run_position({0, 0, true, {}}));
  const auto failure = scheduler.run_chunk({plan.prompt(), 0, {}});
  REQUIRE(failure);
  CHECK(failure->device == 1);
  CHECK(failure->op == 4);
}

TEST_CASE("boot descriptors run one after the other, for no operator") {
  PlanBuilder builder(1, 10);
  add_machine(builder);
  const std::vector<std::uint32_t> devices = {kStacks, kStacks, 5, 0, kStacks};
  for (const std::uint32_t device : devices) builder.add_boot_descriptor(device);
  builder.add_operator({Engine::kDma, {5}, {}, {}});
  const PlanView plan = builder.build();
  REQUIRE_FALSE(check_plan(plan));
  FakeEngines engines(std::vector<std::uint32_t>(6, 63), 3);
  std::vector<std::uint32_t> order;
  engines.on_submit = [&](std::uint32_t device, const Descriptor& descriptor) {
    CHECK(operation_of(descriptor) == 0xFFFFFFFF);
    order.push_back(device);
  };
  TestMemory memory;
  OperatorScheduler scheduler(plan, engines, nullptr, memory.arena());
  REQUIRE_FALSE(scheduler.run_boot_descriptors());
  CHECK(order == devices);
  CHECK(engines.most_in_flight() == 1);
}

TEST_CASE("a device that stops is reported with the operator it stopped at") {
  const auto seed = static_cast<std::uint32_t>(random_seed(20260301));
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 100; ++round) {
    PlanBuilder builder(3, 10);
    add_machine(builder);
    std::vector<PlanBuilder::Operator> operators;
    for (std::uint32_t i = 0; i < 30; ++i) {
      operators.push_back(random_operator(random, i));
      builder.add_operator(operators.back());
    }
    const PlanView plan = builder.build();
    const std::uint32_t bad = random() % 30;
    if (operators[bad].devices.empty()) continue;
    FakeEngines engines(std::vector<std::uint32_t>(6, 3), random());
    engines.fails_at = {operators[bad].devices.back(), bad};
    TestMemory memory;
    OperatorScheduler scheduler(plan, engines, nullptr, memory.arena());
    const auto failure = scheduler.run_position({0, 0, true, {}});
    REQUIRE(failure);
    CHECK(failure->device == operators[bad].devices.back());
    CHECK(failure->op == bad);
    CHECK(engines.retries_asked() == 1);
    // The others have finished what they had begun.
    for (std::uint32_t device = 0; device < kStacks + 2; ++device) {
      CHECK((engines.in_flight(device) == 0) == (device != failure->device));
    }
  }
}

TEST_CASE("a descriptor that another try helps costs nothing but time") {
  const auto seed = static_cast<std::uint32_t>(random_seed(20260302));
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 100; ++round) {
    PlanBuilder builder(3, 10);
    add_machine(builder);
    std::vector<PlanBuilder::Operator> operators;
    std::size_t descriptors = 0;
    for (std::uint32_t i = 0; i < 30; ++i) {
      operators.push_back(random_operator(random, i));
      descriptors += operators.back().devices.size();
      builder.add_operator(operators.back());
    }
    const PlanView plan = builder.build();
    const std::uint32_t bad = random() % 30;
    if (operators[bad].devices.empty()) continue;
    FakeEngines engines(std::vector<std::uint32_t>(6, 3), random());
    engines.fails_at = {operators[bad].devices.front(), bad};
    engines.retries_granted = 1 + random() % 3;
    engines.heals = true;
    std::size_t submitted = 0;
    std::size_t completed = 0;
    engines.on_submit = [&](std::uint32_t, const Descriptor&) { ++submitted; };
    engines.on_complete = [&](std::uint32_t, const Descriptor&) { ++completed; };
    TestMemory memory;
    OperatorScheduler scheduler(plan, engines, nullptr, memory.arena());
    REQUIRE_FALSE(scheduler.run_position({0, 0, true, {}}));
    CHECK(engines.retries_asked() == engines.retries_granted);
    CHECK(submitted == descriptors);  // the ring keeps what is tried again
    CHECK(completed == descriptors);
  }
}

TEST_CASE("a descriptor that no try helps is reported after the last") {
  PlanBuilder builder(1, 10);
  add_machine(builder);
  builder.add_operator({Engine::kHbmPim, {0, 1, 2, 3}, {}, {}});
  const PlanView plan = builder.build();
  FakeEngines engines(std::vector<std::uint32_t>(6, 3), 5);
  engines.fails_at = {2, 0};
  engines.retries_granted = 3;
  TestMemory memory;
  OperatorScheduler scheduler(plan, engines, nullptr, memory.arena());
  const auto failure = scheduler.run_position({0, 0, true, {}});
  REQUIRE(failure);
  CHECK(failure->device == 2);
  CHECK(failure->op == 0);
  CHECK(engines.retries_asked() == 4);
}

TEST_CASE("a boot descriptor that fails is reported as such") {
  PlanBuilder builder(1, 10);
  add_machine(builder);
  builder.add_boot_descriptor(kStacks);
  builder.add_operator({Engine::kDma, {5}, {}, {}});
  const PlanView plan = builder.build();
  FakeEngines engines(std::vector<std::uint32_t>(6, 3), 3);
  engines.fails_at = {kStacks, 0xFFFFFFFF};
  TestMemory memory;
  OperatorScheduler scheduler(plan, engines, nullptr, memory.arena());
  const auto failure = scheduler.run_boot_descriptors();
  REQUIRE(failure);
  CHECK(failure->device == kStacks);
  CHECK(failure->op == EngineFailure::kBootDescriptor);

  FakeEngines healing(std::vector<std::uint32_t>(6, 3), 3);
  healing.fails_at = {kStacks, 0xFFFFFFFF};
  healing.retries_granted = 2;
  healing.heals = true;
  TestMemory more_memory;
  OperatorScheduler second(plan, healing, nullptr, more_memory.arena());
  CHECK_FALSE(second.run_boot_descriptors());
  CHECK(healing.retries_asked() == 2);
}

}  // namespace
}  // namespace hpimvp::firmware
