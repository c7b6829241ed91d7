// Between instruction words and their fields, driven by the table in isa.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "models/sram_pim/isa.h"

namespace hpimvp::sram_pim {

inline constexpr unsigned kScalarRegisters = 32;
inline constexpr unsigned kInstructionBytes = 4;

// Signed fields of the formats.
inline constexpr std::int32_t kImmediate15Min = -(1 << 14);
inline constexpr std::int32_t kImmediate15Max = (1 << 14) - 1;
inline constexpr std::int32_t kImmediate20Min = -(1 << 19);
inline constexpr std::int32_t kImmediate20Max = (1 << 19) - 1;

// A decoded instruction. Fields that the instruction does not have are 0. `immediate` is the signed
// field as it stands in the word (for branches and jal: words, not bytes).
struct Instruction {
  Opcode opcode = Opcode::kHalt;
  std::uint8_t rd = 0;
  std::uint8_t rs1 = 0;
  std::uint8_t rs2 = 0;
  std::uint8_t rs3 = 0;
  std::int32_t immediate = 0;

  friend bool operator==(const Instruction&, const Instruction&) = default;
};

constexpr const InstructionInfo& instruction_info(Opcode opcode) {
  return kInstructions[static_cast<unsigned>(opcode)];
}

// The instruction of a mnemonic, or nothing.
std::optional<Opcode> find_mnemonic(std::string_view mnemonic);

// The word of an instruction. Throws std::out_of_range if a field does not fit, and
// std::invalid_argument if a field that the instruction does not have is not 0.
std::uint32_t encode(const Instruction& instruction);

// Nothing if the word is no instruction of this version: unknown opcode or function, or a bit set
// in an unused field.
std::optional<Instruction> decode(std::uint32_t word);

// One line of assembler text, which the assembler turns into the same word again at the same
// address: branch targets are absolute addresses, a word that is no instruction becomes `.word`.
std::string disassemble(std::uint32_t word, std::uint32_t address);

}  // namespace hpimvp::sram_pim
