#include "firmware/host/interrupt_controller.h"

#include "firmware/host/csr.h"
#include "firmware/host/traps.h"

namespace hpimvp::firmware {
namespace {

constexpr std::uint64_t kTimerBit = std::uint64_t{1} << kMachineTimer;
constexpr std::uint64_t kExternalBit = std::uint64_t{1} << kMachineExternal;

}  // namespace

InterruptController::InterruptController(std::uint64_t plic_address) : plic_(plic_address) {
  plic_.write_threshold(0);
}

void InterruptController::install() {
  set_interrupt_controller(this);
  set_interrupt_enable(kExternalBit);
  unmask_interrupts();
}

void InterruptController::attach(std::uint32_t source, InterruptHandler& handler) {
  constexpr std::uint32_t kPriority = 1;  // all alike: the PLIC prefers the lowest source
  const InterruptsMasked masked;
  handlers_[source] = &handler;
  plic_.write_priority(source, kPriority);
  plic_.write_enable(source / 32, plic_.read_enable(source / 32) | 1u << source % 32);
}

void InterruptController::attach_timer(InterruptHandler& handler) {
  timer_ = &handler;
  set_interrupt_enable(kTimerBit);
}

void InterruptController::service() {
  const std::uint64_t pending = pending_interrupts();
  if ((pending & kExternalBit) != 0) service_external();
  if ((pending & kTimerBit) != 0 && timer_ != nullptr) timer_->handle_interrupt();
}

void InterruptController::sleep_and_service() {
  wait_for_interrupt();
  service();
}

void InterruptController::service_external() {
  do {
    const std::uint32_t source = plic_.read_claim();
    if (source == 0) return;  // its level has fallen in the meantime
    if (source < kSources && handlers_[source] != nullptr) handlers_[source]->handle_interrupt();
    plic_.write_claim(source);
  } while ((pending_interrupts() & kExternalBit) != 0);
}

}  // namespace hpimvp::firmware
