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
// controller's, which can put them in only where all banks are closed. So a stream must close all
// banks (PRE_AB of every operand group) at least once in 8 tREFI; where it does, ordinary traffic
// may come in between, depending on the arbitration.
struct PimCommandSource {
  // The next commands of the stream; they stay valid until the next call. Empty: the stream has
  // ended. Called once for a piece, not once for a command.
  std::span<const PimCommand> (*next)(void* context) = nullptr;
  void* context = nullptr;
};

}  // namespace hpimvp::hbm_pim
