// When may a command be issued? The timing state of one pseudo-channel: open rows, mode, and for
// every place in it the first cycle at which each command is allowed, compiled from the constraint
// table of a DeviceDescription. For schedulers; it decides nothing itself.
//
// Ready times are pushed: issue() raises those of the commands that a constraint names, so that
// earliest() only takes the largest of four numbers. Neither allocates. Copies are independent and
// cheap (about 10 KiB), which suits look-ahead.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "models/hbm_pim/device_description.h"

namespace hpimvp::hbm_pim {

class CommandTiming {
 public:
  using Cycle = std::uint64_t;
  static constexpr std::uint32_t kNoRow = 0xFFFFFFFF;

  // `device` has passed check(). Rows named `disabled_constraint` are left out: for tests that show
  // that a checker finds the difference. Throws std::invalid_argument if no row has that name.
  explicit CommandTiming(const DeviceDescription& device,
                         std::string_view disabled_constraint = {});

  // Whether the state of rows and modes allows the command at all, apart from time.
  bool is_legal(DramCommand command, const CommandAddress& address) const;
  // The first cycle at which the constraints allow it, not counting from any "now".
  Cycle earliest(DramCommand command, const CommandAddress& address) const;
  // earliest() of a command to one bank in two parts, for schedulers that compare many banks: it is
  // the larger of what the pseudo-channel and what bank, bank group and stack ID allow.
  Cycle earliest_in_pseudo_channel(DramCommand command) const {
    return ready_[static_cast<std::size_t>(command)];
  }
  Cycle earliest_in_bank(DramCommand command, std::uint32_t bank_index) const {
    const BankPlace& place = bank_places_[bank_index];
    const Cycle* ready = ready_.data() + static_cast<std::size_t>(command);
    return std::max({ready[place.stack_id], ready[place.bank_group], ready[place.bank]});
  }
  // Preconditions: is_legal(), and cycle >= earliest().
  void issue(DramCommand command, const CommandAddress& address, Cycle cycle);

  // kNoRow: closed.
  std::uint32_t open_row(const CommandAddress& address) const;
  std::uint32_t open_row(std::uint32_t bank_index) const { return open_rows_[bank_index]; }
  bool all_closed() const { return open_banks_ == 0; }
  bool pim_mode() const { return pim_mode_; }
  bool powered_down() const { return powered_down_; }

  // Moves all times by `cycles`: the state as it would be had everything happened that much later.
  void shift(Cycle cycles);
  // The state for another `now`, to the same effect on every command from then on; times that do
  // not bind from `from` on are dropped. Precondition: no binding command lies further back from
  // `from` than `to` does from 0.
  void rebase(Cycle from, Cycle to);
  // Same rows and modes, and the same constraints on every command from `now` (here) and
  // `other_now` (there) on.
  bool same_from(Cycle now, const CommandTiming& other, Cycle other_now) const;
  // The same number for states that are same_from() each other at their `now`.
  std::uint64_t hash_from(Cycle now) const;

  // What still binds, in a form that can be kept and put back for another time: a number of the
  // state and its time from a `now` on (of past commands: negative).
  struct Binding {
    std::uint32_t number = 0;
    std::int64_t time = 0;

    friend bool operator==(const Binding&, const Binding&) = default;
  };
  // From this cycle on nothing binds. (It may be earlier: an upper bound.)
  Cycle binds_until() const { return binds_until_; }
  // Appends what binds a command at or after `from`, in ascending order of numbers; times are
  // relative to `base`.
  void bindings(Cycle from, Cycle base, std::vector<Binding>& bindings) const;
  // The constraints after commands that were issued in place of this class, from a state with the
  // same bindings(), the last of them at `last`: `bindings` are those behind it, relative to
  // `base`.
  void resume(std::span<const Binding> bindings, Cycle base, Cycle last);
  // The bank's row after such commands; kNoRow: closed.
  void set_open_row(std::uint32_t bank_index, std::uint32_t row) {
    if (open_rows_[bank_index] != kNoRow) --open_banks_;
    if (row != kNoRow) ++open_banks_;
    open_rows_[bank_index] = row;
  }
  // Whether refresh commands that are `interval` apart do not hold each other up.
  bool refreshes_fit(Cycle interval) const;

  const DeviceDescription& device() const;

 private:
  struct Table;  // the compiled constraints, shared by copies
  // The instances that a command acts on, from the pseudo-channel down: where their ready times
  // begin. Behind its end the pseudo-channel's again.
  using Path = std::array<std::uint32_t, 4>;
  // Where the ready times of a bank's instances begin.
  struct BankPlace {
    std::uint32_t stack_id;
    std::uint32_t bank_group;
    std::uint32_t bank;
  };

  Path path(DramCommand command, const CommandAddress& address) const;
  template <typename Window>
  void push_window(const Window& window, std::uint32_t instance, Cycle cycle);
  void change_rows(DramCommand command, const CommandAddress& address);
  void open_group(const CommandAddress& address);
  void close_operand_group(std::uint32_t operand_group);

  std::shared_ptr<const Table> table_;
  const BankPlace* bank_places_;  // in the table
  // Ready times, by instance (pseudo-channel, stack IDs, bank groups, banks, operand groups) and
  // command; behind those of an instance, at kUntil, a cycle from which on none of them binds.
  std::vector<Cycle> ready_;
  std::vector<Cycle> history_;  // of the windows longer than 1: the last cycles plus 1, 0 for none
  std::vector<std::uint32_t> open_rows_;  // by bank
  // In PIM mode: open banks of each operand group, and whether an activate group is open.
  std::vector<std::uint32_t> open_in_operand_group_;
  std::vector<std::uint8_t> activate_group_open_;
  std::uint32_t open_banks_ = 0;
  Cycle binds_until_ = 0;
  bool pim_mode_ = false;
  bool powered_down_ = false;
};

}  // namespace hpimvp::hbm_pim
