#include "firmware/host/interrupt_controller.h"

#include "firmware/host/csr.h"
#include "firmware/host/traps.h"

namespace hpimvp::firmware {
namespace {

constexpr std::uint32_t kContext = 0;  // of the PLIC: hart 0 in machine mode
constexpr std::uint64_t kTimerBit = std::uint64_t{1} << kMachineTimer;
constexpr std::uint64_t kExternalBit = std::uint64_t{1} << kMachineExternal;

}  // namespace

InterruptController::InterruptController(std::uint64_t plic_address) : plic_(plic_address) {
  plic_.write_threshold(kContext, 0);
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
  enable(source);
}

void InterruptController::enable(std::uint32_t source) const {
  const std::uint32_t bit = 1u << source % 32;
  switch (source / 32) {
    case 0:
      return plic_.write_enable0(kContext, plic_.read_enable0(kContext) | bit);
    case 1:
      return plic_.write_enable1(kContext, plic_.read_enable1(kContext) | bit);
    case 2:
      return plic_.write_enable2(kContext, plic_.read_enable2(kContext) | bit);
    default:
      return plic_.write_enable3(kContext, plic_.read_enable3(kContext) | bit);
  }
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
    const std::uint32_t source = plic_.read_claim(kContext);
    if (source == 0) return;  // its level has fallen in the meantime
    if (source < kSources && handlers_[source] != nullptr) handlers_[source]->handle_interrupt();
    plic_.write_claim(kContext, source);
  } while ((pending_interrupts() & kExternalBit) != 0);
}

}  // namespace hpimvp::firmware
