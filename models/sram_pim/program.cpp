#include "models/sram_pim/program.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <limits>
#include <optional>

namespace hpimvp::sram_pim {
namespace {

constexpr unsigned kShoriBits = 15;

std::size_t operand_slots(const InstructionInfo& info) {
  std::size_t slots = 0;
  for (const char* o = info.operands; *o != '\0'; ++o) slots += *o == 'm' ? 2 : 1;
  return slots;
}

std::int32_t checked_immediate(const InstructionInfo& info, std::int64_t value) {
  // shori takes 15 bits without a sign; the field is the same.
  if (info.id == Opcode::kShori && value > kImmediate15Max && value < (1 << kShoriBits)) {
    value -= 1 << kShoriBits;
  }
  if (value < std::numeric_limits<std::int32_t>::min() ||
      value > std::numeric_limits<std::int32_t>::max()) {
    throw ProgramError(fmt::format("{}: immediate {} does not fit", info.mnemonic, value));
  }
  return static_cast<std::int32_t>(value);
}

std::uint8_t checked_register(const InstructionInfo& info, const Operand& operand) {
  if (operand.is_label()) {
    throw ProgramError(fmt::format("{}: a label stands where a register must", info.mnemonic));
  }
  if (operand.value() < 0 || operand.value() >= static_cast<std::int64_t>(kScalarRegisters)) {
    throw ProgramError(
        fmt::format("{}: {} is no register, they are r0 to r31", info.mnemonic, operand.value()));
  }
  return static_cast<std::uint8_t>(operand.value());
}

}  // namespace

Program::Program(std::uint32_t base) : base_(base) {
  if (base % kInstructionBytes != 0) {
    throw ProgramError(fmt::format("program base {:#x} is not 4-byte aligned", base));
  }
}

Label Program::label(std::string_view name) {
  labels_.push_back({std::string(name), 0, false});
  return Label{static_cast<std::uint32_t>(labels_.size() - 1)};
}

void Program::bind(Label label) {
  LabelState& state = labels_.at(label.id);
  if (state.bound) throw ProgramError(fmt::format("label {} bound twice", label_name(label.id)));
  state.address = address();
  state.bound = true;
}

bool Program::is_bound(Label label) const {
  return labels_.at(label.id).bound;
}

std::uint32_t Program::label_address(Label label) const {
  const LabelState& state = labels_.at(label.id);
  if (!state.bound) throw ProgramError(fmt::format("label {} is not bound", label_name(label.id)));
  return state.address;
}

std::string Program::label_name(std::uint32_t id) const {
  return labels_[id].name.empty() ? fmt::format("L{}", id) : labels_[id].name;
}

std::uint32_t Program::encode_here(const Instruction& instruction) const {
  try {
    return encode(instruction);
  } catch (const std::logic_error& error) {  // out_of_range, invalid_argument
    throw ProgramError(error.what());
  }
}

std::int32_t Program::target_offset(const Instruction& instruction, std::uint32_t from,
                                    std::int64_t target) const {
  const InstructionInfo& info = instruction_info(instruction.opcode);
  if (target % kInstructionBytes != 0) {
    throw ProgramError(
        fmt::format("{}: target {:#x} is not 4-byte aligned", info.mnemonic, target));
  }
  const std::int64_t offset = (target - static_cast<std::int64_t>(from)) / kInstructionBytes;
  const bool wide = info.format == Format::kU;
  if (offset < (wide ? kImmediate20Min : kImmediate15Min) ||
      offset > (wide ? kImmediate20Max : kImmediate15Max)) {
    throw ProgramError(
        fmt::format("{}: target {:#x} is too far from {:#x}", info.mnemonic, target, from));
  }
  return static_cast<std::int32_t>(offset);
}

void Program::emit(Opcode opcode, std::span<const Operand> operands) {
  const InstructionInfo& info = instruction_info(opcode);
  if (operands.size() != operand_slots(info)) {
    throw ProgramError(fmt::format("{} takes {} operands, not {}", info.mnemonic,
                                   operand_slots(info), operands.size()));
  }
  Instruction instruction;
  instruction.opcode = opcode;
  std::optional<Fixup> fixup;
  std::size_t next = 0;
  for (const char* o = info.operands; *o != '\0'; ++o) {
    const Operand& operand = operands[next++];
    if (*o == 'd') {
      instruction.rd = checked_register(info, operand);
    } else if (*o == 'a') {
      instruction.rs1 = checked_register(info, operand);
    } else if (*o == 'b') {
      instruction.rs2 = checked_register(info, operand);
    } else if (*o == 'c') {
      instruction.rs3 = checked_register(info, operand);
    } else if (operand.is_label()) {
      if (*o != 't' && opcode != Opcode::kLi) {
        throw ProgramError(fmt::format("{}: a label stands where a number must", info.mnemonic));
      }
      if (static_cast<std::size_t>(operand.value()) >= labels_.size()) {
        throw ProgramError(fmt::format("{}: a label of another program", info.mnemonic));
      }
      fixup = Fixup{words_.size(), instruction, static_cast<std::uint32_t>(operand.value()),
                    *o == 't' ? FixupKind::kBranch : FixupKind::kAddress};
    } else if (*o == 't') {
      instruction.immediate = target_offset(instruction, address(), operand.value());
    } else {
      instruction.immediate = checked_immediate(info, operand.value());
      if (*o == 'm') instruction.rs1 = checked_register(info, operands[next++]);
    }
  }
  append(encode_here(instruction));
  if (fixup) {
    fixup->instruction = instruction;
    fixups_.push_back(*fixup);
  }
}

void Program::load_constant(unsigned rd, std::uint64_t value) {
  const auto signed_value = static_cast<std::int64_t>(value);
  unsigned steps = 0;
  const auto head = [&] { return signed_value >> (steps * kShoriBits); };
  while (head() < kImmediate20Min || head() > kImmediate20Max) ++steps;
  emit(Opcode::kLi, {rd, static_cast<long>(head())});
  while (steps > 0) {
    --steps;
    emit(Opcode::kShori, {rd, rd, static_cast<long>(value >> (steps * kShoriBits) & 0x7FFF)});
  }
}

void Program::append(std::uint32_t word) {
  if (words_.size() >= kMaxBytes / kInstructionBytes) {
    throw ProgramError(fmt::format("the program is longer than {} bytes", kMaxBytes));
  }
  words_.push_back(word);
}

void Program::word(std::uint32_t value) {
  append(value);
}

void Program::double_word(std::uint64_t value) {
  word(static_cast<std::uint32_t>(value));
  word(static_cast<std::uint32_t>(value >> 32));
}

void Program::align(std::uint32_t bytes) {
  if (!std::has_single_bit(bytes) || bytes < kInstructionBytes) {
    throw ProgramError(fmt::format("cannot align to {} bytes", bytes));
  }
  while (address() % bytes != 0) word(0);
}

std::vector<std::uint32_t> Program::words() const {
  std::vector<std::uint32_t> result = words_;
  for (const Fixup& fixup : fixups_) {
    Instruction instruction = fixup.instruction;
    const std::uint32_t target = label_address(Label{fixup.label});
    const auto from = base_ + static_cast<std::uint32_t>(fixup.index) * kInstructionBytes;
    instruction.immediate = fixup.kind == FixupKind::kBranch
                                ? target_offset(instruction, from, target)
                                : static_cast<std::int32_t>(target);
    result[fixup.index] = encode_here(instruction);
  }
  return result;
}

std::vector<std::uint8_t> Program::bytes() const {
  std::vector<std::uint8_t> result;
  for (const std::uint32_t value : words()) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
      result.push_back(static_cast<std::uint8_t>(value >> shift));
    }
  }
  return result;
}

std::string Program::listing() const {
  std::string text;
  const std::vector<std::uint32_t> code = words();
  for (std::size_t i = 0; i <= code.size(); ++i) {
    const auto here = base_ + static_cast<std::uint32_t>(i) * kInstructionBytes;
    for (std::uint32_t id = 0; id < labels_.size(); ++id) {
      if (labels_[id].bound && labels_[id].address == here) text += label_name(id) + ":\n";
    }
    if (i < code.size()) {
      text += fmt::format("  {:04x}  {:08x}  {}\n", here, code[i], disassemble(code[i], here));
    }
  }
  return text;
}

}  // namespace hpimvp::sram_pim
