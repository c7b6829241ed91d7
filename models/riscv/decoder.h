// Decodes RV64IMAFDC_Zicsr_Zifencei_Zfh_Zba_Zbb instructions, 16-bit ones by expansion, into one
// operand record. Everything else, reserved encodings included, decodes to Operation::kIllegal.
#pragma once

#include <cstdint>

#include "models/riscv/operations.h"

namespace hpimvp::riscv {

struct Instruction {
  Operation operation = Operation::kIllegal;
  std::uint8_t rd = 0;
  std::uint8_t rs1 = 0;
  std::uint8_t rs2 = 0;
  std::uint8_t rs3 = 0;
  /// The rm field of floating-point operations; 7 selects frm.
  std::uint8_t rounding = 0;
  /// 2 or 4.
  std::uint8_t length = 4;
  /// Immediates as the operation uses them, LUI and AUIPC already shifted. CSR operations: the CSR
  /// number, the immediate forms have theirs in rs1.
  std::int32_t immediate = 0;
  /// The instruction as fetched, zero-extended.
  std::uint32_t raw = 0;
};

/// `bits` holds the 32 bits at the instruction's address; a 16-bit instruction ignores the upper
/// half.
Instruction decode(std::uint32_t bits);

/// Whether an instruction that starts with `low` is 16 bits long.
constexpr bool is_compressed(std::uint32_t low) {
  return (low & 3) != 3;
}

}  // namespace hpimvp::riscv
