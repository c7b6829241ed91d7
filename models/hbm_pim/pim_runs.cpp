#include "models/hbm_pim/pim_runs.h"

#include <fmt/format.h>

#include <algorithm>

namespace hpimvp::hbm_pim {

namespace {

constexpr std::uint32_t kNoRow = CommandTiming::kNoRow;

// What may stand between a moment with all banks closed and the REFab that is owed there, besides
// tRP: the command bus, and a command that was scheduled already.
constexpr std::uint64_t kStretchMargin = 64;

Refusal out_of_range(const char* what, std::uint64_t value, std::uint64_t end) {
  return {ProgramErrorReason::kRange, fmt::format("{} {} of {}", what, value, end)};
}

}  // namespace

std::uint64_t longest_open_stretch(const DeviceDescription& device) {
  const std::uint64_t interval = device[Parameter::kTREFI];
  const std::uint64_t lost = device[Parameter::kTRP] + kStretchMargin;
  return interval - std::min(interval, lost);
}

PimRunCheck::PimRunCheck(const DeviceDescription& device)
    : start_(device),
      timing_(start_),
      longest_stretch_(longest_open_stretch(device)),
      group_rows_(device.operand_groups(), kNoRow) {
  start_.issue(DramCommand::kPimEnter, {}, 0);
  restart();
}

void PimRunCheck::restart() {
  timing_ = start_;
  now_ = 0;
  opened_ = 0;
  commands_ = 0;
  std::fill(group_rows_.begin(), group_rows_.end(), kNoRow);
}

std::optional<std::uint32_t> PimRunCheck::open_row(std::uint32_t operand_group) const {
  CommandAddress at;
  at.bank = static_cast<std::uint8_t>(operand_group);
  if (!timing_.is_legal(DramCommand::kMac, at) || group_rows_[operand_group] == kNoRow) {
    return std::nullopt;
  }
  return group_rows_[operand_group];
}

std::optional<Refusal> PimRunCheck::check_place(const PimRun& run) const {
  const DeviceDescription& device = this->device();
  const std::uint32_t last = run.count - 1;
  switch (run.command) {
    case DramCommand::kActivateBanks: {
      const std::uint64_t group = run.first.bank + std::uint64_t{last} * device.operand_groups();
      if (group >= device.activate_groups()) {
        return out_of_range("activate group", group, device.activate_groups());
      }
      if (run.first.row >= device.organisation.rows) {
        return out_of_range("row", run.first.row, device.organisation.rows);
      }
      return std::nullopt;
    }
    case DramCommand::kPrechargeBanks:
    case DramCommand::kMac:
    case DramCommand::kElementAdd:
    case DramCommand::kElementMultiply:
      if (run.first.bank >= device.operand_groups()) {
        return out_of_range("operand group", run.first.bank, device.operand_groups());
      }
      break;
    default:
      break;
  }
  const bool has_column =
      run.command != DramCommand::kPrechargeBanks && run.command != DramCommand::kWriteBuffer &&
      run.command != DramCommand::kWriteBias && run.command != DramCommand::kReadResult;
  if (has_column && std::uint64_t{run.first.column} + last >= device.organisation.columns) {
    return out_of_range("column", std::uint64_t{run.first.column} + last,
                        device.organisation.columns);
  }
  return std::nullopt;
}

std::optional<Refusal> PimRunCheck::check_state(const PimRun& run, const CommandAddress& at) const {
  const bool legal = timing_.is_legal(run.command, at);
  switch (run.command) {
    case DramCommand::kActivateBanks:
      if (legal) return std::nullopt;
      return Refusal{ProgramErrorReason::kRowOpen,
                     fmt::format("activate group {} has an open row already", at.bank)};
    case DramCommand::kMac:
    case DramCommand::kElementAdd:
    case DramCommand::kElementMultiply:
      if (!legal) {
        return Refusal{ProgramErrorReason::kRowClosed,
                       fmt::format("operand group {} has no open row in all its banks", at.bank)};
      }
      if (group_rows_[at.bank] == kNoRow) {
        return Refusal{ProgramErrorReason::kRowClosed,
                       fmt::format("operand group {} has different rows open", at.bank)};
      }
      return std::nullopt;
    case DramCommand::kCopyToBuffer:
    case DramCommand::kCopyFromBuffer:
      if (legal) return std::nullopt;
      return Refusal{ProgramErrorReason::kRowClosed, "the bank has no open row"};
    case DramCommand::kPrechargeBanks: {
      const std::uint32_t banks = device().organisation.banks();
      for (std::uint32_t bank = at.bank; bank < banks; bank += device().operand_groups()) {
        if (timing_.open_row(bank) != kNoRow) return std::nullopt;
      }
      return Refusal{ProgramErrorReason::kRowClosed,
                     fmt::format("operand group {} has no open row to close", at.bank)};
    }
    default:
      return std::nullopt;
  }
}

// False: rows have been open for too long.
bool PimRunCheck::issue(DramCommand command, const CommandAddress& at) {
  now_ = std::max(now_, timing_.earliest(command, at));
  if (timing_.all_closed()) opened_ = now_;
  if (command == DramCommand::kActivateBanks) {
    const std::uint32_t group = at.bank % device().operand_groups();
    bool first = true;
    const std::uint32_t banks = device().organisation.banks();
    for (std::uint32_t bank = group; bank < banks; bank += device().operand_groups()) {
      first = first && timing_.open_row(bank) == kNoRow;
    }
    group_rows_[group] = first || group_rows_[group] == at.row ? at.row : kNoRow;
  }
  timing_.issue(command, at, now_);
  return now_ - opened_ <= longest_stretch_;
}

std::optional<Refusal> PimRunCheck::add(PimRun& run) {
  if (run.count == 0) return Refusal{ProgramErrorReason::kRange, "a count of 0"};
  if (const auto refusal = check_place(run)) return refusal;
  commands_ += run.count;
  if (commands_ > kMostProgramCommands) {
    return Refusal{ProgramErrorReason::kTooLong,
                   fmt::format("more than {} commands in the program", kMostProgramCommands)};
  }
  CommandAddress at = run.first;
  for (std::uint32_t i = 0; i < run.count; ++i) {
    if (const auto refusal = check_state(run, at)) return refusal;
    switch (run.command) {
      case DramCommand::kMac:
      case DramCommand::kElementAdd:
      case DramCommand::kElementMultiply:
        at.row = run.first.row = group_rows_[at.bank];
        break;
      case DramCommand::kCopyToBuffer:
      case DramCommand::kCopyFromBuffer:
        at.row = run.first.row = timing_.open_row(at);
        break;
      default:
        break;
    }
    if (!issue(run.command, at)) {
      return Refusal{ProgramErrorReason::kTooLong,
                     fmt::format("rows have been open for more than {} cycles; close all banks in "
                                 "between, so that refresh can come",
                                 longest_stretch_)};
    }
    if (run.command == DramCommand::kActivateBanks) {
      at.bank = static_cast<std::uint8_t>(at.bank + device().operand_groups());
    } else {
      ++at.column;
    }
  }
  return std::nullopt;
}

std::optional<Refusal> PimRunCheck::finish() const {
  if (timing_.all_closed()) return std::nullopt;
  return Refusal{ProgramErrorReason::kLeftOpen, "the list ends with open rows"};
}

// --- Commands of runs

namespace {

PimCommand nth_command(const PimRun& run, std::uint32_t n, std::uint32_t operand_groups) {
  PimCommand command{run.command, run.first};
  if (run.command == DramCommand::kActivateBanks) {
    command.address.bank = static_cast<std::uint8_t>(run.first.bank + n * operand_groups);
  } else {
    command.address.column = static_cast<std::uint16_t>(run.first.column + n);
  }
  return command;
}

}  // namespace

std::vector<PimCommand> expand_runs(std::span<const PimRun> runs, std::uint32_t operand_groups) {
  std::vector<PimCommand> commands;
  for (const PimRun& run : runs) {
    for (std::uint32_t n = 0; n < run.count; ++n) {
      commands.push_back(nth_command(run, n, operand_groups));
    }
  }
  return commands;
}

}  // namespace hpimvp::hbm_pim
