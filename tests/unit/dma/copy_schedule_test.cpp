#include "models/dma/copy_schedule.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

using hpimvp::dma::Burst;
using hpimvp::dma::CopyDescriptor;
using hpimvp::dma::CopySchedule;
using hpimvp::dma::is_valid;

namespace {

CopyDescriptor copy_of(std::uint64_t source, std::uint64_t destination, std::uint32_t row_bytes,
                       std::uint32_t rows = 1, std::uint64_t source_stride = 0,
                       std::uint64_t destination_stride = 0) {
  CopyDescriptor descriptor{};
  descriptor.header.opcode = CopyDescriptor::kOpcode;
  descriptor.source_address = source;
  descriptor.destination_address = destination;
  descriptor.row_bytes = row_bytes;
  descriptor.row_count = rows;
  descriptor.source_stride = source_stride;
  descriptor.destination_stride = destination_stride;
  return descriptor;
}

}  // namespace

TEST_CASE("a row is cut into bursts and a rest") {
  CopySchedule schedule(copy_of(0x1000, 0x9000, 10'000), 4096);
  std::vector<std::uint32_t> sizes;
  std::uint64_t expected = 0;
  while (!schedule.done()) {
    const Burst burst = schedule.next();
    CHECK(burst.source == 0x1000 + expected);
    CHECK(burst.destination == 0x9000 + expected);
    expected += burst.bytes;
    sizes.push_back(burst.bytes);
  }
  CHECK(sizes == std::vector<std::uint32_t>{4096, 4096, 1808});
}

TEST_CASE("random copies touch every byte of every row once") {
  const unsigned seed = Catch::rngSeed() + 1;
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    const std::uint32_t row_bytes = 1 + random() % 200;
    const std::uint32_t rows = 1 + random() % 10;
    const std::uint64_t source_stride = row_bytes + random() % 50;
    const std::uint64_t destination_stride = row_bytes + random() % 50;
    const CopyDescriptor descriptor =
        copy_of(5000, 90'000, row_bytes, rows, source_stride, destination_stride);
    REQUIRE(is_valid(descriptor));
    const std::uint32_t burst_bytes = 1 + random() % 64;
    CopySchedule schedule(descriptor, burst_bytes);
    std::map<std::uint64_t, std::uint64_t> moved;  // destination -> source
    while (!schedule.done()) {
      const Burst burst = schedule.next();
      REQUIRE(burst.bytes >= 1);
      REQUIRE(burst.bytes <= burst_bytes);
      for (std::uint32_t i = 0; i < burst.bytes; ++i) {
        REQUIRE(moved.emplace(burst.destination + i, burst.source + i).second);
      }
    }
    REQUIRE(moved.size() == static_cast<std::size_t>(rows) * row_bytes);
    for (std::uint32_t row = 0; row < rows; ++row) {
      for (std::uint32_t byte = 0; byte < row_bytes; ++byte) {
        REQUIRE(moved.at(90'000 + row * destination_stride + byte) ==
                5000 + row * source_stride + byte);
      }
    }
  }
}

TEST_CASE("a descriptor that asks for nothing or too much is not valid") {
  CHECK(is_valid(copy_of(0, 0x1000, 1)));
  CHECK_FALSE(is_valid(copy_of(0, 0x1000, 0)));
  CHECK_FALSE(is_valid(copy_of(0, 0x1000, 1, 0)));

  CopyDescriptor flags = copy_of(0, 0x1000, 1);
  flags.header.flags = 1;
  CHECK(is_valid(flags));
  flags.header.flags = 2;
  CHECK_FALSE(is_valid(flags));

  CopyDescriptor reserved = copy_of(0, 0x1000, 1);
  reserved.reserved0 = 1;
  CHECK_FALSE(is_valid(reserved));
  reserved.reserved0 = 0;
  reserved.reserved1 = 1;
  CHECK_FALSE(is_valid(reserved));
}

TEST_CASE("an area must stay inside the address space") {
  CHECK(is_valid(copy_of(~0ull - 15, 0, 16)));
  CHECK_FALSE(is_valid(copy_of(~0ull - 14, 0, 16)));
  CHECK_FALSE(is_valid(copy_of(0, ~0ull - 14, 16)));
  CHECK_FALSE(is_valid(copy_of(0, 1ull << 40, 16, 3, 1ull << 63, 16)));
  CHECK_FALSE(is_valid(copy_of(0, 1ull << 40, 16, 3, ~0ull, 16)));
  // A stride counts only between rows.
  CHECK(is_valid(copy_of(0, 1ull << 40, 16, 1, ~0ull, ~0ull)));
}

TEST_CASE("blocks that overlap are not valid, rows that interleave are") {
  CHECK_FALSE(is_valid(copy_of(0x1000, 0x1000, 16)));
  CHECK_FALSE(is_valid(copy_of(0x1000, 0x100F, 16)));
  CHECK_FALSE(is_valid(copy_of(0x100F, 0x1000, 16)));
  CHECK(is_valid(copy_of(0x1010, 0x1000, 16)));
  CHECK(is_valid(copy_of(0x1000, 0x1010, 16)));
  CHECK_FALSE(is_valid(copy_of(0x1000, 0x1010, 16, 2, 16, 16)));
  CHECK(is_valid(copy_of(0x1000, 0x1010, 16, 2, 32, 32)));
}
