// The values of a GEMV, from the weights as they stand in a stack's memory (weight_layout.h), by
// the numerics of pim_numerics.h. Its time is the engines'.
#pragma once

#include <cstdint>
#include <span>

#include "models/common/sparse_memory.h"
#include "models/hbm_pim/weight_layout.h"

namespace hpimvp::hbm_pim {

// y = W x (+ bias), FP16, in the device's numerics. `memory` is the stack's; the layout fits; lanes
// and bursts are of 16 values. `input` has as many elements as the layout inputs, `output` as its
// outputs, `bias` as many, or none: the accumulators start from it.
//
// Every output is summed up in ascending order of its chunks. Sliced by columns, a pseudo-channel
// sums up its own share, the first one from the bias, the others from 0, and reads it out as FP16;
// the stack adds the read-outs in FP32, each addition rounded, in ascending order of the
// pseudo-channels that have a share, and rounds the sum to FP16.
void compute_gemv(const WeightLayout& layout, const common::SparseMemory& memory,
                  std::span<const std::uint16_t> input, std::span<const std::uint16_t> bias,
                  std::span<std::uint16_t> output);

}  // namespace hpimvp::hbm_pim
