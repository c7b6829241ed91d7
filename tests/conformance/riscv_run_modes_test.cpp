// However a caller slices its time, the core does the same: long runs, single steps and budgets of
// a few cycles or instructions give the same memory, the same instruction count and the same
// cycles.
#include <catch2/catch.hpp>
#include <set>

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

// Addresses of counted instructions, and how often a run passes them.
struct Breakpoints {
  std::vector<std::uint64_t> addresses;
  std::uint64_t passes = 0;
};

Breakpoints choose_breakpoints(RandomSource& random, const RandomProgram& program) {
  constexpr std::size_t kBreakpoints = 200;
  std::set<std::uint64_t> chosen;
  while (chosen.size() < kBreakpoints) {
    const ListedInstruction& listed = random.pick(program.listing);
    if (listed.counted) chosen.insert(listed.address);
  }
  Breakpoints breakpoints{{chosen.begin(), chosen.end()}, 0};
  CoreRunOptions stepping;
  stepping.mode = RunMode::kSingleStep;
  stepping.observer = [&](const riscv::Core& core) {
    breakpoints.passes += chosen.count(core.pc());
  };
  run_on_core(program.image, stepping);
  return breakpoints;
}

TEST_CASE("a debugger's breakpoints stop every time and change nothing", "[conformance][riscv]") {
  const std::uint64_t seed = seed_from_environment();
  RandomSource random(seed);
  const RandomProgram program = generate_random_program(random, 5'000);
  const CoreOutcome reference = run_on_core(program.image);
  const Breakpoints breakpoints = choose_breakpoints(random, program);
  for (const RunMode mode : {RunMode::kBlocks, RunMode::kTinyBudgets}) {
    CoreRunOptions options;
    options.mode = mode;
    options.breakpoints = breakpoints.addresses;
    const CoreOutcome outcome = run_on_core(program.image, options);
    INFO("HPIMVP_SEED=" << seed << ", mode " << static_cast<int>(mode));
    CHECK(outcome.breakpoint_stops == breakpoints.passes);
    CHECK(describe_difference(program, reference.ram, outcome.ram) == "");
    CHECK(outcome.instructions == reference.instructions);
    CHECK(outcome.cycles == reference.cycles);
  }
}

TEST_CASE("a debugger's watchpoint stops at every store and changes nothing",
          "[conformance][riscv]") {
  const std::uint64_t seed = seed_from_environment();
  RandomSource random(seed);
  const RandomProgram program = generate_random_program(random, 5'000);
  const CoreOutcome reference = run_on_core(program.image);
  // Each word of the log is stored exactly once.
  const std::uint64_t words = 1000;
  CoreRunOptions options;
  options.watchpoint = riscv::Watchpoint{program.log_address + 8 * 100, 8 * words, false, true};
  const CoreOutcome outcome = run_on_core(program.image, options);
  INFO("HPIMVP_SEED=" << seed);
  CHECK(outcome.watchpoint_stops == words);
  CHECK(describe_difference(program, reference.ram, outcome.ram) == "");
  CHECK(outcome.instructions == reference.instructions);
  CHECK(outcome.cycles == reference.cycles);
}

}  // namespace
}  // namespace hpimvp::conformance
