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
  const Cycle ready = timing.earliest_in_bank(command_, bank);
  banks_[place].ready = ready;
  banks_[place].order = order;
  banks_[place].tag = tag;
  if (first_.bank == bank) first_ = {};
  if (first_.bank == kNone) return;
  // What is remembered of the first may be too early by now, but then first() notices.
  const Precedence precedence = precedence_of(std::max(from(timing, now), ready), order);
  if (precedence < first_.precedence) first_ = {precedence, bank, tag};
}

void BankCandidates::take_out(std::uint32_t bank) {
  const std::uint32_t place = banks_[bank].place;
  banks_[bank].place = kNone;
  --size_;
  if (place != size_) {
    const Bank& last = banks_[size_];
    banks_[place].ready = last.ready;
    banks_[place].order = last.order;
    banks_[place].bank = last.bank;
    banks_[place].tag = last.tag;
    banks_[last.bank].place = place;
  }
  if (first_.bank == bank) first_ = {};
}

void BankCandidates::search(const CommandTiming& timing, Cycle now) {
  const Cycle from = this->from(timing, now);
  for (;;) {
    Precedence best = ~Precedence{0};
    std::uint32_t place = 0;
    // The hot loop: no branch in it depends on who is ready when.
    for (std::uint32_t i = 0; i < size_; ++i) {
      const Precedence precedence = precedence_of(std::max(from, banks_[i].ready), banks_[i].order);
      const std::uint32_t all_if_before = 0 - std::uint32_t{precedence < best};
      place ^= (place ^ i) & all_if_before;
      best = std::min(precedence, best);
    }
    Bank& found = banks_[place];
    found.ready = timing.earliest_in_bank(command_, found.bank);
    if (found.ready > cycle_of(best)) continue;  // held up since
    first_ = {best, found.bank, found.tag};
    return;
  }
}

}  // namespace hpimvp::hbm_pim
