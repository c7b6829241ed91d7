#include "models/hbm_pim/layout_words.h"

namespace hpimvp::hbm_pim {

LayoutWords::LayoutWords(const WeightLayout& layout, const BitFieldMapping& mapping)
    : layout_(layout),
      mapping_(mapping),
      words_per_burst_(layout.map().device().organisation.burst_bytes / kEccWordBytes) {}

std::uint64_t LayoutWords::count() const {
  return std::uint64_t{layout_.gemv().outputs} * layout_.chunks() * words_per_burst_;
}

std::uint64_t LayoutWords::offset(std::uint64_t index) const {
  const std::uint64_t burst = index / words_per_burst_;
  const auto output = static_cast<std::uint32_t>(burst / layout_.chunks());
  const auto chunk = static_cast<std::uint32_t>(burst % layout_.chunks());
  const std::uint32_t inputs = chunk * elements_per_chunk(layout_.map().device());
  return layout_.offset(output, inputs) + index % words_per_burst_ * kEccWordBytes;
}

// Follows the layout through the few slots of the unit that has the burst's bank: rare enough, as
// it is asked only about words that are wrong.
bool LayoutWords::contains(std::uint64_t offset) const {
  const DeviceDescription& device = layout_.map().device();
  const StackGemv& gemv = layout_.gemv();
  const MappedAddress place = mapping_.map(offset);
  const std::uint32_t row = place.address.row;
  if (row < gemv.weight_row || row - gemv.weight_row >= layout_.rows()) return false;
  const std::uint32_t bank = device.organisation.bank_index(place.address);
  const std::uint32_t unit =
      is_samsung(device) ? bank / device.pim.banks_per_unit : layout_.map().unit_of_bank(bank);
  const std::uint32_t chunks = layout_.share(place.pseudo_channel).chunks;
  const std::uint32_t per_slot = layout_.outputs_per_slot();
  const bool by_rows = gemv.slicing == Slicing::kRows;
  // Outputs from one slot of the unit to its next.
  const std::uint64_t stride =
      by_rows ? std::uint64_t{per_slot} * device.organisation.pseudo_channels() : per_slot;
  std::uint64_t output = unit + (by_rows ? std::uint64_t{place.pseudo_channel} * per_slot : 0);
  bool found = false;
  for (std::uint32_t slot = 0; output < gemv.outputs && !found; ++slot, output += stride) {
    layout_.for_each_run(slot, unit, chunks,
                         [&](std::uint32_t run_bank, std::uint32_t run_row, std::uint32_t column,
                             std::uint32_t, std::uint32_t count) {
                           found = found || (run_bank == bank && run_row == row &&
                                             place.address.column - column < count);
                         });
  }
  return found;
}

}  // namespace hpimvp::hbm_pim
