// e^-x in fixed point, the weights of sampling. Only integer arithmetic and no branch: the same
// bits and, on the target, the same cycles for every x.
#pragma once

#include <cstdint>

namespace hpimvp::firmware {

// A weight of 1.
inline constexpr int kWeightFractionBits = 40;
inline constexpr std::uint64_t kWeightOne = std::uint64_t{1} << kWeightFractionBits;

inline constexpr int kExponentFractionBits = 32;
// From here on (2^-48) all weights are 0.
inline constexpr std::uint64_t kLargestExponent = std::uint64_t{48} << kExponentFractionBits;

// 2^-(exponent / 2^32) in units of 2^-40, for an exponent of at most kLargestExponent. The relative
// error is below 1e-7, to which the rounding down adds less than one unit.
inline std::uint64_t power_of_half(std::uint64_t exponent) {
  // For 0 <= f < 1: 2^-f = 1 - f (a0 - f (a1 - f (a2 - f (a3 - f a4)))), with coefficients in units
  // of 2^-32 by Remez' exchange algorithm, for the least relative error (8.4e-8) of all polynomials
  // of degree 5 that are 1 at 0.
  const std::uint64_t fraction = static_cast<std::uint32_t>(exponent);
  std::uint64_t sum = 4058329;
  sum = 39538599 - (sum * fraction >> 32);
  sum = 237500343 - (sum * fraction >> 32);
  sum = 1031565858 - (sum * fraction >> 32);
  sum = 2977029614 - (sum * fraction >> 32);
  return (kWeightOne - (sum * fraction >> (64 - kWeightFractionBits))) >>
         (exponent >> kExponentFractionBits);
}

}  // namespace hpimvp::firmware
