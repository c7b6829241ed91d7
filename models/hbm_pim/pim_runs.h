// What the programming interfaces (pim_program.h, crf.h) turn a program into: PIM commands in runs,
// checked against what the device's state allows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "generated/models/hbm_pim/hbm_pim_stack_registers.h"
#include "models/common/sparse_memory.h"
#include "models/hbm_pim/bit_field_mapping.h"
#include "models/hbm_pim/command_timing.h"
#include "models/hbm_pim/pim_command_source.h"

namespace hpimvp::hbm_pim {

using ProgramErrorReason = hbm_pim_stack_registers::ProgramErrorReason;

// Why a program was refused.
struct ProgramError {
  ProgramErrorReason reason = ProgramErrorReason::kNone;
  std::uint32_t word = 0;  // of the list; its length: the list as a whole
  std::string text;        // "word 3 (MAC_AB): operand group 0 has no open row in all its banks"
};

// A reason without its place.
struct Refusal {
  ProgramErrorReason reason = ProgramErrorReason::kNone;
  std::string text;
};

// What a command does to the columns of its banks.
enum class CellUse : std::uint8_t { kNone, kRead, kWrite, kReadAndWrite };

// Commands of one kind that follow each other. With each, the column goes up by one; for ACT_AB the
// activate group (`bank`) by the number of operand groups.
struct PimRun {
  DramCommand command = DramCommand::kMac;
  CommandAddress first;
  std::uint32_t count = 1;
  CellUse use = CellUse::kNone;
};

// For execute(): all of a program's commands.
inline constexpr std::uint64_t kAllCommands = ~std::uint64_t{0};

// Most commands of a program.
inline constexpr std::uint32_t kMostProgramCommands = 1u << 20;

// Longest time, in DRAM clock cycles, that a program may keep rows open at a stretch. Refresh
// commands are issued only between stretches; 8 may be owed when one begins, and the ninth falls
// due tREFI later.
std::uint64_t longest_open_stretch(const DeviceDescription& device);

// Follows a program's commands from PIM mode with all banks closed, each at the first cycle that
// the timing allows.
class PimRunCheck {
 public:
  // `device` has passed check().
  explicit PimRunCheck(const DeviceDescription& device);

  // Back to the start.
  void restart();
  // Nothing: the run is legal, and counts from now on. `run.first.row` of a command on columns is
  // filled in: the open row.
  std::optional<Refusal> add(PimRun& run);
  // The program has ended.
  std::optional<Refusal> finish() const;

  // Of the group's banks, if all are open and have the same; else nothing.
  std::optional<std::uint32_t> open_row(std::uint32_t operand_group) const;
  const DeviceDescription& device() const { return start_.device(); }

 private:
  std::optional<Refusal> check_place(const PimRun& run) const;
  std::optional<Refusal> check_state(const PimRun& run, const CommandAddress& at) const;
  bool issue(DramCommand command, const CommandAddress& at);

  CommandTiming start_;
  CommandTiming timing_;
  std::uint64_t longest_stretch_;
  std::uint64_t now_ = 0;
  std::uint64_t opened_ = 0;  // cycle of the first ACT_AB since all banks were closed
  std::uint64_t commands_ = 0;
  std::vector<std::uint32_t> group_rows_;  // by operand group; kNoRow also if they differ
};

// The commands of runs, in order.
std::vector<PimCommand> expand_runs(std::span<const PimRun> runs, std::uint32_t operand_groups);

// The cells of one pseudo-channel, by bursts of 32 bytes.
class PimCells {
 public:
  static constexpr std::size_t kBurstBytes = 32;

  // References must outlive it. The device's burst has kBurstBytes.
  PimCells(common::SparseMemory& memory, const BitFieldMapping& mapping,
           const DeviceOrganisation& organisation, std::uint32_t pseudo_channel)
      : memory_(memory),
        mapping_(mapping),
        organisation_(organisation),
        pseudo_channel_(pseudo_channel) {}

  void read(std::uint32_t bank, std::uint32_t row, std::uint32_t column, std::uint8_t* data) const {
    memory_.read(offset(bank, row, column), data, kBurstBytes);
  }
  void write(std::uint32_t bank, std::uint32_t row, std::uint32_t column,
             const std::uint8_t* data) const {
    memory_.write(offset(bank, row, column), data, kBurstBytes);
  }

 private:
  std::uint64_t offset(std::uint32_t bank, std::uint32_t row, std::uint32_t column) const {
    MappedAddress at{pseudo_channel_, organisation_.bank_address(bank)};
    at.address.row = row;
    at.address.column = static_cast<std::uint16_t>(column);
    return mapping_.offset_of(at);
  }

  common::SparseMemory& memory_;
  const BitFieldMapping& mapping_;
  const DeviceOrganisation& organisation_;
  std::uint32_t pseudo_channel_;
};

}  // namespace hpimvp::hbm_pim
