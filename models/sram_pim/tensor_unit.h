// The tensor unit (TCU): products of matrices in activation memory on a systolic array, weight or
// output stationary, by the numerics of pim_numerics.h (systolic_multiply_add). `tcu.cfg` and
// `tcu.dist` set the shapes and row distances for the instructions after them; a program starts
// without.
#pragma once

#include <cstdint>
#include <vector>

#include "models/sram_pim/operands.h"
#include "models/sram_pim/systolic_array.h"
#include "models/sram_pim/tile_config.h"

namespace hpimvp::sram_pim {

class TensorUnit {
 public:
  explicit TensorUnit(const TileConfig& config);

  // Forgets shapes and distances.
  void reset() {
    product_ = {};
    distances_ = {};
  }
  // `tcu.cfg` or `tcu.dist`.
  Trap configure(const Instruction& instruction, const ScalarRegisters& registers);
  static bool configures(const Instruction& instruction) {
    return instruction.opcode == Opcode::kTcuCfg || instruction.opcode == Opcode::kTcuDist;
  }
  void operands(const Instruction& instruction, const ScalarRegisters& registers,
                OperandRanges& ranges) const;
  std::uint64_t cycles(const Instruction& instruction) const;
  std::uint64_t macs() const { return product_.rows * product_.depth * product_.columns; }
  void execute(const Instruction& instruction, const ScalarRegisters& registers,
               std::uint8_t* memory);

 private:
  struct Distances {
    std::uint64_t a = 0;
    std::uint64_t w = 0;
    std::uint64_t c = 0;
    bool set = false;
  };

  void load_a(const std::uint8_t* source);
  void load_w(const std::uint8_t* source, bool by_columns);
  void load_c(const std::uint8_t* source, bool half);
  void store_c(std::uint8_t* destination, bool half);

  TileConfig config_;
  ArrayShape array_;
  MatrixProduct product_{};
  Distances distances_{};
  std::vector<float> a_;
  std::vector<float> w_;
  std::vector<float> c_;
  std::vector<std::uint16_t> halves_;
  std::vector<float> column_;
};

}  // namespace hpimvp::sram_pim
