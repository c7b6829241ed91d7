// The hart's timer (CLINT): calls a handler at regular intervals.
#pragma once

#include <cstdint>

#include "firmware/host/interrupt_controller.h"
#include "hal/clint.h"

namespace hpimvp::firmware {

class PeriodicTimer final : public InterruptHandler {
 public:
  // `handler` is called every `period_ticks` of mtime from now on.
  PeriodicTimer(std::uint64_t clint_address, std::uint64_t period_ticks,
                InterruptController& interrupts, InterruptHandler& handler)
      : registers_(clint_address), period_ticks_(period_ticks), handler_(handler) {
    schedule();
    interrupts.attach_timer(*this);
  }
  PeriodicTimer(const PeriodicTimer&) = delete;
  PeriodicTimer& operator=(const PeriodicTimer&) = delete;

  void handle_interrupt() override {
    schedule();
    handler_.handle_interrupt();
  }

 private:
  void schedule() { registers_.write_mtimecmp(kHart, registers_.read_mtime() + period_ticks_); }

  static constexpr std::uint32_t kHart = 0;

  hal::clint::Registers registers_;
  std::uint64_t period_ticks_;
  InterruptHandler& handler_;
};

}  // namespace hpimvp::firmware
