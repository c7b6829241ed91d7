// What each bank of a pseudo-channel needs next, and which of these commands goes first: by the
// cycle at which it can go, then by an order that the controller gives. The controller says what
// banks need; this class finds the first command without a look at all banks for each.
//
// Banks that need the same kind of command are in one list, whose first is remembered. Constraints
// only ever hold commands up further, so it stays the first as long as it can go at the cycle at
// which it could when it was found: mostly, one list is searched anew for a command. And the search
// goes by the cycles at which commands could go when they were last looked at; it asks the timing
// only for the one that it finds.
#pragma once

#include <algorithm>
#include <array>
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

enum class BankNeed : std::uint8_t { kNothing, kColumn, kActivate, kPrecharge };

class BankCandidates {
 public:
  using Cycle = CommandTiming::Cycle;

  struct Candidate {
    Precedence precedence = ~Precedence{0};  // of no bank: the largest
    DramCommand command = DramCommand::kCount;
    std::uint32_t bank = 0;
    std::uint32_t tag = 0;
  };

  explicit BankCandidates(std::uint32_t banks);

  // No bank needs anything; the columns of those to come are read or written.
  void reset(DramCommand column);
  // The bank needs this now, with this order; the tag is the controller's. `now` as for first().
  void set(std::uint32_t bank, BankNeed need, std::uint64_t order, std::uint32_t tag,
           const CommandTiming& timing, Cycle now);
  // It needs nothing.
  void remove(std::uint32_t bank) {
    if (places_[bank].need != BankNeed::kNothing) take_out(bank);
  }
  // The candidate that goes first from `now` on. Precondition: `now` is not less than in earlier
  // calls since reset(), and `timing` has only had commands issued meanwhile.
  Candidate first(const CommandTiming& timing, Cycle now);

 private:
  static constexpr std::uint32_t kNoBank = 0xFFFFFFFF;
  static constexpr std::uint32_t kLists = 3;

  struct Element {
    Cycle ready = 0;  // not before: what the timing said last
    std::uint64_t order = 0;
    std::uint32_t bank = 0;
    std::uint32_t tag = 0;
  };
  struct List {
    std::uint32_t begin = 0;  // in elements_
    std::uint32_t size = 0;
    DramCommand command = DramCommand::kCount;
    std::uint32_t first_bank = kNoBank;  // not known
    std::uint32_t first_tag = 0;
    Precedence first = ~Precedence{0};
  };
  struct Place {
    BankNeed need = BankNeed::kNothing;
    std::uint32_t element = 0;
  };

  List& list_of(BankNeed need) { return lists_[static_cast<unsigned>(need) - 1]; }
  static Cycle from(const List& list, const CommandTiming& timing, Cycle now) {
    return std::max(now, timing.earliest_in_pseudo_channel(list.command));
  }
  static bool is_first_known(const List& list, const CommandTiming& timing, Cycle now) {
    if (list.first_bank == kNoBank) return list.size == 0;
    const Cycle cycle =
        std::max(from(list, timing, now), timing.earliest_in_bank(list.command, list.first_bank));
    return cycle == cycle_of(list.first);
  }
  static void forget_first(List& list) {
    list.first_bank = kNoBank;
    list.first = ~Precedence{0};
  }
  void take_out(std::uint32_t bank);
  void search(List& list, const CommandTiming& timing, Cycle now);

  std::array<List, kLists> lists_;
  std::vector<Element> elements_;  // of each list, as many as there are banks
  std::vector<Place> places_;      // by bank
};

}  // namespace hpimvp::hbm_pim
