#include "models/common/sparse_memory.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <stdexcept>
#include <vector>

#include "tests/unit/common/random_seed.h"

namespace hpimvp::common {
namespace {

constexpr std::uint64_t kPage = SparseMemory::kPageBytes;

TEST_CASE("random spans read back what a map of bytes holds") {
  const std::uint64_t seed = random_seed(4242);
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const std::uint64_t size = (std::uint64_t{1} << 33) + 12345;
  SparseMemory memory(size);
  std::map<std::uint64_t, std::uint8_t> reference;
  // Around page and directory borders, and at both ends.
  const std::uint64_t centres[] = {0, kPage, 4096 * kPage, 3 * kPage, size - 1, 0x123456789};
  for (int step = 0; step < 3000; ++step) {
    const std::uint64_t length = random() % (step % 100 == 0 ? 3 * kPage : 200);
    const std::uint64_t centre = centres[random() % std::size(centres)];
    const std::uint64_t wanted = centre - std::min(centre, random() % 300);
    const std::uint64_t address = std::min(wanted, size - length);
    std::vector<std::uint8_t> data(length);
    if (step % 2 == 0) {
      for (auto& byte : data) byte = static_cast<std::uint8_t>(random() % 3 == 0 ? random() : 0);
      memory.write(address, data.data(), data.size());
      for (std::size_t i = 0; i < data.size(); ++i) reference[address + i] = data[i];
    } else {
      memory.read(address, data.data(), data.size());
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < data.size(); ++i) {
        const auto found = reference.find(address + i);
        wrong += data[i] != (found == reference.end() ? 0 : found->second);
      }
      REQUIRE(wrong == 0);
    }
  }
}

TEST_CASE("only pages that were written with something other than zero cost memory") {
  SparseMemory memory(SparseMemory::kMaxBytes);
  std::vector<std::uint8_t> data(3 * kPage, 0);
  memory.write(100, data.data(), data.size());
  CHECK(memory.allocated_bytes() == 0);
  data[kPage] = 1;
  memory.write(100, data.data(), data.size());
  CHECK(memory.allocated_bytes() == kPage);
  CHECK(memory.page(0) == nullptr);
  REQUIRE(memory.page(kPage + 5) != nullptr);
  CHECK(memory.page(kPage)[100] == 1);
  memory.page_for_write(SparseMemory::kMaxBytes - 1)[kPage - 1] = 77;
  std::uint8_t last = 0;
  memory.read(SparseMemory::kMaxBytes - 1, &last, 1);
  CHECK(last == 77);
  memory.clear();
  memory.read(SparseMemory::kMaxBytes - 1, &last, 1);
  CHECK(last == 0);
  CHECK(memory.allocated_bytes() == 0);
}

TEST_CASE("zeros overwrite what a page held") {
  SparseMemory memory(kPage);
  std::uint8_t byte = 9;
  memory.write(17, &byte, 1);
  byte = 0;
  memory.write(17, &byte, 1);
  byte = 1;
  memory.read(17, &byte, 1);
  CHECK(byte == 0);
}

TEST_CASE("a memory that does not store drops writes and reads zero") {
  SparseMemory memory(kPage, false);
  const std::uint8_t data[3] = {1, 2, 3};
  memory.write(5, data, 3);
  std::uint8_t back[3] = {9, 9, 9};
  memory.read(5, back, 3);
  CHECK((back[0] == 0 && back[1] == 0 && back[2] == 0));
  CHECK(memory.allocated_bytes() == 0);
  CHECK(memory.page_for_write(0) == nullptr);
}

TEST_CASE("accesses outside and impossible sizes are refused") {
  SparseMemory memory(100);
  std::uint8_t data[2] = {};
  CHECK_THROWS_AS(memory.read(99, data, 2), std::out_of_range);
  CHECK_THROWS_AS(memory.write(~0ULL, data, 2), std::out_of_range);
  CHECK_THROWS_AS(memory.page(100), std::out_of_range);
  CHECK_NOTHROW(memory.read(100, data, 0));
  CHECK_THROWS_AS(SparseMemory(0), std::invalid_argument);
  CHECK_THROWS_AS(SparseMemory(SparseMemory::kMaxBytes + 1), std::invalid_argument);
}

}  // namespace
}  // namespace hpimvp::common
