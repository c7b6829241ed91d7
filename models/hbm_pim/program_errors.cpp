#include "models/hbm_pim/program_errors.h"

#include <algorithm>

namespace hpimvp::hbm_pim {

namespace {

// The words of a command on columns: one in the operand group's bank of each unit, or, for copies,
// in the one bank that they name.
class CommandWords final : public WordSet {
 public:
  CommandWords(const PimRun& run, const DeviceDescription& device, const BitFieldMapping& mapping,
               std::uint32_t pseudo_channel)
      : organisation_(device.organisation),
        mapping_(mapping),
        at_{pseudo_channel, run.first},
        copies_(run.command == DramCommand::kCopyToBuffer ||
                run.command == DramCommand::kCopyFromBuffer),
        first_bank_(copies_ ? organisation_.bank_index(run.first) : run.first.bank),
        bank_step_(device.pim.banks_per_unit),
        count_(copies_ ? 1 : device.units()) {}

  void next_column() { ++at_.address.column; }

  std::uint64_t count() const override { return count_; }

  std::uint64_t offset(std::uint64_t index) const override {
    const auto bank = static_cast<std::uint32_t>(first_bank_ + index * bank_step_);
    MappedAddress place{at_.pseudo_channel, organisation_.bank_address(bank)};
    place.address.row = at_.address.row;
    place.address.column = at_.address.column;
    return mapping_.offset_of(place);
  }

  bool contains(std::uint64_t offset) const override {
    const MappedAddress place = mapping_.map(offset);
    if (place.pseudo_channel != at_.pseudo_channel || place.address.row != at_.address.row ||
        place.address.column != at_.address.column) {
      return false;
    }
    const std::uint32_t bank = organisation_.bank_index(place.address);
    return copies_ ? bank == first_bank_ : bank % bank_step_ == first_bank_;
  }

 private:
  const DeviceOrganisation& organisation_;
  const BitFieldMapping& mapping_;
  MappedAddress at_;  // its bank means nothing
  bool copies_;
  std::uint32_t first_bank_;
  std::uint32_t bank_step_;
  std::uint32_t count_;
};

}  // namespace

ProgramEcc read_program(ErrorModel& errors, std::span<const PimRun> runs,
                        const DeviceDescription& device, const BitFieldMapping& mapping,
                        std::uint32_t pseudo_channel) {
  ProgramEcc result;
  std::uint64_t command = 0;
  for (const PimRun& run : runs) {
    if (run.use == CellUse::kNone) {
      command += run.count;
      continue;
    }
    CommandWords words(run, device, mapping, pseudo_channel);
    for (std::uint32_t i = 0; i < run.count; ++i, ++command, words.next_column()) {
      if (run.use != CellUse::kWrite) {
        result.found += errors.read_words(words);
        if (result.found.uncorrected != 0) result.end = std::min(result.end, command);
      }
      if (run.use != CellUse::kRead && command < result.end) errors.write_words(words);
    }
  }
  return result;
}

}  // namespace hpimvp::hbm_pim
