// How a matrix is shared among the pseudo-channels of a stack: by rows (outputs) or by columns
// (inputs), whichever takes fewer DRAM cycles. Few outputs leave pseudo-channels idle if shared by
// rows; by columns every one of them has all outputs, but reads out a partial sum of each.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>

#include "models/hbm_pim/gemv_fast_engine.h"
#include "models/hbm_pim/weight_layout.h"

namespace hpimvp::compiler {

class GemvSlicing {
 public:
  explicit GemvSlicing(const hbm_pim::DeviceDescription& device)
      : device_(device), engine_(device) {}

  // The choice for a stack's part of a matrix, and the cycles that it rests on.
  struct Decision {
    hbm_pim::Slicing slicing = hbm_pim::Slicing::kRows;
    std::uint64_t row_cycles = 0;  // both 0 where the weights do not fit either way
    std::uint64_t column_cycles = 0;
  };

  // For a stack's part of a matrix. Partial sums are rounded to FP16, so columns must save at least
  // an eighth of the time. Rows if the weights do not fit anyway.
  Decision decide(std::uint32_t inputs, std::uint32_t outputs, bool bias);
  hbm_pim::Slicing choose(std::uint32_t inputs, std::uint32_t outputs, bool bias) {
    return decide(inputs, outputs, bias).slicing;
  }

  // DRAM cycles on the pseudo-channel that has most to do, without refresh and without transfers to
  // and from the stack.
  std::uint64_t cycles(const hbm_pim::StackGemv& gemv, bool bias);

 private:
  hbm_pim::DeviceDescription device_;
  hbm_pim::GemvFastEngine engine_;
  std::map<std::tuple<std::uint32_t, std::uint32_t, bool>, Decision> decided_;
};

}  // namespace hpimvp::compiler
