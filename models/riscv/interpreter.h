// Executes blocks by threaded dispatch: each micro-operation holds the address of its handler, each
// handler jumps to the next one. Blocks link to their successors, so that the loop is only left
// when the cycle limit is reached or something unusual happens.
#pragma once

#include <array>
#include <cstdint>

#include "models/riscv/execution_engine.h"

namespace hpimvp::riscv {

struct HartState;

class Interpreter final : public ExecutionEngine {
 public:
  Interpreter() { forget_blocks(); }

  void prepare(Block& block) override;
  void execute(Core& core, const Block& block) override;
  void forget_blocks() override;

 private:
  /// Where an indirect jump goes: the first micro-operation for a target address and mode.
  struct JumpTarget {
    std::uint64_t key = 0;
    const MicroOp* op = nullptr;
  };
  static constexpr std::size_t kJumpTargets = 1 << 10;

  std::array<JumpTarget, kJumpTargets> jump_targets_{};

  struct Loop;
  friend struct Loop;
};

}  // namespace hpimvp::riscv
