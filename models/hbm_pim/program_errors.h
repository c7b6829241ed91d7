// Wrong bits in the cells that a program of PIM commands reads (pim_program.h, crf_kernel.h).
//
// Each command that reads columns reads a code word in every unit's bank, in program order. One
// wrong bit is corrected; what a command then writes is right. A word with more wrong bits ends the
// program's effect in that pseudo-channel: from that command on nothing is written to banks any
// more. The commands themselves are all issued, so its time stays the same, and their reads count.
#pragma once

#include <cstdint>
#include <span>

#include "models/hbm_pim/bit_field_mapping.h"
#include "models/hbm_pim/error_model.h"
#include "models/hbm_pim/pim_runs.h"

namespace hpimvp::hbm_pim {

struct ProgramEcc {
  EccOutcome found;
  std::uint64_t end = kAllCommands;  // commands that have an effect: execute()'s
};

// Takes a program in one pseudo-channel through the error model, after start_program(). `runs` are
// a loaded program's, on `device`.
ProgramEcc read_program(ErrorModel& errors, std::span<const PimRun> runs,
                        const DeviceDescription& device, const BitFieldMapping& mapping,
                        std::uint32_t pseudo_channel);

}  // namespace hpimvp::hbm_pim
