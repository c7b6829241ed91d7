// What the on-die ECC of the HBM-PIM stacks reports (ECC_* in hbm_pim_stack.registers.json).
#pragma once

#include <cstdint>
#include <span>

#include "firmware/host/arena.h"
#include "firmware/host/interrupt_controller.h"
#include "firmware/host/plan_view.h"
#include "firmware/host/system_controller.h"
#include "firmware/host/text_output.h"
#include "firmware/host/traps.h"

namespace hpimvp::firmware {

class MemoryErrors final : public FaultNotes {
 public:
  MemoryErrors(const PlanView& plan, SystemController& system_controller)
      : plan_(plan), system_controller_(system_controller) {}

  // Whether a stack has reported that it could not correct something, and its memory holds
  // `address`. The report is taken back.
  bool take_uncorrected_at(std::uint64_t address) const;
  void take_uncorrected(const plan::Device& stack) const;

  // Marks the word that a stack has corrected last, if it has since the last call.
  void mark_corrected(const plan::Device& stack) const;

  // At the end of a run: marks how many words were corrected, if any.
  void mark_total() const;

  // Lines about the stacks that could not correct something, each begun by a newline.
  void print_uncorrected(TextOutput& out) const;
  // The same after the report of a fault: a load from such a stack is one.
  void print_notes(TextOutput& out) const override;

 private:
  PlanView plan_;
  SystemController& system_controller_;
};

// Interrupts of a stack that interrupts for corrected errors: those, and its command queue's.
class StackInterrupts final : public InterruptHandler {
 public:
  StackInterrupts(const plan::Device& stack, const MemoryErrors& errors, InterruptHandler& queue)
      : stack_(stack), errors_(errors), queue_(queue) {}

  void handle_interrupt() override {
    errors_.mark_corrected(stack_);
    queue_.handle_interrupt();
  }

 private:
  const plan::Device& stack_;
  const MemoryErrors& errors_;
  InterruptHandler& queue_;
};

// Whether the machine has switched those interrupts on.
bool interrupts_for_corrected_errors(const plan::Device& stack);

}  // namespace hpimvp::firmware
