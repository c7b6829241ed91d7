#include "firmware/host/sampler.h"

#include <algorithm>

#include "firmware/host/argmax.h"
#include "firmware/host/exponential.h"
#include "firmware/host/half.h"

namespace hpimvp::firmware {
namespace {

// Weights below e^-kNegligible change no sum of weights: the largest weight is 1, and half a unit
// in the last place of a double of at least 1 is 2^-53.
constexpr float kNegligible = 37.0f;

}  // namespace

Sampler::Sampler(const SamplerSettings& settings, std::uint32_t vocabulary, Arena& arena)
    : settings_(settings),
      vocabulary_(vocabulary),
      random_(settings.seed),
      workspace_(arena.allocate<Candidate>(settings.temperature > 0.0f ? vocabulary : 0)) {}

std::optional<std::uint32_t> Sampler::best(const std::uint16_t* logits) const {
  const Argmax largest = argmax_half(logits, vocabulary_);
  if (largest.not_finite != 0) return std::nullopt;
  return static_cast<std::uint32_t>(largest.index);
}

std::optional<Sample> Sampler::choose(const std::uint16_t* logits) {
  const std::optional<std::uint32_t> best_token = best(logits);
  if (!best_token) return std::nullopt;
  if (settings_.temperature == 0.0f) return Sample{*best_token, *best_token};
  const std::span<Candidate> candidates = weigh(logits, half_to_float(logits[*best_token]));
  return Sample{*best_token, draw(keep_top(candidates))};
}

std::span<Sampler::Candidate> Sampler::weigh(const std::uint16_t* logits, float largest) {
  std::size_t count = 0;
  for (std::uint32_t token = 0; token < vocabulary_; ++token) {
    const float exponent = (half_to_float(logits[token]) - largest) / settings_.temperature;
    if (!(exponent >= -kNegligible)) continue;
    workspace_[count++] = {exponential(exponent), token};
  }
  return workspace_.first(count);
}

std::span<Sampler::Candidate> Sampler::keep_top(std::span<Candidate> candidates) const {
  const bool limit_count = settings_.top_k != 0 && settings_.top_k < candidates.size();
  const bool limit_probability = settings_.top_p < 1.0f;
  if (!limit_count && !limit_probability) return candidates;
  if (limit_count) {
    std::nth_element(candidates.begin(), candidates.begin() + settings_.top_k, candidates.end(),
                     comes_first);
    candidates = candidates.first(settings_.top_k);
  }
  // Sorted even if only the count is limited: the order decides which random number gives which
  // token.
  std::sort(candidates.begin(), candidates.end(), comes_first);
  if (!limit_probability) return candidates;

  double sum = 0.0;
  for (const Candidate& candidate : candidates) sum += candidate.weight;
  const double wanted = sum * settings_.top_p;
  double reached = 0.0;
  std::size_t count = 0;
  while (count < candidates.size() && (count == 0 || reached < wanted)) {
    reached += candidates[count++].weight;
  }
  return candidates.first(count);
}

std::uint32_t Sampler::draw(std::span<const Candidate> candidates) {
  double sum = 0.0;
  for (const Candidate& candidate : candidates) sum += candidate.weight;
  const double target = random_.next_unit() * sum;
  double reached = 0.0;
  for (const Candidate& candidate : candidates) {
    reached += candidate.weight;
    if (target < reached) return candidate.token;
  }
  return candidates.back().token;  // rounding only: target is below the sum
}

}  // namespace hpimvp::firmware
