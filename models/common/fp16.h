// Conversions between FP16 or BF16 bit patterns and float, bit-exact on every machine: round to
// nearest even, subnormals kept, overflow to infinity, NaN results canonical (0x7E00, 0x7FC0,
// 0x7FC00000; sign and payload of a NaN are dropped). IEEE 754-2019, 3.4 and 5.4.2.
//
// They rely on the float unit's default rounding mode and on subnormals not being flushed.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

namespace hpimvp::common {

static_assert(std::numeric_limits<float>::is_iec559);

inline constexpr std::uint16_t kFp16Nan = 0x7E00;
inline constexpr std::uint16_t kFp16Infinity = 0x7C00;
inline constexpr std::uint16_t kBf16Nan = 0x7FC0;
inline constexpr std::uint32_t kFloatNanBits = 0x7FC00000;

constexpr float fp16_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16;
  const std::uint32_t magnitude = half & 0x7FFF;
  if (magnitude > kFp16Infinity) return std::bit_cast<float>(kFloatNanBits);
  if (magnitude == kFp16Infinity) return std::bit_cast<float>(sign | 0x7F800000);
  // Exponent and fraction moved into place give the value scaled by 2^-112 (the difference of the
  // biases, 127 - 15); the product is exact, for subnormals too.
  const float value = std::bit_cast<float>(magnitude << 13) * 0x1p112F;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(value));
}

constexpr std::uint16_t float_to_fp16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000;
  const std::uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return kFp16Nan;
  // 65520, half way between the largest finite value and 2^16, rounds to even: to infinity.
  if (magnitude >= 0x477FF000) return static_cast<std::uint16_t>(sign | kFp16Infinity);
  if (magnitude < 0x38800000) {
    // Below 2^-14 results are multiples of 2^-24, which is the unit in the last place of 0.5: the
    // addition does the rounding.
    const std::uint32_t sum = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F);
    return static_cast<std::uint16_t>(sign | (sum - std::bit_cast<std::uint32_t>(0.5F)));
  }
  // Rebias the exponent and round the 13 dropped bits half to even; a carry runs into the exponent.
  const std::uint32_t odd = (magnitude >> 13) & 1;
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000 + 0xFFF + odd) >> 13));
}

constexpr float bf16_to_float(std::uint16_t value) {
  if ((value & 0x7FFF) > 0x7F80) return std::bit_cast<float>(kFloatNanBits);
  return std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16);
}

constexpr std::uint16_t float_to_bf16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return kBf16Nan;
  const std::uint32_t odd = (bits >> 16) & 1;
  return static_cast<std::uint16_t>((bits + 0x7FFF + odd) >> 16);
}

}  // namespace hpimvp::common
