// Lists of PIM commands, as firmware hands them to a stack of the native programming model
// (PimProgramDescriptor and PimCommandWord in hbm_pim_stack.registers.json): checked, turned into
// PIM commands for an engine or a controller, and executed on the values. docs/pim_programming.md
// is the manual.
//
// What the commands do in a pseudo-channel of `units` processing units, where a burst is 32 bytes
// or 16 FP16 values:
//   WR_GB     a burst of the input buffer into the global buffer
//   WR_BIAS   a burst of start values into an accumulator of all units: FP16 (FP32 where results
//   are
//             FP32), of units 0, 1, ... in order; the entry's column counts bursts
//   ACT_AB    opens a row in the banks of an activate group
//   MAC_AB    in every unit: accumulator += the column's burst times a burst of the global buffer,
//   by
//             the tree and the FP32 accumulator of pim_numerics.h
//   RD_MAC    a burst of an accumulator over the units to the output buffer, rounded to FP16; the
//             accumulators that were read are 0 afterwards
//   EWADD_AB  in every unit: the column's burst = itself + a burst of the global buffer, lane by
//   lane, EWMUL_AB  or times it; one rounding, FP16 CP_GB     the column of one bank into the
//   global buffer CP_BANK   a burst of the global buffer into the column of one bank PRE_AB closes
//   the banks of an operand group
// Mode changes and refresh are the engine's. Global buffer and accumulators are 0 when a program
// begins, but a buffer entry must be written before it is used, and an accumulator before it is
// read.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "models/hbm_pim/pim_runs.h"

namespace hpimvp::hbm_pim {

using PimCommandWord = hbm_pim_stack_registers::PimCommandWord;

// "WR_GB", ...; "opcode 77" for one that does not exist.
std::string word_name(std::uint8_t opcode);

class PimProgram {
 public:
  // `device` has passed check(). For any device; but lists load only where the programming model is
  // native, the burst 32 bytes and a result 2 or 4 bytes.
  explicit PimProgram(const DeviceDescription& device);

  // Checks the list against the device and the sizes of a pseudo-channel's buffers and keeps it.
  // Nothing: it is valid. Otherwise the program is empty.
  std::optional<ProgramError> load(std::span<const PimCommandWord> words, std::uint32_t input_bytes,
                                   std::uint32_t output_bytes);

  // In program order.
  std::vector<PimCommand> commands() const { return expand_runs(runs_, device_.operand_groups()); }

  // The same, not yet expanded.
  std::span<const PimRun> runs() const { return runs_; }

  // The values in one pseudo-channel. `input` and `output` have the sizes given to load(); bytes of
  // `output` that no RD_MAC covers stay as they are. Only the first `end` of commands() act.
  void execute(const PimCells& cells, std::span<const std::uint8_t> input,
               std::span<std::uint8_t> output, std::uint64_t end = kAllCommands) const;

 private:
  class Loader;
  class Execution;

  DeviceDescription device_;
  PimRunCheck check_;
  std::vector<PimCommandWord> words_;
  std::vector<PimRun> runs_;  // one for each word
};

}  // namespace hpimvp::hbm_pim
