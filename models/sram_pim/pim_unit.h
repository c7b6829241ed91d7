// The in-array unit: matrix-vector products with a matrix that stands in activation memory, by the
// numerics of pim_numerics.h. `pim.cfg` sets the matrix's shape for the instructions after it; a
// program starts without one.
#pragma once

#include <cstdint>
#include <vector>

#include "models/sram_pim/matrix_shape.h"
#include "models/sram_pim/operands.h"
#include "models/sram_pim/tile_config.h"

namespace hpimvp::sram_pim {

class PimUnit {
 public:
  explicit PimUnit(const TileConfig& config) : config_(config) {}

  // Forgets the matrix.
  void reset() { matrix_ = {}; }
  static bool configures(const Instruction& instruction) {
    return instruction.opcode == Opcode::kPimCfg;
  }
  Trap configure(const Instruction& instruction, const ScalarRegisters& registers) {
    return matrix_.configure(instruction, registers, config_.activation_bytes);
  }
  void operands(const Instruction& instruction, const ScalarRegisters& registers,
                OperandRanges& ranges) const;
  std::uint64_t cycles(const Instruction& instruction) const;
  // Multiplications that a product with the matrix takes.
  std::uint64_t macs() const { return matrix_.elements(); }
  // What a product reads of the matrix.
  std::uint64_t matrix_bytes() const { return matrix_.elements() * 2; }
  void execute(const Instruction& instruction, const ScalarRegisters& registers,
               std::uint8_t* memory);

 private:
  void scores(const std::uint8_t* query, const std::uint8_t* matrix, std::uint8_t* result);
  void weighted_sum(const std::uint8_t* factors, const std::uint8_t* matrix, std::uint8_t* result,
                    bool accumulate);
  void load_input(const std::uint8_t* source, std::uint64_t count);

  TileConfig config_;
  MatrixShape matrix_;
  std::vector<std::uint16_t> halves_;  // the vector operand, padded to whole chunks
  std::vector<float> input_;
  std::vector<float> sums_;
};

}  // namespace hpimvp::sram_pim
