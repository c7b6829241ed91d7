#include "models/hbm_pim/bank_candidates.h"

#include <algorithm>

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
  const Cycle cycle = cycle_of(bank, timing, from(timing, now));
  if (cycle < first_.cycle || (cycle == first_.cycle && order < first_.order)) {
    first_ = {cycle, order, bank, tag};
  }
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

// The hot loop: without branches that depend on what the banks are ready for.
void BankCandidates::search(const CommandTiming& timing, Cycle from) {
  Cycle best_cycle = ~Cycle{0};
  std::uint64_t best_order = ~std::uint64_t{0};
  std::uint32_t best = 0;
  for (std::uint32_t i = 0; i < size_; ++i) {
    const Cycle cycle = cycle_of(banks_[i].bank, timing, from);
    const std::uint64_t order = banks_[i].order;
    const bool better = (cycle < best_cycle) | ((cycle == best_cycle) & (order < best_order));
    best_cycle = better ? cycle : best_cycle;
    best_order = better ? order : best_order;
    best = better ? i : best;
  }
  first_ = size_ == 0 ? Candidate{}
                      : Candidate{best_cycle, best_order, banks_[best].bank, banks_[best].tag};
}

}  // namespace hpimvp::hbm_pim
