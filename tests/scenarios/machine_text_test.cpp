// The whole machine against references: the text that it prints, and its logits position by
// position.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <functional>
#include <iostream>
#include <random>

#include "models/common/fp16.h"
#include "platform/cli/session.h"
#include "platform/config/document.h"
#include "platform/hpim/hpim_machine.h"
#include "tests/support/reference_llm.h"
#include "tests/support/shared_data.h"

using namespace hpimvp;

namespace {

config::Json shared_model_scenario() {
  return {{"machine", "hpim"},
          {"model",
           {{"path", test::shared_data("stories260K.bin").string()},
            {"tokenizer", test::shared_data("tok512.bin").string()}}}};
}

std::unique_ptr<cli::Session> prepare(const config::Json& scenario) {
  return cli::prepare(config::read_scenario(config::Document::parse(scenario.dump(), "test.json"),
                                            ".", HPIMVP_PRESETS));
}

using LogitsHook = std::function<void(const std::vector<float>& logits, std::uint32_t best)>;

// Runs to the end and returns what came out of the UART. `on_logits`, if any, sees the logits in
// host memory wherever the firmware has used them.
std::string run(const cli::Session& session, const LogitsHook& on_logits = {}) {
  plan::PlanHeader header{};
  std::memcpy(&header, session.plan.image.data(), sizeof header);
  std::string text;
  hpim::HpimMachine* machine_pointer = nullptr;
  hpim::MachineOptions options;
  options.boot_parameter = session.plan.address;
  options.on_uart_byte = [&](std::uint8_t byte) { text += static_cast<char>(byte); };
  options.on_marker = [&](const peripherals::Marker& marker) {
    if (marker.kind != peripherals::MarkerKind::kPrediction || !on_logits) return;
    const auto bytes =
        machine_pointer->read_memory(header.logits_address, session.model.vocabulary * 2);
    std::vector<float> logits(session.model.vocabulary);
    for (std::size_t i = 0; i < logits.size(); ++i) {
      logits[i] =
          common::fp16_to_float(static_cast<std::uint16_t>(bytes[2 * i] | (bytes[2 * i + 1] << 8)));
    }
    on_logits(logits, static_cast<std::uint32_t>(marker.value));
  };
  hpim::HpimMachine machine("hpim", session.topology, options);
  machine_pointer = &machine;
  cli::load(session, machine);
  const hpim::RunStatus status = machine.run(1'000'000'000'000);
  INFO(status.message);
  REQUIRE(status.reason == hpim::StopReason::kExit);
  REQUIRE(status.exit_code == 0);
  return text;
}

void check_greedy_text(std::size_t index) {
  const auto texts = test::greedy_texts();
  REQUIRE(texts.size() == 3);
  const test::GreedyText& expected = texts[index];
  config::Json scenario = shared_model_scenario();
  scenario["workload"] = {{"prompt", expected.prompt}, {"output_tokens", 1}};
  const auto prompt_tokens = prepare(scenario)->prompt.size();
  // 200 positions in all; the begin token is printed by nobody.
  scenario["workload"]["output_tokens"] = 200 - (prompt_tokens - 1);
  std::string text = run(*prepare(scenario));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  CHECK(text == expected.text);
}

// A text that the reference itself samples, so that it is varied and yet like the model's own.
std::vector<std::uint32_t> sample_text(test::ReferenceLlm& reference, std::size_t length,
                                       std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::uint32_t> tokens = {1};
  reference.reset();
  while (tokens.size() < length) {
    const std::vector<float> logits = reference.forward(tokens.back());
    const float largest = logits[test::argmax(logits)];
    std::vector<double> weights;
    for (const float logit : logits) weights.push_back(std::exp(logit - largest));
    weights[1] = 0;  // the text goes on
    tokens.push_back(
        std::discrete_distribution<std::uint32_t>(weights.begin(), weights.end())(random));
  }
  return tokens;
}

// Teacher-forced: the machine gets the tokens, and says at each position what it would have chosen.
void check_logits(std::uint32_t seed) {
  constexpr std::size_t kPositions = 510;
  INFO("seed " << seed);
  test::ReferenceLlm reference(test::read_reference_llama2c(test::shared_data("stories260K.bin")));
  const std::vector<std::uint32_t> tokens = sample_text(reference, kPositions, seed);

  config::Json scenario = shared_model_scenario();
  scenario["workload"] = {{"prompt_tokens", tokens}, {"output_tokens", 1}, {"all_logits", true}};
  reference.reset();
  std::size_t position = 0;
  std::size_t agreements = 0;
  double largest_error = 0;
  double largest_margin = 0;
  run(*prepare(scenario), [&](const std::vector<float>& logits, std::uint32_t best) {
    const std::vector<float> expected = reference.forward(tokens[position++]);
    for (std::size_t i = 0; i < logits.size(); ++i) {
      largest_error = std::max<double>(largest_error, std::abs(logits[i] - expected[i]));
    }
    const std::uint32_t expected_best = test::argmax(expected);
    if (best == expected_best) {
      ++agreements;
    } else {
      largest_margin = std::max<double>(largest_margin, expected[expected_best] - expected[best]);
    }
  });
  std::cout << "seed " << seed << ": top-1 agreement " << agreements << " of " << position
            << ", largest margin of a disagreement " << largest_margin << ", largest logit error "
            << largest_error << "\n";
  CHECK(position == kPositions);
  CHECK(static_cast<double>(agreements) >= 0.99 * kPositions);
  CHECK(largest_margin < 0.05);
  CHECK(largest_error < 0.25);
}

}  // namespace

TEST_CASE("the machine prints the reference's text: prompt 1", "[scenario]") {
  check_greedy_text(0);
}
TEST_CASE("the machine prints the reference's text: prompt 2", "[scenario]") {
  check_greedy_text(1);
}
TEST_CASE("the machine prints the reference's text: no prompt", "[scenario]") {
  check_greedy_text(2);
}

TEST_CASE("the machine's logits are the reference's: first text", "[scenario]") {
  check_logits(1);
}
TEST_CASE("the machine's logits are the reference's: second text", "[scenario]") {
  check_logits(2);
}
