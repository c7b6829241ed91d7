// Why a program stopped.
#pragma once

#include <cstdint>

#include "generated/models/sram_pim/sram_pim_tile_registers.h"

namespace hpimvp::sram_pim {

using TrapCause = sram_pim_tile_registers::TrapCause;

struct Trap {
  TrapCause cause = TrapCause::kNone;
  std::uint64_t value = 0;  // TRAP_VALUE
};

// "HAZARD": the name in the register description.
const char* trap_cause_name(TrapCause cause);

}  // namespace hpimvp::sram_pim
