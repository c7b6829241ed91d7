// The banks of a pseudo-channel that need the same command next, and the one of them whose command
// goes first: by the cycle at which it can go, then by age. The controller says which banks those
// are; this class finds the first without a look at all of them for every command.
//
// The first is remembered. Constraints only ever hold commands up further, so it stays the first as
// long as it can go at the cycle at which it could when it was found; a search is due only when it
// is held up or gone. In streams of requests that is mostly once for a command, and among the banks
// that need this command, not all.
#pragma once

#include <cstdint>
#include <vector>

#include "models/hbm_pim/command_timing.h"

namespace hpimvp::hbm_pim {

class BankCandidates {
 public:
  using Cycle = CommandTiming::Cycle;
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  struct Candidate {
    Cycle cycle = ~Cycle{0};
    std::uint64_t order = ~std::uint64_t{0};  // its age: smaller goes first at the same cycle
    std::uint32_t bank = kNone;
    std::uint32_t tag = kNone;  // the controller's
  };

  BankCandidates(std::uint32_t banks, DramCommand command) : banks_(banks), command_(command) {}

  DramCommand command() const { return command_; }
  bool empty() const { return size_ == 0; }

  // No bank is left, and those to come need `command`.
  void reset(DramCommand command);
  // The bank needs the command, for a request of this age. `now` is the first cycle at which it may
  // go, as in first().
  void set(std::uint32_t bank, std::uint64_t order, std::uint32_t tag, const CommandTiming& timing,
           Cycle now);
  // It does not, if it did before.
  void remove(std::uint32_t bank) {
    if (banks_[bank].place != kNone) take_out(bank);
  }

  // The candidate that goes first from `now` on; that of no bank if there is none. Precondition:
  // `now` is not less than in earlier calls, and `timing` has only had commands issued since.
  const Candidate& first(const CommandTiming& timing, Cycle now) {
    if (first_.bank == kNone || cycle_of(first_.bank, timing, from(timing, now)) != first_.cycle) {
      search(timing, from(timing, now));
    }
    return first_;
  }

 private:
  // Element i of banks_: the i-th bank that needs the command, and the place of bank i.
  struct Bank {
    std::uint64_t order = 0;
    std::uint32_t bank = 0;
    std::uint32_t tag = 0;
    std::uint32_t place = kNone;
  };

  Cycle from(const CommandTiming& timing, Cycle now) const {
    return std::max(now, timing.earliest_in_pseudo_channel(command_));
  }
  Cycle cycle_of(std::uint32_t bank, const CommandTiming& timing, Cycle from) const {
    return std::max(from, timing.earliest_in_bank(command_, bank));
  }
  void take_out(std::uint32_t bank);
  void search(const CommandTiming& timing, Cycle from);

  std::vector<Bank> banks_;
  std::uint32_t size_ = 0;
  DramCommand command_;
  Candidate first_;  // of no bank: not known
};

}  // namespace hpimvp::hbm_pim
