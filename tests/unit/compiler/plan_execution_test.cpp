// Compiled plans, executed on the plain models, against the FP32 reference.
#include <catch2/catch.hpp>
#include <cmath>

#include "platform/compiler/compiler.h"
#include "platform/compiler/model_weights.h"
#include "platform/compiler/tokenizer.h"
#include "tests/support/reference_llm.h"
#include "tests/unit/compiler/plan_executor.h"
#include "tests/unit/compiler/shared_data.h"

using namespace hpimvp;

namespace {

constexpr std::uint64_t kPlanAddress = 0x8800'0000;
constexpr std::uint64_t kHostEnd = 0x9000'0000;

}  // namespace

TEST_CASE("a compiled llama2.c model writes the reference text") {
  const compiler::Model model = compiler::load_llama2c(test::shared_data("stories260K.bin"));
  const auto tokenizer =
      compiler::load_tokenizer(test::shared_data("tok512.bin"), model.config.vocabulary);
  const auto machine = compiler::default_machine_shape(4, 32, kPlanAddress, kHostEnd);
  for (const test::GreedyText& expected : test::greedy_texts()) {
    INFO("prompt: " << expected.prompt);
    compiler::CompileRequest request;
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
