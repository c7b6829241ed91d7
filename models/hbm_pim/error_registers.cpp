#include "models/hbm_pim/error_registers.h"

#include <utility>

#include "generated/models/hbm_pim/hbm_pim_stack_registers.h"

namespace hpimvp::hbm_pim {

namespace registers_of = hbm_pim_stack_registers;

ErrorRegisters::ErrorRegisters(common::RegisterBlock& block, const EccLog& log,
                               bool corrected_interrupt, std::function<void(bool level)> interrupt)
    : block_(block), interrupt_(std::move(interrupt)) {
  const auto show = [this](std::uint32_t offset, const auto& value) {
    block_.on_read(offset, [&value](std::uint32_t) -> std::uint64_t { return value; });
  };
  show(registers_of::kEccCorrectedCountOffset, log.corrected);
  show(registers_of::kEccUncorrectedCountOffset, log.uncorrected);
  show(registers_of::kEccCorrectedOffsetOffset, log.corrected_offset);
  show(registers_of::kEccUncorrectedOffsetOffset, log.uncorrected_offset);
  show(registers_of::kEccCorrectedSyndromeOffset, log.corrected_syndrome);
  show(registers_of::kEccUncorrectedSyndromeOffset, log.uncorrected_syndrome);
  for (const std::uint32_t offset :
       {registers_of::kEccControlOffset, registers_of::kEccStatusOffset}) {
    block_.on_write(offset, [this](const auto&) {
      update_interrupt();
      return common::AccessResult::kOk;
    });
  }
  if (corrected_interrupt) {
    block_.set(registers_of::kEccControlOffset, registers_of::kEccControlCorrectedInterruptMask);
  }
}

void ErrorRegisters::note(const EccOutcome& outcome) {
  std::uint64_t status = block_.get(registers_of::kEccStatusOffset);
  if (outcome.corrected != 0) status |= registers_of::kEccStatusCorrectedMask;
  if (outcome.uncorrected != 0) status |= registers_of::kEccStatusUncorrectedMask;
  block_.set(registers_of::kEccStatusOffset, status);
  update_interrupt();
}

// The bits of ECC_CONTROL stand where those of ECC_STATUS do.
void ErrorRegisters::update_interrupt() {
  static_assert(
      registers_of::kEccControlCorrectedInterruptMask == registers_of::kEccStatusCorrectedMask &&
      registers_of::kEccControlUncorrectedInterruptMask == registers_of::kEccStatusUncorrectedMask);
  const bool level = (block_.get(registers_of::kEccStatusOffset) &
                      block_.get(registers_of::kEccControlOffset)) != 0;
  if (level == level_) return;
  level_ = level;
  interrupt_(level);
}

}  // namespace hpimvp::hbm_pim
