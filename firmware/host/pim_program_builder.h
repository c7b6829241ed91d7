// Fills lists of PIM commands (PimCommandWord) for HBM-PIM stacks of the native programming model.
// The lists' rules: docs/pim_programming.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "hal/hbm_pim_stack.h"

namespace hpimvp::firmware {

class PimProgramBuilder {
 public:
  using Word = hal::hbm_pim_stack::PimCommandWord;

  // Writes into `storage`, which must outlive it.
  explicit PimProgramBuilder(std::span<Word> storage) : storage_(storage) {}

  // `count` bursts of 32 bytes of the input buffer, from byte `offset` on, into the global buffer.
  void write_buffer(std::uint16_t entry, std::uint16_t count, std::uint32_t offset) {
    Word& word = next(Word::kWrGb, count);
    word.buffer_entry = entry;
    word.operand = offset;
  }
  // Start values of an accumulator over the units, `count` bursts from burst `first` on.
  void write_bias(std::uint16_t accumulator, std::uint16_t first, std::uint16_t count,
                  std::uint32_t offset) {
    transfer(Word::kWrBias, accumulator, first, count, offset);
  }
  // Opens `row` in `count` activate groups: `group`, and on in steps of the operand groups.
  void activate(std::uint32_t row, std::uint8_t group, std::uint16_t count) {
    Word& word = next(Word::kActAb, count);
    word.bank = group;
    word.operand = row;
  }
  void multiply(std::uint8_t operand_group, std::uint16_t column, std::uint16_t entry,
                std::uint16_t count, std::uint16_t accumulator = 0) {
    columns(Word::kMacAb, operand_group, column, entry, count).accumulator = accumulator;
  }
  void add(std::uint8_t operand_group, std::uint16_t column, std::uint16_t entry,
           std::uint16_t count) {
    columns(Word::kEwaddAb, operand_group, column, entry, count);
  }
  void scale(std::uint8_t operand_group, std::uint16_t column, std::uint16_t entry,
             std::uint16_t count) {
    columns(Word::kEwmulAb, operand_group, column, entry, count);
  }
  void copy_to_buffer(std::uint8_t bank, std::uint16_t column, std::uint16_t entry,
                      std::uint16_t count) {
    columns(Word::kCpGb, bank, column, entry, count);
  }
  void copy_to_bank(std::uint8_t bank, std::uint16_t column, std::uint16_t entry,
                    std::uint16_t count) {
    columns(Word::kCpBank, bank, column, entry, count);
  }
  // An accumulator over the units to the output buffer; it is 0 afterwards.
  void read_result(std::uint16_t accumulator, std::uint16_t first, std::uint16_t count,
                   std::uint32_t offset) {
    transfer(Word::kRdMac, accumulator, first, count, offset);
  }
  void precharge(std::uint8_t operand_group = 0) { next(Word::kPreAb, 1).bank = operand_group; }

  // The list so far.
  std::span<const Word> words() const { return storage_.first(used_); }
  // More was added than the storage holds; what did not fit is missing.
  bool overflowed() const { return overflowed_; }

 private:
  Word& next(std::uint32_t opcode, std::uint16_t count) {
    overflowed_ = overflowed_ || used_ == storage_.size();
    Word& word = overflowed_ ? discarded_ : storage_[used_++];
    word = {};
    word.opcode = static_cast<std::uint8_t>(opcode);
    word.count = count;
    return word;
  }
  Word& columns(std::uint32_t opcode, std::uint8_t bank, std::uint16_t column, std::uint16_t entry,
                std::uint16_t count) {
    Word& word = next(opcode, count);
    word.bank = bank;
    word.column = column;
    word.buffer_entry = entry;
    return word;
  }
  void transfer(std::uint32_t opcode, std::uint16_t accumulator, std::uint16_t first,
                std::uint16_t count, std::uint32_t offset) {
    Word& word = next(opcode, count);
    word.accumulator = accumulator;
    word.column = first;
    word.operand = offset;
  }

  std::span<Word> storage_;
  std::size_t used_ = 0;
  bool overflowed_ = false;
  Word discarded_{};
};

}  // namespace hpimvp::firmware
