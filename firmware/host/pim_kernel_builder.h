// Writes microkernels for HBM-PIM stacks of Samsung's programming model: the instructions of the
// command register file, and the list of column commands that drives them (PimKernelImage,
// PimColumnCommand). Their rules: docs/pim_programming.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "hal/hbm_pim_stack.h"

namespace hpimvp::firmware {

// Instructions of the command register file.
namespace crf {

enum class Place : std::uint32_t {
  kEvenBank = 2,
  kOddBank = 3,
  kGrfA = 4,
  kGrfB = 5,
  kSrfM = 6,
  kSrfA = 7,
};

struct Operand {
  Place place;
  std::uint32_t index;
};

inline constexpr Operand kEvenBank = {Place::kEvenBank, 0};
inline constexpr Operand kOddBank = {Place::kOddBank, 0};
constexpr Operand grf_a(std::uint32_t index) {
  return {Place::kGrfA, index};
}
constexpr Operand grf_b(std::uint32_t index) {
  return {Place::kGrfB, index};
}
constexpr Operand srf_m(std::uint32_t index) {
  return {Place::kSrfM, index};
}
constexpr Operand srf_a(std::uint32_t index) {
  return {Place::kSrfA, index};
}

// Registers are numbered by the instruction, or (AAM) by the address that triggers it.
enum class Numbering : std::uint32_t { kByInstruction = 0, kByAddress = 1 };

// Bits 31..28 of a word.
enum class Opcode : std::uint32_t {
  kNop = 0,
  kAdd = 1,
  kMul = 2,
  kMac = 3,
  kMad = 4,
  kMov = 8,
  kFill = 9,
  kJump = 14,
  kExit = 15,
};

namespace detail {

constexpr std::uint32_t word(Opcode opcode, Operand to, Operand a, Numbering numbering) {
  return static_cast<std::uint32_t>(opcode) << 28 | static_cast<std::uint32_t>(to.place) << 25 |
         static_cast<std::uint32_t>(a.place) << 22 | static_cast<std::uint32_t>(numbering) << 15 |
         to.index << 8 | a.index << 4;
}
constexpr std::uint32_t word(Opcode opcode, Operand to, Operand a, Operand b, Numbering numbering) {
  return word(opcode, to, a, numbering) | static_cast<std::uint32_t>(b.place) << 19 | b.index;
}

}  // namespace detail

constexpr std::uint32_t add(Operand to, Operand a, Operand b, Numbering numbering = {}) {
  return detail::word(Opcode::kAdd, to, a, b, numbering);
}
constexpr std::uint32_t mul(Operand to, Operand a, Operand b, Numbering numbering = {}) {
  return detail::word(Opcode::kMul, to, a, b, numbering);
}
constexpr std::uint32_t mac(Operand to, Operand a, Operand b, Numbering numbering = {}) {
  return detail::word(Opcode::kMac, to, a, b, numbering);
}
// `c` has b's number.
constexpr std::uint32_t mad(Operand to, Operand a, Operand b, Place c, Numbering numbering = {}) {
  return detail::word(Opcode::kMad, to, a, b, numbering) | static_cast<std::uint32_t>(c) << 16;
}
constexpr std::uint32_t mov(Operand to, Operand a, Numbering numbering = {}) {
  return detail::word(Opcode::kMov, to, a, numbering);
}
// MOV of max(a, 0): whatever has a sign becomes 0.
constexpr std::uint32_t mov_relu(Operand to, Operand a, Numbering numbering = {}) {
  return mov(to, a, numbering) | 1u << 12;
}
constexpr std::uint32_t fill(Operand to, Operand a) {
  return detail::word(Opcode::kFill, to, a, Numbering::kByInstruction);
}
// Takes `triggers` triggers, 1 to 2048.
constexpr std::uint32_t nop(std::uint32_t triggers) {
  return triggers - 1;
}
// Back by `entries` from the next one, `times` times.
constexpr std::uint32_t jump(std::uint32_t times, std::uint32_t entries) {
  return static_cast<std::uint32_t>(Opcode::kJump) << 28 | times << 11 | entries;
}
inline constexpr std::uint32_t kExit = static_cast<std::uint32_t>(Opcode::kExit) << 28;

}  // namespace crf

enum class Banks : std::uint8_t { kEven = 0, kOdd = 1 };

class PimKernelBuilder {
 public:
  using Command = hal::hbm_pim_stack::PimColumnCommand;

  // Writes into `storage`, which must outlive it.
  explicit PimKernelBuilder(std::span<Command> storage) : storage_(storage) {}

  void activate(Banks banks, std::uint32_t row) {
    Command& command = next(Command::kActivate, 1);
    command.banks = static_cast<std::uint8_t>(banks);
    command.row = row;
  }
  void precharge(Banks banks) {
    next(Command::kPrecharge, 1).banks = static_cast<std::uint8_t>(banks);
  }
  // `count` triggers, at ascending columns of the open row.
  void read(Banks banks, std::uint16_t column, std::uint16_t count) {
    Command& command = next(Command::kRead, count);
    command.banks = static_cast<std::uint8_t>(banks);
    command.column = column;
  }
  // The same with data: `count` bursts of the input buffer from byte `offset` on, where the
  // instruction takes them.
  void write(Banks banks, std::uint16_t column, std::uint16_t count, std::uint32_t offset = 0) {
    Command& command = next(Command::kWrite, count);
    command.banks = static_cast<std::uint8_t>(banks);
    command.column = column;
    command.offset = offset;
  }
  // `count` bursts of the input buffer into registers `first` and up, of all units.
  void write_grf_a(std::uint16_t first, std::uint16_t count, std::uint32_t offset) {
    registers(Command::kWriteGrfA, first, count, offset);
  }
  void write_grf_b(std::uint16_t first, std::uint16_t count, std::uint32_t offset) {
    registers(Command::kWriteGrfB, first, count, offset);
  }
  // A register of `count` units, from unit `first` on, to the output buffer: a burst for each.
  void read_grf_a(std::uint16_t index, std::uint16_t first, std::uint16_t count,
                  std::uint32_t offset) {
    registers(Command::kReadGrfA, index, count, offset).column = first;
  }
  void read_grf_b(std::uint16_t index, std::uint16_t first, std::uint16_t count,
                  std::uint32_t offset) {
    registers(Command::kReadGrfB, index, count, offset).column = first;
  }

  // The list so far.
  std::span<const Command> commands() const { return storage_.first(used_); }
  // More was added than the storage holds; what did not fit is missing.
  bool overflowed() const { return overflowed_; }

 private:
  Command& next(std::uint32_t opcode, std::uint16_t count) {
    overflowed_ = overflowed_ || used_ == storage_.size();
    Command& command = overflowed_ ? discarded_ : storage_[used_++];
    command = {};
    command.opcode = static_cast<std::uint8_t>(opcode);
    command.count = count;
    return command;
  }
  Command& registers(std::uint32_t opcode, std::uint16_t index, std::uint16_t count,
                     std::uint32_t offset) {
    Command& command = next(opcode, count);
    command.register_index = index;
    command.offset = offset;
    return command;
  }

  std::span<Command> storage_;
  std::size_t used_ = 0;
  bool overflowed_ = false;
  Command discarded_{};
};

}  // namespace hpimvp::firmware
