#include "firmware/host/kv_cache.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>

#include "tests/unit/common/random_seed.h"
#include "tests/unit/firmware/fake_machine.h"

namespace hpimvp::firmware {
namespace {

constexpr std::uint64_t kBlockBytes = 0x400;

std::vector<plan::MemoryRegion> regions_of(std::vector<std::uint64_t> blocks) {
  std::vector<plan::MemoryRegion> regions;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    // A part of a block is left over at the end.
    regions.push_back({(i + 1) << 32, blocks[i] * kBlockBytes + kBlockBytes / 2});
  }
  return regions;
}

std::uint64_t region_of(std::uint64_t block) {
  return (block >> 32) - 1;
}

TEST_CASE("a block is allocated when its first position is reserved") {
  TestMemory memory;
  const auto regions = regions_of({100, 100});
  KvCache cache({.layers = 3, .max_positions = 10, .block_tokens = 4, .block_bytes = kBlockBytes},
                regions, memory.arena());
  CHECK(cache.blocks_in_use() == 0);
  for (std::uint64_t position = 0; position < 10; ++position) {
    REQUIRE(cache.reserve_position(position));
    CHECK(cache.blocks_in_use() == 3 * (position / 4 + 1));
  }
  for (std::uint32_t layer = 0; layer < 3; ++layer) {
    CHECK(cache.table(layer).size() == 3);
    CHECK(cache.table_address(layer) == reinterpret_cast<std::uint64_t>(cache.table(layer).data()));
    CHECK(cache.table_address(layer) == cache.table_address(0) + layer * cache.table_stride());
  }
}

TEST_CASE("blocks are distinct, inside their regions, and spread over them") {
  TestMemory memory;
  const auto regions = regions_of({100, 100, 100, 100});
  KvCache cache({.layers = 8, .max_positions = 64, .block_tokens = 16, .block_bytes = kBlockBytes},
                regions, memory.arena());
  for (std::uint64_t position = 0; position < 64; ++position)
    REQUIRE(cache.reserve_position(position));

  std::set<std::uint64_t> seen;
  std::map<std::uint64_t, int> per_region;
  for (std::uint32_t layer = 0; layer < 8; ++layer) {
    for (std::size_t i = 0; i < 4; ++i) {
      const std::uint64_t block = cache.table(layer)[i];
      CHECK(seen.insert(block).second);
      CHECK((block - regions[region_of(block)].address) % kBlockBytes == 0);
      CHECK(block + kBlockBytes <=
            regions[region_of(block)].address + regions[region_of(block)].bytes);
      ++per_region[region_of(block)];
      // Neither the blocks of a layer nor those of a position meet in one stack.
      if (i != 0) CHECK(region_of(block) != region_of(cache.table(layer)[i - 1]));
      if (layer != 0) CHECK(region_of(block) != region_of(cache.table(layer - 1)[i]));
    }
  }
  for (const auto& [region, blocks] : per_region) CHECK(blocks == 8);
}

TEST_CASE("a full region is passed over, and full regions are an error") {
  TestMemory memory;
  const auto regions = regions_of({1, 4});
  KvCache cache({.layers = 1, .max_positions = 100, .block_tokens = 1, .block_bytes = kBlockBytes},
                regions, memory.arena());
  for (std::uint64_t position = 0; position < 5; ++position)
    REQUIRE(cache.reserve_position(position));
  CHECK_FALSE(cache.reserve_position(5));
  CHECK(cache.table(0)[5] == 0);
  CHECK(cache.blocks_in_use() == 5);
}

TEST_CASE("no region at all is an error, not a crash") {
  TestMemory memory;
  KvCache cache({.layers = 1, .max_positions = 4, .block_tokens = 2, .block_bytes = kBlockBytes},
                {}, memory.arena());
  CHECK_FALSE(cache.reserve_position(0));
}

TEST_CASE("a cleared cache starts again with the same memory") {
  TestMemory memory;
  const auto regions = regions_of({3, 3});
  KvCache cache({.layers = 2, .max_positions = 6, .block_tokens = 2, .block_bytes = kBlockBytes},
                regions, memory.arena());
  for (int round = 0; round < 3; ++round) {
    for (std::uint64_t position = 0; position < 6; ++position) {
      REQUIRE(cache.reserve_position(position));
    }
    CHECK(cache.blocks_in_use() == 6);
    cache.clear();
    CHECK(cache.blocks_in_use() == 0);
    CHECK(cache.table(1)[2] == 0);
  }
}

TEST_CASE("random allocations and releases never give a block twice and use all memory") {
  const auto seed = static_cast<std::uint32_t>(random_seed(20260301));
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937 random(seed);
  TestMemory memory;
  const auto regions = regions_of({7, 0, 13, 1});
  constexpr std::uint64_t kBlocks = 21;
  BlockAllocator allocator(regions, kBlockBytes, 1000, memory.arena());
  std::set<std::uint64_t> in_use;
  for (int step = 0; step < 20000; ++step) {
    if (random() % 100 < (step / 1000 % 2 == 0 ? 60u : 40u)) {
      const auto block = allocator.allocate(random());
      REQUIRE(block.has_value() == (in_use.size() < kBlocks));
      if (!block) continue;
      const plan::MemoryRegion& region = regions[region_of(*block)];
      REQUIRE(*block + kBlockBytes <= region.address + region.bytes);
      REQUIRE(in_use.insert(*block).second);
    } else if (!in_use.empty()) {
      const auto chosen = std::next(in_use.begin(), random() % in_use.size());
      allocator.release(*chosen);
      in_use.erase(chosen);
    }
    REQUIRE(allocator.blocks_in_use() == in_use.size());
  }
}

TEST_CASE("tables that do not fit into the memory are reported") {
  TestMemory memory(512);
  const auto regions = regions_of({4});
  CHECK_THROWS_AS(
      KvCache({.layers = 100, .max_positions = 100, .block_tokens = 1, .block_bytes = 64}, regions,
              memory.arena()),
      std::bad_alloc);
}

}  // namespace
}  // namespace hpimvp::firmware
