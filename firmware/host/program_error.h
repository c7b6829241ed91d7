// What a stack says about a program that it has refused: its register PROGRAM_ERROR.
#pragma once

#include <cstdint>
#include <iterator>
#include <string_view>

#include "hal/hbm_pim_stack.h"

namespace hpimvp::firmware {

// "ROW_CLOSED" and so on, as in the register description.
constexpr std::string_view name_of(hal::hbm_pim_stack::ProgramErrorReason reason) {
  constexpr std::string_view kNames[] = {"NONE",       "OPCODE",      "RANGE",        "ROW_OPEN",
                                         "ROW_CLOSED", "OPERAND",     "DATA",         "TOO_LONG",
                                         "LEFT_OPEN",  "INSTRUCTION", "KERNEL_ENDED", "DEVICE"};
  const auto index = static_cast<std::uint32_t>(reason);
  return index < std::size(kNames) ? kNames[index] : "unknown reason";
}

}  // namespace hpimvp::firmware
