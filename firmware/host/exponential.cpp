#include "firmware/host/exponential.h"

#include <bit>
#include <cstdint>

namespace hpimvp::firmware {

float exponential(float x) {
  constexpr float kSmallest = -87.0f;  // e^-87 is normal, e^-87.4 is not
  if (!(x >= kSmallest)) return 0.0f;

  // x = n ln 2 + r with |r| <= ln 2 / 2. ln 2 is split so that n * kLn2High is exact.
  constexpr float kLog2E = 1.44269504f;
  constexpr float kLn2High = 0.693359375f;
  constexpr float kLn2Low = -2.12194440e-4f;
  const auto n = static_cast<std::int32_t>(x * kLog2E - 0.5f);
  const float whole = static_cast<float>(n);
  const float r = (x - whole * kLn2High) - whole * kLn2Low;

  // Taylor series; the first term left out is below 1.2e-7 for |r| <= 0.347.
  float sum = 1.0f / 720.0f;
  sum = sum * r + 1.0f / 120.0f;
  sum = sum * r + 1.0f / 24.0f;
  sum = sum * r + 1.0f / 6.0f;
  sum = sum * r + 0.5f;
  sum = sum * r + 1.0f;
  sum = sum * r + 1.0f;
  const float power = std::bit_cast<float>(static_cast<std::uint32_t>(n + 127) << 23);
  return sum * power;
}

}  // namespace hpimvp::firmware
