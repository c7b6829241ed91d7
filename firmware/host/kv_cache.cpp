#include "firmware/host/kv_cache.h"

#include <algorithm>

namespace hpimvp::firmware {
namespace {

std::uint64_t blocks_for(const KvCacheShape& shape) {
  return (std::uint64_t{shape.max_positions} + shape.block_tokens - 1) / shape.block_tokens;
}

}  // namespace

BlockAllocator::BlockAllocator(std::span<const plan::MemoryRegion> regions,
                               std::uint64_t block_bytes, std::uint64_t most_blocks, Arena& arena)
    : regions_(arena.allocate<Region>(regions.size())),
      block_bytes_(block_bytes),
      most_blocks_(most_blocks) {
  for (std::size_t i = 0; i < regions.size(); ++i) {
    const std::uint64_t blocks = std::min(regions[i].bytes / block_bytes, most_blocks);
    regions_[i] = {.begin = regions[i].address,
                   .next_unused = regions[i].address,
                   .end = regions[i].address + blocks * block_bytes,
                   .released_count = 0,
                   .released = arena.allocate<std::uint64_t>(blocks).data()};
  }
}

std::optional<std::uint64_t> BlockAllocator::allocate(std::uint64_t preferred) {
  if (blocks_in_use_ == most_blocks_) return std::nullopt;
  for (std::size_t i = 0; i < regions_.size(); ++i) {
    Region& region = regions_[(preferred + i) % regions_.size()];
    std::uint64_t block;
    if (region.released_count != 0) {
      block = region.released[--region.released_count];
    } else if (region.next_unused != region.end) {
      block = region.next_unused;
      region.next_unused += block_bytes_;
    } else {
      continue;
    }
    ++blocks_in_use_;
    return block;
  }
  return std::nullopt;
}

void BlockAllocator::release(std::uint64_t block_address) {
  for (Region& region : regions_) {
    if (block_address >= region.begin && block_address < region.end) {
      region.released[region.released_count++] = block_address;
      --blocks_in_use_;
      return;
    }
  }
}

KvCache::KvCache(const KvCacheShape& shape, std::span<const plan::MemoryRegion> regions,
                 Arena& arena)
    : shape_(shape),
      blocks_per_layer_(blocks_for(shape)),
      allocator_(regions, shape.block_bytes, shape.layers * blocks_for(shape), arena),
      tables_(arena.allocate<std::uint64_t>(shape.layers * blocks_for(shape), kTableAlignment)) {}

bool KvCache::reserve_position(std::uint64_t position) {
  if (position % shape_.block_tokens != 0) return true;  // reserved with the block's first position
  const std::uint64_t index = position / shape_.block_tokens;
  for (std::uint32_t layer = 0; layer < shape_.layers; ++layer) {
    std::uint64_t& entry = tables_[layer * blocks_per_layer_ + index];
    if (entry != 0) continue;
    const std::optional<std::uint64_t> block = allocator_.allocate(layer + index);
    if (!block) return false;
    entry = *block;
  }
  return true;
}

void KvCache::clear() {
  for (std::uint64_t& entry : tables_) {
    if (entry != 0) allocator_.release(entry);
    entry = 0;
  }
}

}  // namespace hpimvp::firmware
