// Where two runs of a random program parted, in terms of its instructions.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "tests/conformance/qemu_riscv.h"
#include "tests/conformance/riscv_random_program.h"

namespace hpimvp::conformance {
namespace {

using Ram = std::span<const std::uint8_t>;

std::uint64_t word_at(Ram ram, std::uint64_t address) {
  std::uint64_t word = 0;
  std::memcpy(&word, ram.data() + (address - kRamBase), sizeof word);
  return word;
}

// The name of a word of a state record.
std::string state_word_name(int index) {
  constexpr int kFirstFloat = 31;
  if (index == 0) return "tag";
  if (index < kFirstFloat) return fmt::format("x{}", index);
  if (index < kFirstFloat + 32) return fmt::format("f{}", index - kFirstFloat);
  return "fcsr";
}

std::string trap_word_name(int index) {
  constexpr const char* kNames[] = {"tag", "mcause", "mepc", "mtval"};
  return kNames[index];
}

class Report {
 public:
  Report(const RandomProgram& program, Ram expected, Ram actual)
      : program_(program), expected_(expected), actual_(actual) {}

  std::string write() {
    if (log_differs()) return text_;
    if (data_differs()) return text_;
    return rest_differs();
  }

 private:
  int record_words(std::uint64_t address) const {
    const std::uint64_t tag = word_at(expected_, address);
    return tag == kStateTag ? kStateWords : tag == kTrapTag ? kTrapWords : 0;
  }

  bool same(std::uint64_t address, std::uint64_t bytes) const {
    const std::uint64_t offset = address - kRamBase;
    return std::memcmp(expected_.data() + offset, actual_.data() + offset, bytes) == 0;
  }

  // Walks the log; on the first record that differs, writes the text.
  bool log_differs() {
    std::uint64_t address = program_.log_address;
    std::uint64_t last_state = 0;
    std::size_t states = 0;
    while (address + 8 * kStateWords <= kRamBase + kComparedRamBytes) {
      const int words = record_words(address);
      if (words == 0) break;
      if (!same(address, static_cast<std::uint64_t>(words) * 8)) {
        describe_record(address, words, states, last_state);
        return true;
      }
      if (words == kStateWords) {
        ++states;
        last_state = address;
      }
      address += static_cast<std::uint64_t>(words) * 8;
    }
    if (same(address, 8)) return false;
    text_ = fmt::format("after {} blocks the expected log ends, the other goes on with {:#x}\n",
                        states, word_at(actual_, address));
    return true;
  }

  void describe_record(std::uint64_t address, int words, std::size_t states,
                       std::uint64_t last_state) {
    const bool trap = words == kTrapWords;
    const std::size_t block_count = program_.blocks.size();
    const std::size_t block = states == 0 ? 0 : (states - 1) % block_count;
    text_ = fmt::format("a {} record differs in block {}, pass {}\n", trap ? "trap" : "state",
                        block, states == 0 ? 0 : (states - 1) / block_count);
    for (int i = 0; i < words; ++i) {
      const std::uint64_t at = address + static_cast<std::uint64_t>(i) * 8;
      if (word_at(expected_, at) == word_at(actual_, at)) continue;
      text_ += fmt::format("  {}: expected {:#018x}, got {:#018x}\n",
                           trap ? trap_word_name(i) : state_word_name(i), word_at(expected_, at),
                           word_at(actual_, at));
    }
    if (states > 0) describe_block(program_.blocks[block], last_state);
  }

  // The block's instructions, and every register before it that they name as an operand.
  void describe_block(const RandomProgram::Block& block, std::uint64_t state_before) {
    text_ += "instructions:\n";
    for (std::size_t i = block.first_listing_index; i < block.end_listing_index; ++i) {
      text_ += "  " + to_text(program_.listing[i]) + "\n";
    }
    text_ += "state before (the block first loads fresh operands from the pool):\n";
    for (int i = 1; i < kStateWords; ++i) {
      const std::uint64_t word =
          word_at(expected_, state_before + static_cast<std::uint64_t>(i) * 8);
      text_ += fmt::format("{}{}={:#018x}", i % 4 == 1 ? "\n  " : "  ", state_word_name(i), word);
    }
    text_ += "\npool operands loaded:\n";
    describe_pool_loads(block);
  }

  void describe_pool_loads(const RandomProgram::Block& block) {
    std::uint64_t base = 0;
    for (std::size_t i = block.first_listing_index; i < block.end_listing_index; ++i) {
      const ListedInstruction& listed = program_.listing[i];
      if (listed.counted || listed.instruction.form == nullptr) break;
      const Instruction& in = listed.instruction;
      const auto immediate = static_cast<std::uint64_t>(in.immediate);
      if (in.form->mnemonic == "auipc") base = listed.address + immediate;
      if (in.form->mnemonic == "addi") base += immediate;
      if (in.form->format == Format::kFpLoad || in.form->format == Format::kLoad) {
        text_ += fmt::format("  {}{} = {:#018x}\n", in.form->format == Format::kLoad ? "x" : "f",
                             in.rd, word_at(expected_, base + immediate));
      }
    }
  }

  bool data_differs() {
    const std::uint64_t end = program_.data_address + program_.data_bytes;
    for (std::uint64_t address = program_.data_address; address < end; ++address) {
      if (same(address, 1)) continue;
      const std::uint64_t aligned = address & ~std::uint64_t{7};
      text_ =
          fmt::format("data word {:#x} differs: expected {:#018x}, got {:#018x}; stores to it:\n",
                      aligned, word_at(expected_, aligned), word_at(actual_, aligned));
      for (const RandomProgram::Store& store : program_.stores) {
        if (store.address < aligned + 8 && aligned < store.address + store.length_bytes) {
          text_ += "  " + to_text(program_.listing[store.listing_index]) + "\n";
        }
      }
      return true;
    }
    return false;
  }

  std::string rest_differs() const {
    const auto mismatch =
        std::mismatch(expected_.begin(), expected_.begin() + kComparedRamBytes, actual_.begin());
    if (mismatch.first == expected_.begin() + kComparedRamBytes) return "";
    return fmt::format("RAM differs outside the log and the data area, first at {:#x}\n",
                       kRamBase + static_cast<std::uint64_t>(mismatch.first - expected_.begin()));
  }

  const RandomProgram& program_;
  Ram expected_;
  Ram actual_;
  std::string text_;
};

}  // namespace

std::string describe_difference(const RandomProgram& program,
                                std::span<const std::uint8_t> expected,
                                std::span<const std::uint8_t> actual) {
  return Report(program, expected, actual).write();
}

}  // namespace hpimvp::conformance
