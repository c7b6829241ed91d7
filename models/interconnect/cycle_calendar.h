// Events of a simulation in whole cycles, taken in the order of their cycles. What lies within the
// next kWindow cycles is in a ring with a list for each cycle, so that adding and taking cost the
// same however many events wait; the rare others are in a heap.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

namespace hpimvp::interconnect {

class CycleCalendar {
 public:
  using Cycle = std::uint64_t;
  static constexpr Cycle kNever = ~Cycle{0};
  static constexpr std::size_t kWindow = 1024;

  // `cycle` is later than any that has been taken, and not kNever.
  void add(Cycle cycle, std::uint32_t event) {
    if (cycle - from_ >= kWindow) {
      far_.push({cycle, event});
      return;
    }
    const std::size_t place = cycle % kWindow;
    lists_[place].push_back(event);
    used_[place / kWordBits] |= std::uint64_t{1} << place % kWordBits;
  }

  // Of the earliest event; kNever if there is none.
  Cycle next() const {
    const Cycle far = far_.empty() ? kNever : far_.top().first;
    const Cycle near = next_in_ring();
    return near < far ? near : far;
  }

  // Replaces `events` by those of `cycle`, which is next(), in no particular order.
  void take(Cycle cycle, std::vector<std::uint32_t>& events) {
    events.clear();
    if (cycle - from_ < kWindow) {
      const std::size_t place = cycle % kWindow;
      events.swap(lists_[place]);
      used_[place / kWordBits] &= ~(std::uint64_t{1} << place % kWordBits);
    }
    for (; !far_.empty() && far_.top().first == cycle; far_.pop()) {
      events.push_back(far_.top().second);
    }
    from_ = cycle + 1;
  }

 private:
  static constexpr std::size_t kWordBits = 64;
  static constexpr std::size_t kWords = kWindow / kWordBits;
  using Far = std::pair<Cycle, std::uint32_t>;

  Cycle next_in_ring() const {
    const std::size_t start = from_ % kWindow;
    const std::size_t first = start / kWordBits;
    // The word in which the window begins is looked at twice: it also holds the window's end.
    for (std::size_t i = 0; i <= kWords; ++i) {
      const std::size_t word = (first + i) % kWords;
      std::uint64_t bits = used_[word];
      const std::uint64_t before_start = (std::uint64_t{1} << start % kWordBits) - 1;
      if (i == 0) bits &= ~before_start;
      if (i == kWords) bits &= before_start;
      if (bits == 0) continue;
      const std::size_t place = word * kWordBits + static_cast<std::size_t>(std::countr_zero(bits));
      return from_ + (place + kWindow - start) % kWindow;
    }
    return kNever;
  }

  Cycle from_ = 0;  // the window's first cycle
  std::array<std::vector<std::uint32_t>, kWindow> lists_;
  std::array<std::uint64_t, kWords> used_{};  // which lists hold something
  std::priority_queue<Far, std::vector<Far>, std::greater<>> far_;
};

}  // namespace hpimvp::interconnect
