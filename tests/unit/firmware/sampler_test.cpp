#include "firmware/host/sampler.h"

#include <algorithm>
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

_Float16 from_half(std::uint16_t bits) {
  _Float16 half;
  std::memcpy(&half, &bits, sizeof half);
  return half;
}

std::vector<std::uint16_t> halves(const std::vector<float>& values) {
  std::vector<std::uint16_t> result;
  for (const float value : values) result.push_back(to_half(value));
  return result;
}

// What choose() promises, by sorting. Only the weight of a single logit comes from the firmware;
// its accuracy has tests of its own.
class SortingSampler {
 public:
  explicit SortingSampler(const SamplerSettings& settings)
      : settings_(settings), random_(settings.seed) {}

  std::uint32_t choose(const std::vector<std::uint16_t>& logits) {
    std::vector<Token> tokens = weigh(logits);
    std::stable_sort(tokens.begin(), tokens.end(),
                     [](const Token& a, const Token& b) { return a.logit > b.logit; });
    if (settings_.top_k != 0 && settings_.top_k < tokens.size()) tokens.resize(settings_.top_k);
    if (settings_.top_p < 1.0f) tokens.resize(prefix_length(tokens));
    std::stable_sort(tokens.begin(), tokens.end(),
                     [](const Token& a, const Token& b) { return a.id < b.id; });
    // The first token at which sum / all > random / 2^32.
    const unsigned __int128 threshold =
        static_cast<unsigned __int128>(random_.next()) * sum(tokens);
    unsigned __int128 reached = 0;
    for (const Token& token : tokens) {
      reached += token.weight;
      if (reached << 32 > threshold) return token.id;
    }
    FAIL("no token is left");
    return 0;
  }

 private:
  struct Token {
    double logit;
    std::uint64_t weight;
    std::uint32_t id;
  };

  std::vector<Token> weigh(const std::vector<std::uint16_t>& logits) const {
    std::vector<Token> tokens;
    for (const auto half : logits) {
      tokens.push_back(
          {static_cast<double>(from_half(half)), 0, static_cast<std::uint32_t>(tokens.size())});
    }
    const double largest =
        std::max_element(tokens.begin(), tokens.end(), [](const Token& a, const Token& b) {
          return a.logit < b.logit;
        })->logit;
    const double scale = 1.4426950408889634 / settings_.temperature * 4294967296.0;
    for (Token& token : tokens) {
      const double exponent = (largest - token.logit) * scale;
      if (exponent < 48 * 4294967296.0) {
        token.weight = power_of_half(static_cast<std::uint64_t>(exponent));
      }
    }
    return tokens;
  }

  static std::uint64_t sum(const std::vector<Token>& tokens) {
    std::uint64_t result = 0;
    for (const Token& token : tokens) result += token.weight;
    return result;
  }

  std::size_t prefix_length(const std::vector<Token>& tokens) const {
    const double wanted = static_cast<double>(sum(tokens)) * settings_.top_p;
    std::uint64_t reached = 0;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      reached += tokens[i].weight;
      if (static_cast<double>(reached) >= wanted) return i + 1;
    }
    return tokens.size();
  }

  SamplerSettings settings_;
  Random random_;
};

// Finite logits: few different values (many ties), values like a model's, or any bits.
std::vector<std::uint16_t> random_logits(std::mt19937& random, std::size_t count) {
  const auto kind = random() % 4;
  std::normal_distribution<float> normal(0.0f, 4.0f);
  std::vector<std::uint16_t> result(count);
  for (auto& half : result) {
    if (kind == 0) half = to_half(static_cast<float>(random() % 5) - 2.0f);
    if (kind == 1) half = to_half(normal(random));
    if (kind == 2) half = static_cast<std::uint16_t>(random() & 0xBBFF);
    if (kind == 3) half = static_cast<std::uint16_t>(random() & 0x8003);
  }
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
    const auto expected = static_cast<float>(from_half(half));
    const float found = half_to_float(half);
    REQUIRE(is_finite(half) == std::isfinite(expected));
    if (std::isnan(expected)) {
      REQUIRE(std::isnan(found));
    } else {
      REQUIRE(std::memcmp(&found, &expected, sizeof found) == 0);
    }
  }
}

TEST_CASE("every finite FP16 value becomes the double of the same value, in the order of its key") {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    if (!is_finite(half)) continue;
    const double found = finite_half_to_double(half);
    const auto expected = static_cast<double>(from_half(half));
    REQUIRE(std::memcmp(&found, &expected, sizeof found) == 0);
    const std::uint16_t other = static_cast<std::uint16_t>(bits * 40503);
    if (!is_finite(other)) continue;
    REQUIRE((order_key(half) < order_key(other)) == (expected < from_half(other)));
    REQUIRE((order_key(half) == order_key(other)) == (expected == from_half(other)));
  }
  CHECK(order_key(0x8000) == order_key(0x0000));
}

TEST_CASE("powers of a half are accurate to 1e-7 and vanish at the end") {
  const auto seed = static_cast<std::uint32_t>(random_seed(20260301));
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200000; ++round) {
    const std::uint64_t exponent = random() % (kLargestExponent + 1);
    const double expected = std::exp2(40.0 - static_cast<double>(exponent) * 0x1p-32);
    const auto found = static_cast<double>(power_of_half(exponent));
    INFO("exponent " << exponent);
    REQUIRE(found <= expected * (1 + 1e-7));
    REQUIRE(found > expected * (1 - 1e-7) - 1);
  }
  CHECK(power_of_half(0) == kWeightOne);
  CHECK(power_of_half(std::uint64_t{40} << 32) == 1);
  CHECK(power_of_half(kLargestExponent) == 0);
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

TEST_CASE("every mode chooses the token that sorting chooses") {
  const auto seed = static_cast<std::uint32_t>(random_seed(20260301));
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937 random(seed);
  const auto pick = [&](std::initializer_list<float> values) {
    return *(values.begin() + random() % values.size());
  };
  for (int round = 0; round < 5000; ++round) {
    const std::uint32_t count = 1 + random() % (round % 50 == 0 ? 3000 : 80);
    const auto below_or_near = [&] {
      return random() % 2 == 0 ? 1 + random() % count : count + random() % 3;
    };
    const SamplerSettings settings = {
        .temperature = pick({0.05f, 0.8f, 1.0f, 1.7f, 30.0f, 1e-42f, 1e30f}),
        .top_k = random() % 3 == 0 ? 0 : static_cast<std::uint32_t>(below_or_near()),
        .top_p = pick({1.0f, 1.0f, 0.9f, 0.5f, 0.75f, 1e-40f, 1e-3f, 0.99999994f,
                       static_cast<float>(1 + random() % 1000) / 1001.0f}),
        .seed = random()};
    INFO("vocabulary " << count << ", temperature " << settings.temperature << ", top_k "
                       << settings.top_k << ", top_p " << settings.top_p);
    TestMemory memory;
    Sampler sampler(settings, count, memory.arena());
    SortingSampler reference(settings);
    for (int position = 0; position < 4; ++position) {
      const auto logits = random_logits(random, count);
      const auto sample = sampler.choose(logits.data());
      REQUIRE(sample);
      REQUIRE(sample->token == reference.choose(logits));
    }
  }
}

TEST_CASE("k of 1 and a tiny p take the first of the largest logits") {
  const std::vector<float> logits = {1, 3, 2, 3, 3, 0};
  const auto with_k =
      frequencies({.temperature = 5.0f, .top_k = 1, .top_p = 1.0f, .seed = 1}, logits, 200);
  const auto with_p =
      frequencies({.temperature = 5.0f, .top_k = 0, .top_p = 1e-30f, .seed = 1}, logits, 200);
  CHECK(with_k[1] == Approx(1.0));
  CHECK(with_p[1] == Approx(1.0));
}

TEST_CASE("a k of at least the vocabulary and a p of 1 limit nothing") {
  std::mt19937 random(11);
  const auto logits = random_logits(random, 100);
  const auto draw = [&](std::uint32_t top_k) {
    TestMemory memory;
    Sampler sampler({.temperature = 2.0f, .top_k = top_k, .top_p = 1.0f, .seed = 5}, 100,
                    memory.arena());
    std::vector<std::uint32_t> tokens;
    for (int i = 0; i < 50; ++i) tokens.push_back(sampler.choose(logits.data())->token);
    return tokens;
  };
  CHECK(draw(100) == draw(0));
  CHECK(draw(1000) == draw(0));
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
