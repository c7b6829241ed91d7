// Counts what a random program really executed: instructions by mnemonic, rounding modes and
// operand classes of floating-point instructions.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "models/riscv/core.h"
#include "tests/conformance/riscv_operands.h"
#include "tests/conformance/riscv_random_program.h"

namespace hpimvp::conformance {

class RiscvCoverage {
 public:
  // Prepares for a run of this program.
  void begin(const RandomProgram& program);
  // To be called before each step of the core.
  void observe(const riscv::Core& core);

  std::uint64_t instructions() const { return instructions_; }

  // What was never executed although the generator should reach it; empty when all is covered.
  std::vector<std::string> gaps() const;
  // Counts by extension and mnemonic, and the sums over rounding modes and operand classes.
  std::string table() const;

 private:
  static constexpr int kModes = 5;
  struct Counts {
    std::uint64_t executed = 0;
    std::array<std::uint64_t, kModes> static_rounding = {};
    std::array<std::uint64_t, kModes> dynamic_rounding = {};
    std::array<std::uint64_t, kFloatClassCount> operand_class = {};
  };

  std::vector<const ListedInstruction*> by_halfword_;  // of the code, from the first address on
  std::map<const InstructionForm*, Counts> counts_;
  std::uint64_t raw_encodings_ = 0;
  std::uint64_t instructions_ = 0;
};

}  // namespace hpimvp::conformance
