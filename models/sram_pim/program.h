// Building tile programs from C++: the compiler's way in. The text assembler (assembler.h) emits
// through the same class.
//
//   Program program;
//   auto loop = program.label("loop");
//   program.load_constant(6, 0x12345);
//   program.bind(loop);
//   program.emit(Opcode::kAddi, {6, 6, -1});
//   program.emit(Opcode::kLdd, {7, 8, 1});           // ldd r7, 8(r1)
//   program.emit(Opcode::kBne, {6, 0, loop});
//   program.emit(Opcode::kHalt);
//   std::vector<std::uint8_t> image = program.bytes();
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "models/sram_pim/encoding.h"

namespace hpimvp::sram_pim {

// A program that cannot be encoded: wrong operands, a value outside its field, an unbound label.
class ProgramError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A position in a program, known once it is bound. Belongs to the Program that made it.
struct Label {
  std::uint32_t id;
};

// A register number, an immediate, or a branch target.
class Operand {
 public:
  Operand(int value) : value_(value) {}       // NOLINT: operands are written as literals
  Operand(unsigned value) : value_(value) {}  // NOLINT
  Operand(long value) : value_(value) {}      // NOLINT
  Operand(unsigned long value)                // NOLINT
      : value_(static_cast<std::int64_t>(value)) {}
  Operand(Label label) : value_(label.id), is_label_(true) {}  // NOLINT

  std::int64_t value() const { return value_; }
  bool is_label() const { return is_label_; }

 private:
  std::int64_t value_;
  bool is_label_ = false;
};

class Program {
 public:
  // No control memory is larger (docs/machine.md).
  static constexpr std::size_t kMaxBytes = 512 * 1024;

  // `base`: address in control memory at which the first word will stand, 4-byte aligned.
  explicit Program(std::uint32_t base = 0);

  // Makes a label; bind() gives it the address of the next word. The name is for listings and
  // error messages.
  Label label(std::string_view name = {});
  void bind(Label label);
  bool is_bound(Label label) const;
  // Throws ProgramError if the label is not bound yet.
  std::uint32_t label_address(Label label) const;

  // Appends one instruction, operands in the order of the assembler (InstructionInfo::operands;
  // `m` takes two: the immediate, then the register). A branch target is a label or an absolute
  // address. `li`'s immediate may be a label too: its address. Throws ProgramError.
  void emit(Opcode opcode, std::initializer_list<Operand> operands = {}) {
    emit(opcode, std::span<const Operand>(operands.begin(), operands.size()));
  }
  void emit(Opcode opcode, std::span<const Operand> operands);

  // rd = value, in one to four instructions (li, then shori).
  void load_constant(unsigned rd, std::uint64_t value);
  // rd = rs
  void move(unsigned rd, unsigned rs) { emit(Opcode::kAddi, {rd, rs, 0}); }
  void jump(Label target) { emit(Opcode::kJal, {0, target}); }

  // Data between instructions. A 64-bit word for `ldd` must be aligned: align(8) first.
  void word(std::uint32_t value);
  void double_word(std::uint64_t value);
  // Fills with zeros up to a multiple of `bytes` (a power of two, at least 4) of the address.
  void align(std::uint32_t bytes);

  std::uint32_t base() const { return base_; }
  // Where the next word will stand.
  std::uint32_t address() const {
    return base_ + static_cast<std::uint32_t>(words_.size()) * kInstructionBytes;
  }

  // The finished program. Throws ProgramError if a label in use is unbound or a target is too far.
  std::vector<std::uint32_t> words() const;
  std::vector<std::uint8_t> bytes() const;  // little endian, as it goes into control memory
  // Address, word and text of every instruction, with labels.
  std::string listing() const;

 private:
  enum class FixupKind { kBranch, kAddress };
  struct Fixup {
    std::size_t index;  // of the word
    Instruction instruction;
    std::uint32_t label;
    FixupKind kind;
  };
  struct LabelState {
    std::string name;
    std::uint32_t address = 0;
    bool bound = false;
  };

  void append(std::uint32_t word);
  std::string label_name(std::uint32_t id) const;
  std::uint32_t encode_here(const Instruction& instruction) const;
  std::int32_t target_offset(const Instruction& instruction, std::uint32_t from,
                             std::int64_t target) const;

  std::uint32_t base_;
  std::vector<std::uint32_t> words_;
  std::vector<Fixup> fixups_;
  std::vector<LabelState> labels_;
};

}  // namespace hpimvp::sram_pim
