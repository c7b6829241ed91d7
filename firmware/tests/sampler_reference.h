// Draws tokens in every sampling mode from made-up logits and folds them into one number: the same
// number natively (tests/unit/firmware) and on the host CPU (sampler.cpp), which shows that both
// choose the same tokens.
#pragma once

#include <cstdint>

#include "firmware/host/random.h"
#include "firmware/host/sampler.h"

namespace hpimvp::firmware {

inline constexpr std::uint32_t kReferenceVocabulary = 700;
inline constexpr std::uint64_t kReferenceChecksum = 0x265C3C5B84DCD313;

// Finite FP16 values between -8 and 8, many of them equal.
inline void make_reference_logits(Random& random, std::uint16_t* logits) {
  for (std::uint32_t i = 0; i < kReferenceVocabulary; ++i) {
    const std::uint32_t exponent = random.next() % 18;
    logits[i] = static_cast<std::uint16_t>((random.next() & 0x83FF) | exponent << 10);
  }
}

inline std::uint64_t reference_checksum(std::uint16_t* logits, Arena& arena) {
  constexpr SamplerSettings kModes[] = {{0.0f, 0, 1.0f, 1},   {1.0f, 0, 1.0f, 2},
                                        {0.7f, 40, 1.0f, 3},  {1.3f, 0, 0.9f, 4},
                                        {0.9f, 100, 0.8f, 5}, {4.0f, 3, 1.0f, 6}};
  Random random(20260102);
  std::uint64_t checksum = 0xCBF29CE484222325;  // FNV-1a, 64 bits
  for (const SamplerSettings& settings : kModes) {
    Sampler sampler(settings, kReferenceVocabulary, arena);
    for (int round = 0; round < 50; ++round) {
      make_reference_logits(random, logits);
      const auto sample = sampler.choose(logits);
      checksum = (checksum ^ (sample ? sample->token : 0xFFFF)) * 0x100000001B3;
    }
  }
  return checksum;
}

}  // namespace hpimvp::firmware
