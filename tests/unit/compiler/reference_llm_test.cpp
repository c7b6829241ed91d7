// The FP32 reference against the text that an independent implementation printed.
#include "tests/support/reference_llm.h"

#include <catch2/catch.hpp>

#include "platform/compiler/mapped_file.h"
#include "platform/compiler/tokenizer.h"
#include "tests/support/shared_data.h"

using namespace hpimvp;

TEST_CASE("the reference model continues the three prompts as published") {
  test::ReferenceLlm reference(test::read_reference_llama2c(test::shared_data("stories260K.bin")));
  const auto tokenizer =
      compiler::load_tokenizer(test::shared_data("tok512.bin"), reference.model().shape.vocabulary);
  const auto texts = test::greedy_texts();
  REQUIRE(texts.size() == 3);
  for (const test::GreedyText& expected : texts) {
    INFO("prompt: " << expected.prompt);
    reference.reset();
    std::vector<std::uint32_t> tokens = tokenizer->encode(expected.prompt);
    for (std::size_t position = 0; position < 200; ++position) {
      const std::vector<float> logits = reference.forward(tokens[position]);
      if (position + 1 == tokens.size()) tokens.push_back(test::argmax(logits));
    }
    std::string text = tokenizer->decode(tokens);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    CHECK(text == expected.text);
  }
}
