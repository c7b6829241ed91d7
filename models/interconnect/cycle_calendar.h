// When each of a fixed number of items has its next event, in whole cycles: one event an item,
// taken in the order of cycles. What lies within the next kWindow cycles is in a ring with a list
// for each cycle, so that setting and taking cost the same however many events wait; the rare
// others are in a heap.
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

  explicit CycleCalendar(std::size_t items) : cycles_(items, kNever), following_(items, kNone) {
    first_.fill(kNone);
  }

  // The item's event is in `cycle` now, unless it already is in an earlier one. `cycle` is later
  // than any that has been taken, and not kNever.
  void bring_forward(std::uint32_t item, Cycle cycle) {
    if (cycles_[item] <= cycle) return;
    if (cycles_[item] - from_ < kWindow) remove(item);
    cycles_[item] = cycle;
    if (cycle - from_ >= kWindow) {
      far_.push({cycle, item});
      return;
    }
    const std::size_t place = cycle % kWindow;
    following_[item] = first_[place];
    first_[place] = item;
    used_[place / kWordBits] |= std::uint64_t{1} << place % kWordBits;
  }

  // Of the earliest event; kNever if there is none.
  Cycle next() {
    // The heap keeps events that have been brought forward.
    while (!far_.empty() && cycles_[far_.top().second] != far_.top().first) far_.pop();
    const Cycle far = far_.empty() ? kNever : far_.top().first;
    const Cycle near = next_in_ring();
    return near < far ? near : far;
  }

  // Calls `act(item)` for each event of `cycle`, which is next(), in no particular order. What it
  // brings forward lies after that cycle.
  template <typename Act>
  void take(Cycle cycle, Act&& act) {
    const std::size_t place = cycle % kWindow;
    std::uint32_t item = kNone;
    if (cycle - from_ < kWindow) {
      item = std::exchange(first_[place], kNone);
      used_[place / kWordBits] &= ~(std::uint64_t{1} << place % kWordBits);
    }
    from_ = cycle + 1;
    while (item != kNone) {
      const std::uint32_t following = following_[item];
      cycles_[item] = kNever;
      act(item);
      item = following;
    }
    while (!far_.empty() && far_.top().first == cycle) {
      const std::uint32_t far_item = far_.top().second;
      far_.pop();
      if (cycles_[far_item] != cycle) continue;
      cycles_[far_item] = kNever;
      act(far_item);
    }
  }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::size_t kWordBits = 64;
  static constexpr std::size_t kWords = kWindow / kWordBits;
  using Far = std::pair<Cycle, std::uint32_t>;

  // From the ring, if it is there; an event of the heap that has come near is not.
  void remove(std::uint32_t item) {
    const std::size_t place = cycles_[item] % kWindow;
    std::uint32_t* link = &first_[place];
    while (*link != kNone && *link != item) link = &following_[*link];
    if (*link == item) *link = following_[item];
    if (first_[place] == kNone) {
      used_[place / kWordBits] &= ~(std::uint64_t{1} << place % kWordBits);
    }
  }

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

  Cycle from_ = 0;                            // the window's first cycle
  std::vector<Cycle> cycles_;                 // of each item's event
  std::vector<std::uint32_t> following_;      // in the list of its cycle
  std::array<std::uint32_t, kWindow> first_;  // of each cycle's list
  std::array<std::uint64_t, kWords> used_{};  // which lists hold something
  std::priority_queue<Far, std::vector<Far>, std::greater<>> far_;
};

}  // namespace hpimvp::interconnect
