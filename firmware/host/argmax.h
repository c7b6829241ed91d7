// The largest of FP16 logits.
#pragma once

#include <cstdint>

namespace hpimvp::firmware {

struct Argmax {
  std::uint64_t index;       // of the largest value; the first one of equals (-0 equals +0)
  std::uint64_t not_finite;  // not 0: some value is infinite or NaN, and the index means nothing
};

// `count` is at least 1. Two implementations: argmax_zfh.S for the target, where it decides how
// long a token takes on the host CPU, and argmax_portable.cpp for native tests.
extern "C" Argmax argmax_half(const std::uint16_t* values, std::uint64_t count);

}  // namespace hpimvp::firmware
