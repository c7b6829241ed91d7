#include "models/hbm_pim/crf.h"

#include <fmt/format.h>

#include <stdexcept>
#include <vector>

namespace hpimvp::hbm_pim {

namespace {

constexpr unsigned kOpcodeShift = 28;
constexpr unsigned kDestinationShift = 25;
constexpr unsigned kSource0Shift = 22;
constexpr unsigned kSource1Shift = 19;
constexpr unsigned kSource2Shift = 16;
constexpr unsigned kAamShift = 15;
constexpr unsigned kReluShift = 12;
constexpr unsigned kDestinationIndexShift = 8;
constexpr unsigned kSource0IndexShift = 4;
constexpr unsigned kSource1IndexShift = 0;
constexpr unsigned kJumpCountShift = 11;
constexpr unsigned kJumpCountBits = 17;
constexpr unsigned kImmediateBits = 11;
constexpr unsigned kOperandBits = 3;
constexpr unsigned kIndexBits = 4;

constexpr std::uint32_t kAutomaticTriggers = 8;  // of FILL, and with AAM
// Jumps between two instructions: more than nested loops can need.
constexpr std::uint32_t kMostJumps = 2 * kCrfEntries;

constexpr std::uint32_t field(std::uint32_t value, unsigned bits, unsigned shift) {
  return (value & ((1u << bits) - 1)) << shift;
}
constexpr std::uint32_t extract(std::uint32_t word, unsigned bits, unsigned shift) {
  return word >> shift & ((1u << bits) - 1);
}

// What the words of an opcode consist of.
struct Form {
  CrfOpcode opcode;
  const char* name;
  unsigned sources;  // 0: no destination either
  bool aam;
  bool relu;
};
constexpr Form kForms[] = {
    {CrfOpcode::kNop, "NOP", 0, false, false},  {CrfOpcode::kAdd, "ADD", 2, true, false},
    {CrfOpcode::kMul, "MUL", 2, true, false},   {CrfOpcode::kMac, "MAC", 2, true, false},
    {CrfOpcode::kMad, "MAD", 3, true, false},   {CrfOpcode::kMov, "MOV", 1, true, true},
    {CrfOpcode::kFill, "FILL", 1, false, true}, {CrfOpcode::kJump, "JUMP", 0, false, false},
    {CrfOpcode::kExit, "EXIT", 0, false, false}};

const Form* form_of(CrfOpcode opcode) {
  for (const Form& form : kForms) {
    if (form.opcode == opcode) return &form;
  }
  return nullptr;
}

constexpr const char* kOperandNames[] = {"A_OUT", "M_OUT", "EVEN_BANK", "ODD_BANK",
                                         "GRF_A", "GRF_B", "SRF_M",     "SRF_A"};

bool has_index(CrfOperand operand) {
  return operand >= CrfOperand::kGrfA;
}

std::uint32_t encode_operands(const CrfInstruction& instruction, const Form& form) {
  std::uint32_t word = 0;
  const auto operand = [&word](CrfOperand value, unsigned shift) {
    word |= field(static_cast<std::uint32_t>(value), kOperandBits, shift);
  };
  operand(instruction.destination, kDestinationShift);
  operand(instruction.source0, kSource0Shift);
  if (form.sources >= 2) operand(instruction.source1, kSource1Shift);
  if (form.sources >= 3) operand(instruction.source2, kSource2Shift);
  if (form.aam) word |= field(instruction.aam ? 1 : 0, 1, kAamShift);
  if (form.relu) word |= field(instruction.relu ? 1 : 0, 1, kReluShift);
  word |= field(instruction.destination_index, kIndexBits, kDestinationIndexShift);
  word |= field(instruction.source0_index, kIndexBits, kSource0IndexShift);
  if (form.sources >= 2) word |= field(instruction.source1_index, kIndexBits, kSource1IndexShift);
  return word;
}

void decode_operands(std::uint32_t word, const Form& form, CrfInstruction& instruction) {
  const auto operand = [word](unsigned shift) {
    return static_cast<CrfOperand>(extract(word, kOperandBits, shift));
  };
  const auto index = [word](unsigned shift) {
    return static_cast<std::uint8_t>(extract(word, kIndexBits, shift));
  };
  instruction.destination = operand(kDestinationShift);
  instruction.source0 = operand(kSource0Shift);
  if (form.sources >= 2) instruction.source1 = operand(kSource1Shift);
  if (form.sources >= 3) instruction.source2 = operand(kSource2Shift);
  if (form.aam) instruction.aam = extract(word, 1, kAamShift) != 0;
  if (form.relu) instruction.relu = extract(word, 1, kReluShift) != 0;
  instruction.destination_index = index(kDestinationIndexShift);
  instruction.source0_index = index(kSource0IndexShift);
  if (form.sources >= 2) instruction.source1_index = index(kSource1IndexShift);
}

// --- The assembler

[[noreturn]] void misread(std::string_view text, const std::string& why) {
  throw std::invalid_argument(fmt::format("\"{}\": {}", text, why));
}

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// What stands between commas.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  if (trim(text).empty()) return parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(trim(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return parts;
}

std::uint32_t number(std::string_view line, std::string_view text, unsigned bits) {
  std::uint64_t value = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9' || value >> bits != 0) {
      misread(line, fmt::format("'{}' is no number of {} bits", text, bits));
    }
    value = value * 10 + static_cast<unsigned>(digit - '0');
  }
  if (text.empty() || value >> bits != 0) {
    misread(line, fmt::format("'{}' is no number of {} bits", text, bits));
  }
  return static_cast<std::uint32_t>(value);
}

struct ParsedOperand {
  CrfOperand operand = CrfOperand::kAdderOutput;
  std::uint8_t index = 0;
};

ParsedOperand parse_operand(std::string_view line, std::string_view text) {
  const std::size_t bracket = text.find('[');
  const std::string_view name = text.substr(0, bracket);
  for (unsigned i = 0; i < std::size(kOperandNames); ++i) {
    if (name != kOperandNames[i]) continue;
    ParsedOperand parsed{static_cast<CrfOperand>(i), 0};
    if (!has_index(parsed.operand) && bracket == std::string_view::npos) return parsed;
    if (!has_index(parsed.operand) || bracket == std::string_view::npos || text.back() != ']')
      break;
    const std::string_view digits = text.substr(bracket + 1, text.size() - bracket - 2);
    parsed.index = static_cast<std::uint8_t>(number(line, digits, kIndexBits));
    return parsed;
  }
  misread(line, fmt::format("'{}' is no operand, such as GRF_A[3] or EVEN_BANK", text));
}

void assemble_operands(std::string_view line, std::vector<std::string_view> parts, const Form& form,
                       CrfInstruction& instruction) {
  while (!parts.empty() && (parts.back() == "AAM" || parts.back() == "RELU")) {
    bool& flag = parts.back() == "AAM" ? instruction.aam : instruction.relu;
    if (flag || !(parts.back() == "AAM" ? form.aam : form.relu)) {
      misread(line, fmt::format("{} takes no {} here", form.name, parts.back()));
    }
    flag = true;
    parts.pop_back();
  }
  if (parts.size() != form.sources + 1) {
    misread(line, fmt::format("{} has {} operands", form.name, form.sources + 1));
  }
  ParsedOperand operands[4];
  for (std::size_t i = 0; i < parts.size(); ++i) operands[i] = parse_operand(line, parts[i]);
  instruction.destination = operands[0].operand;
  instruction.destination_index = operands[0].index;
  instruction.source0 = operands[1].operand;
  instruction.source0_index = operands[1].index;
  instruction.source1 = operands[2].operand;
  instruction.source1_index = operands[2].index;
  instruction.source2 = operands[3].operand;
  if (form.sources < 3) return;
  // Both are numbered by src1#.
  const bool both = has_index(instruction.source1) && has_index(instruction.source2);
  if (both && operands[2].index != operands[3].index) {
    misread(line, "the second and the third source have one number");
  }
  if (has_index(instruction.source2)) instruction.source1_index = operands[3].index;
}

}  // namespace

std::uint32_t encode(const CrfInstruction& instruction) {
  std::uint32_t word = static_cast<std::uint32_t>(instruction.opcode) << kOpcodeShift;
  const Form* const form = form_of(instruction.opcode);
  if (form == nullptr) return word;
  if (form->sources > 0) return word | encode_operands(instruction, *form);
  if (instruction.opcode == CrfOpcode::kNop) {
    word |= field(instruction.count, kImmediateBits, 0);
  } else if (instruction.opcode == CrfOpcode::kJump) {
    word |= field(instruction.count, kJumpCountBits, kJumpCountShift);
    word |= field(instruction.back, kImmediateBits, 0);
  }
  return word;
}

std::optional<CrfInstruction> decode(std::uint32_t word) {
  CrfInstruction instruction;
  instruction.opcode = static_cast<CrfOpcode>(word >> kOpcodeShift);
  const Form* const form = form_of(instruction.opcode);
  if (form == nullptr) return std::nullopt;
  if (form->sources > 0) {
    decode_operands(word, *form, instruction);
  } else if (instruction.opcode == CrfOpcode::kNop) {
    instruction.count = extract(word, kImmediateBits, 0);
  } else if (instruction.opcode == CrfOpcode::kJump) {
    instruction.count = extract(word, kJumpCountBits, kJumpCountShift);
    instruction.back = extract(word, kImmediateBits, 0);
  }
  return instruction;
}

std::string disassemble(std::uint32_t word) {
  const std::optional<CrfInstruction> decoded = decode(word);
  if (!decoded) return fmt::format(".word {:#010x}", word);
  const CrfInstruction& instruction = *decoded;
  const Form& form = *form_of(instruction.opcode);
  if (instruction.opcode == CrfOpcode::kNop) return fmt::format("NOP {}", instruction.count);
  if (instruction.opcode == CrfOpcode::kJump) {
    return fmt::format("JUMP {}, {}", instruction.count, instruction.back);
  }
  if (form.sources == 0) return form.name;
  const auto operand = [](CrfOperand value, unsigned index) {
    const char* const name = kOperandNames[static_cast<unsigned>(value)];
    return has_index(value) ? fmt::format("{}[{}]", name, index) : std::string(name);
  };
  std::string text = fmt::format("{} {}, {}", form.name,
                                 operand(instruction.destination, instruction.destination_index),
                                 operand(instruction.source0, instruction.source0_index));
  if (form.sources >= 2) text += ", " + operand(instruction.source1, instruction.source1_index);
  if (form.sources >= 3) text += ", " + operand(instruction.source2, instruction.source1_index);
  if (instruction.aam) text += ", AAM";
  if (instruction.relu) text += ", RELU";
  return text;
}

std::uint32_t assemble(std::string_view text) {
  const std::string_view line = trim(text);
  const std::size_t space = std::min(line.find_first_of(" \t"), line.size());
  const std::string_view name = line.substr(0, space);
  const std::vector<std::string_view> parts = split(line.substr(space));
  for (const Form& form : kForms) {
    if (name != form.name) continue;
    CrfInstruction instruction;
    instruction.opcode = form.opcode;
    const std::size_t immediates = form.opcode == CrfOpcode::kNop    ? 1
                                   : form.opcode == CrfOpcode::kJump ? 2
                                                                     : 0;
    if (form.sources > 0) {
      assemble_operands(line, parts, form, instruction);
    } else if (parts.size() != immediates) {
      misread(line, fmt::format("{} has {} numbers", form.name, immediates));
    } else if (form.opcode == CrfOpcode::kNop) {
      instruction.count = number(line, parts[0], kImmediateBits);
    } else if (form.opcode == CrfOpcode::kJump) {
      instruction.count = number(line, parts[0], kJumpCountBits);
      instruction.back = number(line, parts[1], kImmediateBits);
    }
    return encode(instruction);
  }
  misread(line, fmt::format("'{}' is no instruction", name));
}

// --- CrfSequencer

CrfSequencer::CrfSequencer(const std::array<std::uint32_t, kCrfEntries>& words) {
  for (std::uint32_t i = 0; i < kCrfEntries; ++i) instructions_[i] = decode(words[i]);
}

CrfSequencer::Step CrfSequencer::next() {
  for (std::uint32_t jumps = 0; jumps <= kMostJumps; ++jumps) {
    if (entry_ >= kCrfEntries) return {Status::kEnded, kCrfEntries};
    if (!instructions_[entry_]) return {Status::kUndefined, entry_};
    const CrfInstruction& instruction = *instructions_[entry_];
    if (instruction.opcode == CrfOpcode::kExit) return {Status::kEnded, entry_};
    if (instruction.opcode != CrfOpcode::kJump) {
      const std::uint32_t here = entry_;
      if (triggers_left_ == 0) {
        const bool automatic = instruction.aam || instruction.opcode == CrfOpcode::kFill;
        triggers_left_ = automatic ? kAutomaticTriggers : instruction.count + 1;
      }
      if (--triggers_left_ == 0) ++entry_;
      return {Status::kRuns, here};
    }
    if (!jumping_[entry_]) {
      jumping_[entry_] = true;
      jumps_left_[entry_] = instruction.count;
    }
    if (jumps_left_[entry_] == 0) {
      jumping_[entry_] = false;
      ++entry_;
      continue;
    }
    --jumps_left_[entry_];
    if (instruction.back > entry_ + 1) return {Status::kLost, entry_};
    entry_ = entry_ + 1 - instruction.back;
  }
  return {Status::kLost, entry_};
}

}  // namespace hpimvp::hbm_pim
