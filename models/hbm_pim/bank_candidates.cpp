#include "models/hbm_pim/bank_candidates.h"

namespace hpimvp::hbm_pim {

BankCandidates::BankCandidates(std::uint32_t banks)
    : elements_(std::size_t{kLists} * banks), places_(banks) {
  for (std::uint32_t i = 0; i < kLists; ++i) lists_[i].begin = i * banks;
  list_of(BankNeed::kColumn).command = DramCommand::kRead;
  list_of(BankNeed::kActivate).command = DramCommand::kActivate;
  list_of(BankNeed::kPrecharge).command = DramCommand::kPrecharge;
}

void BankCandidates::reset(DramCommand column) {
  for (List& list : lists_) {
    list.size = 0;
    forget_first(list);
  }
  std::fill(places_.begin(), places_.end(), Place{});
  list_of(BankNeed::kColumn).command = column;
}

void BankCandidates::set(std::uint32_t bank, BankNeed need, std::uint64_t order, std::uint32_t tag,
                         const CommandTiming& timing, Cycle now) {
  const Place place = places_[bank];
  if (place.need == need && elements_[place.element].order == order) return;
  remove(bank);
  List& list = list_of(need);
  const Cycle ready = timing.earliest_in_bank(list.command, bank);
  const std::uint32_t element = list.begin + list.size++;
  elements_[element] = {ready, order, bank, tag};
  places_[bank] = {need, element};
  if (list.first_bank == kNoBank) return;
  // What is remembered of the first may be too early by now, but then first() notices.
  const Precedence precedence = precedence_of(std::max(from(list, timing, now), ready), order);
  if (precedence < list.first) {
    list.first = precedence;
    list.first_bank = bank;
    list.first_tag = tag;
  }
}

// The last element takes the place that becomes free.
void BankCandidates::take_out(std::uint32_t bank) {
  const Place place = places_[bank];
  List& list = list_of(place.need);
  const Element& last = elements_[list.begin + --list.size];
  places_[last.bank].element = place.element;
  elements_[place.element] = last;
  places_[bank].need = BankNeed::kNothing;
  if (list.first_bank == bank) forget_first(list);
}

BankCandidates::Candidate BankCandidates::first(const CommandTiming& timing, Cycle now) {
  for (List& list : lists_) {
    if (!is_first_known(list, timing, now)) search(list, timing, now);
  }
  const List* best = &lists_[0];
  for (std::uint32_t i = 1; i < kLists; ++i) {
    best = lists_[i].first < best->first ? &lists_[i] : best;
  }
  return {best->first, best->command, best->first_bank, best->first_tag};
}

void BankCandidates::search(List& list, const CommandTiming& timing, Cycle now) {
  const Cycle from = this->from(list, timing, now);
  Element* const elements = elements_.data() + list.begin;
  for (;;) {
    Precedence best = ~Precedence{0};
    std::uint32_t place = 0;
    // The hot loop: no branch in it depends on who is ready when.
    for (std::uint32_t i = 0; i < list.size; ++i) {
      const Precedence precedence =
          precedence_of(std::max(from, elements[i].ready), elements[i].order);
      const std::uint32_t all_bits_if_before = 0 - std::uint32_t{precedence < best};
      place ^= (place ^ i) & all_bits_if_before;
      best = std::min(precedence, best);
    }
    Element& found = elements[place];
    found.ready = timing.earliest_in_bank(list.command, found.bank);
    if (found.ready > cycle_of(best)) continue;  // held up since
    list.first = best;
    list.first_bank = found.bank;
    list.first_tag = found.tag;
    return;
  }
}

}  // namespace hpimvp::hbm_pim
