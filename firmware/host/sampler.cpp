#include "firmware/host/sampler.h"

#include <algorithm>
#include <bit>

#include "firmware/host/argmax.h"
#include "firmware/host/exponential.h"
#include "firmware/host/half.h"

namespace hpimvp::firmware {
namespace {

constexpr std::uint32_t kBuckets = 256;

// All bits set if the condition holds, else none: selects without a branch.
std::uint64_t mask_if(bool condition) {
  return -static_cast<std::uint64_t>(condition);
}

struct Weighing {
  double largest;
  double scale;  // from a difference of logits to the exponent of power_of_half()

  std::uint64_t weight(std::uint16_t logit) const {
    constexpr auto kLargest = std::bit_cast<std::int64_t>(static_cast<double>(kLargestExponent));
    const double exponent = (largest - finite_half_to_double(logit)) * scale;
    // Doubles of at least 0 are in the order of their bits, and the CPU has a minimum of integers.
    const std::int64_t limited = std::min(std::bit_cast<std::int64_t>(exponent), kLargest);
    return power_of_half(
        static_cast<std::uint64_t>(static_cast<std::int64_t>(std::bit_cast<double>(limited))));
  }
};

// Where the sum of the buckets, from the last to the first, reaches `wanted`.
struct Crossing {
  std::uint64_t bucket;
  std::uint64_t missing;  // of `wanted` after all buckets behind this one, more than 0
};

// `wanted` is more than 0 and at most the sum of all buckets.
Crossing find_crossing(std::span<const std::uint64_t> buckets, std::uint64_t wanted) {
  std::uint64_t sum = 0;
  Crossing result = {kBuckets - 1, wanted};
  for (std::uint32_t i = kBuckets; i-- > 0;) {
    sum += buckets[i];
    const std::uint64_t not_reached = mask_if(sum < wanted);
    result.bucket += not_reached;  // minus 1
    result.missing -= buckets[i] & not_reached;
  }
  return result;
}

// The first of the rising `sums` that is larger than `target`; the last one is.
std::uint32_t first_above(std::span<const std::uint64_t> sums, std::uint64_t target) {
  std::uint64_t first = 0;
  for (std::uint64_t count = sums.size(); count > 1;) {
    const std::uint64_t half = count / 2;
    first += half & mask_if(sums[first + half - 1] <= target);
    count -= half;
  }
  return static_cast<std::uint32_t>(first);
}

}  // namespace

Sampler::Sampler(const SamplerSettings& settings, std::uint32_t vocabulary, Arena& arena)
    : settings_(settings), vocabulary_(vocabulary), exponent_scale_(0.0), random_(settings.seed) {
  if (settings.temperature == 0.0f) return;
  constexpr double kLog2E = 1.4426950408889634;
  exponent_scale_ = kLog2E / settings.temperature * (std::uint64_t{1} << kExponentFractionBits);
  weights_ = arena.allocate<std::uint64_t>(vocabulary);
  if (!limited()) return;
  keys_ = arena.allocate<std::uint16_t>(vocabulary);
  buckets_ = arena.allocate<std::uint64_t>(kBuckets);
}

std::optional<std::uint32_t> Sampler::best(const std::uint16_t* logits) const {
  const Argmax largest = argmax_half(logits, vocabulary_);
  if (largest.not_finite != 0) return std::nullopt;
  return static_cast<std::uint32_t>(largest.index);
}

std::optional<Sample> Sampler::choose(const std::uint16_t* logits) {
  const std::optional<std::uint32_t> best_token = best(logits);
  if (!best_token) return std::nullopt;
  if (settings_.temperature == 0.0f) return Sample{*best_token, *best_token};
  weigh(logits, logits[*best_token]);
  if (limited()) order(logits);
  if (limits_count()) keep_top_k();
  if (limits_probability()) keep_top_p();
  return Sample{*best_token, draw()};
}

void Sampler::weigh(const std::uint16_t* logits, std::uint16_t largest) {
  constexpr std::size_t kAtOnce = 4;
  const Weighing weighing = {finite_half_to_double(largest), exponent_scale_};
  std::uint64_t* const weights = weights_.data();
  std::size_t token = 0;
  // Several at once, so that the compiler can put instructions of one token between those of
  // another: within a token each waits for the one before it.
  for (; token + kAtOnce <= vocabulary_; token += kAtOnce) {
    const std::uint64_t weight0 = weighing.weight(logits[token]);
    const std::uint64_t weight1 = weighing.weight(logits[token + 1]);
    const std::uint64_t weight2 = weighing.weight(logits[token + 2]);
    const std::uint64_t weight3 = weighing.weight(logits[token + 3]);
    weights[token] = weight0;
    weights[token + 1] = weight1;
    weights[token + 2] = weight2;
    weights[token + 3] = weight3;
  }
  for (; token < vocabulary_; ++token) weights[token] = weighing.weight(logits[token]);
}

void Sampler::order(const std::uint16_t* logits) {
  std::uint16_t* const keys = keys_.data();
#pragma GCC unroll 4
  for (std::size_t token = 0; token < vocabulary_; ++token) keys[token] = order_key(logits[token]);
}

void Sampler::keep_top_k() {
  keep(settings_.top_k, [](std::size_t) { return std::uint64_t{1}; });
}

void Sampler::keep_top_p() {
  std::uint64_t sum = 0;
  for (const std::uint64_t weight : weights_) sum += weight;
  const double share = static_cast<double>(sum) * settings_.top_p;
  auto wanted = static_cast<std::uint64_t>(share);
  wanted += static_cast<double>(wanted) < share;  // rounded up
  const std::uint64_t* const weights = weights_.data();
  keep(wanted, [weights](std::size_t token) { return weights[token]; });
}

// Drops all but the first tokens, by falling key, then by rising id, whose `mass` together reaches
// `wanted`. Finds the upper half of the key at which that happens, then its lower half, then the
// tokens with this very key.
template <typename Mass>
void Sampler::keep(std::uint64_t wanted, Mass mass) {
  const std::uint16_t* const keys = keys_.data();
  std::uint64_t* const buckets = buckets_.data();

  std::fill(buckets_.begin(), buckets_.end(), 0);
#pragma GCC unroll 4
  for (std::size_t token = 0; token < vocabulary_; ++token) {
    buckets[keys[token] >> 8] += mass(token);
  }
  const Crossing upper = find_crossing(buckets_, wanted);

  std::fill(buckets_.begin(), buckets_.end(), 0);
#pragma GCC unroll 4
  for (std::size_t token = 0; token < vocabulary_; ++token) {
    const std::uint64_t key = keys[token];
    buckets[key & 0xFF] += mass(token) & mask_if(key >> 8 == upper.bucket);
  }
  const Crossing lower = find_crossing(buckets_, upper.missing);

  const std::uint64_t last_key = upper.bucket << 8 | lower.bucket;
  std::uint64_t* const weights = weights_.data();
  std::uint64_t taken = 0;  // of lower.missing
#pragma GCC unroll 4
  for (std::size_t token = 0; token < vocabulary_; ++token) {
    const std::uint64_t key = keys[token];
    const std::uint64_t equal = mask_if(key == last_key);
    const std::uint64_t stays = mask_if(key > last_key) | (equal & mask_if(taken < lower.missing));
    taken += mass(token) & equal;
    weights[token] &= stays;
  }
}

std::uint32_t Sampler::draw() {
  std::uint64_t sum = 0;
  for (std::uint64_t& weight : weights_) weight = sum += weight;
  const auto target = static_cast<unsigned __int128>(sum) * random_.next() >> 32;
  return first_above(weights_, static_cast<std::uint64_t>(target));
}

}  // namespace hpimvp::firmware
