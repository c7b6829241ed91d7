// Runs the same bare-metal images as qemu_riscv.h on the project's RISC-V core, with RAM, the test
// finisher and the CLINT of QEMU's virt machine and nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "models/riscv/core.h"

namespace hpimvp::conformance {

enum class RunMode {
  kBlocks,       // long runs, as a virtual platform makes them
  kSingleStep,   // step() only
  kTinyBudgets,  // run() with random budgets of a few cycles or instructions
};

struct CoreOutcome {
  std::vector<std::uint8_t> ram;
  std::uint64_t instructions = 0;
  std::uint64_t cycles = 0;
  std::uint64_t breakpoint_stops = 0;
  std::uint64_t watchpoint_stops = 0;
};

struct CoreRunOptions {
  RunMode mode = RunMode::kBlocks;
  // Of the budgets of kTinyBudgets.
  std::uint64_t seed = 1;
  // Called before every step of kSingleStep.
  std::function<void(const riscv::Core&)> observer = {};
  // What a debugger sets; the run goes on after every stop.
  std::vector<std::uint64_t> breakpoints = {};
  std::optional<riscv::Watchpoint> watchpoint = {};
};

// Throws std::runtime_error when the program does not reach the finisher within
// `kMostInstructions`.
CoreOutcome run_on_core(const std::vector<std::uint8_t>& image, const CoreRunOptions& options = {});

inline constexpr std::uint64_t kMostInstructions = 200'000'000;

}  // namespace hpimvp::conformance
