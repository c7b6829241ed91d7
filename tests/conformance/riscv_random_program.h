// Generates self-checking-by-comparison programs: random instructions in short blocks, after each
// of which the program itself writes all its registers to a log in RAM. Two machines agree when
// their RAM agrees at the end; the log tells where they parted.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tests/conformance/random_source.h"
#include "tests/conformance/riscv_image_builder.h"

namespace hpimvp::conformance {

// Log records are sequences of 64-bit words; the first word is the tag.
inline constexpr std::uint64_t kStateTag = 0x45544154'53ULL;  // "STATE"
inline constexpr std::uint64_t kTrapTag = 0x50415254ULL;      // "TRAP"
inline constexpr int kStateWords = 1 + 30 + 32 + 1;           // tag, x1..x30, f0..f31, fcsr
inline constexpr int kTrapWords = 4;                          // tag, mcause, mepc, mtval

struct RandomProgram {
  // A store of a counted instruction, for reports about the data area.
  struct Store {
    std::size_t listing_index;
    std::uint64_t address;
    unsigned length_bytes;
  };
  struct Block {
    std::size_t first_listing_index;
    std::size_t end_listing_index;
  };

  std::vector<std::uint8_t> image;  // loaded at kRamBase, entered at its first byte
  std::vector<ListedInstruction> listing;
  // The program runs through its blocks twice. The first state record of the log is the initial
  // state; the n-th after it belongs to blocks[(n - 1) % blocks.size()].
  std::vector<Block> blocks;
  std::vector<Store> stores;
  std::uint64_t data_address = 0;
  std::uint64_t data_bytes = 0;
  std::uint64_t log_address = 0;
};

// At least `counted_instructions` instructions of experiment, scaffolding not counted; at most
// 40,000, so that every block reaches the shared dump routine with one jump.
RandomProgram generate_random_program(RandomSource& random, std::size_t counted_instructions);

// Compares the RAM that two machines left behind (both from kRamBase on). Empty when equal;
// otherwise where, in which block of which instructions, with which inputs, and both outputs.
std::string describe_difference(const RandomProgram& program,
                                std::span<const std::uint8_t> expected,
                                std::span<const std::uint8_t> actual);

}  // namespace hpimvp::conformance
