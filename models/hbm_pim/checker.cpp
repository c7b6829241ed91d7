#include "models/hbm_pim/checker.h"

#include <fmt/format.h>

#include <algorithm>

namespace hpimvp::hbm_pim {

namespace {

constexpr std::uint32_t kActivatesInFaw = 4;  // JESD235: four-activate window
constexpr const char* kOverlap = "its burst is on the data bus at the same time as the other's";

std::string place(const CommandRecord& record) {
  const CommandAddress& at = record.address;
  std::string text = fmt::format("pseudo-channel {}", record.pseudo_channel);
  switch (record.command) {
    case DramCommand::kActivate:
      return text + fmt::format(", SID {}, bank group {}, bank {}, row {}", at.stack_id,
                                at.bank_group, at.bank, at.row);
    case DramCommand::kPrecharge:
    case DramCommand::kRefreshBank:
      return text +
             fmt::format(", SID {}, bank group {}, bank {}", at.stack_id, at.bank_group, at.bank);
    case DramCommand::kRead:
    case DramCommand::kWrite:
    case DramCommand::kCopyToBuffer:
    case DramCommand::kCopyFromBuffer:
      return text + fmt::format(", SID {}, bank group {}, bank {}, row {}, column {}", at.stack_id,
                                at.bank_group, at.bank, at.row, at.column);
    case DramCommand::kActivateBanks:
      return text + fmt::format(", activate group {}, row {}", at.bank, at.row);
    case DramCommand::kPrechargeBanks:
      return text + fmt::format(", operand group {}", at.bank);
    case DramCommand::kMac:
    case DramCommand::kElementAdd:
    case DramCommand::kElementMultiply:
      return text +
             fmt::format(", operand group {}, row {}, column {}", at.bank, at.row, at.column);
    default:
      return text;
  }
}

std::string describe(const CommandRecord& record) {
  return fmt::format("{} at cycle {} ({})", command_name(record.command), record.cycle,
                     place(record));
}

}  // namespace

std::string to_string(const Violation& violation) {
  std::string text = fmt::format("{}: {}", violation.rule, describe(violation.command));
  if (violation.has_earlier) {
    text += fmt::format(" comes {} cycles after {}", violation.actual, describe(violation.earlier));
    if (violation.required != 0) text += fmt::format("; {} are required", violation.required);
  } else if (violation.required != 0) {
    text += fmt::format(", {} cycles after the start; a refresh was due within {}",
                        violation.actual, violation.required);
  }
  if (violation.explanation[0] != '\0') text += fmt::format(": {}", violation.explanation);
  return text;
}

DramChecker::DramChecker(const DeviceDescription& device) : DramChecker(device, Options{}) {}

DramChecker::DramChecker(const DeviceDescription& device, const Options& options)
    : device_(device), options_(options) {
  device_.constraints.clear();
  const DeviceOrganisation& organisation = device.organisation;
  PseudoChannel channel;
  channel.banks.resize(organisation.banks());
  channel.groups.resize(std::size_t{organisation.stack_ids} * organisation.bank_groups);
  channel.operand_groups.resize(device.operand_groups());
  channel.read_of_stack_id.resize(organisation.stack_ids, kNever);
  channel.activates.ring.resize(kActivatesInFaw, kNever);
  channel.group_activates.ring.resize(device.pim.activate_groups_per_window, kNever);
  channels_.resize(organisation.pseudo_channels(), channel);
}

std::optional<Violation> DramChecker::check(const CommandRecord& record) {
  ++commands_;
  violated_ = false;
  now_ = record;
  require_state("address", address_exists(record), "there is no such place in the device");
  if (!violated_) apply_checks(channels_[record.pseudo_channel], record);
  if (!violated_) return std::nullopt;
  return violation_;
}

void DramChecker::apply_checks(PseudoChannel& channel, const CommandRecord& record) {
  if (!channel.started) {
    channel.started = true;
    channel.origin = record.cycle;
    update_refresh_deadline(channel);
  }
  require_state(
      "order",
      channel.newest.command == DramCommand::kCount || record.cycle >= channel.newest.cycle,
      "the cycle is before that of the command before");
  check_mode(channel);
  require_distance("tXP", channel.power_down_exit, value(Parameter::kTXP));
  require_distance("tPIMIN", channel.pim_enter, value(Parameter::kTPIMIN));
  require_distance("tPIMOUT", channel.pim_exit, value(Parameter::kTPIMOUT));
  using Rule = void (DramChecker::*)(PseudoChannel&);
  static constexpr std::array<Rule, kDramCommands> kRules = {
      &DramChecker::activate,
      &DramChecker::precharge,
      &DramChecker::precharge_all,
      &DramChecker::read,
      &DramChecker::write,
      &DramChecker::refresh,
      &DramChecker::refresh_bank,
      &DramChecker::power_down_enter,
      &DramChecker::power_down_exit,
      &DramChecker::pim_enter,
      &DramChecker::pim_exit,
      &DramChecker::activate_group,
      &DramChecker::precharge_group,
      &DramChecker::write_buffer,
      &DramChecker::write_bias,
      &DramChecker::array_command,
      &DramChecker::read_result,
      &DramChecker::array_command,
      &DramChecker::array_command,
      &DramChecker::copy,
      &DramChecker::copy,
  };
  (this->*kRules[static_cast<unsigned>(record.command)])(channel);
  check_command_bus(channel);
  check_refresh_deadline(channel);
  (is_column_command(record.command) ? channel.column_bus : channel.row_bus) = record;
  channel.newest = record;
}

std::optional<Violation> DramChecker::finish(std::uint16_t pseudo_channel, Cycle cycle) const {
  const PseudoChannel& channel = channels_.at(pseudo_channel);
  if (!options_.refresh_required || !channel.started || cycle <= channel.refresh_deadline) {
    return std::nullopt;
  }
  return refresh_violation(channel, cycle);
}

// --- tools of the rules ---

inline void DramChecker::require_distance(const char* rule, const CommandRecord& earlier,
                                          Cycle required) {
  if (now_.cycle >= earlier.cycle + required) return;
  if (violated_ || earlier.command == DramCommand::kCount) return;
  violated_ = true;
  violation_ = {rule, now_, earlier, true, required, now_.cycle - earlier.cycle, ""};
}

inline void DramChecker::require_state(const char* rule, bool holds, const char* explanation) {
  if (holds || violated_) return;
  violated_ = true;
  violation_ = {rule, now_, kNever, false, 0, 0, explanation};
}

bool DramChecker::address_exists(const CommandRecord& record) const {
  const DeviceOrganisation& organisation = device_.organisation;
  const CommandAddress& at = record.address;
  if (record.pseudo_channel >= channels_.size()) return false;
  const bool bank = at.stack_id < organisation.stack_ids &&
                    at.bank_group < organisation.bank_groups &&
                    at.bank < organisation.banks_per_group;
  switch (record.command) {
    case DramCommand::kActivate:
      return bank && at.row < organisation.rows;
    case DramCommand::kPrecharge:
    case DramCommand::kRefreshBank:
      return bank;
    case DramCommand::kRead:
    case DramCommand::kWrite:
    case DramCommand::kCopyToBuffer:
    case DramCommand::kCopyFromBuffer:
      return bank && at.column < organisation.columns;
    case DramCommand::kActivateBanks:
      return at.bank < organisation.banks() / device_.pim.banks_per_activate_group &&
             at.row < organisation.rows;
    case DramCommand::kPrechargeBanks:
      return at.bank < device_.pim.banks_per_unit;
    case DramCommand::kMac:
    case DramCommand::kElementAdd:
    case DramCommand::kElementMultiply:
      return at.bank < device_.pim.banks_per_unit && at.column < organisation.columns;
    default:
      return record.command < DramCommand::kCount;
  }
}

DramChecker::Bank& DramChecker::bank_of(PseudoChannel& channel) const {
  return channel.banks[device_.organisation.bank_index(now_.address)];
}

DramChecker::BankGroup& DramChecker::group_of(PseudoChannel& channel) const {
  return channel
      .groups[now_.address.stack_id * device_.organisation.bank_groups + now_.address.bank_group];
}

DramChecker::OperandGroup& DramChecker::operand_group_of_bank(PseudoChannel& channel) const {
  return channel
      .operand_groups[device_.organisation.bank_index(now_.address) % device_.pim.banks_per_unit];
}

void DramChecker::open(PseudoChannel& channel, Bank& bank, OperandGroup& operand_group) {
  if (operand_group.open_banks == 0) {
    operand_group.row = now_.address.row;
    operand_group.one_row = true;
  }
  operand_group.one_row = operand_group.one_row && operand_group.row == now_.address.row;
  if (bank.row == kNoRow) {
    ++channel.open_banks;
    ++operand_group.open_banks;
  }
  bank.row = now_.address.row;
  bank.activate = now_;
}

void DramChecker::close(PseudoChannel& channel, std::uint32_t bank_index) {
  Bank& bank = channel.banks[bank_index];
  if (bank.row != kNoRow) {
    --channel.open_banks;
    --channel.operand_groups[bank_index % device_.pim.banks_per_unit].open_banks;
  }
  bank.row = kNoRow;
  bank.precharge = now_;
}

void DramChecker::remember(Window& window) const {
  window.ring[window.oldest] = now_;
  if (++window.oldest == window.ring.size()) window.oldest = 0;
}

void DramChecker::remember(Bursts& bursts) const {
  bursts.commands[bursts.next] = now_;
  bursts.next = (bursts.next + 1) % Bursts::kKept;
  bursts.count = std::min(bursts.count + 1, Bursts::kKept);
}

// --- rules of many commands ---

void DramChecker::check_mode(const PseudoChannel& channel) {
  const DramCommand command = now_.command;
  if (command == DramCommand::kPowerDownExit) {
    require_state("power-down", channel.powered_down, "the pseudo-channel is not in power-down");
    return;
  }
  require_state("power-down", !channel.powered_down, "the pseudo-channel is in power-down");
  if (command == DramCommand::kRefresh) return;  // in both modes
  // PIM_IN itself is given in normal mode.
  const bool for_pim_mode = command >= DramCommand::kPimExit;
  if (for_pim_mode) {
    require_state("mode", channel.pim_mode, "the pseudo-channel is not in PIM mode");
  } else {
    require_state("mode", !channel.pim_mode, "the pseudo-channel is in PIM mode");
  }
}

void DramChecker::check_command_bus(const PseudoChannel& channel) {
  if (is_column_command(now_.command)) {
    require_distance("tCOLBUS", channel.column_bus, value(Parameter::kTCOLBUS));
    return;
  }
  const DramCommand before = channel.row_bus.command;
  if (before == DramCommand::kActivate || before == DramCommand::kActivateBanks) {
    require_distance("tACTBUS", channel.row_bus, value(Parameter::kTACTBUS));
  } else {
    require_distance("tROWBUS", channel.row_bus, value(Parameter::kTROWBUS));
  }
}

void DramChecker::check_overlap(const Bursts& bursts, Cycle latency, Cycle start) {
  const Cycle length = value(Parameter::kTBL);
  // Bursts of a direction pass in the order of their commands.
  for (std::uint32_t back = 1; back <= bursts.count; ++back) {
    const CommandRecord& earlier =
        bursts.commands[(bursts.next + Bursts::kKept - back) % Bursts::kKept];
    const Cycle other = earlier.cycle + latency;
    if (other + length <= start) return;
    if (start + length > other) {
      report_overlap(earlier);
    }
  }
}

void DramChecker::report_overlap(const CommandRecord& earlier) {
  if (violated_) return;
  violated_ = true;
  violation_ = {"data bus", now_, earlier, true, 0, now_.cycle - earlier.cycle, kOverlap};
}

void DramChecker::check_data_bus(const PseudoChannel& channel, bool is_read) {
  const Cycle read_latency = value(Parameter::kTRL);
  const Cycle write_latency = value(Parameter::kTWL);
  const Cycle start = now_.cycle + (is_read ? read_latency : write_latency);
  check_overlap(channel.reads, read_latency, start);
  check_overlap(channel.writes, write_latency, start);
}

void DramChecker::check_window(const char* rule, const Window& window, Cycle required) {
  require_distance(rule, window.ring[window.oldest], required);
}

// A REFab occupies all banks.
void DramChecker::check_not_refreshing(const PseudoChannel& channel) {
  require_distance("tRFC", channel.refresh, value(Parameter::kTRFC));
}

void DramChecker::check_refresh_deadline(const PseudoChannel& channel) {
  if (violated_ || !options_.refresh_required || now_.cycle <= channel.refresh_deadline) return;
  violated_ = true;
  violation_ = refresh_violation(channel, now_.cycle);
  violation_.command = now_;
}

Violation DramChecker::refresh_violation(const PseudoChannel& channel, Cycle cycle) {
  return {"tREFI",
          channel.newest,
          kNever,
          false,
          channel.refresh_deadline - channel.origin,
          cycle - channel.origin,
          "more refreshes of a bank are owed than may be postponed"};
}

void DramChecker::count_refresh(const PseudoChannel& channel, Bank& bank) const {
  const Cycle due = (now_.cycle - channel.origin) / value(Parameter::kTREFI);
  bank.refreshes = std::min(bank.refreshes + 1, due + options_.postponed_refreshes);
}

void DramChecker::update_refresh_deadline(PseudoChannel& channel) const {
  std::uint64_t fewest = channel.banks.front().refreshes;
  for (const Bank& bank : channel.banks) fewest = std::min(fewest, bank.refreshes);
  channel.refresh_deadline =
      channel.origin + (fewest + options_.postponed_refreshes + 1) * value(Parameter::kTREFI);
}

// --- ordinary commands ---

void DramChecker::activate(PseudoChannel& channel) {
  Bank& bank = bank_of(channel);
  BankGroup& group = group_of(channel);
  require_state("row open", bank.row == kNoRow, "the bank has an open row");
  require_distance("tRC", bank.activate, value(Parameter::kTRC));
  require_distance("tRP", bank.precharge, value(Parameter::kTRP));
  require_distance("tRRDL", group.activate, value(Parameter::kTRRDL));
  require_distance("tRRDS", channel.activate, value(Parameter::kTRRDS));
  check_window("tFAW", channel.activates, value(Parameter::kTFAW));
  check_not_refreshing(channel);
  require_distance("tRFCpb", bank.refresh, value(Parameter::kTRFCpb));
  require_distance("tRREFD", channel.refresh_bank, value(Parameter::kTRREFD));
  open(channel, bank, operand_group_of_bank(channel));
  group.activate = now_;
  channel.activate = now_;
  remember(channel.activates);
}

void DramChecker::precharge(PseudoChannel& channel) {
  const Bank& bank = bank_of(channel);
  const Cycle write_ends = value(Parameter::kTWL) + value(Parameter::kTBL);
  require_distance("tRAS", bank.activate, value(Parameter::kTRAS));
  require_distance("tRTP", bank.read, value(Parameter::kTRTP));
  require_distance("tWR", bank.write, write_ends + value(Parameter::kTWR));
  require_distance("tPPD", channel.own_precharge, value(Parameter::kTPPD));
  check_not_refreshing(channel);
  require_distance("tRFCpb", bank.refresh, value(Parameter::kTRFCpb));
  close(channel, device_.organisation.bank_index(now_.address));
  channel.precharge = channel.own_precharge = now_;
}

void DramChecker::precharge_all(PseudoChannel& channel) {
  // Of the newest ACT, RD and WR: earlier ones have waited longer.
  const Cycle write_ends = value(Parameter::kTWL) + value(Parameter::kTBL);
  require_distance("tRAS", channel.activate, value(Parameter::kTRAS));
  require_distance("tRTP", channel.read, value(Parameter::kTRTP));
  require_distance("tWR", channel.write, write_ends + value(Parameter::kTWR));
  require_distance("tPPD", channel.own_precharge, value(Parameter::kTPPD));
  check_not_refreshing(channel);
  require_distance("tRFCpb", channel.refresh_bank, value(Parameter::kTRFCpb));
  for (std::uint32_t i = 0; i < channel.banks.size(); ++i) close(channel, i);
  channel.precharge = channel.own_precharge = now_;
}

// Common to the column commands of one bank.
void DramChecker::check_column(const Bank& bank) {
  require_state("row closed", bank.row != kNoRow, "the bank has no open row");
  require_state("wrong row", bank.row == now_.address.row, "the bank has another row open");
}

void DramChecker::read(PseudoChannel& channel) {
  Bank& bank = bank_of(channel);
  BankGroup& group = group_of(channel);
  const Cycle write_ends = value(Parameter::kTWL) + value(Parameter::kTBL);
  check_column(bank);
  require_distance("tRCDRD", bank.activate, value(Parameter::kTRCDRD));
  require_distance("tCCDL", group.read, value(Parameter::kTCCDL));
  require_distance("tCCDS", channel.read, value(Parameter::kTCCDS));
  for (std::uint32_t i = 0; i < channel.read_of_stack_id.size(); ++i) {
    if (i == now_.address.stack_id) continue;
    require_distance("tCCDR", channel.read_of_stack_id[i], value(Parameter::kTCCDR));
  }
  require_distance("tWTRL", group.write, write_ends + value(Parameter::kTWTRL));
  require_distance("tWTRS", channel.write, write_ends + value(Parameter::kTWTRS));
  check_data_bus(channel, true);
  bank.read = group.read = channel.read = now_;
  channel.read_of_stack_id[now_.address.stack_id] = now_;
  remember(channel.reads);
}

void DramChecker::write(PseudoChannel& channel) {
  Bank& bank = bank_of(channel);
  BankGroup& group = group_of(channel);
  check_column(bank);
  require_distance("tRCDWR", bank.activate, value(Parameter::kTRCDWR));
  require_distance("tCCDL", group.write, value(Parameter::kTCCDL));
  require_distance("tCCDS", channel.write, value(Parameter::kTCCDS));
  require_distance("tRTW", channel.read, value(Parameter::kTRTW));
  check_data_bus(channel, false);
  bank.write = group.write = channel.write = now_;
  remember(channel.writes);
}

void DramChecker::refresh(PseudoChannel& channel) {
  require_state("banks open", channel.open_banks == 0, "a bank has an open row");
  require_distance("tRC", channel.activate, value(Parameter::kTRC));
  require_distance("tRC", channel.group_activate, value(Parameter::kTRC));
  require_distance("tRP", channel.precharge, value(Parameter::kTRP));
  check_not_refreshing(channel);
  require_distance("tRFCpb", channel.refresh_bank, value(Parameter::kTRFCpb));
  for (Bank& bank : channel.banks) count_refresh(channel, bank);
  update_refresh_deadline(channel);
  channel.refresh = now_;
}

void DramChecker::refresh_bank(PseudoChannel& channel) {
  Bank& bank = bank_of(channel);
  require_state("row open", bank.row == kNoRow, "the bank has an open row");
  require_distance("tRC", bank.activate, value(Parameter::kTRC));
  require_distance("tRP", bank.precharge, value(Parameter::kTRP));
  check_not_refreshing(channel);
  require_distance("tRFCpb", bank.refresh, value(Parameter::kTRFCpb));
  require_distance("tRREFD", channel.refresh_bank, value(Parameter::kTRREFD));
  // It opens rows like an ACT, and counts as one.
  require_distance("tRRDL", group_of(channel).activate, value(Parameter::kTRRDL));
  require_distance("tRRDS", channel.activate, value(Parameter::kTRRDS));
  check_window("tFAW", channel.activates, value(Parameter::kTFAW));
  count_refresh(channel, bank);
  update_refresh_deadline(channel);
  bank.refresh = channel.refresh_bank = now_;
  remember(channel.activates);
}

void DramChecker::power_down_enter(PseudoChannel& channel) {
  const Cycle read_ends = value(Parameter::kTRL) + value(Parameter::kTBL);
  const Cycle write_ends = value(Parameter::kTWL) + value(Parameter::kTBL);
  require_distance("tRDPDE", channel.read, read_ends + 1);
  require_distance("tWRPDE", channel.write, write_ends + value(Parameter::kTWR) + 1);
  channel.powered_down = true;
  channel.power_down_enter = now_;
}

void DramChecker::power_down_exit(PseudoChannel& channel) {
  require_distance("tPD", channel.power_down_enter, value(Parameter::kTPD));
  channel.powered_down = false;
  channel.power_down_exit = now_;
}

// --- PIM ---

void DramChecker::pim_enter(PseudoChannel& channel) {
  require_state("banks open", channel.open_banks == 0, "a bank has an open row");
  require_distance("tRP", channel.precharge, value(Parameter::kTRP));
  check_not_refreshing(channel);
  require_distance("tRFCpb", channel.refresh_bank, value(Parameter::kTRFCpb));
  channel.pim_mode = true;
  channel.pim_enter = now_;
}

void DramChecker::pim_exit(PseudoChannel& channel) {
  const Cycle read_ends = value(Parameter::kTRL) + value(Parameter::kTBL);
  const Cycle write_ends = value(Parameter::kTWL) + value(Parameter::kTBL);
  require_state("banks open", channel.open_banks == 0, "a bank has an open row");
  require_distance("tRP", channel.precharge, value(Parameter::kTRP));
  check_not_refreshing(channel);
  require_distance("tMACL", channel.multiply, value(Parameter::kTMACL));
  require_distance("tRL", channel.read_result, read_ends);
  require_distance("tWL", channel.write_buffer, write_ends);
  require_distance("tWL", channel.write_bias, write_ends);
  channel.pim_mode = false;
  channel.pim_exit = now_;
}

void DramChecker::activate_group(PseudoChannel& channel) {
  const PimDescription& pim = device_.pim;
  const std::uint32_t operand = now_.address.bank % pim.banks_per_unit;
  const std::uint32_t first = now_.address.bank / pim.banks_per_unit * pim.banks_per_activate_group;
  OperandGroup& operand_group = channel.operand_groups[operand];
  for (std::uint32_t i = first; i < first + pim.banks_per_activate_group; ++i) {
    Bank& bank = channel.banks[i * pim.banks_per_unit + operand];
    require_state("row open", bank.row == kNoRow, "a bank of the group has an open row");
    require_distance("tRC", bank.activate, value(Parameter::kTRC));
    require_distance("tRP", bank.precharge, value(Parameter::kTRP));
    require_distance("tRFCpb", bank.refresh, value(Parameter::kTRFCpb));
    open(channel, bank, operand_group);
  }
  require_distance("tRRDAB", channel.group_activate, value(Parameter::kTRRDAB));
  check_window("tFAWAB", channel.group_activates, value(Parameter::kTFAWAB));
  check_not_refreshing(channel);
  operand_group.activate = channel.group_activate = now_;
  remember(channel.group_activates);
}

void DramChecker::precharge_group(PseudoChannel& channel) {
  const OperandGroup& group = channel.operand_groups[now_.address.bank];
  const Cycle write_ends = value(Parameter::kTWL) + value(Parameter::kTBL);
  require_distance("tRAS", group.activate, value(Parameter::kTRAS));
  require_distance("tRTP", group.multiply, value(Parameter::kTRTP));
  require_distance("tRTP", group.copy_read, value(Parameter::kTRTP));
  // Elementwise results come out of the unit, and are written to the column that was read.
  require_distance("tWR", group.element, value(Parameter::kTMACL) + value(Parameter::kTWR));
  require_distance("tWR", group.copy_write, write_ends + value(Parameter::kTWR));
  check_not_refreshing(channel);
  for (std::uint32_t i = now_.address.bank; i < channel.banks.size();
       i += device_.pim.banks_per_unit) {
    close(channel, i);
  }
  channel.precharge = now_;
}

void DramChecker::write_buffer(PseudoChannel& channel) {
  require_distance("tGBW", channel.write_buffer, value(Parameter::kTGBW));
  require_distance("tGBW", channel.write_bias, value(Parameter::kTGBW));
  require_distance("tRTW", channel.read_result, value(Parameter::kTRTW));
  check_data_bus(channel, false);
  channel.write_buffer = now_;
  channel.buffer_written = true;
  remember(channel.writes);
}

void DramChecker::write_bias(PseudoChannel& channel) {
  require_distance("tGBW", channel.write_buffer, value(Parameter::kTGBW));
  require_distance("tGBW", channel.write_bias, value(Parameter::kTGBW));
  require_distance("tRTW", channel.read_result, value(Parameter::kTRTW));
  // The accumulators are the last MAC's until it has ended.
  require_distance("tMACL", channel.multiply, value(Parameter::kTMACL));
  check_data_bus(channel, false);
  channel.write_bias = now_;
  channel.accumulators_written = true;
  remember(channel.writes);
}

void DramChecker::array_command(PseudoChannel& channel) {
  OperandGroup& group = channel.operand_groups[now_.address.bank];
  const bool is_multiply = now_.command == DramCommand::kMac;
  require_state("row closed", group.open_banks == channel.banks.size() / device_.pim.banks_per_unit,
                "a bank of the operand group has no open row");
  require_state("wrong row", group.one_row && group.row == now_.address.row,
                "a bank of the operand group has another row open");
  require_state("buffer", channel.buffer_written, "nothing was written to the global buffer");
  require_distance("tRCDMAC", group.activate, value(Parameter::kTRCDMAC));
  require_distance("tMAC", channel.array, value(Parameter::kTMAC));
  require_distance("tCOPY", channel.copy, value(Parameter::kTCOPY));
  require_distance("tGBL", channel.write_buffer, value(Parameter::kTGBL));
  if (is_multiply) require_distance("tGBL", channel.write_bias, value(Parameter::kTGBL));
  (is_multiply ? group.multiply : group.element) = now_;
  channel.array = now_;
  if (is_multiply) {
    channel.multiply = now_;
    channel.accumulators_written = true;
  }
}

void DramChecker::read_result(PseudoChannel& channel) {
  const Cycle write_ends = value(Parameter::kTWL) + value(Parameter::kTBL);
  require_state("accumulators", channel.accumulators_written,
                "nothing was accumulated, and no start values written");
  require_distance("tMACL", channel.multiply, value(Parameter::kTMACL));
  require_distance("tRDMAC", channel.read_result, value(Parameter::kTRDMAC));
  require_distance("tWTRS", channel.write_buffer, write_ends + value(Parameter::kTWTRS));
  require_distance("tWTRS", channel.write_bias, write_ends + value(Parameter::kTWTRS));
  check_data_bus(channel, true);
  channel.read_result = now_;
  remember(channel.reads);
}

void DramChecker::copy(PseudoChannel& channel) {
  const Bank& bank = bank_of(channel);
  OperandGroup& group = operand_group_of_bank(channel);
  check_column(bank);
  require_distance("tMAC", channel.array, value(Parameter::kTMAC));
  require_distance("tCOPY", channel.copy, value(Parameter::kTCOPY));
  if (now_.command == DramCommand::kCopyToBuffer) {
    require_distance("tRCDRD", bank.activate, value(Parameter::kTRCDRD));
    group.copy_read = now_;
    channel.buffer_written = true;
  } else {
    require_state("buffer", channel.buffer_written, "nothing was written to the global buffer");
    require_distance("tRCDWR", bank.activate, value(Parameter::kTRCDWR));
    require_distance("tGBL", channel.write_buffer, value(Parameter::kTGBL));
    group.copy_write = now_;
  }
  channel.copy = now_;
}

}  // namespace hpimvp::hbm_pim
