#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <random>

#include "firmware/host/plan_view.h"
#include "tests/unit/common/random_seed.h"
#include "tests/unit/firmware/complete_plan.h"
#include "tests/unit/firmware/fake_machine.h"
#include "tests/unit/firmware/plan_builder.h"

namespace hpimvp::firmware {
namespace {

using plan::DeviceKind;
using plan::Engine;
using plan::PatchSource;

template <typename T>
T& element(std::uint64_t address, std::size_t index) {
  return reinterpret_cast<T*>(address)[index];
}

TEST_CASE("a good plan has no problem") {
  PlanBuilder builder = complete_builder();
  CHECK_FALSE(check_everything(builder.build()));
}

TEST_CASE("each damage to a plan is found and named") {
  struct Damage {
    std::string text;  // of the report
    std::function<void(plan::PlanHeader&)> apply;
  };
  const auto op = [](plan::PlanHeader& h, std::size_t i) -> plan::Operator& {
    return element<plan::Operator>(h.operators_address, i);
  };
  const auto descriptor = [](plan::PlanHeader& h, std::size_t i) -> plan::DescriptorTemplate& {
    return element<plan::DescriptorTemplate>(h.descriptors_address, i);
  };
  const auto device = [](plan::PlanHeader& h, std::size_t i) -> plan::Device& {
    return element<plan::Device>(h.devices_address, i);
  };
  const auto region = [](plan::PlanHeader& h, std::size_t i) -> plan::MemoryRegion& {
    return element<plan::MemoryRegion>(h.kv_regions_address, i);
  };
  const std::vector<Damage> damages = {
      {"wrong magic number (0)", [](auto& h) { h.magic = 0; }},
      {"unknown version (2)", [](auto& h) { h.version = 2; }},
      {"impossible size (16)", [](auto& h) { h.total_bytes = 16; }},
      {"impossible size", [](auto& h) { h.total_bytes = ~std::uint64_t{0}; }},
      {"device table lies outside", [](auto& h) { h.device_count = 1000000; }},
      {"device table lies outside", [](auto& h) { h.devices_address -= 0x100000; }},
      {"operators lie outside", [](auto& h) { h.operators_address += 2; }},
      {"operators lie outside", [](auto& h) { h.operators_address = ~std::uint64_t{7}; }},
      {"descriptors lie outside", [](auto& h) { h.descriptor_count = 0x10000000; }},
      {"descriptors lie outside", [](auto& h) { h.descriptors_address += 4; }},
      {"KV regions lie outside", [](auto& h) { h.kv_region_count = 0x1000000; }},
      {"strings lie outside", [](auto& h) { h.strings_address -= 0x100000; }},
      {"more boot descriptors", [](auto& h) { h.boot_descriptor_count = 11; }},
      {"no operators (0)", [](auto& h) { h.operator_count = 0; }},
      {"device 3: has no register address", [&](auto& h) { device(h, 3).register_address = 0; }},
      {"device 2: takes commands and has no interrupt",
       [&](auto& h) { device(h, 2).interrupt = 0; }},
      {"device 1: has the kind and index of device (0)", [&](auto& h) { device(h, 1).index = 0; }},
      {"device 2: has the interrupt of device (0)", [&](auto& h) { device(h, 2).interrupt = 1; }},
      {"descriptor 1: device is not in the device table (9)",
       [&](auto& h) { descriptor(h, 1).device = 9; }},
      {"descriptor 1: device takes no commands (4)", [&](auto& h) { descriptor(h, 1).device = 4; }},
      {"descriptor 1: too many patches (5)", [&](auto& h) { descriptor(h, 1).patch_count = 5; }},
      {"descriptor 0: patches in a boot descriptor (1)",
       [&](auto& h) { descriptor(h, 0).patch_count = 1; }},
      {"descriptor 1: unknown patch source (7)",
       [&](auto& h) { descriptor(h, 1).patches[0].source = static_cast<PatchSource>(7); }},
      {"descriptor 1: patch of what is no 64-bit field after the header (12)",
       [&](auto& h) { descriptor(h, 1).patches[0].field_offset = 12; }},
      {"descriptor 1: patch of what is no 64-bit field after the header (0)",
       [&](auto& h) { descriptor(h, 1).patches[0].field_offset = 0; }},
      {"descriptor 1: patch of what is no 64-bit field after the header (64)",
       [&](auto& h) { descriptor(h, 1).patches[0].field_offset = 64; }},
      {"operator 1: unknown engine (0)",
       [&](auto& h) { op(h, 1).engine = static_cast<Engine>(0); }},
      {"operator 1: no such layer (2)", [&](auto& h) { op(h, 1).layer = 2; }},
      {"operator 1: too many predecessors (7)", [&](auto& h) { op(h, 1).predecessor_count = 7; }},
      {"operator 2: a predecessor does not come before it (2)",
       [&](auto& h) { op(h, 2).predecessors[1] = 2; }},
      {"operator 1: descriptors are not in the table (9)",
       [&](auto& h) { op(h, 1).first_descriptor = 9; }},
      {"operator 1: descriptors are not in the table (4294967295)",
       [&](auto& h) { op(h, 1).first_descriptor = 0xFFFFFFFF; }},
      {"operator 0: engine is not that of its device (3)",
       [&](auto& h) { op(h, 0).engine = Engine::kHbmPim; }},
      {"operator 2: uses a block table, and its layer has none",
       [&](auto& h) { op(h, 2).layer = plan::kNoLayer; }},
      {"operator 2: uses a block table, and its layer has none",
       [](auto& h) { h.block_tokens = 0; }},
      {"operators lie outside", [](auto& h) { h.chunk_operator_count = 0xFFFFFFFF; }},
      {"operator 0: patch source is only for operators of a chunk (5)",
       [&](auto& h) { descriptor(h, 1).patches[0].source = PatchSource::kChunkTokenCount; }},
      {"operator 0: patch source is only for operators of a chunk (4)",
       [&](auto& h) { descriptor(h, 1).patches[0].source = PatchSource::kChunkTokensAddress; }},
      {"operator 4: patch source is only for operators of a token (1)",
       [&](auto& h) { descriptor(h, 6).patches[1].source = PatchSource::kToken; }},
      {"operator 5: unknown engine (4)",
       [&](auto& h) { op(h, 5).engine = static_cast<Engine>(4); }},
      {"operator 5: no such layer (2)", [&](auto& h) { op(h, 5).layer = 2; }},
      {"operator 4: a predecessor does not come before it (0)",
       [&](auto& h) { op(h, 4).predecessor_count = 1; }},
      {"operator 6: a predecessor does not come before it (2)",
       [&](auto& h) { op(h, 6).predecessors[1] = 2; }},
      {"operator 6: too many predecessors (8)", [&](auto& h) { op(h, 6).predecessor_count = 8; }},
      {"operator 5: a chunk makes no logits (1)",
       [&](auto& h) { op(h, 5).flags = plan::kFlagNeedsLogits; }},
      {"operator 4: engine is not that of its device (2)",
       [&](auto& h) { op(h, 4).engine = Engine::kDma; }},
      {"operator 6: descriptors are not in the table (10)",
       [&](auto& h) { op(h, 6).first_descriptor = 10; }},
      {"operator 6: uses a block table, and its layer has none",
       [&](auto& h) { op(h, 6).layer = plan::kNoLayer; }},
      {"chunks without operators (4)", [](auto& h) { h.chunk_operator_count = 0; }},
      {"chunks without operators (2)",
       [](auto& h) {
         h.chunk_operator_count = 0;
         h.chunk_tokens = 0;
       }},
      {"a chunk is not a KV block (3)", [](auto& h) { h.chunk_tokens = 3; }},
      {"a chunk is not a KV block (0)", [](auto& h) { h.chunk_tokens = 0; }},
      {"a chunk is not a KV block (4)", [](auto& h) { h.block_tokens = 5; }},
      {"impossible least number of tokens of a chunk (0)",
       [](auto& h) { h.chunk_least_tokens = 0; }},
      {"impossible least number of tokens of a chunk (5)",
       [](auto& h) { h.chunk_least_tokens = 5; }},
      {"KV blocks are smaller than what they hold (31)", [](auto& h) { h.block_bytes = 31; }},
      {"KV region 1: overlaps KV region (0)",
       [&](auto& h) { region(h, 1).address = 0x10'0000'0010; }},
      {"KV region 0: is no range of addresses",
       [&](auto& h) { region(h, 0).bytes = ~std::uint64_t{0}; }},
      {"empty vocabulary", [](auto& h) { h.model.vocabulary = 0; }},
      {"no logits address", [](auto& h) { h.logits_address = 0; }},
      {"piece offsets lie outside", [](auto& h) { h.model.vocabulary = 1000000; }},
      {"piece 1: ends before it begins (5)",
       [](auto& h) { element<std::uint32_t>(h.piece_offsets_address, 2) = 4; }},
      {"pieces lie outside",
       [](auto& h) { element<std::uint32_t>(h.piece_offsets_address, 5) = 9999; }},
      {"unknown request flags (263)", [](auto& h) { h.request.flags |= 260; }},
      {"empty prompt", [](auto& h) { h.request.prompt_count = 0; }},
      {"prompt lies outside", [](auto& h) { h.request.prompt_count = 100000; }},
      {"replay tokens lie outside", [](auto& h) { h.request.replay_address = 8; }},
      {"prompt token 1: is not in the vocabulary (5)",
       [](auto& h) { element<std::uint32_t>(h.request.prompt_address, 1) = 5; }},
      {"replay token 0: is not in the vocabulary (6)",
       [](auto& h) { element<std::uint32_t>(h.request.replay_address, 0) = 6; }},
      {"prompt and output need more positions than the model has (65)",
       [](auto& h) { h.request.output_tokens = 64; }},
      {"temperature is not", [](auto& h) { h.request.temperature = -1.0f; }},
      {"temperature is not", [](auto& h) { h.request.temperature = NAN; }},
      {"temperature is not", [](auto& h) { h.request.temperature = INFINITY; }},
      {"top-p is not", [](auto& h) { h.request.top_p = 0.0f; }},
      {"top-p is not", [](auto& h) { h.request.top_p = 1.5f; }},
      {"unknown schedule policy (2)",
       [](auto& h) { h.request.policy = static_cast<plan::SchedulePolicy>(2); }},
  };
  for (const Damage& damage : damages) {
    INFO("expected: " << damage.text);
    PlanBuilder builder = complete_builder();
    const PlanView plan = builder.build();
    damage.apply(builder.built_header());
    const auto problem = check_everything(plan);
    REQUIRE(problem);
    RecordedText text;
    text << *problem;
    CHECK(text.text.substr(0, damage.text.size()) == damage.text);
  }
}

TEST_CASE("a device gets so many descriptors of an operator and no more") {
  for (const std::uint32_t more : {0u, 1u}) {
    PlanBuilder builder = complete_builder();
    std::vector<std::uint32_t> devices(plan::kMaxDeviceDescriptors, 0);
    devices.insert(devices.end(), 9, 1);
    devices.insert(devices.end(), more, 0);
    builder.add_operator({Engine::kHbmPim, devices, {}, {}});
    const auto problem = check_everything(builder.build());
    REQUIRE(problem.has_value() == (more == 1));
    if (!problem) continue;
    RecordedText text;
    text << *problem;
    CHECK(text.text == "operator 4: too many descriptors for device (0)");
  }
}

TEST_CASE("a plan without chunks is good, and so is any least size of one") {
  PlanBuilder builder = complete_builder();
  for (const std::uint32_t least : {1u, 4u}) {
    builder.header.chunk_least_tokens = least;
    CHECK_FALSE(check_everything(builder.build()));
  }
  const PlanView plan = builder.build();
  builder.built_header().chunk_operator_count = 0;
  builder.built_header().chunk_tokens = 0;
  builder.built_header().chunk_least_tokens = 0;
  CHECK_FALSE(check_everything(plan));
  CHECK(plan.chunk_operators().empty());
}

TEST_CASE("prompt and output may fill the model's positions") {
  PlanBuilder builder = complete_builder();
  builder.header.request.output_tokens = 63;  // the last one is not run
  CHECK_FALSE(check_everything(builder.build()));
}

TEST_CASE("memory given to the firmware must lie above it and apart from the plan") {
  PlanBuilder builder = complete_builder();
  const PlanView plan = builder.build();
  const auto begin = reinterpret_cast<std::uint64_t>(&plan.header());
  plan::PlanHeader& header = builder.built_header();
  const auto check = [&](std::uint64_t address, std::uint64_t bytes) {
    header.free_memory_address = address;
    header.free_memory_bytes = bytes;
    return check_plan_memory(plan, begin);
  };
  CHECK_FALSE(check(begin + header.total_bytes, 1000));
  CHECK(check(begin + header.total_bytes - 8, 1000)->what == "the free memory overlaps the plan");
  CHECK(check(begin - 8, 8)->what == "the free memory overlaps the firmware");
  CHECK(check(begin + header.total_bytes, ~std::uint64_t{0}));
  CHECK(check_plan_memory(plan, begin + 1)->what == "the plan overlaps the firmware");
}

TEST_CASE("a randomly damaged plan is refused or can be run") {
  const auto seed = static_cast<std::uint32_t>(random_seed(20260301));
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937 random(seed);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    PlanBuilder builder = complete_builder();
    const PlanView plan = builder.build();
    auto* const bytes = reinterpret_cast<std::uint8_t*>(&builder.built_header());
    for (std::uint32_t damages = 1 + random() % 3; damages != 0; --damages) {
      bytes[random() % builder.header.total_bytes] ^= static_cast<std::uint8_t>(1u << random() % 8);
    }
    // How large the plan is must be believed: what lies behind it may be a plan's as well.
    builder.built_header().total_bytes =
        std::min(builder.built_header().total_bytes, builder.header.total_bytes);
    if (check_everything(plan)) {
      ++refused;
      continue;
    }
    const bool runs = runs_to_its_end(plan, random());
    CHECK(runs);
  }
  CHECK(refused > 300);
}

}  // namespace
}  // namespace hpimvp::firmware
