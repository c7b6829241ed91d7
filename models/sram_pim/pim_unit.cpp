#include "models/sram_pim/pim_unit.h"

#include <algorithm>
#include <cstring>

#include "models/common/pim_numerics.h"

namespace hpimvp::sram_pim {
namespace {

using common::kPimLanes;

std::uint64_t divide_up(std::uint64_t value, std::uint64_t by) {
  return (value + by - 1) / by;
}

}  // namespace

Trap PimUnit::configure(std::uint64_t rows, std::uint64_t columns, std::uint64_t stride_bytes) {
  if (rows == 0) return {TrapCause::kBadLength, rows};
  if (columns == 0) return {TrapCause::kBadLength, columns};
  if (stride_bytes % 2 != 0) return {TrapCause::kMisaligned, stride_bytes};
  // No matrix can reach further; the bounds keep the products of operands() from overflowing.
  if (rows > config_.activation_bytes) return {TrapCause::kBadLength, rows};
  if (columns > config_.activation_bytes) return {TrapCause::kBadLength, columns};
  if (stride_bytes > config_.activation_bytes) return {TrapCause::kBadLength, stride_bytes};
  rows_ = rows;
  columns_ = columns;
  stride_bytes_ = stride_bytes;
  return {};
}

void PimUnit::operands(const Instruction& instruction, const ScalarRegisters& registers,
                       OperandRanges& ranges) const {
  if (rows_ == 0) {
    ranges.bad_length(0);
    return;
  }
  const bool scores = instruction.opcode == Opcode::kPimQk;
  const std::uint64_t inputs = scores ? columns_ : rows_;
  const std::uint64_t outputs = scores ? rows_ : columns_;
  ranges.write(registers[instruction.rd], outputs * 4, 4);
  ranges.read(registers[instruction.rs1], inputs * 2, 2);
  ranges.read(registers[instruction.rs2], (rows_ - 1) * stride_bytes_ + columns_ * 2, 2,
              matrix_bytes());
  if (instruction.opcode == Opcode::kPimSv) ranges.read(registers[instruction.rd], outputs * 4, 4);
}

std::uint64_t PimUnit::cycles(const Instruction& instruction) const {
  if (instruction.opcode == Opcode::kPimCfg) return 1;
  const bool scores = instruction.opcode == Opcode::kPimQk;
  const std::uint64_t outputs = scores ? rows_ : columns_;
  const std::uint64_t inputs = scores ? columns_ : rows_;
  return config_.pim_fill_cycles +
         divide_up(outputs, config_.macro_groups) * divide_up(inputs, config_.multipliers_a_group);
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
  const std::uint64_t padded = divide_up(count, kPimLanes) * kPimLanes;
  halves_.assign(padded, 0);
  std::memcpy(halves_.data(), source, count * 2);
  input_.resize(padded);
  common::fp16_to_float(halves_.data(), input_.data(), padded);
}

void PimUnit::scores(const std::uint8_t* query, const std::uint8_t* matrix, std::uint8_t* result) {
  load_input(query, columns_);
  const std::uint64_t whole = columns_ / kPimLanes;
  const std::uint64_t rest = columns_ % kPimLanes;
  sums_.resize(rows_);
  for (std::uint64_t j = 0; j < rows_; ++j) {
    const std::uint8_t* row = matrix + j * stride_bytes_;
    float sum = common::pim_dot(0.0F, row, input_.data(), whole);
    if (rest != 0) {
      std::uint16_t tail[kPimLanes] = {};
      std::memcpy(tail, row + whole * kPimLanes * 2, rest * 2);
      sum = common::pim_dot(sum, tail, input_.data() + whole * kPimLanes, 1);
    }
    sums_[j] = common::canonical(sum);
  }
  std::memcpy(result, sums_.data(), rows_ * 4);
}

void PimUnit::weighted_sum(const std::uint8_t* factors, const std::uint8_t* matrix,
                           std::uint8_t* result, bool accumulate) {
  load_input(factors, rows_);
  sums_.assign(columns_, 0.0F);
  if (accumulate) std::memcpy(sums_.data(), result, columns_ * 4);
  common::pim_weighted_sum(sums_.data(), input_.data(), matrix, stride_bytes_, rows_, columns_);
  for (float& sum : sums_) sum = common::canonical(sum);
  std::memcpy(result, sums_.data(), columns_ * 4);
}

}  // namespace hpimvp::sram_pim
