// Chooses the next token from FP16 logits: greedily, or at random with temperature, top-k and
// top-p.
//
// Deterministic: the same logits, settings and seed give the same tokens on the target and
// natively.
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
  // `vocabulary` is the number of logits, at least 1.
  Sampler(const SamplerSettings& settings, std::uint32_t vocabulary, Arena& arena);

  // The token with the largest logit, the lowest of equals. Nothing if a logit is NaN or infinite.
  std::optional<std::uint32_t> best(const std::uint16_t* logits) const;

  // The next token; nothing if best() gives nothing.
  //
  // With temperature T token i has the weight e^((logit_i - largest) / T). First top-k drops all
  // but the k tokens with the largest weight (the lower id of equals stays), then top-p keeps the
  // shortest prefix of the rest, by falling weight, whose share of their sum reaches top_p. One
  // random number is drawn per token, greedy choices draw none.
  std::optional<Sample> choose(const std::uint16_t* logits);

 private:
  struct Candidate {
    float weight;
    std::uint32_t token;
  };
  static bool comes_first(const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
  }

  std::span<Candidate> weigh(const std::uint16_t* logits, float largest);
  std::span<Candidate> keep_top(std::span<Candidate> candidates) const;
  std::uint32_t draw(std::span<const Candidate> candidates);

  SamplerSettings settings_;
  std::uint32_t vocabulary_;
  Random random_;
  std::span<Candidate> workspace_;
};

}  // namespace hpimvp::firmware
