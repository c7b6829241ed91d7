// The ECC registers as software sees them.
#include "models/hbm_pim/error_registers.h"

#include <catch2/catch.hpp>
#include <vector>

#include "generated/models/hbm_pim/hbm_pim_stack_registers.h"

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the test
namespace registers_of = hbm_pim_stack_registers;
using hpimvp::common::AccessResult;

namespace {

ErrorConfig with_errors() {
  ErrorConfig config;
  ErrorInjection one;
  one.offset = 0x40;
  one.kind = ErrorKind::kStored;
  config.list.push_back(one);
  one.offset = 0x1000;
  one.bits = 2;
  config.list.push_back(one);
  return config;
}

struct Bench {
  hpimvp::common::RegisterBlock block{registers_of::kBlock};
  ErrorModel model{with_errors(), 0};
  std::vector<bool> levels;
  ErrorRegisters registers;

  explicit Bench(bool corrected_interrupt)
      : registers(block, model.log(), corrected_interrupt,
                  [this](bool level) { levels.push_back(level); }) {}

  std::uint64_t get(std::uint32_t offset, unsigned width) const {
    std::uint64_t value = 0;
    REQUIRE(block.read(offset, width, value) == AccessResult::kOk);
    return value;
  }
  void put(std::uint32_t offset, std::uint64_t value) {
    REQUIRE(block.write(offset, 4, value) == AccessResult::kOk);
  }
  void access(std::uint64_t offset) { registers.note(model.read(0, offset, 64)); }
};

}  // namespace

TEST_CASE("registers tell counts, places and syndromes", "[error]") {
  Bench bench(false);
  CHECK(bench.get(registers_of::kEccStatusOffset, 4) == 0);
  bench.access(0x40);
  bench.access(0x40);
  CHECK(bench.get(registers_of::kEccStatusOffset, 4) == 1);
  bench.access(0x1000);
  CHECK(bench.get(registers_of::kEccStatusOffset, 4) == 3);
  CHECK(bench.get(registers_of::kEccCorrectedCountOffset, 8) == 2);
  CHECK(bench.get(registers_of::kEccUncorrectedCountOffset, 8) == 1);
  CHECK(bench.get(registers_of::kEccCorrectedOffsetOffset, 8) == 0x40);
  CHECK(bench.get(registers_of::kEccUncorrectedOffsetOffset, 8) == 0x1000);
  CHECK((bench.get(registers_of::kEccCorrectedSyndromeOffset, 4) &
         registers_of::kEccCorrectedSyndromeOddMask) != 0);
  CHECK((bench.get(registers_of::kEccUncorrectedSyndromeOffset, 4) &
         registers_of::kEccUncorrectedSyndromeOddMask) == 0);
  CHECK(bench.get(registers_of::kEccUncorrectedSyndromeOffset, 4) != 0);
  CHECK(bench.block.write(registers_of::kEccCorrectedCountOffset, 8, 0) ==
        AccessResult::kCommandError);
  CHECK(bench.levels.empty());  // interrupts are off
}

TEST_CASE("the interrupt follows status and control, and is cleared by writing 1", "[error]") {
  Bench bench(false);
  bench.access(0x1000);
  CHECK(bench.levels.empty());
  bench.put(registers_of::kEccControlOffset, 2);
  CHECK(bench.levels == std::vector<bool>{true});
  bench.access(0x1000);
  CHECK(bench.levels.size() == 1);  // a level, not a pulse
  bench.put(registers_of::kEccStatusOffset, 1);
  CHECK(bench.levels.size() == 1);
  bench.put(registers_of::kEccStatusOffset, 2);
  CHECK(bench.levels == std::vector<bool>{true, false});
  CHECK(bench.get(registers_of::kEccStatusOffset, 4) == 0);
  CHECK(bench.get(registers_of::kEccUncorrectedCountOffset, 8) == 2);
}

TEST_CASE("a machine can have the interrupt for corrected errors on from reset", "[error]") {
  Bench bench(true);
  CHECK(bench.get(registers_of::kEccControlOffset, 4) == 1);
  bench.access(0x40);
  CHECK(bench.levels == std::vector<bool>{true});
  bench.put(registers_of::kEccControlOffset, 0);
  CHECK(bench.levels == std::vector<bool>{true, false});
}
