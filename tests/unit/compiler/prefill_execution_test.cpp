// Chunks of prompt tokens on the tiles, executed on the plain models: against the FP32 reference,
// and against the same prompt token by token.
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

constexpr const char* kMapping = "row:channel:pseudo_channel:stack_id:bank:bank_group:column";

compiler::MachineShape make_machine(std::uint32_t stacks, std::uint32_t tiles) {
  compiler::MachineShape machine = compiler::default_machine_shape(
      stacks, tiles, 0x8800'0000, 0x9000'0000, test_support::device_preset("hbm3_hpim"));
  machine.mapping = kMapping;
  return machine;
}

struct Setup {
  std::uint32_t stacks = 2;
  std::uint32_t tiles = 4;
  std::uint32_t positions = 70;
  compiler::SlicingChoice qkv = compiler::SlicingChoice::kAuto;
};

// What a request leaves behind when its last prompt token has run.
struct State {
  std::vector<float> logits;
  // Keys and values by layer, position and KV head, of all positions before the last.
  std::vector<std::vector<float>> cache;
};

State run_prompt(const compiler::CompiledPlan& plan, const compiler::ModelWeights& weights,
                 const std::vector<std::uint32_t>& prompt, std::uint32_t seed) {
  test::PlanExecutor executor(plan, seed);
  executor.load(weights);
  executor.boot();
  std::size_t position = 0;
  while (plan.prefill.on_tiles && position + 1 < prompt.size()) {
    const std::size_t tokens = std::min<std::size_t>(64, prompt.size() - 1 - position);
    executor.forward_chunk(static_cast<std::uint32_t>(tokens));
    position += tokens;
  }
  State state;
  for (; position < prompt.size(); ++position) {
    state.logits = executor.forward(prompt[position], position + 1 == prompt.size());
  }
  for (std::uint32_t layer = 0; layer < plan.config.layers; ++layer) {
    for (std::uint32_t at = 0; at + 1 < prompt.size(); ++at) {
      for (std::uint32_t head = 0; head < plan.config.kv_heads; ++head) {
        state.cache.push_back(executor.cached(layer, at, head, false));
        state.cache.push_back(executor.cached(layer, at, head, true));
      }
    }
  }
  return state;
}

// The largest difference in units of the expected values' root mean square.
double worst_difference(const std::vector<float>& found, const std::vector<float>& expected) {
  double squares = 0;
  for (const float value : expected) squares += double{value} * value;
  const double deviation = std::sqrt(squares / static_cast<double>(expected.size()));
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::abs(double{found.at(i)} - expected[i]) / deviation);
  }
  return worst;
}

double worst_difference(const State& found, const State& expected) {
  std::vector<float> all_found;
  std::vector<float> all_expected;
  for (std::size_t i = 0; i < expected.cache.size(); ++i) {
    const std::vector<float>& row = found.cache.at(i);
    all_found.insert(all_found.end(), row.begin(), row.end());
    all_expected.insert(all_expected.end(), expected.cache[i].begin(), expected.cache[i].end());
  }
  return worst_difference(all_found, all_expected);
}

// FP16 keeps 11 bits; a few roundings a layer, two layers and the softmax between stay below this.
// A wrong element anywhere is an error of the order of 1.
constexpr double kTolerance = 0.01;

// Returns how the tiles left the cache, for comparisons between machines.
State check_prefill(const test::ReferenceShape& shape, const Setup& setup, std::uint32_t seed) {
  test::ReferenceLlm reference(test::random_reference_model(shape, seed));
  std::vector<std::byte> storage;
  const compiler::Model model =
      test::load_through_hugging_face(reference.model(), compiler::ElementType::kF16, storage);
  const compiler::MachineShape machine = make_machine(setup.stacks, setup.tiles);
  std::mt19937 random(seed);
  compiler::CompileRequest request;
  for (std::uint32_t i = 0; i < setup.positions; ++i) {
    request.prompt.push_back(random() % shape.vocabulary);
  }
  request.qkv = setup.qkv;
  request.prefill = compiler::PrefillChoice::kTiles;
  const auto chunks = compiler::compile(model.config, machine, request);
  REQUIRE(chunks.prefill.on_tiles);
  request.prefill = compiler::PrefillChoice::kTokens;
  const auto tokens = compiler::compile(model.config, machine, request);
  REQUIRE(!tokens.prefill.on_tiles);

  const State found = run_prompt(chunks, model.weights, request.prompt, seed);
  const State expected = run_prompt(tokens, model.weights, request.prompt, seed);
  std::vector<float> logits;
  for (const std::uint32_t token : request.prompt) logits = reference.forward(token);
  CHECK(worst_difference(found.logits, logits) < kTolerance);
  CHECK(worst_difference(found, expected) < kTolerance);
  CHECK(test::argmax(found.logits) == test::argmax(expected.logits));
  return found;
}

}  // namespace

TEST_CASE("chunks of a random OPT model agree with the reference on any number of tiles") {
  const std::uint32_t seed = GENERATE(11U, 12U);
  State first;
  for (const std::uint32_t tiles : {1U, 4U, 5U, 8U, 32U}) {
    CAPTURE(tiles, seed);
    const State state = check_prefill(test::tiny_opt(), {2, tiles, 70}, seed);
    if (tiles == 1) first = state;
    CHECK((state.cache == first.cache));  // to the last bit; too long to be printed
  }
}

TEST_CASE("chunks of OPT's variants agree with the reference") {
  test::ReferenceShape shape = test::tiny_opt();
  SECTION("norms after the additions, projections around a narrow embedding (OPT-350M)") {
    shape.post_norm = true;
    shape.embedding = 24;
  }
  SECTION("norms after the additions, no projections") {
    shape.post_norm = true;
  }
  SECTION("GELU") {
    shape.gelu = true;
  }
  check_prefill(shape, {}, 21);
}

TEST_CASE("chunks with grouped queries and odd sizes agree with the reference") {
  for (const std::uint32_t tiles : {1U, 2U, 3U, 5U, 32U}) {
    CAPTURE(tiles);
    check_prefill(test::odd_llama(), {1 + tiles % 4, tiles, 140}, 31 + tiles);
  }
}

TEST_CASE("chunks do not care how stacks slice queries, keys and values") {
  const Setup setup = {3, 5, 66, compiler::SlicingChoice::kRows};
  Setup columns = setup;
  columns.qkv = compiler::SlicingChoice::kColumns;
  const State by_rows = check_prefill(test::odd_llama(), setup, 71);
  // Sums in another order.
  CHECK(worst_difference(check_prefill(test::odd_llama(), columns, 71), by_rows) < kTolerance);
}

TEST_CASE("prompts that fill chunks or just miss them") {
  for (const std::uint32_t positions : {2U, 17U, 64U, 65U, 66U, 129U}) {
    CAPTURE(positions);
    check_prefill(test::odd_llama(), {2, 4, positions}, 81);
  }
}

TEST_CASE("the 260K model's prompt in chunks leaves the cache and the next token") {
  const compiler::Model model = compiler::load_llama2c(test::shared_data("stories260K.bin"));
  const auto tokenizer =
      compiler::load_tokenizer(test::shared_data("tok512.bin"), model.config.vocabulary);
  compiler::CompileRequest request;
  const test::GreedyText text = test::greedy_texts().front();
  request.prompt = tokenizer->encode(text.text);
  request.prompt.resize(std::min<std::size_t>(request.prompt.size(), 180));
  const compiler::MachineShape machine = make_machine(4, 32);
  request.prefill = compiler::PrefillChoice::kTiles;
  const auto chunks = compiler::compile(model.config, machine, request);
  request.prefill = compiler::PrefillChoice::kTokens;
  const auto tokens = compiler::compile(model.config, machine, request);
  const State found = run_prompt(chunks, model.weights, request.prompt, 1);
  const State expected = run_prompt(tokens, model.weights, request.prompt, 1);
  CHECK(worst_difference(found, expected) < kTolerance);
  CHECK(test::argmax(found.logits) == test::argmax(expected.logits));
}
