// The requests that wait in a controller, in order of arrival, overall and by bank. Everything is
// laid out at construction: no allocation afterwards.
#pragma once

#include <cstdint>
#include <vector>

#include "models/hbm_pim/dram_command.h"

namespace hpimvp::hbm_pim {

struct MemoryRequest {
  std::uint64_t id = 0;       // the caller's
  std::uint64_t arrival = 0;  // of the clock of the DRAM; set by the controller
  CommandAddress address;
  bool write = false;
  std::uint64_t order = 0;  // set by the controller: how many came before
};

class RequestQueue {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  RequestQueue(std::uint32_t banks, std::uint32_t capacity);

  std::uint32_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == capacity_; }
  bool has(std::uint32_t bank) const { return is_entry(by_bank_[capacity_ + bank].next); }

  // Entries, by number; kNone if there is none.
  std::uint32_t oldest() const { return entry_or_none(by_arrival_[capacity_].next); }
  // The next younger one.
  std::uint32_t next(std::uint32_t entry) const { return entry_or_none(by_arrival_[entry].next); }
  std::uint32_t oldest_of(std::uint32_t bank) const {
    return entry_or_none(by_bank_[capacity_ + bank].next);
  }
  // The oldest request of the bank for its open row.
  std::uint32_t hit_of(std::uint32_t bank) const { return rows_[bank].hit; }
  const MemoryRequest& operator[](std::uint32_t entry) const { return entries_[entry]; }
  // As set_open_row() said last; kNone: closed.
  std::uint32_t open_row(std::uint32_t bank) const { return rows_[bank].open; }
  // The oldest request for exactly this address.
  std::uint32_t find(std::uint32_t bank, const CommandAddress& address) const;

  // The new entry. Precondition: not full.
  std::uint32_t push(std::uint32_t bank, const MemoryRequest& request);
  void remove(std::uint32_t bank, std::uint32_t entry);
  // Removes all; rows stay open.
  void clear();
  // The bank's row was opened, or closed (`row` is then a number that no request has).
  void set_open_row(std::uint32_t bank, std::uint32_t row);

 private:
  // Of rings, in order of arrival. An entry's number is its number in a ring, and larger numbers
  // are the ring's ends: so putting in and taking out need no decisions.
  struct Links {
    std::uint32_t previous;
    std::uint32_t next;
  };
  using Rings = std::vector<Links>;
  struct Row {
    std::uint32_t open = kNone;
    std::uint32_t hit = kNone;
  };

  bool is_entry(std::uint32_t number) const { return number < capacity_; }
  std::uint32_t entry_or_none(std::uint32_t number) const {
    return is_entry(number) ? number : kNone;
  }
  std::uint32_t find_hit(std::uint32_t from, std::uint32_t row) const;

  std::vector<MemoryRequest> entries_;
  Rings by_arrival_;  // one ring, whose end has the number capacity_
  Rings by_bank_;     // one for each bank; the end of a bank's is at capacity_ + bank
  std::vector<Row> rows_;
  std::uint32_t capacity_;
  std::uint32_t size_ = 0;
  std::uint32_t free_ = 0;  // list of unused entries, linked by `next` of by_arrival_
};

}  // namespace hpimvp::hbm_pim
