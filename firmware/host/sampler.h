// Chooses the next token from FP16 logits: greedily, or at random with temperature, top-k and
// top-p.
//
// Deterministic: the same logits, settings and seed give the same tokens on the target and
// natively. How long a choice takes depends on the settings and the vocabulary alone, never on the
// logits: in timing mode, where they are not real, the host CPU spends the same cycles as in
// functional mode. So there is no branch on a value.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "firmware/host/arena.h"
#include "firmware/host/random.h"

namespace hpimvp::firmware {

struct SamplerSettings {
  float temperature;    // 0: greedy; else finite and positive
  std::uint32_t top_k;  // the k most probable tokens, 0: all
  float top_p;          // the most probable tokens that together reach this probability, 1: all
  std::uint64_t seed;
};

struct Sample {
  std::uint32_t best;
  std::uint32_t token;  // the choice
};

class Sampler {
 public:
  // `vocabulary` is the number of logits, at least 1 and at most 2^23 (sums of weights have 64
  // bits). Takes 8 bytes for each from `arena`, with top-k or top-p 10 and 2 KiB; greedy takes
  // none.
  Sampler(const SamplerSettings& settings, std::uint32_t vocabulary, Arena& arena);

  // The token with the largest logit, the lowest of equals. Nothing if a logit is NaN or infinite.
  std::optional<std::uint32_t> best(const std::uint16_t* logits) const;

  // The next token; nothing if best() gives nothing.
  //
  // With temperature T token i has the weight e^((logit_i - largest) / T), rounded down to a
  // multiple of 2^-40. Top-k keeps the first k tokens by falling logit (the lower id of equals
  // first), then top-p keeps of those the shortest prefix whose share of their weight reaches
  // top_p. Among the tokens that are kept, in the order of their ids, one random number chooses in
  // proportion to their weights; greedy choices draw none.
  std::optional<Sample> choose(const std::uint16_t* logits);

 private:
  bool limits_count() const { return settings_.top_k != 0 && settings_.top_k < vocabulary_; }
  bool limits_probability() const { return settings_.top_p < 1.0f; }
  bool limited() const { return limits_count() || limits_probability(); }

  void weigh(const std::uint16_t* logits, std::uint16_t largest);
  void order(const std::uint16_t* logits);
  void keep_top_k();
  void keep_top_p();
  template <typename Mass>
  void keep(std::uint64_t wanted, Mass mass);
  std::uint32_t draw();

  SamplerSettings settings_;
  std::uint32_t vocabulary_;
  double exponent_scale_;
  Random random_;
  std::span<std::uint64_t> weights_;  // of each token; 0: dropped
  std::span<std::uint16_t> keys_;     // order_key() of each logit
  std::span<std::uint64_t> buckets_;
};

}  // namespace hpimvp::firmware
