#include "models/hbm_pim/gemv_command_engine.h"

#include <algorithm>

namespace hpimvp::hbm_pim {

GemvWalk::GemvWalk(PseudoChannelState& state, const GapAttribution& attribution,
                   const CommandObserver& observer, std::uint16_t pseudo_channel)
    : state_(state),
      attribution_(attribution),
      observer_(observer),
      pseudo_channel_(pseudo_channel) {
  result_.start = state.now;
  result_.end = state.now;
}

void GemvWalk::issue(DramCommand command, const CommandAddress& address, Cycle cycle) {
  attribution_.add(previous_, command, cycle - state_.now, result_.cycles);
  state_.timing.issue(command, address, cycle);
  state_.now = cycle;
  previous_ = command;
  ++result_.commands[static_cast<unsigned>(command)];
  if (observer_.notify != nullptr) {
    observer_.notify(observer_.context, {cycle, pseudo_channel_, command, address});
  }
}

void GemvWalk::enter() {
  if (state_.timing.pim_mode()) return;
  if (!state_.timing.all_closed()) {
    const CommandAddress none;
    issue(DramCommand::kPrechargeAll, none, earliest(DramCommand::kPrechargeAll, none));
  }
  step(DramCommand::kPimEnter, {});
}

void GemvWalk::leave() {
  step(DramCommand::kPimExit, {});
  const Cycle out = state_.timing.device()[Parameter::kTPIMOUT];
  result_.cycles[static_cast<unsigned>(GemvPart::kModeChange)] += out;
  state_.now += out;
  result_.end = state_.now;
  previous_ = GapAttribution::kNothing;
}

void GemvWalk::step(DramCommand command, const CommandAddress& address) {
  if (state_.timing.all_closed()) {
    refresh_before(command, address);
    const Cycle cycle = earliest(command, address);
    last_closed_ = cycle + 1;
    issue(command, address, cycle);
    return;
  }
  issue(command, address, earliest(command, address));
}

// Refreshes if, by the time the command could come, as many are owed as may be.
void GemvWalk::refresh_before(DramCommand command, const CommandAddress& address) {
  RefreshSchedule& refresh = state_.refresh;
  for (;;) {
    const Cycle candidate = earliest(command, address);
    Cycle from = state_.now;
    refresh.advance(from);
    while (!refresh.urgent() && refresh.next_due() <= candidate) {
      from = refresh.next_due();
      refresh.advance(from);
    }
    if (!refresh.urgent()) return;
    while (refresh.owed() > 0) {
      from = std::max(from, earliest(DramCommand::kRefresh, {}));
      refresh.advance(from);
      issue(DramCommand::kRefresh, {}, from);
      refresh.pay(1);
    }
  }
}

GemvResult GemvCommandEngine::run(PseudoChannelState& state, const PimCommandSource& source,
                                  const CommandObserver& observer,
                                  std::uint16_t pseudo_channel) const {
  GemvWalk walk(state, attribution_, observer, pseudo_channel);
  std::span<const PimCommand> commands = source.next(source.context);
  if (commands.empty()) return walk.result();
  walk.enter();
  while (!commands.empty()) {
    for (const PimCommand& next : commands) walk.step(next.command, next.address);
    commands = source.next(source.context);
  }
  walk.leave();
  return walk.result();
}

}  // namespace hpimvp::hbm_pim
