#include "models/sram_pim/pim_unit.h"

#include <algorithm>
#include <cstring>

#include "models/common/divide.h"
#include "models/common/pim_numerics.h"

namespace hpimvp::sram_pim {
namespace {

using common::divide_up;
using common::kPimLanes;

}  // namespace

void PimUnit::operands(const Instruction& instruction, const ScalarRegisters& registers,
                       OperandRanges& ranges) const {
  if (matrix_.rows == 0) {
    ranges.bad_length(0);
    return;
  }
  const bool scores = instruction.opcode == Opcode::kPimQk;
  const std::uint64_t inputs = scores ? matrix_.columns : matrix_.rows;
  const std::uint64_t outputs = scores ? matrix_.rows : matrix_.columns;
  ranges.write(registers[instruction.rd], outputs * 4, 4);
  ranges.read(registers[instruction.rs1], inputs * 2, 2);
  ranges.read(registers[instruction.rs2], matrix_.extent_bytes(), 2, matrix_bytes());
  if (instruction.opcode == Opcode::kPimSv) ranges.read(registers[instruction.rd], outputs * 4, 4);
}

std::uint64_t PimUnit::cycles(const Instruction& instruction) const {
  if (instruction.opcode == Opcode::kPimCfg) return 1;
  const bool scores = instruction.opcode == Opcode::kPimQk;
  const std::uint64_t outputs = scores ? matrix_.rows : matrix_.columns;
  const std::uint64_t inputs = scores ? matrix_.columns : matrix_.rows;
  return config_.pim_fill_cycles +
         divide_up<std::uint64_t>(outputs, config_.macro_groups) *
             divide_up<std::uint64_t>(inputs, config_.multipliers_a_group);
}

void PimUnit::execute(const Instruction& instruction, const ScalarRegisters& registers,
                      std::uint8_t* memory) {
  const std::uint8_t* vector = memory + registers[instruction.rs1];
  const std::uint8_t* matrix = memory + registers[instruction.rs2];
  std::uint8_t* result = memory + registers[instruction.rd];
  if (instruction.opcode == Opcode::kPimQk) {
    scores(vector, matrix, result);
  } else {
    weighted_sum(vector, matrix, result, instruction.opcode == Opcode::kPimSv);
  }
}

void PimUnit::load_input(const std::uint8_t* source, std::uint64_t count) {
  const std::uint64_t padded = divide_up<std::uint64_t>(count, kPimLanes) * kPimLanes;
  halves_.assign(padded, 0);
  std::memcpy(halves_.data(), source, count * 2);
  input_.resize(padded);
  common::fp16_to_float(halves_.data(), input_.data(), padded);
}

void PimUnit::scores(const std::uint8_t* query, const std::uint8_t* matrix, std::uint8_t* result) {
  load_input(query, matrix_.columns);
  const std::uint64_t whole = matrix_.columns / kPimLanes;
  const std::uint64_t rest = matrix_.columns % kPimLanes;
  sums_.resize(matrix_.rows);
  for (std::uint64_t j = 0; j < matrix_.rows; ++j) {
    const std::uint8_t* row = matrix + j * matrix_.distance;
    float sum = common::pim_dot(0.0F, row, input_.data(), whole);
    if (rest != 0) {
      std::uint16_t tail[kPimLanes] = {};
      std::memcpy(tail, row + whole * kPimLanes * 2, rest * 2);
      sum = common::pim_dot(sum, tail, input_.data() + whole * kPimLanes, 1);
    }
    sums_[j] = common::canonical(sum);
  }
  std::memcpy(result, sums_.data(), matrix_.rows * 4);
}

void PimUnit::weighted_sum(const std::uint8_t* factors, const std::uint8_t* matrix,
                           std::uint8_t* result, bool accumulate) {
  load_input(factors, matrix_.rows);
  sums_.assign(matrix_.columns, 0.0F);
  if (accumulate) std::memcpy(sums_.data(), result, matrix_.columns * 4);
  common::pim_weighted_sum(sums_.data(), input_.data(), matrix, matrix_.distance, matrix_.rows,
                           matrix_.columns);
  for (float& sum : sums_) sum = common::canonical(sum);
  std::memcpy(result, sums_.data(), matrix_.columns * 4);
}

}  // namespace hpimvp::sram_pim
