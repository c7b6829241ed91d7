#include "firmware/host/request_runner.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "tests/unit/firmware/fake_machine.h"
#include "tests/unit/firmware/plan_builder.h"

namespace hpimvp::firmware {
namespace {

using plan::DeviceKind;
using plan::Engine;
using plan::PatchSource;

constexpr std::uint32_t kVocabulary = 12;
constexpr std::uint16_t kOne = 0x3C00;

// A machine whose model says that token t is followed by (3 t + position) % vocabulary.
class Story {
 public:
  Story() : builder(2, kVocabulary) {
    builder.add_device(DeviceKind::kDma, 0);
    for (std::uint32_t i = 0; i < kVocabulary; ++i)
      builder.pieces.push_back(std::string(1, static_cast<char>('a' + i)));
    builder.header.block_tokens = 4;
    builder.header.block_bytes = 64;
    builder.kv_regions = {{0x10'0000'0000, 64 * 64}};
    builder.add_operator({Engine::kDma,
                          {0},
                          {},
                          {{PatchSource::kToken, 8, 0, 1}, {PatchSource::kPosition, 16, 0, 1}}});
    builder.add_operator({Engine::kDma, {0}, {0}, {}, plan::kFlagNeedsLogits});
  }

  // Chunks of 64 tokens, made of one operator, the plan's third.
  void use_chunks(std::uint32_t least_tokens) {
    builder.header.model.max_positions = 512;
    builder.header.block_tokens = 64;
    builder.header.block_bytes = 512;
    builder.header.chunk_tokens = 64;
    builder.header.chunk_least_tokens = least_tokens;
    builder.kv_regions = {{0x10'0000'0000, 64 * 512}};
    builder.add_chunk_operator({Engine::kDma,
                                {0},
                                {},
                                {{PatchSource::kChunkTokensAddress, 8, 0, 1},
                                 {PatchSource::kPosition, 16, 0, 1},
                                 {PatchSource::kChunkTokenCount, 24, 0, 1},
                                 {PatchSource::kBlockTableAddress, 32, 0, 1}},
                                0,
                                1});
  }

  static std::uint32_t next(std::uint32_t token, std::uint64_t position) {
    return static_cast<std::uint32_t>((3 * token + position) % kVocabulary);
  }

  RequestResult run() {
    const PlanView plan = builder.build();
    REQUIRE_FALSE(check_plan(plan));
    Descriptor base = {};
    std::memcpy(base.data(), plan.descriptors()[0].descriptor, sizeof base);
    FakeEngines engines({63}, 1);
    if (fails_after == 0) engines.fails_at = fails_at;
    std::uint32_t token = 0;
    std::uint64_t position = 0;
    engines.on_complete = [&](std::uint32_t, const Descriptor& descriptor) {
      if (operation_of(descriptor) == 0) {
        token = static_cast<std::uint32_t>(descriptor[1] - base[1]);
        position = descriptor[2] - base[2];
        inputs.push_back(token);
        CHECK(position == inputs.size() - 1);
      } else if (operation_of(descriptor) == 2) {
        take_chunk(plan, descriptor);
      } else {
        logits_at.push_back(position);
        std::fill(builder.logits.begin(), builder.logits.end(), 0);
        builder.logits[next(token, position)] = kOne;
        if (position == nan_at) builder.logits[0] = 0x7E00;
      }
      if (inputs.size() == fails_after) engines.fails_at = fails_at;
    };
    TestMemory memory;
    OperatorScheduler scheduler(plan, engines, nullptr, memory.arena());
    const plan::Request& request = plan.request();
    Sampler sampler({request.temperature, request.top_k, request.top_p, request.seed}, kVocabulary,
                    memory.arena());
    const plan::PlanHeader& header = plan.header();
    KvCache cache({2, header.model.max_positions, header.block_tokens, header.block_bytes},
                  plan.kv_regions(), memory.arena());
    RequestRunner runner(plan, {scheduler, &cache, sampler, progress, text});
    return runner.run();
  }

  PlanBuilder builder;
  RecordedProgress progress;
  RecordedText text;
  struct Chunk {
    std::uint64_t position;
    std::uint64_t tokens;
    bool operator==(const Chunk&) const = default;
  };

  std::vector<std::uint32_t> inputs;     // token at each position
  std::vector<Chunk> chunks;             // those of them that came together
  std::vector<std::uint64_t> logits_at;  // positions whose logits were computed
  std::uint64_t nan_at = ~std::uint64_t{0};
  std::pair<std::uint32_t, std::uint32_t> fails_at = {0xFFFFFFFF, 0};
  std::size_t fails_after = 0;  // so many positions

 private:
  void take_chunk(const PlanView& plan, Descriptor descriptor) {
    Descriptor base;
    const std::uint32_t index = plan.chunk_operators()[0].first_descriptor;
    std::memcpy(base.data(), plan.descriptors()[index].descriptor, sizeof base);
    for (std::size_t i = 1; i < base.size(); ++i) descriptor[i] -= base[i];
    const Chunk chunk = {descriptor[2], descriptor[3]};
    CHECK(chunk.position == inputs.size());
    CHECK(reinterpret_cast<const std::uint64_t*>(descriptor[4])[chunk.position / 64] != 0);
    const auto* tokens = reinterpret_cast<const std::uint32_t*>(descriptor[1]);
    inputs.insert(inputs.end(), tokens, tokens + chunk.tokens);
    chunks.push_back(chunk);
  }
};

using Outcome = RequestResult::Outcome;
using Events = std::vector<std::string>;

TEST_CASE("a request runs the prompt, then each generated token but the last") {
  Story story;
  story.builder.prompt = {1, 5, 2};
  story.builder.header.request.output_tokens = 3;
  CHECK(story.run().outcome == Outcome::kDone);
  const std::uint32_t first = Story::next(2, 2);
  const std::uint32_t second = Story::next(first, 3);
  const std::uint32_t third = Story::next(second, 4);
  CHECK(story.inputs == std::vector<std::uint32_t>{1, 5, 2, first, second});
  CHECK(story.logits_at == std::vector<std::uint64_t>{2, 3, 4});
  const auto n = [](std::uint32_t value) { return std::to_string(value); };
  CHECK(story.progress.events == Events{"prefill 3", "prediction " + n(first), "token " + n(first),
                                        "prediction " + n(second), "token " + n(second),
                                        "prediction " + n(third), "token " + n(third), "done 3"});
  std::string expected = "bfc";
  for (const std::uint32_t token : {first, second, third})
    expected += static_cast<char>('a' + token);
  CHECK(story.text.text == expected + "\n");
}

TEST_CASE("the space before the first printed piece is dropped where the plan says so") {
  for (const bool drops : {false, true}) {
    Story story;
    story.builder.pieces[1] = "";  // a control token prints nothing and is no first piece
    story.builder.pieces[2] = " x";
    story.builder.prompt = {1, 2, 2};
    story.builder.header.request.output_tokens = 0;
    if (drops) story.builder.header.request.flags |= plan::kRequestDropFirstSpace;
    CHECK(story.run().outcome == Outcome::kDone);
    CHECK(story.text.text == (drops ? "x x\n" : " x x\n"));
  }
}

TEST_CASE("the end token ends the text and is not printed") {
  Story story;
  story.builder.prompt = {2};
  story.builder.header.request.output_tokens = 20;
  story.builder.header.model.end_token = Story::next(Story::next(2, 0), 1);
  CHECK(story.run().outcome == Outcome::kDone);
  CHECK(story.progress.events.back() == "done 2");
  CHECK(story.text.text == std::string("c") + static_cast<char>('a' + Story::next(2, 0)) + "\n");
  CHECK(story.inputs.size() == 2);
}

TEST_CASE("the end token is a token like others if the request says so") {
  Story story;
  story.builder.prompt = {2};
  story.builder.header.request.output_tokens = 20;
  story.builder.header.request.flags |= plan::kRequestIgnoreEnd;
  story.builder.header.model.end_token = Story::next(Story::next(2, 0), 1);
  CHECK(story.run().outcome == Outcome::kDone);
  CHECK(story.progress.events.back() == "done 20");
  CHECK(story.inputs.size() == 20);
}

TEST_CASE("replayed tokens replace the choices, and predictions still say what was computed") {
  Story story;
  story.builder.prompt = {2};
  story.builder.header.request.output_tokens = 3;
  story.builder.header.request.flags |= plan::kRequestReplay;
  story.builder.replay = {7, 11};
  CHECK(story.run().outcome == Outcome::kDone);
  CHECK(story.inputs == std::vector<std::uint32_t>{2, 7, 11});
  const auto prediction = [](std::uint32_t token, std::uint64_t position) {
    return "prediction " + std::to_string(Story::next(token, position));
  };
  CHECK(story.progress.events == Events{"prefill 1", prediction(2, 0), "token 7", prediction(7, 1),
                                        "token 11", prediction(11, 2),
                                        "token " + std::to_string(Story::next(11, 2)), "done 3"});
}

std::vector<std::uint32_t> prompt_of(std::size_t tokens) {
  std::vector<std::uint32_t> prompt(tokens);
  for (std::size_t i = 0; i < tokens; ++i) {
    prompt[i] = static_cast<std::uint32_t>(i * 7 % kVocabulary);
  }
  return prompt;
}

TEST_CASE("prompt tokens before the last run in chunks where there are enough of them") {
  using Chunks = std::vector<Story::Chunk>;
  struct Case {
    std::size_t prompt;
    std::uint32_t least;
    Chunks chunks;
  };
  const Case cases[] = {
      {1, 16, {}},
      {16, 16, {}},
      {17, 16, {{0, 16}}},
      {64, 16, {{0, 63}}},
      {65, 16, {{0, 64}}},
      {66, 16, {{0, 64}}},
      {80, 16, {{0, 64}}},
      {81, 16, {{0, 64}, {64, 16}}},
      {128, 16, {{0, 64}, {64, 63}}},
      {129, 16, {{0, 64}, {64, 64}}},
      {300, 16, {{0, 64}, {64, 64}, {128, 64}, {192, 64}, {256, 43}}},
      {300, 64, {{0, 64}, {64, 64}, {128, 64}, {192, 64}}},
      {1, 1, {}},
      {2, 1, {{0, 1}}},
      {66, 1, {{0, 64}, {64, 1}}},
  };
  for (const Case& one : cases) {
    INFO("prompt " << one.prompt << ", least " << one.least);
    Story story;
    story.use_chunks(one.least);
    story.builder.prompt = prompt_of(one.prompt);
    story.builder.header.request.output_tokens = 3;
    CHECK(story.run().outcome == Outcome::kDone);
    CHECK(story.chunks == one.chunks);
    const std::uint32_t first = Story::next(story.builder.prompt.back(), one.prompt - 1);
    std::vector<std::uint32_t> expected = story.builder.prompt;
    expected.push_back(first);
    expected.push_back(Story::next(first, one.prompt));
    CHECK(story.inputs == expected);
    CHECK(story.logits_at ==
          std::vector<std::uint64_t>{one.prompt - 1, one.prompt, one.prompt + 1});
  }
}

TEST_CASE("where all logits are wanted, every position runs by itself") {
  Story story;
  story.use_chunks(16);
  story.builder.prompt = prompt_of(100);
  story.builder.header.request.flags |= plan::kRequestAllLogits;
  CHECK(story.run().outcome == Outcome::kDone);
  CHECK(story.chunks.empty());
  CHECK(story.inputs == story.builder.prompt);
  CHECK(story.logits_at.size() == 100);
}

TEST_CASE("a chunk that fails ends the request at its first position") {
  Story story;
  story.use_chunks(16);
  story.builder.prompt = prompt_of(130);
  story.fails_at = {0, 2};
  story.fails_after = 64;
  const RequestResult result = story.run();
  CHECK(result.outcome == Outcome::kEngineFailure);
  CHECK(result.position == 64);
  CHECK(result.failure.device == 0);
  CHECK(result.failure.op == 2);
  CHECK(story.inputs.size() == 64);
}

TEST_CASE("a chunk without a KV block ends the request at its first position") {
  Story story;
  story.use_chunks(16);
  story.builder.prompt = prompt_of(130);
  story.builder.kv_regions = {{0x10'0000'0000, 3 * 512}};  // two layers: one lacks its second
  const RequestResult result = story.run();
  CHECK(result.outcome == Outcome::kOutOfKvBlocks);
  CHECK(result.position == 64);
  CHECK(story.chunks.size() == 1);
  CHECK(story.inputs.size() == 64);
}

TEST_CASE("predictions of the prompt are marked if the request asks for all logits") {
  for (const std::uint32_t output_tokens : {0u, 1u}) {
    Story story;
    story.builder.prompt = {1, 5, 2};
    story.builder.header.request.output_tokens = output_tokens;
    story.builder.header.request.flags = plan::kRequestAllLogits;
    CHECK(story.run().outcome == Outcome::kDone);
    CHECK(story.logits_at == std::vector<std::uint64_t>{0, 1, 2});
    CHECK(story.inputs.size() == 3);
    CHECK(story.progress.events[1] == "prediction " + std::to_string(Story::next(1, 0)));
    CHECK(story.progress.events[3] == "prediction " + std::to_string(Story::next(2, 2)));
    CHECK(story.progress.events.size() == 5 + output_tokens);
    CHECK(story.text.text.empty());
  }
}

TEST_CASE("without output only the prompt is run, and no logits are computed") {
  Story story;
  story.builder.prompt = {1, 5, 2};
  CHECK(story.run().outcome == Outcome::kDone);
  CHECK(story.inputs.size() == 3);
  CHECK(story.logits_at.empty());
  CHECK(story.progress.events == Events{"prefill 3", "done 0"});
}

TEST_CASE("a NaN among the logits ends the request") {
  Story story;
  story.builder.prompt = {2, 3};
  story.builder.header.request.output_tokens = 10;
  story.nan_at = 4;
  const RequestResult result = story.run();
  CHECK(result.outcome == Outcome::kBadLogits);
  CHECK(result.position == 4);
  CHECK(story.progress.events.back().substr(0, 5) == "token");
}

TEST_CASE("running out of KV blocks ends the request") {
  Story story;
  story.builder.prompt = {2};
  story.builder.header.request.output_tokens = 30;
  story.builder.kv_regions = {{0x10'0000'0000, 5 * 64}};  // two layers: room for 8 positions
  const RequestResult result = story.run();
  CHECK(result.outcome == Outcome::kOutOfKvBlocks);
  CHECK(result.position == 8);
}

TEST_CASE("a device that stops ends the request") {
  Story story;
  story.builder.prompt = {2, 3, 4};
  story.builder.header.request.output_tokens = 5;
  story.fails_at = {0, 1};
  const RequestResult result = story.run();
  CHECK(result.outcome == Outcome::kEngineFailure);
  CHECK(result.position == 2);  // the first with logits
  CHECK(result.failure.device == 0);
  CHECK(result.failure.op == 1);
}

}  // namespace
}  // namespace hpimvp::firmware
