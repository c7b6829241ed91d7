#include "models/hbm_pim/request_queue.h"

namespace hpimvp::hbm_pim {

RequestQueue::RequestQueue(std::uint32_t banks, std::uint32_t capacity)
    : entries_(capacity), banks_(banks), capacity_(capacity) {
  active_banks_.reserve(banks);
  for (std::uint32_t i = 0; i + 1 < capacity; ++i) entries_[i].next = i + 1;
}

std::uint32_t RequestQueue::find_hit(std::uint32_t from, std::uint32_t row) const {
  std::uint32_t entry = from;
  while (entry != kNone && entries_[entry].request.address.row != row) {
    entry = entries_[entry].next_of_bank;
  }
  return entry;
}

std::uint32_t RequestQueue::find(std::uint32_t bank, const CommandAddress& address) const {
  std::uint32_t entry = find_hit(banks_[bank].first, address.row);
  while (entry != kNone && entries_[entry].request.address.column != address.column) {
    entry = find_hit(entries_[entry].next_of_bank, address.row);
  }
  return entry;
}

void RequestQueue::push(std::uint32_t bank_index, const MemoryRequest& request) {
  const std::uint32_t number = free_;
  Entry& entry = entries_[number];
  free_ = entry.next;
  Bank& bank = banks_[bank_index];
  entry = {request, last_, kNone, bank.last, kNone};
  (last_ == kNone ? first_ : entries_[last_].next) = number;
  last_ = number;
  if (bank.last == kNone) {
    bank.first = number;
    bank.place = static_cast<std::uint32_t>(active_banks_.size());
    active_banks_.push_back(bank_index);
  } else {
    entries_[bank.last].next_of_bank = number;
  }
  bank.last = number;
  if (bank.hit == kNone && request.address.row == bank.open_row) bank.hit = number;
  ++size_;
}

void RequestQueue::remove(std::uint32_t bank_index, std::uint32_t number) {
  Entry& entry = entries_[number];
  Bank& bank = banks_[bank_index];
  (entry.previous == kNone ? first_ : entries_[entry.previous].next) = entry.next;
  (entry.next == kNone ? last_ : entries_[entry.next].previous) = entry.previous;
  (entry.previous_of_bank == kNone ? bank.first : entries_[entry.previous_of_bank].next_of_bank) =
      entry.next_of_bank;
  (entry.next_of_bank == kNone ? bank.last : entries_[entry.next_of_bank].previous_of_bank) =
      entry.previous_of_bank;
  if (bank.hit == number) bank.hit = find_hit(entry.next_of_bank, bank.open_row);
  if (bank.first == kNone) {
    const std::uint32_t moved = active_banks_.back();
    active_banks_[bank.place] = moved;
    banks_[moved].place = bank.place;
    active_banks_.pop_back();
  }
  entry.next = free_;
  free_ = number;
  --size_;
}

void RequestQueue::set_open_row(std::uint32_t bank_index, std::uint32_t row) {
  Bank& bank = banks_[bank_index];
  bank.open_row = row;
  bank.hit = row == kNone ? kNone : find_hit(bank.first, row);
}

}  // namespace hpimvp::hbm_pim
