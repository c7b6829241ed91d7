// Where the keys and values of every position are: the plan's KV regions cut into blocks, and a
// table of block addresses for each layer, which the tiles read (docs/machine.md, "KV blocks").
//
// Plain memory and arithmetic: nothing here touches hardware.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "firmware/abi/plan_format.h"
#include "firmware/host/arena.h"

namespace hpimvp::firmware {

// Gives out equal blocks of several memory regions (one per stack, or more), and takes them back.
class BlockAllocator {
 public:
  // `regions` must outlive the allocator. At most `most_blocks` blocks are in use at a time.
  BlockAllocator(std::span<const plan::MemoryRegion> regions, std::uint64_t block_bytes,
                 std::uint64_t most_blocks, Arena& arena);

  // A block of region `preferred` (modulo the number of regions) or, if that is full, of the next
  // one with room. Nothing: all are full.
  std::optional<std::uint64_t> allocate(std::uint64_t preferred);
  // `block_address` came from allocate() and has not been released since.
  void release(std::uint64_t block_address);

  std::uint64_t blocks_in_use() const { return blocks_in_use_; }

 private:
  struct Region {
    std::uint64_t begin;
    std::uint64_t next_unused;
    std::uint64_t end;
    std::uint64_t released_count;
    std::uint64_t* released;  // stack of blocks that came back
  };

  std::span<Region> regions_;
  std::uint64_t block_bytes_;
  std::uint64_t most_blocks_;
  std::uint64_t blocks_in_use_ = 0;
};

// The shape of a cache.
struct KvCacheShape {
  std::uint32_t layers;
  std::uint32_t max_positions;
  std::uint32_t block_tokens;  // positions in a block, at least 1
  std::uint64_t block_bytes;
};

class KvCache {
 public:
  // Block tables start at a multiple of this, so that a tile reads the first ones in one burst.
  static constexpr std::uint64_t kTableAlignment = 64;

  KvCache(const KvCacheShape& shape, std::span<const plan::MemoryRegion> regions, Arena& arena);

  // Makes sure that every layer has the block of `position`. Positions are below max_positions and
  // come in ascending order without gaps: blocks are allocated at the first position inside them;
  // consecutive blocks of a layer, and the same block of consecutive layers, go to different
  // regions. False: out of blocks; what could be allocated stays allocated.
  bool reserve_position(std::uint64_t position);

  // Gives all blocks back: the cache is empty again.
  void clear();

  // Address of a layer's block table: entry i is the address of the block that holds positions
  // i * block_tokens and up, 0 where there is none yet.
  std::uint64_t table_address(std::uint32_t layer) const {
    return reinterpret_cast<std::uint64_t>(tables_.data() + layer * blocks_per_layer_);
  }
  // From a layer's table to the next layer's, in bytes.
  std::uint64_t table_stride() const { return blocks_per_layer_ * sizeof(std::uint64_t); }
  std::span<const std::uint64_t> table(std::uint32_t layer) const {
    return tables_.subspan(layer * blocks_per_layer_, blocks_per_layer_);
  }

  std::uint64_t blocks_in_use() const { return allocator_.blocks_in_use(); }

 private:
  KvCacheShape shape_;
  std::uint64_t blocks_per_layer_;
  BlockAllocator allocator_;
  std::span<std::uint64_t> tables_;
};

}  // namespace hpimvp::firmware
