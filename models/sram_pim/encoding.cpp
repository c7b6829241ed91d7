#include "models/sram_pim/encoding.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <stdexcept>

namespace hpimvp::sram_pim {
namespace {

constexpr unsigned kOpcodes = 128;
constexpr unsigned kFunctions = 32;
constexpr unsigned kInstructionCount = std::size(kInstructions);
constexpr std::uint8_t kIllegal = 0xFF;

constexpr bool has_operand(const InstructionInfo& info, char operand) {
  for (const char* o = info.operands; *o != '\0'; ++o) {
    if (*o == operand) return true;
  }
  return false;
}

constexpr bool has_rd(const InstructionInfo& info) {
  return has_operand(info, 'd');
}
constexpr bool has_rs1(const InstructionInfo& info) {
  return has_operand(info, 'a') || has_operand(info, 'm');
}
constexpr bool has_immediate(const InstructionInfo& info) {
  return has_operand(info, 'i') || has_operand(info, 'm') || has_operand(info, 't');
}

// Bits that an instruction may set: its opcode (and function) and the fields of its operands.
constexpr std::uint32_t allowed_bits(const InstructionInfo& info) {
  std::uint32_t mask = 0x7F;
  if (info.format == Format::kB) return 0xFFFFFFFF;
  if (has_rd(info)) mask |= 0x1Fu << 7;
  if (info.format == Format::kU) return mask | 0xFFFFFu << 12;
  if (has_rs1(info)) mask |= 0x1Fu << 12;
  if (info.format == Format::kI) return has_immediate(info) ? mask | 0x7FFFu << 17 : mask;
  if (has_operand(info, 'b')) mask |= 0x1Fu << 17;
  if (has_operand(info, 'c')) mask |= 0x1Fu << 22;
  return mask | 0x1Fu << 27;
}

struct DecodeTable {
  std::array<std::uint8_t, kOpcodes * kFunctions> index{};
  std::array<std::uint32_t, kInstructionCount> allowed{};
};

constexpr DecodeTable make_decode_table() {
  DecodeTable table;
  table.index.fill(kIllegal);
  for (unsigned i = 0; i < kInstructionCount; ++i) {
    const InstructionInfo& info = kInstructions[i];
    table.allowed[i] = allowed_bits(info);
    if (info.format == Format::kR) {
      table.index[info.opcode * kFunctions + info.fn] = static_cast<std::uint8_t>(i);
    } else {
      for (unsigned fn = 0; fn < kFunctions; ++fn) {
        table.index[info.opcode * kFunctions + fn] = static_cast<std::uint8_t>(i);
      }
    }
  }
  return table;
}

constexpr DecodeTable kDecodeTable = make_decode_table();

void check_register(const InstructionInfo& info, const char* field, bool present, unsigned value) {
  if (value >= kScalarRegisters) {
    throw std::out_of_range(
        fmt::format("{}: {} = {} is no register, they are r0 to r31", info.mnemonic, field, value));
  }
  if (!present && value != 0) {
    throw std::invalid_argument(fmt::format("{} has no {}", info.mnemonic, field));
  }
}

void check_immediate(const InstructionInfo& info, std::int32_t value) {
  if (!has_immediate(info)) {
    if (value != 0) throw std::invalid_argument(fmt::format("{} has no immediate", info.mnemonic));
    return;
  }
  const bool wide = info.format == Format::kU;
  const std::int32_t low = wide ? kImmediate20Min : kImmediate15Min;
  const std::int32_t high = wide ? kImmediate20Max : kImmediate15Max;
  if (value < low || value > high) {
    throw std::out_of_range(
        fmt::format("{}: immediate {} is outside {} to {}", info.mnemonic, value, low, high));
  }
}

std::string operand_text(const Instruction& instruction, char operand, std::uint32_t address) {
  switch (operand) {
    case 'd':
      return fmt::format("r{}", instruction.rd);
    case 'a':
      return fmt::format("r{}", instruction.rs1);
    case 'b':
      return fmt::format("r{}", instruction.rs2);
    case 'c':
      return fmt::format("r{}", instruction.rs3);
    case 'm':
      return fmt::format("{}(r{})", instruction.immediate, instruction.rs1);
    case 't':
      return fmt::format(
          "{:#x}", address + static_cast<std::uint32_t>(instruction.immediate) * kInstructionBytes);
    default:
      if (instruction.opcode == Opcode::kShori) {
        return fmt::format("{:#x}", instruction.immediate & 0x7FFF);
      }
      return fmt::format("{}", instruction.immediate);
  }
}

}  // namespace

std::optional<Opcode> find_mnemonic(std::string_view mnemonic) {
  for (const InstructionInfo& info : kInstructions) {
    if (mnemonic == info.mnemonic) return info.id;
  }
  return std::nullopt;
}

std::uint32_t encode(const Instruction& instruction) {
  const InstructionInfo& info = instruction_info(instruction.opcode);
  check_register(info, "rd", has_rd(info), instruction.rd);
  check_register(info, "rs1", has_rs1(info), instruction.rs1);
  check_register(info, "rs2", has_operand(info, 'b'), instruction.rs2);
  check_register(info, "rs3", has_operand(info, 'c'), instruction.rs3);
  check_immediate(info, instruction.immediate);
  const std::uint32_t immediate = static_cast<std::uint32_t>(instruction.immediate);
  const std::uint32_t rd = instruction.rd;
  const std::uint32_t rs1 = instruction.rs1;
  const std::uint32_t rs2 = instruction.rs2;
  const std::uint32_t rs3 = instruction.rs3;
  switch (info.format) {
    case Format::kR:
      return static_cast<std::uint32_t>(info.fn) << 27 | rs3 << 22 | rs2 << 17 | rs1 << 12 |
             rd << 7 | info.opcode;
    case Format::kI:
      return immediate << 17 | rs1 << 12 | rd << 7 | info.opcode;
    case Format::kB:
      return immediate << 17 | rs2 << 12 | rs1 << 7 | info.opcode;
    case Format::kU:
      return immediate << 12 | rd << 7 | info.opcode;
  }
  return 0;
}

std::optional<Instruction> decode(std::uint32_t word) {
  const std::uint8_t index = kDecodeTable.index[(word & 0x7F) * kFunctions + (word >> 27)];
  if (index == kIllegal || (word & ~kDecodeTable.allowed[index]) != 0) return std::nullopt;
  const auto field = [word](unsigned low) { return static_cast<std::uint8_t>(word >> low & 0x1F); };
  Instruction result;
  result.opcode = static_cast<Opcode>(index);
  switch (kInstructions[index].format) {
    case Format::kR:
      result.rd = field(7);
      result.rs1 = field(12);
      result.rs2 = field(17);
      result.rs3 = field(22);
      break;
    case Format::kI:
      result.rd = field(7);
      result.rs1 = field(12);
      result.immediate = static_cast<std::int32_t>(word) >> 17;
      break;
    case Format::kB:
      result.rs1 = field(7);
      result.rs2 = field(12);
      result.immediate = static_cast<std::int32_t>(word) >> 17;
      break;
    case Format::kU:
      result.rd = field(7);
      result.immediate = static_cast<std::int32_t>(word) >> 12;
      break;
  }
  return result;
}

std::string disassemble(std::uint32_t word, std::uint32_t address) {
  const std::optional<Instruction> instruction = decode(word);
  if (!instruction) return fmt::format(".word {:#010x}", word);
  const InstructionInfo& info = instruction_info(instruction->opcode);
  std::string text = info.mnemonic;
  const char* separator = " ";
  for (const char* operand = info.operands; *operand != '\0'; ++operand) {
    text += separator + operand_text(*instruction, *operand, address);
    separator = ", ";
  }
  return text;
}

}  // namespace hpimvp::sram_pim
