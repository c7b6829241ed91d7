// Random instructions of every supported extension: the core must leave the same registers, memory,
// traps and exception flags behind as QEMU.
#include <algorithm>
#include <catch2/catch.hpp>
#include <iostream>

#include "tests/conformance/core_riscv.h"
#include "tests/conformance/qemu_riscv.h"
#include "tests/conformance/riscv_coverage.h"
#include "tests/conformance/riscv_random_program.h"
#include "tests/conformance/test_settings.h"

namespace hpimvp::conformance {
namespace {

// Enough to reach every mnemonic, rounding mode and operand class; a smaller count is for a quick
// look.
constexpr std::uint64_t kCountWithFullCoverage = 600'000;

// Catch2 would wrap the lines of the description.
void require_equal(const RandomProgram& program, const std::vector<std::uint8_t>& expected,
                   const std::vector<std::uint8_t>& actual) {
  const std::string difference = describe_difference(program, expected, actual);
  if (!difference.empty()) std::cout << difference;
  REQUIRE(difference.empty());
}

TEST_CASE("random instructions give QEMU's registers, memory and flags", "[conformance][riscv]") {
  if (!qemu_is_available()) skip_test("qemu-system-riscv64 is not installed");
  std::cout << qemu_version() << "\n";
  const std::uint64_t seed = seed_from_environment();
  const std::uint64_t wanted = instruction_count_from_environment(kCountWithFullCoverage);
  RiscvCoverage coverage;
  for (std::uint64_t part = 0; coverage.instructions() < wanted; ++part) {
    RandomSource random(seed + part);
    constexpr std::uint64_t kInstructionsPerProgram = 40'000;
    const std::uint64_t missing = wanted - coverage.instructions();
    const RandomProgram program =
        generate_random_program(random, std::min(kInstructionsPerProgram, missing / 2 + 1));
    const std::vector<std::uint8_t> expected = run_on_qemu(program.image);
    const CoreOutcome in_blocks = run_on_core(program.image);
    INFO("HPIMVP_SEED=" << seed << ", program " << part);
    require_equal(program, expected, in_blocks.ram);

    coverage.begin(program);
    CoreRunOptions stepping;
    stepping.mode = RunMode::kSingleStep;
    stepping.observer = [&coverage](const riscv::Core& core) { coverage.observe(core); };
    const CoreOutcome in_steps = run_on_core(program.image, stepping);
    require_equal(program, expected, in_steps.ram);
  }
  std::cout << coverage.table();
  CHECK(coverage.instructions() >= wanted);
  if (wanted >= kCountWithFullCoverage) CHECK(coverage.gaps() == std::vector<std::string>{});
}

}  // namespace
}  // namespace hpimvp::conformance
