// e^x for x <= 0, the same bits on the target and in native tests: only IEEE 754 single-precision
// additions and multiplications, no fused ones, no C library.
#pragma once

namespace hpimvp::firmware {

// x <= 0, -infinity included, which gives 0. Relative error below 3e-7 where the result is normal;
// results that would be subnormal are 0.
float exponential(float x);

}  // namespace hpimvp::firmware
