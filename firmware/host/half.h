// FP16 (IEEE 754 binary16) as the bits that stand in memory.
#pragma once

#include <bit>
#include <cstdint>

namespace hpimvp::firmware {

inline bool is_finite(std::uint16_t half) {
  return (half & 0x7FFF) < 0x7C00;
}

// Exact for every value; infinities and NaNs stay what they are.
inline float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16;
  const std::uint32_t magnitude = static_cast<std::uint32_t>(half & 0x7FFF) << 13;
  if (magnitude >= 0x7C00u << 13) return std::bit_cast<float>(sign | 0x7F800000u | magnitude);
  // The exponent bias differs by 112: a multiplication moves it, for subnormals as well.
  const float value = std::bit_cast<float>(magnitude) * 0x1p112f;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(value));
}

// Exact, without a branch.
inline double finite_half_to_double(std::uint16_t half) {
  // The shift copies the sign into the upper exponent bits, where the mask clears it.
  constexpr std::uint64_t kSignAndMagnitude = 0x81FF'FC00'0000'0000;
  const auto bits = static_cast<std::int64_t>(std::uint64_t{half} << 48) >> 6;
  // The exponent bias differs by 1008.
  return std::bit_cast<double>(static_cast<std::uint64_t>(bits) & kSignAndMagnitude) * 0x1p1008;
}

// Orders finite values as unsigned integers: a larger value has a larger key, +0 and -0 the same.
inline std::uint16_t order_key(std::uint16_t half) {
  const std::int64_t magnitude = half & 0x7FFF;
  const std::int64_t negative = static_cast<std::int16_t>(half) >> 15;  // all bits, or none
  return static_cast<std::uint16_t>((magnitude ^ negative) - negative + 0x8000);
}

}  // namespace hpimvp::firmware
