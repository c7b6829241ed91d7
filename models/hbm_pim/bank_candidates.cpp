#include "models/hbm_pim/bank_candidates.h"

namespace hpimvp::hbm_pim {

void BankCandidates::reset(DramCommand command) {
  for (std::uint32_t i = 0; i < size_; ++i) banks_[banks_[i].bank].place = kNone;
  size_ = 0;
  command_ = command;
  first_ = {};
}

void BankCandidates::set(std::uint32_t bank, std::uint64_t order, std::uint32_t tag,
                         const CommandTiming& timing, Cycle now) {
  std::uint32_t place = banks_[bank].place;
  if (place == kNone) {
    place = size_++;
    banks_[bank].place = place;
    banks_[place].bank = bank;
  } else if (banks_[place].order == order) {
    return;
  }
  banks_[place].order = order;
  banks_[place].tag = tag;
  if (first_.bank == bank) first_ = {};
  if (first_.bank == kNone) return;
  // What is remembered of the first may be too early by now, but then first() notices.
  const Cycle cycle = std::max(from(timing, now), timing.earliest_in_bank(command_, bank));
  const Precedence precedence = precedence_of(cycle, order);
  if (precedence < first_.precedence) first_ = {precedence, bank, tag};
}

void BankCandidates::take_out(std::uint32_t bank) {
  const std::uint32_t place = banks_[bank].place;
  banks_[bank].place = kNone;
  --size_;
  if (place != size_) {
    const Bank& last = banks_[size_];
    banks_[place].order = last.order;
    banks_[place].bank = last.bank;
    banks_[place].tag = last.tag;
    banks_[last.bank].place = place;
  }
  if (first_.bank == bank) first_ = {};
}

// The hot loop: no branch in it depends on who is ready when.
void BankCandidates::search(const CommandTiming& timing, Cycle now) {
  const Cycle from = this->from(timing, now);
  Precedence best = ~Precedence{0};
  std::uint32_t place = 0;
  for (std::uint32_t i = 0; i < size_; ++i) {
    const Cycle cycle = std::max(from, timing.earliest_in_bank(command_, banks_[i].bank));
    const Precedence precedence = precedence_of(cycle, banks_[i].order);
    place = precedence < best ? i : place;
    best = std::min(precedence, best);
  }
  first_ = {best, banks_[place].bank, banks_[place].tag};
}

}  // namespace hpimvp::hbm_pim
