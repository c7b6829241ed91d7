// The registers of one hart, laid out for the engines: what every instruction touches comes first.
#pragma once

#include <cstddef>
#include <cstdint>

#include "models/riscv/csr.h"

namespace hpimvp::riscv {

/// The part of directly mapped memory that loads (or stores) may touch without any further check.
struct DataWindow {
  std::uint64_t base = 0;
  /// An access of at most eight bytes at base + offset is inside when offset < size.
  std::uint64_t size = 0;
  std::byte* host = nullptr;
};

struct HartState {
  /// x0 to x31; writes to x0 are decoded as writes to the entry after x31.
  std::uint64_t x[33] = {};
  DataWindow load_window;
  DataWindow store_window;
  /// Blocks are executed until `cycles` reaches this. Zero makes the engine come back at the next
  /// block boundary, which is how interrupts and stop requests get attention.
  std::uint64_t cycle_limit = 0;
  /// mstatus.FS: 0 off, 1 initial, 2 clean, 3 dirty.
  std::uint8_t fs = 0;
  std::uint8_t fflags = 0;
  std::uint8_t frm = 0;
  std::uint64_t f[32] = {};

  std::uint64_t pc = 0;
  /// Model cycles and retired instructions since construction. While the engine runs a block they
  /// are those at the block's beginning, latencies of the block's accesses added as they happen.
  std::uint64_t cycles = 0;
  std::uint64_t retired = 0;

  Privilege privilege = Privilege::kMachine;
  /// What distinguishes the privilege modes in block look-ups: 0 for machine, 1 for user mode.
  std::uint64_t mode_tag = 0;

  bool trap_pending = false;
  Cause trap_cause = Cause::kIllegalInstruction;
  std::uint64_t trap_value = 0;

  bool waiting_for_interrupt = false;
};

static_assert(offsetof(HartState, x) == 0);

}  // namespace hpimvp::riscv
