// Where a controller takes PIM commands from: a stream that is pulled in pieces.
#pragma once

#include <cstdint>
#include <span>

#include "models/hbm_pim/dram_command.h"

namespace hpimvp::hbm_pim {

struct PimCommand {
  DramCommand command = DramCommand::kMac;
  CommandAddress address;
};

// A stream in program order: ACT_AB, MAC_AB, WR_GB, RD_MAC, PRE_AB ..., each issued as early as the
// timing allows, none overtaking another. It contains no PIM_IN, PIM_OUT and REFab: those are the
// controller's, which can put them in only where all banks are closed (PRE_AB of every operand
// group). There ordinary traffic may come in between too, depending on the arbitration. A
// controller may already owe all the refreshes it may postpone (ControllerConfig::most_postponed)
// when a stretch with open banks begins, so a stretch must be shorter than tREFI, with a margin for
// closing the banks: tREFI - tRP - 64 cycles is what pim_runs.h allows (longest_open_stretch).
struct PimCommandSource {
  // The next commands of the stream; they stay valid until the next call. Empty: the stream has
  // ended. Called once for a piece, not once for a command.
  std::span<const PimCommand> (*next)(void* context) = nullptr;
  void* context = nullptr;
};

}  // namespace hpimvp::hbm_pim
