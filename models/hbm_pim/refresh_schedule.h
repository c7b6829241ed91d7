// When refresh commands fall due, and how many are owed: refresh may be postponed, up to 8 commands
// in JESD235/JESD238, after which the controller must catch up.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace hpimvp::hbm_pim {

class RefreshSchedule {
 public:
  using Cycle = std::uint64_t;

  // `interval` 0: no refresh. The first command falls due at `interval`.
  RefreshSchedule(Cycle interval, std::uint32_t most_postponed)
      : interval_(interval),
        urgent_from_(std::max<std::uint32_t>(most_postponed, 1)),
        next_due_(interval == 0 ? std::numeric_limits<Cycle>::max() : interval) {}

  void advance(Cycle now) {
    if (now < next_due_) return;
    const Cycle due = (now - next_due_) / interval_ + 1;
    owed_ += due;
    next_due_ += due * interval_;
  }
  void pay(Cycle commands) { owed_ -= std::min(owed_, commands); }

  // `commands` have fallen due since and were paid.
  void skip(Cycle commands) { next_due_ += commands * interval_; }

  Cycle interval() const { return interval_; }
  Cycle owed() const { return owed_; }
  bool urgent() const { return owed_ >= urgent_from_; }
  Cycle next_due() const { return next_due_; }
  // When urgent() becomes true if nothing is paid; 0 if it is.
  Cycle urgent_at() const {
    return urgent() ? 0 : next_due_ + (urgent_from_ - owed_ - 1) * interval_;
  }

  friend bool operator==(const RefreshSchedule&, const RefreshSchedule&) = default;

 private:
  Cycle interval_;
  std::uint32_t urgent_from_;
  Cycle next_due_;
  Cycle owed_ = 0;
};

}  // namespace hpimvp::hbm_pim
