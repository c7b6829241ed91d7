#include "models/sram_pim/tensor_unit.h"

#include <cstring>

#include "models/common/pim_numerics.h"

namespace hpimvp::sram_pim {
namespace {

// What fn says of a product.
struct Form {
  bool accumulate;
  bool by_columns;  // W is stored [columns x depth]
  bool half;        // C is FP16
};

Form form_of(const Instruction& instruction) {
  const unsigned fn = instruction_info(instruction.opcode).fn;
  return {(fn & 1) != 0, (fn & 2) != 0, (fn & 4) != 0};
}

bool weight_stationary(const Instruction& instruction) {
  return instruction_info(instruction.opcode).opcode == instruction_info(Opcode::kTcuWs).opcode;
}

// From the first to the last byte of a matrix.
std::uint64_t extent(std::uint64_t rows, std::uint64_t distance, std::uint64_t row_bytes) {
  return (rows - 1) * distance + row_bytes;
}

}  // namespace

TensorUnit::TensorUnit(const TileConfig& config)
    : config_(config),
      array_{config.tcu_rows, config.tcu_columns, config.tcu_accumulator_rows,
             config.tcu_feedback_cycles} {}

Trap TensorUnit::configure(const Instruction& instruction, const ScalarRegisters& registers) {
  const std::uint64_t values[] = {registers[instruction.rs1], registers[instruction.rs2],
                                  registers[instruction.rs3]};
  const bool shape = instruction.opcode == Opcode::kTcuCfg;
  for (const std::uint64_t value : values) {
    if (shape && value == 0) return {TrapCause::kBadLength, value};
    if (!shape && value % 2 != 0) return {TrapCause::kMisaligned, value};
    // No matrix can reach further; the bound keeps the products of operands() from overflowing.
    if (value > config_.activation_bytes) return {TrapCause::kBadLength, value};
  }
  if (shape) {
    product_ = {values[0], values[1], values[2]};
  } else {
    distances_ = {values[0], values[1], values[2], true};
  }
  return {};
}

void TensorUnit::operands(const Instruction& instruction, const ScalarRegisters& registers,
                          OperandRanges& ranges) const {
  if (product_.rows == 0 || !distances_.set) {
    ranges.bad_length(0);
    return;
  }
  const Form form = form_of(instruction);
  const std::uint64_t element = form.half ? 2 : 4;
  const auto [m, k, n] = product_;
  const std::uint64_t w_rows = form.by_columns ? n : k;
  const std::uint64_t w_row_bytes = (form.by_columns ? k : n) * 2;
  ranges.rows_apart(m, n * element, distances_.c);
  ranges.rows_apart(m, k * 2, distances_.a);
  ranges.rows_apart(w_rows, w_row_bytes, distances_.w);
  ranges.aligned(distances_.c, element);
  const MatrixPasses passes = weight_stationary(instruction)
                                  ? weight_stationary_passes(array_, product_)
                                  : output_stationary_passes(array_, product_);
  const std::uint64_t c = registers[instruction.rd];
  ranges.write(c, extent(m, distances_.c, n * element), element, m * n * element);
  ranges.read(registers[instruction.rs1], extent(m, distances_.a, k * 2), 2, m * k * 2 * passes.a);
  ranges.read(registers[instruction.rs2], extent(w_rows, distances_.w, w_row_bytes), 2,
              k * n * 2 * passes.w);
  ranges.apart();
  if (form.accumulate) {
    ranges.read(c, extent(m, distances_.c, n * element), element, m * n * element);
  }
}

std::uint64_t TensorUnit::cycles(const Instruction& instruction) const {
  if (configures(instruction)) return 1;
  return config_.tcu_latency +
         (weight_stationary(instruction)
              ? weight_stationary_cycles(array_, product_)
              : output_stationary_cycles(array_, product_, form_of(instruction).accumulate));
}

void TensorUnit::execute(const Instruction& instruction, const ScalarRegisters& registers,
                         std::uint8_t* memory) {
  const Form form = form_of(instruction);
  std::uint8_t* const c = memory + registers[instruction.rd];
  load_a(memory + registers[instruction.rs1]);
  load_w(memory + registers[instruction.rs2], form.by_columns);
  c_.assign(product_.rows * product_.columns, 0.0F);
  if (form.accumulate) load_c(c, form.half);
  common::systolic_multiply(c_.data(), a_.data(), w_.data(), product_.rows, product_.depth,
                            product_.columns);
  store_c(c, form.half);
}

void TensorUnit::load_a(const std::uint8_t* source) {
  const auto [m, k, n] = product_;
  halves_.resize(k);
  a_.resize(m * k);
  for (std::uint64_t i = 0; i < m; ++i) {
    std::memcpy(halves_.data(), source + i * distances_.a, k * 2);
    common::fp16_to_float(halves_.data(), a_.data() + i * k, k);
  }
}

void TensorUnit::load_w(const std::uint8_t* source, bool by_columns) {
  const auto [m, k, n] = product_;
  const std::uint64_t rows = by_columns ? n : k;
  const std::uint64_t row_elements = by_columns ? k : n;
  halves_.resize(row_elements);
  column_.resize(row_elements);
  w_.resize(k * n);
  for (std::uint64_t i = 0; i < rows; ++i) {
    std::memcpy(halves_.data(), source + i * distances_.w, row_elements * 2);
    if (!by_columns) {
      common::fp16_to_float(halves_.data(), w_.data() + i * n, n);
      continue;
    }
    common::fp16_to_float(halves_.data(), column_.data(), k);
    for (std::uint64_t l = 0; l < k; ++l) w_[l * n + i] = column_[l];
  }
}

void TensorUnit::load_c(const std::uint8_t* source, bool half) {
  const auto [m, k, n] = product_;
  halves_.resize(n);
  for (std::uint64_t i = 0; i < m; ++i) {
    if (half) {
      std::memcpy(halves_.data(), source + i * distances_.c, n * 2);
      common::fp16_to_float(halves_.data(), c_.data() + i * n, n);
    } else {
      std::memcpy(c_.data() + i * n, source + i * distances_.c, n * 4);
    }
  }
}

void TensorUnit::store_c(std::uint8_t* destination, bool half) {
  const auto [m, k, n] = product_;
  halves_.resize(n);
  for (float& value : c_) value = common::canonical(value);
  for (std::uint64_t i = 0; i < m; ++i) {
    if (half) {
      common::float_to_fp16(c_.data() + i * n, halves_.data(), n);
      std::memcpy(destination + i * distances_.c, halves_.data(), n * 2);
    } else {
      std::memcpy(destination + i * distances_.c, c_.data() + i * n, n * 4);
    }
  }
}

}  // namespace hpimvp::sram_pim
