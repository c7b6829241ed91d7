#include "models/sram_pim/transpose_unit.h"

#include <algorithm>
#include <cstring>

namespace hpimvp::sram_pim {

void TransposeUnit::operands(const Instruction& instruction, const ScalarRegisters& registers,
                             OperandRanges& ranges) const {
  const std::uint64_t to_distance = registers[instruction.rs2];
  if (matrix_.rows == 0) return ranges.bad_length(0);
  if (to_distance > config_.activation_bytes) return ranges.bad_length(to_distance);
  ranges.rows_apart(matrix_.columns, matrix_.rows * 2, to_distance);
  ranges.rows_apart(matrix_.rows, matrix_.columns * 2, matrix_.distance);
  ranges.aligned(to_distance, 2);
  const std::uint64_t bytes = elements() * 2;
  ranges.write(registers[instruction.rd], (matrix_.columns - 1) * to_distance + matrix_.rows * 2, 2,
               bytes);
  ranges.read(registers[instruction.rs1], matrix_.extent_bytes(), 2, bytes);
  ranges.apart();
}

std::uint64_t TransposeUnit::cycles(const Instruction& instruction) const {
  if (configures(instruction)) return 1;
  const std::uint64_t side = config_.transpose_side;
  // When the block's last row is in its buffer, and when the last column has left one.
  std::uint64_t filled = 0;
  std::uint64_t emptied = 0;
  std::uint64_t emptied_before = 0;  // of the block that had this one's buffer
  for (std::uint64_t row = 0; row < matrix_.rows; row += side) {
    for (std::uint64_t column = 0; column < matrix_.columns; column += side) {
      filled = std::max(filled, emptied_before) + std::min(side, matrix_.rows - row);
      emptied_before = emptied;
      emptied = std::max(filled, emptied) + std::min(side, matrix_.columns - column);
    }
  }
  return config_.transpose_latency + emptied;
}

void TransposeUnit::execute(const Instruction& instruction, const ScalarRegisters& registers,
                            std::uint8_t* memory) const {
  const std::uint8_t* const source = memory + registers[instruction.rs1];
  std::uint8_t* const destination = memory + registers[instruction.rd];
  const std::uint64_t to_distance = registers[instruction.rs2];
  for (std::uint64_t row = 0; row < matrix_.rows; ++row) {
    for (std::uint64_t column = 0; column < matrix_.columns; ++column) {
      std::memcpy(destination + column * to_distance + row * 2,
                  source + row * matrix_.distance + column * 2, 2);
    }
  }
}

}  // namespace hpimvp::sram_pim
