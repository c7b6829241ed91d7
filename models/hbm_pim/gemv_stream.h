// From a GEMV to the PIM commands of one pseudo-channel: y = W x (+ bias), where W lies in the
// banks.
//
// Weights are handled in pieces of a burst (a "chunk": 32 bytes, 16 FP16 values of one output), one
// for each column. Outputs whose weights share columns, in one bank of every unit, form a slot.
//
// Native programming model: output m lies in bank m % banks as its slot m / banks; a slot's chunks
// follow each other through columns and rows, as in weight_layout.h. x is sent once if it fits into
// the buffer, else in pieces for as many slots as there are accumulators. Results are read when the
// accumulators are used up. With several banks a unit, operand groups take turns.
//
// Samsung's: x in tiles of what GRF_A holds (8 registers, 128 inputs); a block of outputs is what
// GRF_B holds (8 registers a unit). For each block and tile: the tile's broadcast, then all even
// banks open a row and take its columns (4 outputs x 8 chunks), then all odd banks. Output m lies
// in unit m % units as slot m / units. The microkernel is assumed to stand in the CRF; the results'
// way through a bank to the host is RD_MAC, at the preset's bytes for each unit. Columns that hold
// only padding are left out in both models.
//
// Operands that the command bus does not carry stand in address fields that the command does not
// use, for readers of traces: WR_GB has the chunk of x in `row` and its place in the buffer in
// `column`; WR_BIAS and RD_MAC have the slot in `row` and the burst within it in `column`.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "models/hbm_pim/device_description.h"
#include "models/hbm_pim/dram_command.h"

namespace hpimvp::hbm_pim {

// What one pseudo-channel computes.
struct PseudoChannelGemv {
  std::uint32_t inputs = 0;
  std::uint32_t outputs = 0;  // none: nothing to do
  std::uint32_t weight_row = 0;
  bool bias = false;

  friend bool operator==(const PseudoChannelGemv&, const PseudoChannelGemv&) = default;
};

// Outputs of a slot: those that one column command of an operand group can work on, times the
// number of groups in the native model.
std::uint32_t outputs_per_slot(const DeviceDescription& device);
// Rows that the weights take in every bank.
std::uint64_t weight_rows(const DeviceDescription& device, const PseudoChannelGemv& gemv);

// Shares a GEMV of `inputs` x `outputs` among the pseudo-channels of `stacks` stacks; stack s has
// the entries from s * pseudo_channels on. Row-wise: stacks get equal runs of outputs, and slots of
// a stack's run go round its pseudo-channels. Column-wise: each pseudo-channel has all outputs and
// an equal run of whole chunks of x; the host adds up the partial sums.
std::vector<PseudoChannelGemv> slice_rows(const DeviceDescription& device, std::uint32_t stacks,
                                          const PseudoChannelGemv& whole);
std::vector<PseudoChannelGemv> slice_columns(const DeviceDescription& device, std::uint32_t stacks,
                                             const PseudoChannelGemv& whole);

// Commands of one kind that follow each other: `count` of them from `column` on, or for ACT_AB from
// activate group `bank` on in steps of the number of operand groups.
struct CommandRun {
  DramCommand command = DramCommand::kMac;
  std::uint8_t bank = 0;
  std::uint16_t column = 0;
  std::uint32_t count = 1;
  std::uint32_t row = 0;

  // The same for the timing: `row` does not matter.
  bool same_shape(const CommandRun& other) const {
    return command == other.command && bank == other.bank && column == other.column &&
           count == other.count;
  }
};

// Runs that begin and end with all banks closed. Repetitions differ only by the row, which goes up
// by one each time.
struct CommandBlock {
  std::uint32_t first_run = 0;
  std::uint32_t run_count = 0;
  std::uint32_t repetitions = 1;
};

// The stream in blocks. Built at once, then only read.
class GemvProgram {
 public:
  // `device` has passed check(). Throws std::invalid_argument if there are no inputs or the weights
  // do not fit below the last row.
  GemvProgram(const DeviceDescription& device, const PseudoChannelGemv& gemv);

  std::span<const CommandBlock> blocks() const { return blocks_; }
  std::span<const CommandRun> runs(const CommandBlock& block) const {
    return {runs_.data() + block.first_run, block.run_count};
  }
  std::uint32_t operand_groups() const { return operand_groups_; }

 private:
  friend class GemvProgramBuilder;
  std::vector<CommandRun> runs_;
  std::vector<CommandBlock> blocks_;
  std::uint32_t operand_groups_;
};

// command(DramCommand, const CommandAddress&) for each command of a run, in order.
template <typename Command>
void expand(const CommandRun& run, std::uint32_t operand_groups, Command&& command) {
  CommandAddress address;
  address.bank = run.bank;
  address.row = run.row;
  address.column = run.column;
  const bool activates = run.command == DramCommand::kActivateBanks;
  const bool counts_chunks = run.command == DramCommand::kWriteBuffer;
  for (std::uint32_t i = 0; i < run.count; ++i) {
    command(run.command, address);
    if (activates) {
      address.bank = static_cast<std::uint8_t>(address.bank + operand_groups);
    } else {
      ++address.column;
      if (counts_chunks) ++address.row;
    }
  }
}

}  // namespace hpimvp::hbm_pim
