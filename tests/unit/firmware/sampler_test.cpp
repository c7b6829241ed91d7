#include "firmware/host/sampler.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <random>

#include "firmware/host/argmax.h"
#include "firmware/host/exponential.h"
#include "firmware/host/half.h"
#include "firmware/tests/sampler_reference.h"
#include "tests/unit/common/random_seed.h"
#include "tests/unit/firmware/fake_machine.h"

namespace hpimvp::firmware {
namespace {

std::uint16_t to_half(float value) {
  const _Float16 half = static_cast<_Float16>(value);
  std::uint16_t bits;
  std::memcpy(&bits, &half, sizeof bits);
  return bits;
}

std::vector<std::uint16_t> halves(const std::vector<float>& values) {
  std::vector<std::uint16_t> result;
  for (const float value : values) result.push_back(to_half(value));
  return result;
}

// Share of each token in many draws.
std::vector<double> frequencies(const SamplerSettings& settings, const std::vector<float>& logits,
                                int draws) {
  TestMemory memory;
  const auto bits = halves(logits);
  Sampler sampler(settings, static_cast<std::uint32_t>(bits.size()), memory.arena());
  std::vector<double> result(bits.size());
  for (int i = 0; i < draws; ++i) result[sampler.choose(bits.data())->token] += 1.0;
  for (double& value : result) value /= draws;
  return result;
}

// Softmax with double precision and the C library, over the tokens that `kept` allows.
std::vector<double> softmax(const std::vector<float>& logits, double temperature,
                            const std::vector<bool>& kept) {
  std::vector<double> result(logits.size());
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (kept[i]) sum += result[i] = std::exp(logits[i] / temperature);
  }
  for (double& value : result) value /= sum;
  return result;
}

void check_close(const std::vector<double>& found, const std::vector<double>& expected, int draws) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double deviation = std::sqrt(expected[i] * (1 - expected[i]) / draws);
    INFO("token " << i << ": " << found[i] << ", expected " << expected[i]);
    CHECK(std::abs(found[i] - expected[i]) <= 5 * deviation);
  }
}

TEST_CASE("every FP16 value becomes the float of the same value") {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    _Float16 reference;
    std::memcpy(&reference, &half, sizeof reference);
    const auto expected = static_cast<float>(reference);
    const float found = half_to_float(half);
    REQUIRE(is_finite(half) == std::isfinite(expected));
    if (std::isnan(expected)) {
      REQUIRE(std::isnan(found));
    } else {
      REQUIRE(std::memcmp(&found, &expected, sizeof found) == 0);
    }
  }
}

TEST_CASE("the exponential is accurate to 3e-7 and vanishes where floats do") {
  for (float x = 0.0f; x > -87.0f; x = x * 1.0001f - 1e-4f) {
    const double expected = std::exp(static_cast<double>(x));
    REQUIRE(std::abs(exponential(x) - expected) <= 3e-7 * expected);
  }
  CHECK(exponential(0.0f) == 1.0f);
  CHECK(exponential(-0.0f) == 1.0f);
  CHECK(exponential(-200.0f) == 0.0f);
  CHECK(exponential(-INFINITY) == 0.0f);
}

TEST_CASE("the generator is PCG-XSH-RR with its published constants") {
  // Independent formulation with 128-bit arithmetic and a rotation by division.
  const std::uint64_t kSeed = 42;
  const auto step = [](std::uint64_t state) {
    return static_cast<std::uint64_t>(
        (static_cast<unsigned __int128>(state) * 6364136223846793005u + 1442695040888963407u));
  };
  std::uint64_t state = step(step(0) + kSeed);
  Random random(kSeed);
  for (int i = 0; i < 1000; ++i) {
    const auto xorshifted = static_cast<std::uint32_t>((state ^ state / 262144) / 134217728);
    const auto rotation = static_cast<unsigned>(state / 576460752303423488u);
    const std::uint64_t twice = static_cast<std::uint64_t>(xorshifted) << 32 | xorshifted;
    REQUIRE(random.next() == static_cast<std::uint32_t>(twice >> rotation));
    state = step(state);
  }
}

TEST_CASE("greedy sampling takes the first of the largest logits and draws no random number") {
  TestMemory memory;
  Sampler sampler({.temperature = 0.0f, .top_k = 0, .top_p = 1.0f, .seed = 1}, 6, memory.arena());
  const auto choose = [&](const std::vector<float>& logits) {
    const auto sample = sampler.choose(halves(logits).data());
    REQUIRE(sample);
    CHECK(sample->best == sample->token);
    return sample->token;
  };
  CHECK(choose({1, 5, 3, 5, -7, 0}) == 1);
  CHECK(choose({-3, -2, -1, -8, -9, -2}) == 2);
  CHECK(choose({-0.0f, 0.0f, -0.0f, 0.0f, 0.0f, 0.0f}) == 0);
  CHECK(choose({-60000, -60000, -5, -60000, -6, -5}) == 2);
  CHECK(memory.arena().bytes_left() == (1 << 20));
}

TEST_CASE("logits that are no numbers are an error in every mode") {
  for (const float temperature : {0.0f, 0.7f}) {
    TestMemory memory;
    Sampler sampler({.temperature = temperature, .top_k = 0, .top_p = 1.0f, .seed = 1}, 5,
                    memory.arena());
    for (int position = 0; position < 5; ++position) {
      std::vector<float> logits = {1, 2, 3, 2, 1};
      logits[static_cast<std::size_t>(position)] = NAN;
      CHECK_FALSE(sampler.choose(halves(logits).data()));
      CHECK_FALSE(sampler.best(halves(logits).data()));
    }
    CHECK_FALSE(sampler.choose(halves({1, INFINITY, 0, 0, 0}).data()));
    CHECK_FALSE(sampler.choose(halves(std::vector<float>(5, -INFINITY)).data()));
    CHECK_FALSE(sampler.choose(halves({1, -INFINITY, 0, 0, 0}).data()));
  }
}

TEST_CASE("argmax agrees with a sort by value on random bits") {
  const auto seed = static_cast<std::uint32_t>(random_seed(20260301));
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::uint16_t> bits(1 + random() % 50);  // half of them all finite
    for (auto& value : bits) value = static_cast<std::uint16_t>(random());
    bool not_finite = false;
    std::size_t best = 0;
    std::vector<double> values;
    for (const auto half : bits) {
      _Float16 value;
      std::memcpy(&value, &half, sizeof value);
      values.push_back(static_cast<double>(value));
      not_finite = not_finite || !std::isfinite(values.back());
    }
    const Argmax found = argmax_half(bits.data(), bits.size());
    REQUIRE((found.not_finite != 0) == not_finite);
    if (not_finite) continue;
    best =
        static_cast<std::size_t>(std::max_element(values.begin(), values.end()) - values.begin());
    REQUIRE(found.index == best);
  }
}

TEST_CASE("tokens are drawn with the probabilities of the softmax") {
  const auto seed = static_cast<std::uint32_t>(random_seed(20260301));
  INFO("HPIMVP_SEED=" << seed);
  const std::vector<float> logits = {0.5f, 2.0f, -1.0f, 1.5f, 0.0f, -40.0f, 2.0f};
  const std::vector<bool> all(logits.size(), true);
  constexpr int kDraws = 200000;
  for (const float temperature : {0.5f, 1.0f, 3.0f}) {
    const auto found = frequencies(
        {.temperature = temperature, .top_k = 0, .top_p = 1.0f, .seed = seed}, logits, kDraws);
    check_close(found, softmax(logits, temperature, all), kDraws);
  }
}

TEST_CASE("top-k draws among the k best, the lower token of equals") {
  const auto seed = static_cast<std::uint32_t>(random_seed(20260301));
  INFO("HPIMVP_SEED=" << seed);
  const std::vector<float> logits = {1, 3, 2, 3, 2, 0};
  constexpr int kDraws = 100000;
  const auto found =
      frequencies({.temperature = 1.0f, .top_k = 3, .top_p = 1.0f, .seed = seed}, logits, kDraws);
  check_close(found, softmax(logits, 1.0, {false, true, true, true, false, false}), kDraws);
}

TEST_CASE("top-p draws among the fewest tokens that reach the probability") {
  const auto seed = static_cast<std::uint32_t>(random_seed(20260301));
  INFO("HPIMVP_SEED=" << seed);
  // Probabilities 0.5, 0.25, 0.125, 0.0625, 0.0625 (powers of two as logits of ln).
  const float ln2 = 0.693147f;
  const std::vector<float> logits = {-2 * ln2, -ln2, -3 * ln2, -4 * ln2, -4 * ln2};
  constexpr int kDraws = 100000;
  const auto at = [&](float top_p) {
    return frequencies({.temperature = 1.0f, .top_k = 0, .top_p = top_p, .seed = seed}, logits,
                       kDraws);
  };
  check_close(at(0.4f), softmax(logits, 1.0, {false, true, false, false, false}), kDraws);
  check_close(at(0.7f), softmax(logits, 1.0, {true, true, false, false, false}), kDraws);
  check_close(at(0.9f), softmax(logits, 1.0, {true, true, true, true, false}), kDraws);
}

TEST_CASE("top-k comes before top-p") {
  // Of the two best (2/3 and 1/3 of what is left), top-p 0.6 keeps one; of all, it would keep two.
  const float ln2 = 0.693147f;
  const std::vector<float> logits = {-2 * ln2, -ln2, -3 * ln2, -3 * ln2};
  const auto found =
      frequencies({.temperature = 1.0f, .top_k = 2, .top_p = 0.6f, .seed = 1}, logits, 1000);
  CHECK(found[1] == Approx(1.0));
}

TEST_CASE("a seed decides the tokens, and different seeds differ") {
  std::mt19937 random(7);
  std::vector<float> logits(500);
  for (float& value : logits) value = static_cast<float>(random() % 1000) / 200.0f;
  const auto bits = halves(logits);
  const auto draw = [&](std::uint64_t seed) {
    TestMemory memory;
    Sampler sampler({.temperature = 0.9f, .top_k = 100, .top_p = 0.95f, .seed = seed}, 500,
                    memory.arena());
    std::vector<std::uint32_t> tokens;
    for (int i = 0; i < 50; ++i) tokens.push_back(sampler.choose(bits.data())->token);
    return tokens;
  };
  CHECK(draw(1) == draw(1));
  CHECK(draw(1) != draw(2));
}

// firmware/tests/sampler.cpp expects the same number on the host CPU.
TEST_CASE("the tokens chosen natively have the reference checksum") {
  TestMemory memory;
  std::vector<std::uint16_t> logits(kReferenceVocabulary);
  CHECK(reference_checksum(logits.data(), memory.arena()) == kReferenceChecksum);
}

TEST_CASE("a tiny temperature is greedy and divides by no zero") {
  const auto found = frequencies({.temperature = 1e-42f, .top_k = 0, .top_p = 0.9f, .seed = 3},
                                 {1, 2, 1.99f, 0}, 100);
  CHECK(found[1] == Approx(1.0));
}

}  // namespace
}  // namespace hpimvp::firmware
