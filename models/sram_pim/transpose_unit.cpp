#include "models/sram_pim/transpose_unit.h"

#include <algorithm>
#include <cstring>

namespace hpimvp::sram_pim {

Trap TransposeUnit::configure(std::uint64_t rows, std::uint64_t columns, std::uint64_t distance) {
  if (rows == 0) return {TrapCause::kBadLength, rows};
  if (columns == 0) return {TrapCause::kBadLength, columns};
  if (distance % 2 != 0) return {TrapCause::kMisaligned, distance};
  // No matrix can reach further; the bounds keep the products of operands() from overflowing.
  for (const std::uint64_t value : {rows, columns, distance}) {
    if (value > config_.activation_bytes) return {TrapCause::kBadLength, value};
  }
  rows_ = rows;
  columns_ = columns;
  distance_ = distance;
  return {};
}

void TransposeUnit::operands(const Instruction& instruction, const ScalarRegisters& registers,
                             OperandRanges& ranges) const {
  const std::uint64_t to_distance = registers[instruction.rs2];
  if (rows_ == 0) return ranges.bad_length(0);
  if (to_distance > config_.activation_bytes) return ranges.bad_length(to_distance);
  ranges.rows_apart(columns_, rows_ * 2, to_distance);
  ranges.rows_apart(rows_, columns_ * 2, distance_);
  ranges.aligned(to_distance, 2);
  const std::uint64_t bytes = elements() * 2;
  ranges.write(registers[instruction.rd], (columns_ - 1) * to_distance + rows_ * 2, 2, bytes);
  ranges.read(registers[instruction.rs1], (rows_ - 1) * distance_ + columns_ * 2, 2, bytes);
  ranges.apart();
}

std::uint64_t TransposeUnit::cycles(const Instruction& instruction) const {
  if (instruction.opcode == Opcode::kTrnCfg) return 1;
  const std::uint64_t side = config_.transpose_side;
  // When the block's last row is in its buffer, and when the last column has left one.
  std::uint64_t filled = 0;
  std::uint64_t emptied = 0;
  std::uint64_t emptied_before = 0;  // of the block that had this one's buffer
  for (std::uint64_t row = 0; row < rows_; row += side) {
    for (std::uint64_t column = 0; column < columns_; column += side) {
      filled = std::max(filled, emptied_before) + std::min(side, rows_ - row);
      emptied_before = emptied;
      emptied = std::max(filled, emptied) + std::min(side, columns_ - column);
    }
  }
  return config_.transpose_latency + emptied;
}

void TransposeUnit::execute(const Instruction& instruction, const ScalarRegisters& registers,
                            std::uint8_t* memory) const {
  const std::uint8_t* const source = memory + registers[instruction.rs1];
  std::uint8_t* const destination = memory + registers[instruction.rd];
  const std::uint64_t to_distance = registers[instruction.rs2];
  for (std::uint64_t row = 0; row < rows_; ++row) {
    for (std::uint64_t column = 0; column < columns_; ++column) {
      std::memcpy(destination + column * to_distance + row * 2,
                  source + row * distance_ + column * 2, 2);
    }
  }
}

}  // namespace hpimvp::sram_pim
