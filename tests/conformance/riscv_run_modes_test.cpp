// However a caller slices its time, the core does the same: long runs, single steps and budgets of
// a few cycles or instructions give the same memory, the same instruction count and the same
// cycles.
#include <catch2/catch.hpp>

#include "tests/conformance/core_riscv.h"
#include "tests/conformance/riscv_random_program.h"
#include "tests/conformance/test_settings.h"

namespace hpimvp::conformance {
namespace {

TEST_CASE("single steps, tiny budgets and long runs agree", "[conformance][riscv]") {
  const std::uint64_t seed = seed_from_environment();
  constexpr std::uint64_t kPrograms = 4;
  constexpr std::size_t kInstructionsPerProgram = 5'000;
  for (std::uint64_t part = 0; part < kPrograms; ++part) {
    RandomSource random(seed + part);
    const RandomProgram program = generate_random_program(random, kInstructionsPerProgram);
    const CoreOutcome reference = run_on_core(program.image);
    REQUIRE(reference.instructions > kInstructionsPerProgram);
    for (const RunMode mode : {RunMode::kSingleStep, RunMode::kTinyBudgets}) {
      CoreRunOptions options;
      options.mode = mode;
      options.seed = seed + part;
      const CoreOutcome outcome = run_on_core(program.image, options);
      INFO("HPIMVP_SEED=" << seed << ", program " << part << ", mode " << static_cast<int>(mode));
      REQUIRE(describe_difference(program, reference.ram, outcome.ram) == "");
      CHECK(outcome.instructions == reference.instructions);
      CHECK(outcome.cycles == reference.cycles);
    }
  }
}

}  // namespace
}  // namespace hpimvp::conformance
