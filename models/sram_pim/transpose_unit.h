// The transpose unit (TRN): an FP16 matrix in activation memory to its transpose elsewhere in it.
// `trn.cfg` gives the source's shape for the instructions after it; a program starts without.
//
// Time. A block of up to `transpose_side` x `transpose_side` elements goes into a buffer row by
// row, a row a cycle, and leaves it column by column, a column a cycle; a second buffer takes the
// next block meanwhile. Blocks go along the source's rows.
#pragma once

#include <cstdint>

#include "models/sram_pim/matrix_shape.h"
#include "models/sram_pim/operands.h"
#include "models/sram_pim/tile_config.h"

namespace hpimvp::sram_pim {

class TransposeUnit {
 public:
  explicit TransposeUnit(const TileConfig& config) : config_(config) {}

  // Forgets the matrix.
  void reset() { matrix_ = {}; }
  static bool configures(const Instruction& instruction) {
    return instruction.opcode == Opcode::kTrnCfg;
  }
  Trap configure(const Instruction& instruction, const ScalarRegisters& registers) {
    return matrix_.configure(instruction, registers, config_.activation_bytes);
  }
  void operands(const Instruction& instruction, const ScalarRegisters& registers,
                OperandRanges& ranges) const;
  std::uint64_t cycles(const Instruction& instruction) const;
  std::uint64_t elements() const { return matrix_.elements(); }
  void execute(const Instruction& instruction, const ScalarRegisters& registers,
               std::uint8_t* memory) const;

 private:
  TileConfig config_;
  MatrixShape matrix_;
};

}  // namespace hpimvp::sram_pim
