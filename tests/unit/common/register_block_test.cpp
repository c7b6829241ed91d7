#include "models/common/register_block.h"

#include <array>
#include <catch2/catch.hpp>
#include <stdexcept>

namespace hpimvp::common {
namespace {

// name, offset, width, access, reset, read mask, store mask, clear mask, count, stride, halves
constexpr std::array<RegisterInfo, 8> kRegisters = {{
    {"CONTROL", 0x00, 4, Access::kReadWrite, 0x10, 0x13, 0x11, 0x02, 1, 0, false, {}},
    {"STATE", 0x04, 4, Access::kReadOnly, 7, 0xFF, 0, 0, 1, 0, false, {}},
    {"COMMAND", 0x08, 8, Access::kWriteOnly, 0, 0, 0, 0, 1, 0, false, {}},
    {"TIME", 0x10, 8, Access::kReadWrite, 0, ~0ULL, ~0ULL, 0, 1, 0, true, {}},
    {"LEVEL", 0x20, 2, Access::kReadWrite, 3, 0xFFFF, 0xFFFF, 0, 4, 8, false, {}},
    {"MASK", 0x22, 2, Access::kReadWrite, 0, 0xFFFF, 0xFFFF, 0, 4, 8, false, {}},
    {"DATA", 0x40, 1, Access::kReadWrite, 0, 0xFF, 0xFF, 0, 1, 0, false, {}},
    {"EVENTS", 0x48, 8, Access::kWrite1ToClear, 0, ~0ULL, 0, ~0ULL, 1, 0, true, {}},
}};
constexpr BlockInfo kBlock{"example", 0x100, kRegisters};

std::uint64_t value_at(const RegisterBlock& block, std::uint64_t offset, unsigned width) {
  std::uint64_t value = 0xDEAD;
  REQUIRE(block.read(offset, width, value) == AccessResult::kOk);
  return value;
}

TEST_CASE("registers start with their reset values and return to them") {
  RegisterBlock block(kBlock);
  CHECK(value_at(block, 0x00, 4) == 0x10);
  CHECK(value_at(block, 0x28, 2) == 3);
  REQUIRE(block.write(0x28, 2, 9) == AccessResult::kOk);
  block.set(0x04, 99);
  CHECK(value_at(block, 0x04, 4) == 99);
  block.reset();
  CHECK(value_at(block, 0x28, 2) == 3);
  CHECK(value_at(block, 0x04, 4) == 7);
}

TEST_CASE("a write stores read-write bits, clears write-1-to-clear bits and leaves the others") {
  RegisterBlock block(kBlock);
  block.set(0x00, 0x13);
  REQUIRE(block.write(0x00, 4, 0xFFFFFFFD) == AccessResult::kOk);
  CHECK(block.get(0x00) == 0x13);
  REQUIRE(block.write(0x00, 4, 0x02) == AccessResult::kOk);
  CHECK(block.get(0x00) == 0x00);
  REQUIRE(block.write(0x00, 4, 0xFFFFFFFF) == AccessResult::kOk);
  CHECK(value_at(block, 0x00, 4) == 0x11);
}

TEST_CASE("an access against a register's rules is refused and changes nothing") {
  RegisterBlock block(kBlock);
  std::uint64_t value = 0;
  CHECK(block.write(0x04, 4, 1) == AccessResult::kCommandError);
  CHECK(block.read(0x08, 8, value) == AccessResult::kCommandError);
  CHECK(block.read(0x18, 8, value) == AccessResult::kAddressError);
  CHECK(block.read(0x100, 4, value) == AccessResult::kAddressError);
  CHECK(block.write(0x00, 8, 1) == AccessResult::kSizeError);
  CHECK(block.write(0x00, 2, 1) == AccessResult::kSizeError);
  CHECK(block.read(0x02, 4, value) == AccessResult::kSizeError);
  CHECK(block.read(0x0C, 4, value) == AccessResult::kSizeError);
  CHECK(block.get(0x00) == 0x10);
  CHECK(block.get(0x04) == 7);
}

TEST_CASE("a register that allows halves takes 32-bit accesses to each of them") {
  RegisterBlock block(kBlock);
  REQUIRE(block.write(0x10, 8, 0x1111222233334444) == AccessResult::kOk);
  REQUIRE(block.write(0x14, 4, 0xAAAABBBB) == AccessResult::kOk);
  CHECK(value_at(block, 0x10, 8) == 0xAAAABBBB33334444);
  REQUIRE(block.write(0x10, 4, 0xCCCCDDDD) == AccessResult::kOk);
  CHECK(value_at(block, 0x10, 4) == 0xCCCCDDDD);
  CHECK(value_at(block, 0x14, 4) == 0xAAAABBBB);
  CHECK(block.write(0x12, 4, 0) == AccessResult::kSizeError);
}

TEST_CASE("clearing in one half leaves the events of the other half pending") {
  RegisterBlock block(kBlock);
  block.set(0x48, 0x0000000F000000FF);
  REQUIRE(block.write(0x48, 4, 0x0F) == AccessResult::kOk);
  CHECK(block.get(0x48) == 0x0000000F000000F0);
  REQUIRE(block.write(0x4C, 4, 0x03) == AccessResult::kOk);
  CHECK(block.get(0x48) == 0x0000000C000000F0);
}

TEST_CASE("interleaved arrays keep their elements apart") {
  RegisterBlock block(kBlock);
  for (std::uint32_t i = 0; i < 4; ++i) {
    REQUIRE(block.write(0x20 + 8 * i, 2, 100 + i) == AccessResult::kOk);
    REQUIRE(block.write(0x22 + 8 * i, 2, 200 + i) == AccessResult::kOk);
  }
  for (std::uint32_t i = 0; i < 4; ++i) {
    CHECK(value_at(block, 0x20 + 8 * i, 2) == 100 + i);
    CHECK(value_at(block, 0x22 + 8 * i, 2) == 200 + i);
  }
  std::uint64_t value = 0;
  CHECK(block.read(0x24, 2, value) == AccessResult::kAddressError);
  CHECK(block.read(0x3A + 8, 2, value) == AccessResult::kAddressError);
}

TEST_CASE("a write hook sees what was written and what was there, and can refuse") {
  RegisterBlock block(kBlock);
  RegisterBlock::Write seen{};
  AccessResult answer = AccessResult::kOk;
  const auto hook = [&](const RegisterBlock::Write& write) {
    seen = write;
    return answer;
  };
  block.on_write(0x20, hook);
  block.on_write(0x08, hook);
  REQUIRE(block.write(0x30, 2, 5) == AccessResult::kOk);
  CHECK(seen.written == 5);
  CHECK(seen.previous == 3);
  CHECK(seen.index == 2);
  REQUIRE(block.write(0x08, 8, 0x123456789) == AccessResult::kOk);
  CHECK(seen.written == 0x123456789);
  CHECK(block.get(0x08) == 0);
  answer = AccessResult::kCommandError;
  CHECK(block.write(0x30, 2, 6) == AccessResult::kCommandError);
  CHECK(block.get(0x30) == 5);
}

TEST_CASE("elements beyond an array's limit do not exist") {
  RegisterBlock block(kBlock);
  block.limit_array(0x20, 2);
  CHECK(block.write(0x28, 2, 1) == AccessResult::kOk);
  CHECK(block.write(0x30, 2, 1) == AccessResult::kAddressError);
  CHECK(block.write(0x32, 2, 1) == AccessResult::kOk);
  CHECK_THROWS_AS(block.limit_array(0x20, 5), std::logic_error);
}

TEST_CASE("writing half of a computed register keeps the computed other half") {
  RegisterBlock block(kBlock);
  block.on_read(0x10, [](std::uint32_t) { return std::uint64_t{0x1234567800000042}; });
  REQUIRE(block.write(0x10, 4, 7) == AccessResult::kOk);
  CHECK(block.get(0x10) == 0x1234567800000007);
}

TEST_CASE("a read hook supplies the value, within the readable bits") {
  RegisterBlock block(kBlock);
  block.on_read(0x04, [](std::uint32_t) { return std::uint64_t{0x1FF}; });
  block.on_read(0x20, [](std::uint32_t index) { return std::uint64_t{index} * 2; });
  CHECK(value_at(block, 0x04, 4) == 0xFF);
  CHECK(value_at(block, 0x38, 2) == 6);
}

TEST_CASE("diagnostics name registers") {
  const RegisterBlock block(kBlock);
  CHECK(block.name_at(0x08) == "COMMAND");
  CHECK(block.name_at(0x32) == "MASK[2]");
  CHECK(block.name_at(0x50) == "offset 0x50");
}

TEST_CASE(
    "a table with overlapping registers, and unknown offsets in set-up, are programming errors") {
  static constexpr std::array<RegisterInfo, 2> overlapping = {{
      {"A", 0, 8, Access::kReadWrite, 0, 0, 0, 0, 1, 0, false, {}},
      {"B", 4, 4, Access::kReadWrite, 0, 0, 0, 0, 1, 0, false, {}},
  }};
  const BlockInfo info{"broken", 0x10, overlapping};
  CHECK_THROWS_AS(RegisterBlock(info), std::logic_error);
  RegisterBlock block(kBlock);
  CHECK_THROWS_AS(block.set(0x50, 0), std::logic_error);
  CHECK_THROWS_AS(block.get(0x02), std::logic_error);
}

}  // namespace
}  // namespace hpimvp::common
