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
  kLoad,        ///< 32 and 64 bits
  kLoadNarrow,  ///< 8 and 16 bits
  kStore,
  kBranch,
  kJump,
  kAtomic,
  kCsr,
  kSystem,
  kFpAddHalf,  ///< addition, subtraction, sign injection, minimum, maximum
  kFpAddSingle,
  kFpAddDouble,
  kFpConvert,       ///< conversions, moves, comparisons, classify
  kFpMultiplyHalf,  ///< multiplication and the fused multiply-add family
  kFpMultiplySingle,
  kFpMultiplyDouble,
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

/// Defaults follow Rocket, the in-order core of SiFive's E31 and U54; docs/riscv_core.md gives the
/// sources.
struct CycleTable {
  std::array<ClassCost, static_cast<std::size_t>(CostClass::kCount)> classes = {{
      {1, 0},   // kAlu
      {1, 3},   // kMultiply
      {20, 0},  // kDivide
      {1, 1},   // kLoad
      {1, 2},   // kLoadNarrow
      {1, 0},   // kStore
      {1, 0},   // kBranch
      {1, 0},   // kJump
      {2, 1},   // kAtomic
      {3, 0},   // kCsr
      {5, 0},   // kSystem
      {1, 3},   // kFpAddHalf
      {1, 3},   // kFpAddSingle
      {1, 5},   // kFpAddDouble
      {1, 1},   // kFpConvert
      {1, 4},   // kFpMultiplyHalf
      {1, 4},   // kFpMultiplySingle
      {1, 6},   // kFpMultiplyDouble
      {20, 0},  // kFpDivideHalf
      {20, 0},  // kFpDivideSingle
      {20, 0},  // kFpDivideDouble
      {20, 0},  // kFpSqrtHalf
      {20, 0},  // kFpSqrtSingle
      {25, 0},  // kFpSqrtDouble
  }};
  /// A control transfer whose target the front end guessed right: conditional branches backwards
  /// when taken, JAL, and returns (JALR x0, ra).
  std::uint16_t predicted_taken = 0;
  /// A wrong guess: backward branches that fall through, forward branches that are taken, and every
  /// other JALR.
  std::uint16_t mispredict = 3;
  /// Entering a trap handler, by exception or interrupt.
  std::uint16_t trap_entry = 5;

  const ClassCost& operator[](CostClass c) const { return classes[static_cast<std::size_t>(c)]; }
};

}  // namespace hpimvp::riscv
