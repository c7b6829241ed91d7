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

}  // namespace hpimvp::firmware
