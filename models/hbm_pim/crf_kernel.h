// Microkernels of Samsung's programming model on a stack's pseudo-channels (PimKernelDescriptor,
// PimKernelImage and PimColumnCommand in hbm_pim_stack.registers.json): a command register file and
// the column commands that trigger its instructions. Checked, turned into a PimCommandSource, and
// executed on the values. docs/pim_programming.md is the manual.
//
// A pseudo-channel's units act in lockstep, each between an even and an odd bank, on 16 FP16 lanes:
// every operation rounds once, so that MAC and MAD round after the multiplication and after the
// addition. In the engine's commands:
//   registers to begin with   WR_GB for each 8 entries of the CRF in use, for the SRF, for the mode
//   ACTIVATE, PRECHARGE       ACT_AB of the operand group's activate groups, PRE_AB
//   READ                      MAC_AB: a column of all even or all odd banks, whatever the
//   instruction WRITE that stores         EWADD_AB, which occupies banks like it: a register into a
//   column of all
//                             even or all odd banks
//   WRITE that does not       WR_GB: the burst on the data bus is the instruction's bank operand
//   WRITE_GRF_A, WRITE_GRF_B  WR_GB, WR_BIAS: a burst into a register of all units
//   READ_GRF_A, READ_GRF_B    RD_MAC for each unit: in silicon the way leads through the banks
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "models/hbm_pim/crf.h"
#include "models/hbm_pim/pim_runs.h"

namespace hpimvp::hbm_pim {

using PimColumnCommand = hbm_pim_stack_registers::PimColumnCommand;
using PimKernelImage = hbm_pim_stack_registers::PimKernelImage;

// "READ", ...; "opcode 77" for one that does not exist.
std::string column_command_name(std::uint8_t opcode);

class CrfKernel {
 public:
  // `device` has passed check(). For any device; but kernels load only where the programming model
  // is Samsung's, the burst 32 bytes and a unit has one or two banks.
  explicit CrfKernel(const DeviceDescription& device);

  // Checks the commands, each with the instruction that it triggers, and keeps all. Nothing: valid.
  // Otherwise the kernel is empty.
  std::optional<ProgramError> load(const PimKernelImage& image,
                                   std::span<const PimColumnCommand> commands,
                                   std::uint32_t input_bytes, std::uint32_t output_bytes);

  // As of PimProgram.
  std::vector<PimCommand> commands() const { return expand_runs(runs_, device_.operand_groups()); }
  std::span<const PimRun> runs() const { return runs_; }
  void execute(const PimCells& cells, std::span<const std::uint8_t> input,
               std::span<std::uint8_t> output, std::uint64_t end = kAllCommands) const;

 private:
  class Loader;
  class Execution;

  // A command with what it does.
  struct Step {
    PimColumnCommand command;
    std::uint32_t row = 0;            // open in its banks
    std::uint32_t first_trigger = 0;  // READ, WRITE: in triggers_
    std::uint64_t first_command = 0;  // in commands()
  };

  DeviceDescription device_;
  PimRunCheck check_;
  PimKernelImage image_{};
  std::vector<Step> steps_;
  std::vector<std::uint8_t> triggers_;  // the CRF's entry that each READ and WRITE executes
  std::vector<PimRun> runs_;
};

}  // namespace hpimvp::hbm_pim
