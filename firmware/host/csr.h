// Control and status registers of the hart, and fences: the machine-mode instructions that C++
// lacks.
#pragma once

#include <cstdint>

namespace hpimvp::firmware {

inline constexpr std::uint64_t kMachineTimer = 7;  // bit of mie and mip, and interrupt cause
inline constexpr std::uint64_t kMachineExternal = 11;

inline void set_interrupt_enable(std::uint64_t bits) {
  asm volatile("csrs mie, %0" : : "r"(bits) : "memory");
}
inline void clear_interrupt_enable(std::uint64_t bits) {
  asm volatile("csrc mie, %0" : : "r"(bits) : "memory");
}
inline std::uint64_t pending_interrupts() {
  std::uint64_t bits;
  asm volatile("csrr %0, mip" : "=r"(bits) : : "memory");
  return bits;
}
inline std::uint64_t read_mcycle() {
  std::uint64_t value;
  asm volatile("csrr %0, mcycle" : "=r"(value));
  return value;
}

inline void mask_interrupts() {
  asm volatile("csrci mstatus, 8" : : : "memory");
}
inline void unmask_interrupts() {
  asm volatile("csrsi mstatus, 8" : : : "memory");
}

// Sleeps until an interrupt that mie enables is pending, even if mstatus masks it: no wake-up is
// lost if interrupts are masked while one checks whether to sleep.
inline void wait_for_interrupt() {
  asm volatile("wfi" : : : "memory");
}

// Masks interrupts as long as it lives.
class InterruptsMasked {
 public:
  InterruptsMasked() { asm volatile("csrrci %0, mstatus, 8" : "=r"(status_) : : "memory"); }
  ~InterruptsMasked() { asm volatile("csrs mstatus, %0" : : "r"(status_ & 8) : "memory"); }
  InterruptsMasked(const InterruptsMasked&) = delete;
  InterruptsMasked& operator=(const InterruptsMasked&) = delete;

 private:
  std::uint64_t status_;
};

// What was written to memory is there before the next register write (a doorbell).
inline void fence_memory_before_device() {
  asm volatile("fence w, o" : : : "memory");
}
// Memory is read only after the last register read (a completion) has been answered.
inline void fence_device_before_memory() {
  asm volatile("fence i, r" : : : "memory");
}

}  // namespace hpimvp::firmware
