// Interrupts of the hart: dispatches what the PLIC and the CLINT raise to the drivers.
#pragma once

#include <cstdint>

#include "hal/plic.h"

namespace hpimvp::firmware {

// A driver's side of an interrupt. Called with interrupts masked, from a trap or from a waiting
// loop, and may not use floating point (trap_entry.S).
class InterruptHandler {
 public:
  virtual void handle_interrupt() = 0;

 protected:
  ~InterruptHandler() = default;
};

class InterruptController {
 public:
  static constexpr std::uint32_t kSources =
      hal::plic::Registers::kPriorityCount;  // from 0 on; 0 is none

  explicit InterruptController(std::uint64_t plic_address);
  InterruptController(const InterruptController&) = delete;
  InterruptController& operator=(const InterruptController&) = delete;

  // Takes over the hart's traps and unmasks interrupts.
  void install();

  // From now on `source` (below kSources) is enabled and ends in `handler`.
  void attach(std::uint32_t source, InterruptHandler& handler);
  void attach_timer(InterruptHandler& handler);

  // Handles everything that is pending. Interrupts are masked.
  void service();

  // Sleeps until something is pending, and handles it. Interrupts are masked.
  void sleep_and_service();

 private:
  void enable(std::uint32_t source) const;
  void service_external();

  hal::plic::Registers plic_;
  InterruptHandler* handlers_[kSources] = {};
  InterruptHandler* timer_ = nullptr;
};

}  // namespace hpimvp::firmware
