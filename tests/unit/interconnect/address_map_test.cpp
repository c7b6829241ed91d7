#include "models/interconnect/address_map.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

using hpimvp::interconnect::AddressMap;
using hpimvp::interconnect::AddressRange;

TEST_CASE("a range answers for its own addresses and no others") {
  AddressMap map;
  map.add({"second", 0x2000, 0x1000, 7});
  map.add({"first", 0x1000, 0x100, 3});

  CHECK(map.find(0xFFF) == nullptr);
  REQUIRE(map.find(0x1000) != nullptr);
  CHECK(map.find(0x1000)->target == 3);
  CHECK(map.find(0x10FF)->name == "first");
  CHECK(map.find(0x1100) == nullptr);
  CHECK(map.find(0x2FFF)->target == 7);
  CHECK(map.find(0x3000) == nullptr);
  CHECK(map.ranges().front().name == "first");
}

TEST_CASE("an access that leaves its range is found nowhere") {
  AddressMap map;
  map.add({"low", 0x1000, 0x1000, 0});
  map.add({"high", 0x2000, 0x1000, 1});
  CHECK(map.find(0x1FF8, 8) != nullptr);
  CHECK(map.find(0x1FF9, 8) == nullptr);
  CHECK(map.find(0x1000, ~0ull) == nullptr);
}

TEST_CASE("the last byte of the address space belongs to a range that ends there") {
  AddressMap map;
  map.add({"top", 0xFFFF'FFFF'FFFF'0000, 0x1'0000, 0});
  CHECK(map.find(~0ull) != nullptr);
  CHECK(map.find(~0ull, 2) == nullptr);
  CHECK_THROWS_WITH(map.add({"beyond", 0x8000'0000'0000'0000, 0x9000'0000'0000'0000, 1}),
                    "address range of beyond leaves the 64-bit address space");
}

TEST_CASE("an overlap names both ranges and their addresses") {
  AddressMap map;
  map.add({"uart", 0x1000'0000, 0x1000, 0});
  CHECK_THROWS_WITH(map.add({"timer", 0x1000'0FFF, 0x10, 1}),
                    "timer [0x10000fff, 0x1000100e] overlaps uart [0x10000000, 0x10000fff]");
  CHECK_THROWS_WITH(map.add({"wide", 0xFFF'FFFF, 0x2, 1}),
                    "wide [0xfffffff, 0x10000000] overlaps uart [0x10000000, 0x10000fff]");
  CHECK_THROWS_WITH(map.add({"nothing", 0x0, 0, 1}), "address range of nothing is empty");
  CHECK(map.ranges().size() == 1);
}

TEST_CASE("random maps decode as a table of every address does") {
  const unsigned seed = Catch::rngSeed() + 1;
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    constexpr int kSpace = 256;
    std::vector<int> owner(kSpace, -1);
    AddressMap map;
    for (int i = 0; i < 20; ++i) {
      const int base = static_cast<int>(random() % kSpace);
      const int size = 1 + static_cast<int>(random() % 24);
      if (base + size > kSpace) continue;
      bool free = true;
      for (int a = base; a < base + size; ++a) free = free && owner[a] < 0;
      const AddressRange range{std::to_string(i), static_cast<std::uint64_t>(base),
                               static_cast<std::uint64_t>(size), static_cast<std::size_t>(i)};
      if (free) {
        map.add(range);
        for (int a = base; a < base + size; ++a) owner[a] = i;
      } else {
        CHECK_THROWS(map.add(range));
      }
    }
    for (int address = 0; address < kSpace; ++address) {
      const int length = 1 + static_cast<int>(random() % 8);
      bool whole = owner[address] >= 0;
      for (int a = address; a < address + length; ++a) {
        whole = whole && a < kSpace && owner[a] == owner[address];
      }
      const AddressRange* found =
          map.find(static_cast<std::uint64_t>(address), static_cast<std::uint64_t>(length));
      REQUIRE((found != nullptr) == whole);
      if (whole) REQUIRE(found->target == static_cast<std::size_t>(owner[address]));
    }
  }
}
