// The results of GemvCommandEngine, cycle for cycle, without walking every command.
//
// The timing of a block of commands depends on nothing but the state in which it begins: which
// constraints still bind, relative to now, and the command before. So states are numbered, and for
// each pair of state and block it is remembered how long the block takes and which state it leaves;
// the first time is computed with the command timing itself, in GemvWalk. A row pattern that leads
// back to its own state is the steady state: its repetitions are one multiplication, up to the next
// refresh. Blocks that a refresh breaks into are walked command by command. Pseudo-channels in the
// same state with the same work are computed once.
//
// Not for several threads at once.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "models/hbm_pim/gemv_command_engine.h"
#include "models/hbm_pim/gemv_stream.h"

namespace hpimvp::hbm_pim {

class GemvFastEngine {
 public:
  using Cycle = std::uint64_t;

  // A PseudoChannelState of which the timing is the number of a state that this engine knows.
  struct Channel {
    std::uint32_t timing = 0;
    RefreshSchedule refresh{0, 1};
    Cycle now = 0;

    friend bool operator==(const Channel&, const Channel&) = default;
  };

  struct Statistics {
    std::uint64_t blocks = 0;         // repetitions included
    std::uint64_t walked_blocks = 0;  // command by command because of a refresh
    std::uint64_t learned_blocks = 0;
    std::uint64_t shared_channels = 0;  // whose result was another's
    std::size_t states = 0;             // few: blocks leave the same few states behind
    std::size_t patterns = 0;
  };

  // `device` has passed check().
  explicit GemvFastEngine(const DeviceDescription& device);

  // How far a channel has come in a GEMV.
  struct Place {
    // Entering PIM mode, the blocks of GemvProgram, leaving: so many have been done.
    std::uint32_t stretches = 0;
    std::uint32_t repetitions = 0;  // of the next one
    Cycle entered = 0;              // when advance() has entered PIM mode

    // Whether commands of the program have been done.
    bool amid_program() const { return stretches > 1 || repetitions > 0; }

    friend bool operator==(const Place&, const Place&) = default;
  };

  // `previous`: the command before, if the state is amid a GEMV.
  Channel channel_of(const PseudoChannelState& state,
                     DramCommand previous = GapAttribution::kNothing) {
    return channel_of(state.timing, state.refresh, state.now, previous);
  }
  Channel channel_of(const CommandTiming& timing, const RefreshSchedule& refresh, Cycle now,
                     DramCommand previous);
  DramCommand previous_of(const Channel& channel) const { return states_[channel.timing].previous; }
  PseudoChannelState state_of(const Channel& channel) const;

  // From channel.now on; afterwards that is the result's end. Throws as GemvProgram does.
  GemvResult run(Channel& channel, const PseudoChannelGemv& gemv);
  // The rest of it, from a place on. The result is that of the rest.
  GemvResult run_rest(Channel& channel, const PseudoChannelGemv& gemv, Place place);
  // How far advance() goes: a block is done if all its commands come at `latest` or before, or if
  // those that find all banks closed come before `closed_before`.
  struct Limit {
    Cycle latest = 0;
    Cycle closed_before = 0;
  };
  // From `place` on, blocks up to the limit. Goes through PIM mode's entry too, not through its
  // end. `place` is then where the channel stands, at the last command, and the result that of what
  // was done.
  GemvResult advance(Channel& channel, const PseudoChannelGemv& gemv, Place& place, Limit limit);
  // One GEMV for each channel. The three have the same size.
  void run(std::span<Channel> channels, std::span<const PseudoChannelGemv> gemvs,
           std::span<GemvResult> results);

  Statistics statistics() const;

  // Frees what was learned (about 10 KiB for each state that a channel_of() or a GEMV came upon)
  // and makes all channels invalid. For callers with many different states: convert them by
  // state_of() before.
  void forget();

 private:
  struct State {
    CommandTiming timing;  // with kBase for now
    DramCommand previous;
  };
  // What a block does from a state.
  struct Transition {
    std::uint32_t next = 0;
    Cycle cycles = 0;
    Cycle last_closed = 0;  // when its last command was issued that found all banks closed, plus 1
    std::array<std::uint64_t, kDramCommands> commands{};
    std::array<Cycle, kGemvParts> parts{};
  };
  // A stretch of the program of a GEMV.
  struct Stretch {
    std::uint32_t block = 0;  // number of its pattern
    std::uint32_t repetitions = 1;
  };
  struct Plan {
    std::vector<Stretch> stretches;
    std::uint64_t rows = 0;
  };
  using Shape = std::tuple<std::uint32_t, std::uint32_t, bool>;  // inputs, outputs, bias

  static constexpr Cycle kBase = Cycle{1} << 32;
  static constexpr Cycle kNever = ~Cycle{0};
  static constexpr std::uint32_t kEnter = 0;  // patterns that are not in a program
  static constexpr std::uint32_t kLeave = 1;
  // Of plans and of patterns; beyond, all are forgotten and learned anew.
  static constexpr std::size_t kMostRemembered = 4096;

  void forget_if_full();
  const Plan& plan(const PseudoChannelGemv& gemv);
  std::uint32_t pattern_number(std::span<const CommandRun> runs);
  std::uint32_t state_number(const CommandTiming& timing, Cycle now, DramCommand previous);
  const Transition& transition(std::uint32_t state, std::uint32_t block);
  // Returns how many repetitions it has done, up to the limit.
  std::uint32_t run_stretch(Channel& channel, Stretch stretch, GemvResult& result, Limit limit);
  void walk_block(Channel& channel, std::uint32_t block, GemvResult& result);
  void walk(GemvWalk& walk, std::uint32_t block) const;

  DeviceDescription device_;
  GapAttribution attribution_;
  std::vector<State> states_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> state_by_hash_;
  std::vector<std::vector<CommandRun>> patterns_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> pattern_by_hash_;
  std::unordered_map<std::uint64_t, Transition> transitions_;  // by state and pattern
  std::map<Shape, Plan> plans_;
  Statistics statistics_;
};

}  // namespace hpimvp::hbm_pim
