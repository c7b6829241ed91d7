// Random streams of commands as early as CommandTiming allows them, or a little later: what a
// scheduler without any plan would issue. Banks are drawn from a few favourites that change now and
// then, so that commands get in each other's way.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

#include "models/hbm_pim/command_timing.h"

namespace hpimvp::test_support {

class RandomCommands {
 public:
  using DramCommand = hbm_pim::DramCommand;
  using CommandAddress = hbm_pim::CommandAddress;
  using CommandRecord = hbm_pim::CommandRecord;

  RandomCommands(const hbm_pim::DeviceDescription& device, std::uint16_t pseudo_channel,
                 std::uint64_t seed, std::string_view disabled_constraint = {})
      : device_(device),
        timing_(device, disabled_constraint),
        random_(seed),
        pseudo_channel_(pseudo_channel),
        group_rows_(device.operand_groups(), 0) {
    choose_favourites();
  }

  CommandRecord next() {
    if (++issued_ % 128 == 0) choose_favourites();
    Candidate chosen;
    if (refresh_is_urgent()) {
      chosen = towards_refresh();
    } else {
      chosen = random_legal();
      // A scheduler would take what can go first; a stream in order would not.
      for (std::uint32_t more = below(4); more > 0; --more) {
        const Candidate other = random_legal();
        if (earliest(other) < earliest(chosen)) chosen = other;
      }
    }
    return issue(chosen);
  }

 private:
  struct Candidate {
    DramCommand command = DramCommand::kActivate;
    CommandAddress address;
  };

  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_() % limit); }
  std::uint64_t earliest(const Candidate& candidate) const {
    return std::max(now_, timing_.earliest(candidate.command, candidate.address));
  }

  void choose_favourites() {
    favourites_.clear();
    const std::uint32_t banks = device_.organisation.banks();
    const std::uint32_t first = below(banks);
    // Neighbours share a bank group, or lie in the next.
    const std::uint32_t distance = 1 + below(banks);
    for (std::uint32_t i = 0, count = 1 + below(6); i < count; ++i) {
      favourites_.push_back((first + i * distance) % banks);
    }
  }

  CommandAddress random_bank() {
    const std::uint32_t bank =
        below(16) == 0 ? below(device_.organisation.banks())
                       : favourites_[below(static_cast<std::uint32_t>(favourites_.size()))];
    return device_.organisation.bank_address(bank);
  }

  // --- refresh, postponed at random ---

  bool refresh_is_urgent() {
    const std::uint64_t due = (now_ - origin_) / device_[hbm_pim::Parameter::kTREFI];
    if (catching_up_) catching_up_ = refreshes_ < due;
    if (!catching_up_ && due > refreshes_ + postponed_) {
      catching_up_ = true;
      postponed_ = below(8);
      by_bank_ = !timing_.pim_mode() && below(3) == 0;
    }
    return catching_up_;
  }

  Candidate towards_refresh() {
    if (timing_.powered_down()) return {DramCommand::kPowerDownExit, {}};
    if (!timing_.all_closed()) return close_something();
    if (!by_bank_ || timing_.pim_mode()) {
      by_bank_ = false;
      next_bank_ = 0;
      ++refreshes_;
      return {DramCommand::kRefresh, {}};
    }
    const CommandAddress bank = device_.organisation.bank_address(next_bank_);
    if (++next_bank_ == device_.organisation.banks()) {
      next_bank_ = 0;
      ++refreshes_;
    }
    return {DramCommand::kRefreshBank, bank};
  }

  Candidate close_something() {
    if (!timing_.pim_mode()) return {DramCommand::kPrechargeAll, {}};
    for (std::uint32_t bank = 0; bank < device_.organisation.banks(); ++bank) {
      if (timing_.open_row(bank) != hbm_pim::CommandTiming::kNoRow) {
        return {DramCommand::kPrechargeBanks, group_address(bank % device_.operand_groups())};
      }
    }
    return {};
  }

  // --- any command ---

  static CommandAddress group_address(std::uint32_t group) {
    CommandAddress address;
    address.bank = static_cast<std::uint8_t>(group);
    return address;
  }

  Candidate random_legal() {
    if (timing_.powered_down()) return {DramCommand::kPowerDownExit, {}};
    if (changing_mode_) {
      if (!timing_.all_closed()) return close_something();
      return {timing_.pim_mode() ? DramCommand::kPimExit : DramCommand::kPimEnter, {}};
    }
    for (;;) {
      const Candidate candidate = timing_.pim_mode() ? random_pim() : random_ordinary();
      if (timing_.is_legal(candidate.command, candidate.address) && is_sensible(candidate)) {
        return candidate;
      }
    }
  }

  // Nothing is used before it was written.
  bool is_sensible(const Candidate& candidate) const {
    switch (candidate.command) {
      case DramCommand::kMac:
      case DramCommand::kElementAdd:
      case DramCommand::kElementMultiply:
      case DramCommand::kCopyFromBuffer:
        return buffer_written_;
      case DramCommand::kReadResult:
        return accumulators_written_;
      default:
        return true;
    }
  }

  Candidate random_ordinary() {
    const std::uint32_t draw = below(1000);
    if (draw < 300) return activate(random_bank());
    if (draw < 550) return column(DramCommand::kRead, random_bank());
    if (draw < 780) return column(DramCommand::kWrite, random_bank());
    if (draw < 940) return {DramCommand::kPrecharge, random_bank()};
    if (draw < 960) return {DramCommand::kPrechargeAll, {}};
    if (draw < 985) return {DramCommand::kRefreshBank, random_bank()};
    if (draw < 987) return {DramCommand::kRefresh, {}};
    if (draw < 995) return {DramCommand::kPowerDownEnter, {}};
    changing_mode_ = true;
    return random_legal();
  }

  Candidate random_pim() {
    const std::uint32_t draw = below(1000);
    const std::uint32_t operand_group = below(device_.operand_groups());
    if (draw < 200) return activate_group(operand_group);
    if (draw < 600) return array_command(operand_group, draw);
    if (draw < 650) return {DramCommand::kPrechargeBanks, group_address(operand_group)};
    if (draw < 750) return {DramCommand::kWriteBuffer, {}};
    if (draw < 800) return {DramCommand::kWriteBias, {}};
    if (draw < 880) return {DramCommand::kReadResult, {}};
    if (draw < 930) return column(DramCommand::kCopyToBuffer, random_bank());
    if (draw < 980) return column(DramCommand::kCopyFromBuffer, random_bank());
    if (draw < 985) return {DramCommand::kRefresh, {}};
    changing_mode_ = true;
    return random_legal();
  }

  Candidate activate(CommandAddress address) {
    address.row = below(device_.organisation.rows);
    return {DramCommand::kActivate, address};
  }

  Candidate column(DramCommand command, CommandAddress address) {
    address.row = timing_.open_row(address);
    address.column = static_cast<std::uint16_t>(below(device_.organisation.columns));
    return {command, address};
  }

  Candidate activate_group(std::uint32_t operand_group) {
    const std::uint32_t step = device_.operand_groups();
    const std::uint32_t groups = device_.activate_groups() / step;
    const std::uint32_t first = below(groups);
    for (std::uint32_t i = 0; i < groups; ++i) {
      CommandAddress address = group_address((first + i) % groups * step + operand_group);
      address.row = group_rows_[operand_group];
      if (timing_.is_legal(DramCommand::kActivateBanks, address)) {
        return {DramCommand::kActivateBanks, address};
      }
    }
    return array_command(operand_group, 200);
  }

  Candidate array_command(std::uint32_t operand_group, std::uint32_t draw) {
    CommandAddress address = group_address(operand_group);
    address.row = group_rows_[operand_group];
    address.column = static_cast<std::uint16_t>(below(device_.organisation.columns));
    const DramCommand command = draw < 500   ? DramCommand::kMac
                                : draw < 550 ? DramCommand::kElementAdd
                                             : DramCommand::kElementMultiply;
    if (!buffer_written_) return {DramCommand::kWriteBuffer, {}};
    if (timing_.is_legal(command, address)) return {command, address};
    return activate_group(operand_group);
  }

  CommandRecord issue(const Candidate& candidate) {
    std::uint64_t cycle = earliest(candidate);
    if (below(8) == 0) cycle += below(24);
    now_ = cycle;
    if (issued_ == 1) origin_ = cycle;
    timing_.issue(candidate.command, candidate.address, cycle);
    switch (candidate.command) {
      case DramCommand::kWriteBuffer:
      case DramCommand::kCopyToBuffer:
        buffer_written_ = true;
        break;
      case DramCommand::kMac:
      case DramCommand::kWriteBias:
        accumulators_written_ = true;
        break;
      case DramCommand::kPrechargeBanks:
        group_rows_[candidate.address.bank] = below(device_.organisation.rows);
        break;
      case DramCommand::kPimEnter:
      case DramCommand::kPimExit:
        changing_mode_ = false;
        break;
      default:
        break;
    }
    return {cycle, pseudo_channel_, candidate.command, candidate.address};
  }

  const hbm_pim::DeviceDescription& device_;
  hbm_pim::CommandTiming timing_;
  std::mt19937_64 random_;
  std::uint16_t pseudo_channel_;
  std::vector<std::uint32_t> favourites_;
  std::vector<std::uint32_t> group_rows_;  // that the operand groups' banks open
  std::uint64_t now_ = 0;
  std::uint64_t origin_ = 0;
  std::uint64_t issued_ = 0;
  std::uint64_t refreshes_ = 0;
  std::uint64_t postponed_ = 0;
  std::uint32_t next_bank_ = 0;
  bool catching_up_ = false;
  bool by_bank_ = false;
  bool changing_mode_ = false;
  bool buffer_written_ = false;
  bool accumulators_written_ = false;
};

}  // namespace hpimvp::test_support
