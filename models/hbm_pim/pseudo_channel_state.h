// A pseudo-channel on which nothing is under way: what a controller hands to a GEMV engine, what
// the engine changes, and what it hands back.
#pragma once

#include <cstdint>
#include <utility>

#include "models/hbm_pim/command_timing.h"
#include "models/hbm_pim/refresh_schedule.h"

namespace hpimvp::hbm_pim {

struct GemvRefresh {
  bool enabled = true;
  std::uint32_t most_postponed = 8;
};

struct PseudoChannelState {
  CommandTiming timing;
  RefreshSchedule refresh;
  std::uint64_t now = 0;  // no command is issued before

  // Fresh, at cycle 0.
  explicit PseudoChannelState(const DeviceDescription& device, const GemvRefresh& options = {})
      : timing(device),
        refresh(options.enabled ? device[Parameter::kTREFI] : 0, options.most_postponed) {}
  PseudoChannelState(CommandTiming timing_state, const RefreshSchedule& schedule,
                     std::uint64_t from)
      : timing(std::move(timing_state)), refresh(schedule), now(from) {}
};

}  // namespace hpimvp::hbm_pim
