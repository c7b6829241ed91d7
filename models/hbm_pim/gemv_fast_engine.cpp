#include "models/hbm_pim/gemv_fast_engine.h"

#include <algorithm>
#include <stdexcept>

#include "models/common/hash.h"

namespace hpimvp::hbm_pim {

namespace {

template <std::size_t size>
void add(std::array<std::uint64_t, size>& sums, const std::array<std::uint64_t, size>& terms,
         std::uint64_t times) {
  for (std::size_t i = 0; i < size; ++i) sums[i] += terms[i] * times;
}

// Of what CommandRun::same_shape() compares.
std::uint64_t hash_of(std::span<const CommandRun> runs) {
  std::uint64_t hash = common::kHashStart;
  for (const CommandRun& run : runs) {
    const std::uint64_t value = static_cast<std::uint64_t>(run.command) |
                                std::uint64_t{run.bank} << 8 | std::uint64_t{run.column} << 16 |
                                std::uint64_t{run.count} << 32;
    hash = common::hash_with(hash, value);
  }
  return hash;
}

}  // namespace

GemvFastEngine::GemvFastEngine(const DeviceDescription& device)
    : device_(device), attribution_(device), patterns_(2) {}

GemvFastEngine::Statistics GemvFastEngine::statistics() const {
  Statistics statistics = statistics_;
  statistics.states = states_.size();
  statistics.patterns = patterns_.size();
  return statistics;
}

GemvFastEngine::Channel GemvFastEngine::channel_of(const CommandTiming& timing,
                                                   const RefreshSchedule& refresh, Cycle now,
                                                   DramCommand previous) {
  return {state_number(timing, now, previous), refresh, now};
}

PseudoChannelState GemvFastEngine::state_of(const Channel& channel) const {
  PseudoChannelState state(states_[channel.timing].timing, channel.refresh, channel.now);
  state.timing.rebase(kBase, channel.now);
  return state;
}

std::uint32_t GemvFastEngine::state_number(const CommandTiming& timing, Cycle now,
                                           DramCommand previous) {
  const std::uint64_t hash = timing.hash_from(now);
  const auto [first, last] = state_by_hash_.equal_range(hash);
  for (auto candidate = first; candidate != last; ++candidate) {
    const State& known = states_[candidate->second];
    if (known.previous == previous && known.timing.same_from(kBase, timing, now)) {
      return candidate->second;
    }
  }
  const auto number = static_cast<std::uint32_t>(states_.size());
  states_.push_back({timing, previous});
  states_.back().timing.rebase(now, kBase);
  state_by_hash_.emplace(hash, number);
  return number;
}

std::uint32_t GemvFastEngine::pattern_number(std::span<const CommandRun> runs) {
  const std::uint64_t hash = hash_of(runs);
  const auto [first, last] = pattern_by_hash_.equal_range(hash);
  for (auto candidate = first; candidate != last; ++candidate) {
    const std::vector<CommandRun>& pattern = patterns_[candidate->second];
    if (std::equal(
            runs.begin(), runs.end(), pattern.begin(), pattern.end(),
            [](const CommandRun& one, const CommandRun& other) { return one.same_shape(other); })) {
      return candidate->second;
    }
  }
  const auto number = static_cast<std::uint32_t>(patterns_.size());
  patterns_.emplace_back(runs.begin(), runs.end());
  pattern_by_hash_.emplace(hash, number);
  return number;
}

void GemvFastEngine::forget() {
  states_.clear();
  state_by_hash_.clear();
  transitions_.clear();
}

// States stay: channels refer to them.
void GemvFastEngine::forget_if_full() {
  if (patterns_.size() <= kMostRemembered && plans_.size() <= kMostRemembered) return;
  plans_.clear();
  pattern_by_hash_.clear();
  patterns_.resize(kLeave + 1);
  transitions_.clear();
}

const GemvFastEngine::Plan& GemvFastEngine::plan(const PseudoChannelGemv& gemv) {
  const Shape shape(gemv.inputs, gemv.outputs, gemv.bias);
  const auto known = plans_.find(shape);
  if (known != plans_.end() && gemv.weight_row + known->second.rows <= device_.organisation.rows) {
    return known->second;
  }
  const GemvProgram program(device_, gemv);
  Plan plan;
  plan.rows = weight_rows(device_, gemv);
  if (!program.blocks().empty()) {
    plan.stretches.push_back({kEnter, 1});
    for (const CommandBlock& block : program.blocks()) {
      plan.stretches.push_back({pattern_number(program.runs(block)), block.repetitions});
    }
    plan.stretches.push_back({kLeave, 1});
  }
  return plans_.emplace(shape, std::move(plan)).first->second;
}

void GemvFastEngine::walk(GemvWalk& walk, std::uint32_t block) const {
  if (block == kEnter) return walk.enter();
  if (block == kLeave) return walk.leave();
  for (const CommandRun& run : patterns_[block]) {
    expand(run, device_.operand_groups(),
           [&walk](DramCommand command, const CommandAddress& at) { walk.step(command, at); });
  }
}

// What the block does without a refresh in it.
const GemvFastEngine::Transition& GemvFastEngine::transition(std::uint32_t state,
                                                             std::uint32_t block) {
  const std::uint64_t key = std::uint64_t{state} << 32 | block;
  const auto known = transitions_.find(key);
  if (known != transitions_.end()) return known->second;
  ++statistics_.learned_blocks;
  const RefreshSchedule no_refresh(0, 1);
  PseudoChannelState trial(states_[state].timing, no_refresh, kBase);
  GemvWalk walk(trial, attribution_);
  walk.set_previous(states_[state].previous);
  this->walk(walk, block);
  Transition learned;
  learned.next = state_number(trial.timing, trial.now, walk.previous());
  learned.cycles = trial.now - kBase;
  learned.last_closed = walk.last_closed() == 0 ? 0 : walk.last_closed() - kBase;
  learned.commands = walk.result().commands;
  learned.parts = walk.result().cycles;
  return transitions_.emplace(key, learned).first->second;
}

void GemvFastEngine::walk_block(Channel& channel, std::uint32_t block, GemvResult& result) {
  ++statistics_.walked_blocks;
  PseudoChannelState state = state_of(channel);
  GemvWalk walk(state, attribution_);
  walk.set_previous(states_[channel.timing].previous);
  this->walk(walk, block);
  add(result.commands, walk.result().commands, 1);
  add(result.cycles, walk.result().cycles, 1);
  channel = {state_number(state.timing, state.now, walk.previous()), state.refresh, state.now};
}

std::uint32_t GemvFastEngine::run_stretch(Channel& channel, Stretch stretch, GemvResult& result,
                                          Limit limit) {
  const Cycle latest = limit.latest;
  const Cycle closed_before = limit.closed_before;
  std::uint32_t left = stretch.repetitions;
  while (left > 0) {
    const Transition& step = transition(channel.timing, stretch.block);
    channel.refresh.advance(channel.now);
    const Cycle urgent_at = channel.refresh.urgent_at();
    const bool ends_early = channel.now + step.cycles <= latest;
    const bool closed_early = channel.now + step.last_closed <= closed_before;
    if (!ends_early && !closed_early) break;
    // A refresh comes before the first command at or after `urgent_at` that finds the banks closed.
    if (channel.now + step.last_closed > urgent_at) {
      const Channel before = channel;
      const GemvResult result_before = result;
      walk_block(channel, stretch.block, result);
      if (channel.now > latest && channel.now >= closed_before) {
        channel = before;
        result = result_before;
        break;
      }
      --left;
      continue;
    }
    Cycle times = 1;
    if (step.next == channel.timing) {
      times = left;
      if (step.cycles > 0) {
        times = std::min(times, (urgent_at - channel.now - step.last_closed) / step.cycles + 1);
        Cycle most = ends_early ? (latest - channel.now) / step.cycles : 0;
        if (closed_early) {
          const Cycle last_start = closed_before - step.last_closed;
          most = std::max(most, (last_start - channel.now) / step.cycles + 1);
        }
        times = std::min(times, most);
      }
    }
    add(result.commands, step.commands, times);
    add(result.cycles, step.parts, times);
    channel.now += step.cycles * times;
    channel.timing = step.next;
    left -= static_cast<std::uint32_t>(times);
  }
  statistics_.blocks += stretch.repetitions - left;
  return stretch.repetitions - left;
}

GemvResult GemvFastEngine::run(Channel& channel, const PseudoChannelGemv& gemv) {
  return run_rest(channel, gemv, {});
}

GemvResult GemvFastEngine::run_rest(Channel& channel, const PseudoChannelGemv& gemv, Place place) {
  forget_if_full();
  GemvResult result;
  result.start = channel.now;
  const Plan& plan = this->plan(gemv);
  for (std::size_t i = place.stretches; i < plan.stretches.size(); ++i) {
    Stretch stretch = plan.stretches[i];
    if (i == place.stretches) stretch.repetitions -= place.repetitions;
    run_stretch(channel, stretch, result, {kNever, 0});
  }
  result.end = channel.now;
  return result;
}

GemvResult GemvFastEngine::advance(Channel& channel, const PseudoChannelGemv& gemv, Place& place,
                                   Limit limit) {
  forget_if_full();
  GemvResult result;
  result.start = channel.now;
  const Plan& plan = this->plan(gemv);
  while (place.stretches + 1 < plan.stretches.size()) {
    Stretch stretch = plan.stretches[place.stretches];
    stretch.repetitions -= place.repetitions;
    const std::uint32_t done = run_stretch(channel, stretch, result, limit);
    place.repetitions += done;
    if (done < stretch.repetitions) break;
    if (place.stretches++ == kEnter) place.entered = channel.now;
    place.repetitions = 0;
  }
  result.end = channel.now;
  return result;
}

void GemvFastEngine::run(std::span<Channel> channels, std::span<const PseudoChannelGemv> gemvs,
                         std::span<GemvResult> results) {
  if (gemvs.size() != channels.size() || results.size() != channels.size()) {
    throw std::invalid_argument("as many GEMVs and results as pseudo-channels are needed");
  }
  // The first of each kind, as it was before it ran.
  struct Computed {
    Channel before;
    std::size_t index;
  };
  std::vector<Computed> computed;
  for (std::size_t i = 0; i < channels.size(); ++i) {
    const auto same = std::find_if(computed.begin(), computed.end(), [&](const Computed& other) {
      return other.before == channels[i] && gemvs[other.index] == gemvs[i];
    });
    if (same != computed.end()) {
      ++statistics_.shared_channels;
      results[i] = results[same->index];
      channels[i] = channels[same->index];
      continue;
    }
    computed.push_back({channels[i], i});
    results[i] = run(channels[i], gemvs[i]);
  }
}

}  // namespace hpimvp::hbm_pim
