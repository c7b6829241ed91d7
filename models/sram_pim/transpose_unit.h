// The transpose unit (TRN): an FP16 matrix in activation memory to its transpose elsewhere in it.
// `trn.cfg` gives the source's shape for the instructions after it; a program starts without.
//
// Time. A block of up to `transpose_side` x `transpose_side` elements goes into a buffer row by
// row, a row a cycle, and leaves it column by column, a column a cycle; a second buffer takes the
// next block meanwhile. Blocks go along the source's rows.
#pragma once

#include <cstdint>

#include "models/sram_pim/operands.h"
#include "models/sram_pim/tile_config.h"

namespace hpimvp::sram_pim {

class TransposeUnit {
 public:
  explicit TransposeUnit(const TileConfig& config) : config_(config) {}

  // Forgets the matrix.
  void reset() { rows_ = columns_ = distance_ = 0; }
  // `trn.cfg`. A shape of no rows or columns, or rows at odd distances, is a trap.
  Trap configure(std::uint64_t rows, std::uint64_t columns, std::uint64_t distance);
  void operands(const Instruction& instruction, const ScalarRegisters& registers,
                OperandRanges& ranges) const;
  std::uint64_t cycles(const Instruction& instruction) const;
  std::uint64_t elements() const { return rows_ * columns_; }
  void execute(const Instruction& instruction, const ScalarRegisters& registers,
               std::uint8_t* memory) const;

 private:
  TileConfig config_;
  std::uint64_t rows_ = 0;
  std::uint64_t columns_ = 0;
  std::uint64_t distance_ = 0;
};

}  // namespace hpimvp::sram_pim
