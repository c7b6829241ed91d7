// The seam between the core and what executes its blocks. The interpreter stands behind it; a
// translator would compile a block's micro-operations in prepare() instead of selecting handlers.
#pragma once

#include "models/riscv/block.h"

namespace hpimvp::riscv {

class Core;

class ExecutionEngine {
 public:
  virtual ~ExecutionEngine() = default;

  /// Called once for each new block, before it is executed: sets the handlers.
  virtual void prepare(Block& block) = 0;

  /// Executes `block` and its successors until a block boundary at which HartState::cycles has
  /// reached HartState::cycle_limit, until a trap is pending (pc then is that of the instruction
  /// that trapped), or until the core has to look at what happened (wfi, mret, unmapped code).
  /// Leaves pc, cycles and retired exact.
  virtual void execute(Core& core, const Block& block) = 0;

  /// Every block is about to be discarded.
  virtual void forget_blocks() = 0;
};

}  // namespace hpimvp::riscv
