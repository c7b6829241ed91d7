// What each class of instruction costs: the timing model of an in-order, single-issue, five-stage
// core. Everything is known when a block is decoded, except which way a branch goes and what the
// memory system answers, so that the model costs nothing at run time beyond one addition per block.
#pragma once

#include <array>
#include <cstdint>

namespace hpimvp::riscv {

enum class CostClass : std::uint8_t {
  kAlu,
  kMultiply,
  kDivide,
  kLoad,
  kStore,
  kBranch,
  kJump,
  kAtomic,
  kCsr,
  kSystem,
  kFpSimple,    ///< sign injection, moves, classify, compare, minimum, maximum
  kFpAdd,       ///< addition, subtraction, conversions
  kFpMultiply,  ///< multiplication and the fused multiply-add family
  kFpDivideHalf,
  kFpDivideSingle,
  kFpDivideDouble,
  kFpSqrtHalf,
  kFpSqrtSingle,
  kFpSqrtDouble,
  kCount,
};

/// Costs of one class in core cycles.
struct ClassCost {
  std::uint16_t issue;      ///< cycles until the next instruction can issue, at least 1
  std::uint16_t use_stall;  ///< added when the very next instruction reads the result
};

/// Defaults follow a small in-order RISC-V application core; docs/riscv_core.md gives the sources.
struct CycleTable {
  std::array<ClassCost, static_cast<std::size_t>(CostClass::kCount)> classes = {{
      {1, 0},   // kAlu
      {1, 2},   // kMultiply: pipelined, three cycles to the result
      {20, 0},  // kDivide
      {1, 1},   // kLoad: hit in a tightly coupled memory, one load-use bubble
      {1, 0},   // kStore
      {1, 0},   // kBranch
      {1, 0},   // kJump
      {5, 1},   // kAtomic
      {3, 0},   // kCsr: drains the pipeline
      {5, 0},   // kSystem: fence, wfi, mret
      {1, 1},   // kFpSimple
      {1, 3},   // kFpAdd
      {1, 3},   // kFpMultiply
      {13, 0},  // kFpDivideHalf
      {20, 0},  // kFpDivideSingle
      {35, 0},  // kFpDivideDouble
      {13, 0},  // kFpSqrtHalf
      {20, 0},  // kFpSqrtSingle
      {35, 0},  // kFpSqrtDouble
  }};
  /// A control transfer whose target the front end guessed right: conditional branches backwards
  /// when taken, JAL, and returns (JALR x0, ra).
  std::uint16_t predicted_taken = 1;
  /// A wrong guess: backward branches that fall through, forward branches that are taken, and every
  /// other JALR.
  std::uint16_t mispredict = 3;
  /// Entering a trap handler, by exception or interrupt.
  std::uint16_t trap_entry = 5;

  const ClassCost& operator[](CostClass c) const { return classes[static_cast<std::size_t>(c)]; }
};

}  // namespace hpimvp::riscv
