// Whole-number division, rounded up.
#pragma once

namespace hpimvp::common {

// Without overflow. `divisor` is not 0.
template <typename Integer>
constexpr Integer divide_up(Integer dividend, Integer divisor) {
  return dividend / divisor + (dividend % divisor != 0 ? 1 : 0);
}

}  // namespace hpimvp::common
