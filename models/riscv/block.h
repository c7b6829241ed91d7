// Pre-decoded straight-line code. A block is an array of 16-byte micro-operations, one for each
// instruction, so that an operation's place gives its instruction; the last one ends the block and
// is followed by a BlockExit. Everything about a block is known when it is decoded: instruction
// count, cycles for either way out, and once a successor has been decoded the link to it.
#pragma once

#include <cstdint>

#include "models/riscv/decoder.h"

namespace hpimvp::riscv {

struct MicroOp {
  /// Owned by the execution engine: where its code for this operation is.
  const void* handler;
  /// Register numbers; a discarded result has rd = kDiscard.
  std::uint8_t rd;
  std::uint8_t rs1;
  std::uint8_t rs2;
  Operation operation;
  /// The immediate; for floating-point operations rs3 | rounding << 8.
  std::int32_t immediate;
};
static_assert(sizeof(MicroOp) == 16);

/// Index of the register that takes what instructions write to x0.
inline constexpr std::uint8_t kDiscard = 32;

/// The part of an instruction that only slow paths need.
struct InstructionSite {
  /// Cycles of the block's instructions before this one.
  std::uint32_t cycles_before;
  std::uint32_t raw;
  /// Byte distance from the block's first instruction.
  std::uint16_t offset;
  std::uint16_t length;
};

struct Block;

struct BlockExit {
  std::uint64_t instructions;
  /// Cycles of the whole block when it leaves by the taken or by the fall-through way. Blocks that
  /// end without a branch use the latter.
  std::uint64_t cycles_taken;
  std::uint64_t cycles_fall;
  /// First micro-operation of the successors; initially the unresolved ones below.
  const MicroOp* taken;
  const MicroOp* fall;
  std::uint64_t taken_pc;
  std::uint64_t fall_pc;
  MicroOp unresolved_taken;
  MicroOp unresolved_fall;
  Block* block;
};

struct Block {
  std::uint64_t pc;
  std::uint64_t mode_tag;
  MicroOp* ops;
  BlockExit* exit;
  InstructionSite* sites;
  /// Next block in the same bucket of the cache.
  Block* next;
};

/// The exit of the block that `op` belongs to.
inline BlockExit& exit_of(const MicroOp* op) {
  while (!ends_block(op->operation)) ++op;
  return *reinterpret_cast<BlockExit*>(const_cast<MicroOp*>(op + 1));
}

inline const InstructionSite& site_of(const MicroOp* op) {
  const Block& block = *exit_of(op).block;
  return block.sites[op - block.ops];
}

}  // namespace hpimvp::riscv
