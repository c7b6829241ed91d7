// An FP16 matrix in activation memory, as `pim.cfg` and `trn.cfg` describe it.
#pragma once

#include <cstdint>

#include "models/sram_pim/encoding.h"
#include "models/sram_pim/operands.h"

namespace hpimvp::sram_pim {

struct MatrixShape {
  std::uint64_t rows = 0;  // 0: none has been described
  std::uint64_t columns = 0;
  std::uint64_t distance = 0;  // bytes from row to row

  std::uint64_t elements() const { return rows * columns; }
  // From its first to its last byte.
  std::uint64_t extent_bytes() const { return (rows - 1) * distance + columns * 2; }

  // rs1 rows, rs2 columns, rs3 bytes from row to row. A shape of no rows or columns, or rows at odd
  // distances, is a trap, and so is a value above `memory_bytes`: no matrix can reach further, and
  // the bound keeps products from overflowing.
  Trap configure(const Instruction& instruction, const ScalarRegisters& registers,
                 std::uint64_t memory_bytes) {
    const MatrixShape wanted = {registers[instruction.rs1], registers[instruction.rs2],
                                registers[instruction.rs3]};
    if (wanted.rows == 0 || wanted.columns == 0) return {TrapCause::kBadLength, 0};
    if (wanted.distance % 2 != 0) return {TrapCause::kMisaligned, wanted.distance};
    for (const std::uint64_t value : {wanted.rows, wanted.columns, wanted.distance}) {
      if (value > memory_bytes) return {TrapCause::kBadLength, value};
    }
    *this = wanted;
    return {};
  }
};

}  // namespace hpimvp::sram_pim
