// Runs a GEMV's commands on a pseudo-channel that it has for itself: in program order, each command
// at the first cycle that the timing allows, with changes of mode around and refresh in between.
// The same times as a MemoryController without other requests.
//
// Refresh: REFab falls due every tREFI and is postponed until `most_postponed` are owed (JESD235,
// JESD238 allow 8); then, where all banks are closed, all that are owed are issued one after the
// other.
#pragma once

#include <cstdint>

#include "models/hbm_pim/gemv_result.h"
#include "models/hbm_pim/pim_command_source.h"
#include "models/hbm_pim/pseudo_channel_state.h"

namespace hpimvp::hbm_pim {

// Whom to tell about each command, in the order of cycles.
struct CommandObserver {
  void (*notify)(void* context, const CommandRecord& record) = nullptr;
  void* context = nullptr;
};

// Issues commands one by one and keeps account of them.
class GemvWalk {
 public:
  using Cycle = std::uint64_t;

  // References must outlive the walk, which starts at state.now.
  GemvWalk(PseudoChannelState& state, const GapAttribution& attribution,
           const CommandObserver& observer = {}, std::uint16_t pseudo_channel = 0);

  // Closes rows and enters PIM mode, if necessary.
  void enter();
  void step(DramCommand command, const CommandAddress& address);
  // Leaves PIM mode; now is the end of the GEMV.
  void leave();

  // For starting in the middle of a stream.
  void set_previous(DramCommand command) { previous_ = command; }
  DramCommand previous() const { return previous_; }
  // Cycle of the last command that found all banks closed, plus 1; 0: there was none.
  Cycle last_closed() const { return last_closed_; }
  GemvResult& result() { return result_; }

 private:
  void refresh_before(DramCommand command, const CommandAddress& address);
  void issue(DramCommand command, const CommandAddress& address, Cycle cycle);
  Cycle earliest(DramCommand command, const CommandAddress& address) const {
    const Cycle cycle = state_.timing.earliest(command, address);
    return cycle > state_.now ? cycle : state_.now;
  }

  PseudoChannelState& state_;
  const GapAttribution& attribution_;
  CommandObserver observer_;
  std::uint16_t pseudo_channel_;
  DramCommand previous_ = GapAttribution::kNothing;
  Cycle last_closed_ = 0;
  GemvResult result_;
};

class GemvCommandEngine {
 public:
  // `device` has passed check().
  explicit GemvCommandEngine(const DeviceDescription& device) : attribution_(device) {}

  // From state.now on; afterwards that is the result's end. An empty stream takes no time. The
  // stream keeps to pim_command_source.h and to what the state of rows allows.
  GemvResult run(PseudoChannelState& state, const PimCommandSource& source,
                 const CommandObserver& observer = {}, std::uint16_t pseudo_channel = 0) const;

 private:
  GapAttribution attribution_;
};

}  // namespace hpimvp::hbm_pim
