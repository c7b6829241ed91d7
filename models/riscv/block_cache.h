// Owns the decoded blocks. Blocks are found by address and privilege mode and are only discarded
// all together: code changes are rare (fence.i, a memory mapping that goes away, a new breakpoint).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "models/riscv/block.h"

namespace hpimvp::riscv {

/// Memory for objects that are freed all at once.
class Arena {
 public:
  /// Aligned to 16 bytes, not initialised.
  void* allocate(std::size_t bytes);
  /// Keeps one chunk for reuse.
  void clear();
  std::size_t used_bytes() const { return used_bytes_; }

 private:
  static constexpr std::size_t kChunkBytes = 256 * 1024;
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  std::size_t offset_ = kChunkBytes;
  std::size_t used_bytes_ = 0;
};

class BlockCache {
 public:
  BlockCache();

  Block* find(std::uint64_t pc, std::uint64_t mode_tag) const;
  void insert(Block* block);
  void clear();

  Arena& arena() { return arena_; }
  /// Whether so much has been decoded that starting afresh is better.
  bool full() const { return arena_.used_bytes() > kMaximumBytes; }
  bool empty() const { return arena_.used_bytes() == 0; }

 private:
  static constexpr std::size_t kBuckets = 1 << 14;
  static constexpr std::size_t kMaximumBytes = std::size_t{64} << 20;

  static std::size_t bucket(std::uint64_t pc, std::uint64_t mode_tag) {
    return ((pc >> 1) ^ (pc >> 15) ^ mode_tag) & (kBuckets - 1);
  }

  std::vector<Block*> buckets_;
  Arena arena_;
};

/// Instructions collected for a block, laid out into `arena`.
class BlockBuilder {
 public:
  static constexpr std::size_t kMaximumInstructions = 64;

  struct Extra {
    std::uint32_t load_cycles = 0;
    std::uint32_t store_cycles = 0;
    bool operator==(const Extra&) const = default;
  };

  /// `extra` is the stall of every load and store in the core's home memory.
  BlockBuilder(const CycleTable& table, Extra extra) : table_(table), extra_(extra) {}

  void start(std::uint64_t pc, std::uint64_t mode_tag);
  bool full() const { return instructions_.size() == kMaximumInstructions; }
  bool empty() const { return instructions_.empty(); }
  std::uint64_t next_pc() const { return next_pc_; }
  void append(const Instruction& instruction);
  bool ended() const { return !empty() && ends_block(instructions_.back().operation); }

  /// `following` is the instruction after the last one when it is known: a stall on a result that
  /// it reads belongs to the last one.
  Block* finish(Arena& arena, const Instruction* following);

 private:
  std::uint32_t cost(std::size_t index, const Instruction* following) const;
  void set_ways_out(const Instruction& last, BlockExit& exit, std::uint64_t cycles) const;

  CycleTable table_;
  Extra extra_;
  std::uint64_t pc_ = 0;
  std::uint64_t next_pc_ = 0;
  std::uint64_t mode_tag_ = 0;
  std::vector<Instruction> instructions_;
};

}  // namespace hpimvp::riscv
