// The ECC registers of a stack (ECC_* in hbm_pim_stack.registers.json): what error_model.h has
// found, and the interrupts for it. Plain class on a RegisterBlock.
#pragma once

#include <cstdint>
#include <functional>

#include "models/common/register_block.h"
#include "models/hbm_pim/error_model.h"

namespace hpimvp::hbm_pim {

class ErrorRegisters {
 public:
  // Adds behaviour to the ECC registers of `block`, which is a stack's. `log` is read whenever a
  // register is. `interrupt` is called when the level that ECC wants changes. `block` and `log`
  // must outlive this. `corrected_interrupt`: ECC_CONTROL.CORRECTED_INTERRUPT is set at reset.
  ErrorRegisters(common::RegisterBlock& block, const EccLog& log, bool corrected_interrupt,
                 std::function<void(bool level)> interrupt);
  ErrorRegisters(const ErrorRegisters&) = delete;
  ErrorRegisters& operator=(const ErrorRegisters&) = delete;

  // After every access in which ECC has found something.
  void note(const EccOutcome& outcome);

 private:
  void update_interrupt();

  common::RegisterBlock& block_;
  std::function<void(bool level)> interrupt_;
  bool level_ = false;
};

}  // namespace hpimvp::hbm_pim
