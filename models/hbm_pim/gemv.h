// The values of a GEMV, from the weights as they stand in a stack's memory (gemv_layout.h), by the
// numerics of pim_numerics.h. Its time is stack_timing.h's.
#pragma once

#include <cstdint>
#include <span>

#include "models/common/sparse_memory.h"
#include "models/hbm_pim/gemv_layout.h"

namespace hpimvp::hbm_pim {

// y = W x (+ bias), FP16. `memory` is the stack's; the layout fits. `input` has layout.inputs()
// elements, `output` layout.outputs(), `bias` as many, or none: the accumulators start from it.
void compute_gemv(const GemvLayout& layout, const common::SparseMemory& memory,
                  std::span<const std::uint16_t> input, std::span<const std::uint16_t> bias,
                  std::span<std::uint16_t> output);

}  // namespace hpimvp::hbm_pim
