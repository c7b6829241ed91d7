#include "models/hbm_pim/request_queue.h"

namespace hpimvp::hbm_pim {

namespace {

template <typename Rings>
void append(Rings& rings, std::uint32_t end, std::uint32_t number) {
  const std::uint32_t last = rings[end].previous;
  rings[number] = {last, end};
  rings[last].next = number;
  rings[end].previous = number;
}

template <typename Rings>
void take_out(Rings& rings, std::uint32_t number) {
  const auto [previous, next] = rings[number];
  rings[previous].next = next;
  rings[next].previous = previous;
}

}  // namespace

RequestQueue::RequestQueue(std::uint32_t banks, std::uint32_t capacity)
    : entries_(capacity),
      by_arrival_(capacity + 1),
      by_bank_(capacity + banks),
      rows_(banks),
      capacity_(capacity) {
  clear();
}

void RequestQueue::clear() {
  for (std::uint32_t i = 0; i < capacity_; ++i) by_arrival_[i].next = i + 1;
  by_arrival_[capacity_] = {capacity_, capacity_};
  for (std::uint32_t end = capacity_; end < by_bank_.size(); ++end) by_bank_[end] = {end, end};
  for (Row& row : rows_) row.hit = kNone;
  size_ = 0;
  free_ = 0;
}

std::uint32_t RequestQueue::find_hit(std::uint32_t from, std::uint32_t row) const {
  std::uint32_t entry = from;
  while (is_entry(entry) && entries_[entry].address.row != row) entry = by_bank_[entry].next;
  return entry_or_none(entry);
}

std::uint32_t RequestQueue::find(std::uint32_t bank, const CommandAddress& address) const {
  std::uint32_t entry = find_hit(by_bank_[capacity_ + bank].next, address.row);
  while (entry != kNone && entries_[entry].address.column != address.column) {
    entry = find_hit(by_bank_[entry].next, address.row);
  }
  return entry;
}

std::uint32_t RequestQueue::push(std::uint32_t bank, const MemoryRequest& request) {
  const std::uint32_t entry = free_;
  free_ = by_arrival_[entry].next;
  entries_[entry] = request;
  append(by_arrival_, capacity_, entry);
  append(by_bank_, capacity_ + bank, entry);
  Row& row = rows_[bank];
  if (row.hit == kNone && request.address.row == row.open) row.hit = entry;
  ++size_;
  return entry;
}

void RequestQueue::remove(std::uint32_t bank, std::uint32_t entry) {
  Row& row = rows_[bank];
  if (row.hit == entry) row.hit = find_hit(by_bank_[entry].next, row.open);
  take_out(by_arrival_, entry);
  take_out(by_bank_, entry);
  by_arrival_[entry].next = free_;
  free_ = entry;
  --size_;
}

void RequestQueue::set_open_row(std::uint32_t bank, std::uint32_t row) {
  rows_[bank].open = row;
  rows_[bank].hit = row == kNone ? kNone : find_hit(by_bank_[capacity_ + bank].next, row);
}

}  // namespace hpimvp::hbm_pim
