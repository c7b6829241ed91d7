// Compiled plans, executed on the plain models, against the FP32 reference.
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "platform/compiler/compiler.h"
#include "platform/compiler/model_error.h"
#include "platform/compiler/model_weights.h"
#include "platform/compiler/tokenizer.h"
#include "tests/support/reference_llm.h"
#include "tests/support/shared_data.h"
#include "tests/unit/compiler/model_files.h"
#include "tests/unit/compiler/plan_executor.h"
#include "tests/unit/compiler/reference_shapes.h"
#include "tests/unit/hbm_pim/device_presets.h"

using namespace hpimvp;

namespace {

constexpr std::uint64_t kPlanAddress = 0x8800'0000;
constexpr std::uint64_t kHostEnd = 0x9000'0000;

hpimvp::hbm_pim::DeviceDescription stack_device() {
  return hpimvp::test_support::device_preset("hbm3_hpim");
}

// Four pseudo-channels of four banks with rows of 128 bytes: matrices have many slots and cross
// rows.
hpimvp::hbm_pim::DeviceDescription small_device() {
  hpimvp::hbm_pim::DeviceDescription device = stack_device();
  device.organisation.channels = 2;
  device.organisation.stack_ids = 1;
  device.organisation.bank_groups = 2;
  device.organisation.banks_per_group = 2;
  device.organisation.columns = 4;
  return device;
}

}  // namespace

TEST_CASE("a compiled llama2.c model writes the reference text") {
  const compiler::Model model = compiler::load_llama2c(test::shared_data("stories260K.bin"));
  const auto tokenizer =
      compiler::load_tokenizer(test::shared_data("tok512.bin"), model.config.vocabulary);
  const auto machine =
      compiler::default_machine_shape(4, 32, kPlanAddress, kHostEnd, stack_device());
  const auto engine =
      GENERATE(compiler::AttentionChoice::kTiles, compiler::AttentionChoice::kHbmPim);
  for (const test::GreedyText& expected : test::greedy_texts()) {
    INFO("prompt: " << expected.prompt);
    compiler::CompileRequest request;
    request.attention.engine = engine;
    request.prompt = tokenizer->encode(expected.prompt);
    request.output_tokens = static_cast<std::uint32_t>(201 - request.prompt.size());
    request.tokenizer = tokenizer.get();
    const compiler::CompiledPlan plan = compiler::compile(model.config, machine, request);
    test::PlanExecutor executor(plan, 1);
    executor.load(model.weights);
    executor.boot();
    std::vector<std::uint32_t> tokens = request.prompt;
    for (std::size_t position = 0; position < 200; ++position) {
      const bool last = position + 1 == tokens.size();
      const std::vector<float> logits = executor.forward(tokens[position], last);
      if (last) tokens.push_back(test::argmax(logits));
    }
    std::string text = tokenizer->decode(tokens);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    CHECK(text == expected.text);
  }
}

namespace {

struct Setup {
  std::uint32_t stacks = 2;
  std::uint32_t tiles = 4;
  std::uint32_t positions = 20;
  std::uint32_t block_tokens = 0;
  std::uint32_t activation_bytes = 384 * 1024;
  bool pipelined = true;
  std::uint32_t tiles_per_kv_head = 0;
  compiler::AttentionChoice attention = compiler::AttentionChoice::kTiles;
  std::string mapping = std::string(hbm_pim::kDefaultMapping);
  bool small_device = false;
  std::uint32_t context = 0;  // more than `positions`: room for positions that do not come
};

// The largest difference between the plan's logits and the reference's, in units of the logits'
// standard deviation.
double worst_error(const test::ReferenceShape& shape, const Setup& setup, std::uint32_t seed) {
  test::ReferenceLlm reference(test::random_reference_model(shape, seed));
  std::vector<std::byte> storage;
  const compiler::Model model =
      test::load_through_hugging_face(reference.model(), compiler::ElementType::kF16, storage);
  auto machine =
      compiler::default_machine_shape(setup.stacks, setup.tiles, kPlanAddress, kHostEnd,
                                      setup.small_device ? small_device() : stack_device());
  machine.tiles.activation_bytes = setup.activation_bytes;
  machine.mapping = setup.mapping;
  std::mt19937 random(seed);
  compiler::CompileRequest request;
  for (std::uint32_t i = 0; i < setup.positions; ++i) {
    request.prompt.push_back(random() % shape.vocabulary);
  }
  if (setup.context > setup.positions) request.output_tokens = setup.context - setup.positions;
  request.attention = {setup.block_tokens, setup.tiles_per_kv_head, setup.pipelined,
                       setup.attention};
  const compiler::CompiledPlan plan = compiler::compile(model.config, machine, request);
  CHECK(plan.attention.pipelined == setup.pipelined);
  test::PlanExecutor executor(plan, seed);
  executor.load(model.weights);
  executor.boot();
  double worst = 0;
  for (const std::uint32_t token : request.prompt) {
    const std::vector<float> expected = reference.forward(token);
    const std::vector<float> found = executor.forward(token);
    double squares = 0;
    for (const float value : expected) squares += double{value} * value;
    const double deviation = std::sqrt(squares / static_cast<double>(expected.size()));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      worst = std::max(worst, std::abs(double{found[i]} - expected[i]) / deviation);
    }
  }
  return worst;
}

// FP16 keeps 11 bits; a few roundings a layer, two layers and the softmax between stay below this.
// A wrong element anywhere is an error of the order of 1.
constexpr double kTolerance = 0.01;

}  // namespace

TEST_CASE("a random OPT model agrees with the reference on any number of tiles") {
  const std::uint32_t seed = GENERATE(11U, 12U);
  for (const std::uint32_t tiles : {1U, 4U, 5U, 8U, 32U}) {
    CAPTURE(tiles, seed);
    Setup setup;
    setup.tiles = tiles;
    CHECK(worst_error(test::tiny_opt(), setup, seed) < kTolerance);
  }
}

TEST_CASE("OPT's variants agree with the reference") {
  test::ReferenceShape shape = test::tiny_opt();
  SECTION("norms after the additions, projections around a narrow embedding (OPT-350M)") {
    shape.post_norm = true;
    shape.embedding = 24;
  }
  SECTION("norms after the additions, no projections") {
    shape.post_norm = true;
  }
  SECTION("a classifier of its own") {
    shape.tied = false;
  }
  SECTION("GELU") {
    shape.gelu = true;
  }
  CHECK(worst_error(shape, {}, 21) < kTolerance);
}

TEST_CASE("grouped queries with odd sizes agree with the reference on any number of tiles") {
  for (const std::uint32_t tiles : {1U, 2U, 3U, 5U, 32U}) {
    CAPTURE(tiles);
    Setup setup;
    setup.tiles = tiles;
    setup.stacks = 1 + tiles % 4;
    setup.positions = 70;  // more than one KV block
    CHECK(worst_error(test::odd_llama(), setup, 31 + tiles) < kTolerance);
  }
}

TEST_CASE("Llama's variants agree with the reference") {
  test::ReferenceShape shape = test::odd_llama();
  Setup setup;
  SECTION("query, key and value biases, shared classifier (Qwen2)") {
    shape.qkv_bias = shape.tied = true;
  }
  SECTION("attention as one operator") {
    setup.pipelined = false;
    setup.positions = 70;
  }
  SECTION("one KV head") {
    shape.kv_heads = 1;
    setup.positions = 70;
  }
  SECTION("small blocks, many of them") {
    setup.block_tokens = 5;
    setup.positions = 64;
  }
  CHECK(worst_error(shape, setup, 41) < kTolerance);
}

TEST_CASE("query heads take turns where the tile's memory holds few of them") {
  const auto config = compiler::parse_hugging_face_config(
      test::hugging_face_config(test::odd_llama()), "config.json");
  Setup setup;
  setup.positions = 140;
  setup.tiles = 3;
  setup.block_tokens = 8;
  for (const bool pipelined : {true, false}) {
    setup.pipelined = pipelined;
    // The least memory with which attention of this kind works.
    for (setup.activation_bytes = 2048;; setup.activation_bytes += 256) {
      auto machine = compiler::default_machine_shape(setup.stacks, setup.tiles, kPlanAddress,
                                                     kHostEnd, stack_device());
      machine.tiles.activation_bytes = setup.activation_bytes;
      try {
        const auto shape = compiler::choose_attention_shape(config, machine, setup.positions,
                                                            {setup.block_tokens, 0, pipelined});
        if (shape.pipelined == pipelined) {
          CHECK(shape.heads_per_pass == 1);
          break;
        }
      } catch (const compiler::ModelError&) {
      }
    }
    CAPTURE(pipelined, setup.activation_bytes);
    CHECK(worst_error(test::odd_llama(), setup, 51) < kTolerance);
  }
}

TEST_CASE("tiles that share a KV head agree with the reference") {
  Setup setup;
  setup.block_tokens = 8;
  setup.positions = 75;
  setup.pipelined = GENERATE(true, false);
  for (const std::uint32_t parts : {2U, 3U, 5U, 10U}) {
    setup.tiles = 32;
    setup.tiles_per_kv_head = parts;
    CAPTURE(parts, setup.pipelined);
    CHECK(worst_error(test::odd_llama(), setup, 61 + parts) < kTolerance);
  }
}

TEST_CASE("attention in HBM-PIM agrees with the reference on any number of stacks and tiles") {
  struct Case {
    std::uint32_t stacks;
    std::uint32_t tiles;
    std::uint32_t positions;
    std::uint32_t context;
    const char* mapping;
  };
  const std::string_view columns_together =
      "row:channel:pseudo_channel:stack_id:bank:bank_group:column";
  for (const Case& one : {Case{1, 1, 20, 20, hbm_pim::kDefaultMapping.data()},
                          Case{2, 4, 34, 0, columns_together.data()},
                          Case{3, 5, 70, 0, hbm_pim::kDefaultMapping.data()},
                          Case{4, 32, 40, 90, columns_together.data()}}) {
    CAPTURE(one.stacks, one.tiles, one.mapping);
    Setup setup;
    setup.attention = compiler::AttentionChoice::kHbmPim;
    setup.stacks = one.stacks;
    setup.tiles = one.tiles;
    setup.positions = one.positions;
    setup.context = one.context;
    setup.mapping = one.mapping;
    const double opt = worst_error(test::tiny_opt(), setup, 71 + one.stacks);
    const double llama = worst_error(test::odd_llama(), setup, 81 + one.stacks);
    CAPTURE(opt, llama);
    CHECK(opt < kTolerance);
    CHECK(llama < kTolerance);
  }
}

TEST_CASE("keys and values in HBM-PIM take many slots and rows") {
  Setup setup;
  setup.attention = compiler::AttentionChoice::kHbmPim;
  setup.small_device = true;
  setup.tiles = 3;
  setup.positions = 70;
  setup.context = 130;
  test::ReferenceShape shape = test::odd_llama();
  auto slicing = hbm_pim::Slicing::kRows;
  SECTION("values shared by rows") {}
  SECTION("heads of several chunks") {
    shape.head_dim = 40;
  }
  SECTION("fewer chunks than pseudo-channels") {
    shape.head_dim = 18;
    setup.positions = 16;
    setup.context = 0;
  }
  SECTION("values shared by columns, in unequal runs") {
    shape.positions = setup.positions = 350;
    setup.context = 0;
    slicing = hbm_pim::Slicing::kColumns;
  }
  SECTION("values shared by columns, in equal runs") {
    shape.positions = setup.context = 320;
    setup.positions = 310;
    slicing = hbm_pim::Slicing::kColumns;
  }
  const auto config = compiler::parse_hugging_face_config(test::hugging_face_config(shape), "");
  const auto machine = compiler::default_machine_shape(setup.stacks, setup.tiles, kPlanAddress,
                                                       kHostEnd, small_device());
  const std::uint32_t context = std::max(setup.positions, setup.context);
  REQUIRE(compiler::shape_pim_attention(config, machine, context).values.slicing == slicing);
  CHECK(worst_error(shape, setup, 91) < kTolerance);
}

TEST_CASE("attention in HBM-PIM is refused where it does not work") {
  const auto config =
      compiler::parse_hugging_face_config(test::hugging_face_config(test::odd_llama()), "");
  compiler::CompileRequest request;
  request.prompt = {1, 2};
  request.attention.engine = compiler::AttentionChoice::kHbmPim;
  const auto refusal = [&](const compiler::MachineShape& machine) -> std::string {
    try {
      compiler::compile(config, machine, request);
    } catch (const compiler::ModelError& error) {
      return error.what();
    }
    return "";
  };
  auto machine = compiler::default_machine_shape(2, 4, kPlanAddress, kHostEnd, stack_device());
  CHECK(refusal(machine).empty());
  const auto plan = compiler::compile(config, machine, request);
  CHECK(plan.prefill.reason == "attention is in HBM-PIM");
  CHECK(plan.statistics.kv_blocks_needed == 0);
  request.prefill = compiler::PrefillChoice::kTiles;
  CHECK_THAT(refusal(machine), Catch::Contains("attention is in HBM-PIM"));
  request.prefill = compiler::PrefillChoice::kAuto;
  machine.device = hpimvp::test_support::device_preset("hbm2_samsung_pim");
  CHECK_THAT(refusal(machine), Catch::Contains("Samsung"));
  machine = compiler::default_machine_shape(1, 4, kPlanAddress, kHostEnd, stack_device());
  test::ReferenceShape many = test::tiny_opt();
  many.heads = many.kv_heads = plan::kMaxDeviceDescriptors + 1;
  many.hidden = many.embedding = many.heads * 8;
  CHECK_THAT(compiler::refuse_pim_attention(
                 compiler::parse_hugging_face_config(test::hugging_face_config(many), ""), machine),
             Catch::Contains("61 query heads a stack"));
}

TEST_CASE("a trained model's logits agree with the reference over two hundred positions") {
  const std::filesystem::path path = std::filesystem::path(HPIMVP_MODELS) / "tale" / "model.bin";
  const compiler::Model model = compiler::load_model(path);
  test::ReferenceLlm reference(test::read_reference_llama2c(path));
  const auto machine =
      compiler::default_machine_shape(4, 32, kPlanAddress, kHostEnd, stack_device());
  compiler::CompileRequest request;
  request.prompt = {1};
  request.output_tokens = std::min(200U, model.config.max_positions);
  const compiler::CompiledPlan plan = compiler::compile(model.config, machine, request);
  test::PlanExecutor executor(plan, 3);
  executor.load(model.weights);
  executor.boot();
  std::uint32_t token = 1;
  double worst = 0;
  for (std::uint32_t position = 0; position < request.output_tokens; ++position) {
    const std::vector<float> expected = reference.forward(token);
    const std::vector<float> found = executor.forward(token);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      worst = std::max(worst, std::abs(double{found[i]} - expected[i]));
    }
    token = test::argmax(expected);
  }
  // Logits reach about 20, where FP16's steps are 1/64.
  CHECK(worst < 0.15);
}
