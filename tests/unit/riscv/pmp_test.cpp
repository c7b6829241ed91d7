#include "models/riscv/pmp.h"

#include <catch2/catch.hpp>

namespace {

using namespace hpimvp::riscv;

constexpr std::uint8_t kR = 1, kW = 2, kX = 4, kTor = 1 << 3, kNa4 = 2 << 3, kNapot = 3 << 3;
constexpr std::uint8_t kLocked = 0x80;

bool user(const Pmp& pmp, std::uint64_t address, unsigned size, AccessKind kind) {
  return pmp.allows(address, size, kind, false);
}

}  // namespace

TEST_CASE("PMP: without a matching entry machine mode passes and user mode does not") {
  const Pmp pmp;
  CHECK(pmp.allows(0x1000, 8, AccessKind::kStore, true));
  CHECK_FALSE(user(pmp, 0x1000, 8, AccessKind::kLoad));
}

TEST_CASE("PMP: NAPOT, NA4 and TOR ranges have the extent of the specification") {
  Pmp pmp;
  pmp.write_address(0, 0x2000 >> 2);           // NA4 at 0x2000
  pmp.write_address(1, (0x1000 >> 2) | 0x1f);  // 256 bytes at 0x1000
  pmp.write_address(2, 0x3000 >> 2);
  pmp.write_address(3, 0x3100 >> 2);  // TOR 0x3000 to 0x30ff
  pmp.write_config(0, (kNa4 | kR) | (kNapot | kR | kW) << 8 | (kTor | kX) << 24);
  CHECK(user(pmp, 0x2000, 4, AccessKind::kLoad));
  CHECK_FALSE(user(pmp, 0x2004, 1, AccessKind::kLoad));
  CHECK(user(pmp, 0x1000, 8, AccessKind::kStore));
  CHECK(user(pmp, 0x10f8, 8, AccessKind::kStore));
  CHECK_FALSE(user(pmp, 0x0fff, 1, AccessKind::kStore));
  CHECK_FALSE(user(pmp, 0x1100, 1, AccessKind::kStore));
  CHECK_FALSE(user(pmp, 0x1000, 2, AccessKind::kFetch));
  CHECK(user(pmp, 0x3000, 2, AccessKind::kFetch));
  CHECK(user(pmp, 0x30fe, 2, AccessKind::kFetch));
  CHECK_FALSE(user(pmp, 0x3100, 2, AccessKind::kFetch));
  CHECK_FALSE(user(pmp, 0x2ffe, 2, AccessKind::kFetch));
}

TEST_CASE("PMP: an access that matches an entry in part fails even if another allows it") {
  Pmp pmp;
  pmp.write_address(0, 0x1000 >> 2);
  pmp.write_address(1, ~std::uint64_t{0});
  pmp.write_config(0, (kNa4 | kR) | (kNapot | kR) << 8);
  CHECK(user(pmp, 0x1000, 4, AccessKind::kLoad));
  CHECK_FALSE(user(pmp, 0x1000, 8, AccessKind::kLoad));
  CHECK(user(pmp, 0x1008, 8, AccessKind::kLoad));
}

TEST_CASE("PMP: the lowest-numbered matching entry decides") {
  Pmp pmp;
  pmp.write_address(0, 0x1000 >> 2);
  pmp.write_address(1, ~std::uint64_t{0});
  pmp.write_config(0, kNa4 | std::uint64_t{kNapot | kR | kW | kX} << 8);
  CHECK_FALSE(user(pmp, 0x1000, 4, AccessKind::kLoad));
  CHECK(user(pmp, 0x1004, 4, AccessKind::kLoad));
}

TEST_CASE("PMP: locked entries bind machine mode and cannot be changed") {
  Pmp pmp;
  pmp.write_address(0, 0x1000 >> 2);
  pmp.write_address(1, 0x2000 >> 2);
  pmp.write_config(0, std::uint64_t{kLocked | kTor | kR} << 8);
  CHECK(pmp.restricts(true));
  CHECK_FALSE(pmp.allows(0x1000, 4, AccessKind::kStore, true));
  CHECK(pmp.allows(0x1000, 4, AccessKind::kLoad, true));
  pmp.write_config(0, 0);
  pmp.write_address(1, 0);
  pmp.write_address(0, 0);  // the lower bound of a locked range is locked with it
  CHECK(pmp.read_config(0) == std::uint64_t{kLocked | kTor | kR} << 8);
  CHECK(pmp.read_address(1) == 0x2000 >> 2);
  CHECK(pmp.read_address(0) == 0x1000 >> 2);
}

TEST_CASE("PMP: addresses keep 54 bits, write without read is not representable") {
  Pmp pmp;
  pmp.write_address(5, ~std::uint64_t{0});
  CHECK(pmp.read_address(5) == (std::uint64_t{1} << 54) - 1);
  pmp.write_config(1, kNapot | kW | 0x60);
  CHECK(pmp.read_config(1) == kNapot);
}

TEST_CASE("PMP: a uniform range ends where an entry begins or ends") {
  Pmp pmp;
  pmp.write_address(0, 0x2000 >> 2);
  pmp.write_config(0, kNa4 | kR);
  std::uint64_t first = 0, last = 0xffff;
  pmp.clip_to_uniform(0x1000, first, last);
  CHECK(first == 0);
  CHECK(last == 0x1fff);
  first = 0, last = 0xffff;
  pmp.clip_to_uniform(0x2002, first, last);
  CHECK(first == 0x2000);
  CHECK(last == 0x2003);
  first = 0, last = 0xffff;
  pmp.clip_to_uniform(0x3000, first, last);
  CHECK(first == 0x2004);
  CHECK(last == 0xffff);
}
