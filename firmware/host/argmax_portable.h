// argmax_half() without special instructions: what argmax_zfh.S must agree with.
#pragma once

#include "firmware/host/argmax.h"
#include "firmware/host/half.h"

namespace hpimvp::firmware {

inline Argmax argmax_portable(const std::uint16_t* values, std::uint64_t count) {
  Argmax result = {0, 0};
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!is_finite(values[i])) result.not_finite = 1;
    if (half_to_float(values[i]) > half_to_float(values[result.index])) result.index = i;
  }
  return result;
}

}  // namespace hpimvp::firmware
