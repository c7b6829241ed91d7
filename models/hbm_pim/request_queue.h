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
  // Banks that requests wait for, in no particular order.
  const std::vector<std::uint32_t>& active_banks() const { return active_banks_; }
  bool has(std::uint32_t bank) const { return banks_[bank].first != kNone; }

  // Entries, by number; kNone if there is none.
  std::uint32_t oldest() const { return first_; }
  std::uint32_t oldest_of(std::uint32_t bank) const { return banks_[bank].first; }
  // The oldest request of the bank for its open row.
  std::uint32_t hit_of(std::uint32_t bank) const { return banks_[bank].hit; }
  const MemoryRequest& operator[](std::uint32_t entry) const { return entries_[entry].request; }
  // As set_open_row() said last; kNone: closed.
  std::uint32_t open_row(std::uint32_t bank) const { return banks_[bank].open_row; }
  // The oldest request for exactly this address.
  std::uint32_t find(std::uint32_t bank, const CommandAddress& address) const;

  // Precondition: not full.
  void push(std::uint32_t bank, const MemoryRequest& request);
  void remove(std::uint32_t bank, std::uint32_t entry);
  // The bank's row was opened, or closed (`row` is then a number that no request has).
  void set_open_row(std::uint32_t bank, std::uint32_t row);

 private:
  struct Entry {
    MemoryRequest request;
    std::uint32_t previous = kNone;  // in order of arrival
    std::uint32_t next = kNone;
    std::uint32_t previous_of_bank = kNone;
    std::uint32_t next_of_bank = kNone;
  };
  struct Bank {
    std::uint32_t first = kNone;
    std::uint32_t last = kNone;
    std::uint32_t hit = kNone;
    std::uint32_t open_row = kNone;
    std::uint32_t place = 0;  // in active_banks_
  };

  std::uint32_t find_hit(std::uint32_t from, std::uint32_t row) const;

  std::vector<Entry> entries_;
  std::vector<Bank> banks_;
  std::vector<std::uint32_t> active_banks_;
  std::uint32_t capacity_;
  std::uint32_t size_ = 0;
  std::uint32_t first_ = kNone;
  std::uint32_t last_ = kNone;
  std::uint32_t free_ = 0;  // list of unused entries, linked by `next`
};

}  // namespace hpimvp::hbm_pim
