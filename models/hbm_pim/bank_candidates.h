// The banks of a pseudo-channel that need the same command next, and the one of them whose command
// goes first: by the cycle at which it can go, then by age. The controller says which banks those
// are; this class finds the first without a look at all of them for every command.
//
// Constraints only ever hold commands up further. So the first is remembered and stays the first as
// long as it can go at the cycle at which it could when it was found. And when it is gone or held
// up, the search for the next goes by the cycles at which the others could go when they were last
// looked at, and asks the timing only for the one that it finds.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "models/hbm_pim/command_timing.h"

namespace hpimvp::hbm_pim {

// Which command goes first, as one number: the smaller one, that of the earlier cycle, at the same
// cycle that of the smaller order.
using Precedence = unsigned __int128;

constexpr Precedence precedence_of(std::uint64_t cycle, std::uint64_t order) {
  return Precedence{cycle} << 64 | order;
}
constexpr std::uint64_t cycle_of(Precedence precedence) {
  return static_cast<std::uint64_t>(precedence >> 64);
}

class BankCandidates {
 public:
  using Cycle = CommandTiming::Cycle;
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  struct Candidate {
    Precedence precedence = ~Precedence{0};
    std::uint32_t bank = kNone;
    std::uint32_t tag = kNone;  // the controller's
  };

  BankCandidates(std::uint32_t banks, DramCommand command) : banks_(banks), command_(command) {}

  DramCommand command() const { return command_; }

  // No bank is left, and those to come need `command`.
  void reset(DramCommand command);
  // The bank needs the command, with this order among those of the same cycle. `now` as for
  // first().
  void set(std::uint32_t bank, std::uint64_t order, std::uint32_t tag, const CommandTiming& timing,
           Cycle now);
  // It does not, if it did before.
  void remove(std::uint32_t bank) {
    if (banks_[bank].place != kNone) take_out(bank);
  }

  // The candidate that goes first from `now` on; that of no bank if there is none. Precondition:
  // `now` is not less than in earlier calls, and `timing` has only had commands issued since.
  const Candidate& first(const CommandTiming& timing, Cycle now) {
    if (size_ != 0 && !is_still_first(timing, now)) search(timing, now);
    return first_;
  }

 private:
  // Element i: the i-th bank that needs the command, and the place of bank i.
  struct Bank {
    Cycle ready = 0;  // not before: what the timing said last
    std::uint64_t order = 0;
    std::uint32_t bank = 0;
    std::uint32_t tag = 0;
    std::uint32_t place = kNone;
  };

  Cycle from(const CommandTiming& timing, Cycle now) const {
    return std::max(now, timing.earliest_in_pseudo_channel(command_));
  }
  bool is_still_first(const CommandTiming& timing, Cycle now) const {
    if (first_.bank == kNone) return false;
    const Cycle cycle = std::max(from(timing, now), timing.earliest_in_bank(command_, first_.bank));
    return cycle == cycle_of(first_.precedence);
  }
  void take_out(std::uint32_t bank);
  void search(const CommandTiming& timing, Cycle now);

  std::vector<Bank> banks_;
  std::uint32_t size_ = 0;
  DramCommand command_;
  Candidate first_;  // of no bank: not known
};

}  // namespace hpimvp::hbm_pim
