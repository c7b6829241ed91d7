// What the trap entry saves, and where it finds its stack: shared by assembly and C++.
#pragma once

#define MSTATUS_MIE 8
#define MSTATUS_FS 0x6000
#define MSTATUS_FS_INITIAL 0x2000

#define HART_CONTEXT_STACK 0
#define HART_CONTEXT_NESTED 8
#define HART_CONTEXT_SCRATCH 16
#define HART_CONTEXT_HANDLER 24
#define HART_CONTEXT_OUTPUT 32
#define HART_CONTEXT_BYTES 64

// Integer register xN is at 8 * N; slot 0 holds mepc.
#define TRAP_FRAME_EPC 0
#define TRAP_FRAME_STATUS 256
#define TRAP_FRAME_CONTEXT 264
#define TRAP_FRAME_BYTES 272

#ifndef __ASSEMBLER__

#include <cstddef>
#include <cstdint>

namespace hpimvp::firmware {

class InterruptController;
struct MachineOutput;

// One per hart; `mscratch` points to it outside of trap handlers.
struct HartContext {
  std::uint64_t stack_top;       // where the next trap saves registers
  HartContext* nested;           // context in force while a handler runs
  std::uint64_t scratch;         // for the entry code
  InterruptController* handler;  // of interrupts; null: none is expected
  const MachineOutput* output;   // where faults are reported; null: at the default addresses
  std::uint64_t is_reporting;    // a fault report has begun
  std::uint64_t reserved[2];
};
static_assert(offsetof(HartContext, stack_top) == HART_CONTEXT_STACK);
static_assert(offsetof(HartContext, nested) == HART_CONTEXT_NESTED);
static_assert(offsetof(HartContext, scratch) == HART_CONTEXT_SCRATCH);
static_assert(offsetof(HartContext, handler) == HART_CONTEXT_HANDLER);
static_assert(offsetof(HartContext, output) == HART_CONTEXT_OUTPUT);
static_assert(sizeof(HartContext) == HART_CONTEXT_BYTES);

// Registers of the interrupted code. An interrupt saves only what a call may change.
struct TrapFrame {
  union {
    std::uint64_t epc;
    std::uint64_t registers[32];  // x0 is 0 always, its slot holds epc
  };
  std::uint64_t status;
  HartContext* context;
};
static_assert(offsetof(TrapFrame, status) == TRAP_FRAME_STATUS);
static_assert(sizeof(TrapFrame) == TRAP_FRAME_BYTES);

}  // namespace hpimvp::firmware

#endif
