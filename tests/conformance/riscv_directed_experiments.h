// The directed experiments of the privileged architecture, one program per subject. Sources:
// Privileged Architecture 20211203 (section numbers below) and the CLINT of QEMU's virt machine.
#pragma once

#include "tests/conformance/random_source.h"
#include "tests/conformance/riscv_directed_program.h"

namespace hpimvp::conformance {

// Division by zero and overflow, NaN handling, conversions out of range, underflow: results and
// flags stated by the specification, so that QEMU is held against it too.
void add_arithmetic_corner_experiments(DirectedProgram& program);
// Every synchronous exception that machine mode can raise, with mcause, mepc, mtval and mstatus.
void add_trap_experiments(DirectedProgram& program);
// What does and what does not make SC fail.
void add_reservation_experiments(DirectedProgram& program);
// Floating-point unit off, initial, clean and dirty: mstatus.FS and SD.
void add_float_status_experiments(DirectedProgram& program);
// What control and status registers keep of what is written.
void add_csr_read_back_experiments(DirectedProgram& program);
// For each of the 4096 CSR numbers: does reading trap in machine mode?
void add_csr_existence_experiments(DirectedProgram& program);
// Entering and leaving user mode, and what user mode may not do.
void add_user_mode_experiments(DirectedProgram& program);
// mcounteren, mcountinhibit and the counters themselves.
void add_counter_experiments(DirectedProgram& program);
// Physical memory protection: matching modes, permissions, priority, locking, MPRV.
void add_memory_protection_experiments(DirectedProgram& program);
// Random sets of protection entries and random accesses around their borders.
void add_random_memory_protection_experiments(DirectedProgram& program, RandomSource& random);
// CLINT software and timer interrupts, priorities, vectored mode, WFI.
void add_interrupt_experiments(DirectedProgram& program);

}  // namespace hpimvp::conformance
