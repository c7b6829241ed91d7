// What a scenario may ask of the compiler: how a stack shares a matrix among its pseudo-channels.
#pragma once

#include <cstdint>

namespace hpimvp::compiler {

enum class SlicingChoice : std::uint8_t {
  kAuto,  // whichever takes fewer cycles (gemv_slicing.h)
  kRows,
  kColumns,
};

}  // namespace hpimvp::compiler
