// The vector unit: what each of its instructions reads and writes, how long it takes, and what it
// computes.
//
// An instruction works in passes of 64 elements: it reads the operands of a pass, then writes its
// results. So a destination may equal an operand of the same element size; other overlaps of the
// two give a defined but useless result. The FP32 scalar of a `...s` instruction is read once,
// before the first pass.
#pragma once

#include <cstdint>
#include <vector>

#include "models/sram_pim/operands.h"
#include "models/sram_pim/tile_config.h"

namespace hpimvp::sram_pim {

class VectorUnit {
 public:
  explicit VectorUnit(const TileConfig& config) : config_(config) {}

  // Elements that the instruction processes; 1 for those on scalars.
  static std::uint64_t elements(const Instruction& instruction, const ScalarRegisters& registers);
  static void operands(const Instruction& instruction, const ScalarRegisters& registers,
                       OperandRanges& ranges);
  // Of exp, silu, gelu, reciprocal or square root.
  static bool is_special(const Instruction& instruction);
  std::uint64_t cycles(const Instruction& instruction, std::uint64_t elements) const;
  // `memory` is the activation memory; operands() found nothing wrong.
  void execute(const Instruction& instruction, const ScalarRegisters& registers,
               std::uint8_t* memory);

 private:
  void reduce(const Instruction& instruction, const ScalarRegisters& registers,
              std::uint8_t* memory);

  TileConfig config_;
  std::vector<float> scratch_;  // a reduction's operand in FP32
};

}  // namespace hpimvp::sram_pim
