#include "platform/cli/dram_waveform.h"

#include <algorithm>
#include <bit>

namespace hpimvp::cli {

namespace {

using hbm_pim::DramCommand;
using hbm_pim::Parameter;

constexpr std::uint64_t kNoCommand = hbm_pim::kDramCommands;

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (unsigned i = 0; i < hbm_pim::kDramCommands; ++i) {
    names.emplace_back(command_name(static_cast<DramCommand>(i)));
  }
  names.emplace_back("-");
  return names;
}

// Bits that hold 0 to `count` - 1.
unsigned bits_for(std::uint32_t count) {
  return std::max(1, static_cast<int>(std::bit_width(std::max(count, 1u) - 1)));
}

}  // namespace

DramWaveform::DramWaveform(common::ActivitySink& sink, const hbm_pim::DeviceDescription& device,
                           std::uint64_t start_ps)
    : sink_(sink), device_(device), clock_period_ps_(device.clock_period_ps), start_ps_(start_ps) {}

std::size_t DramWaveform::add(const std::string& name) {
  const hbm_pim::DeviceOrganisation& organisation = device_.organisation;
  // ACT_AB names one of the activate groups there.
  const std::uint32_t banks = std::max(organisation.banks_per_group, device_.activate_groups());
  PseudoChannel channel;
  const auto number = [&](Signal signal, const char* local, std::uint32_t count) {
    channel.signals[signal] = sink_.declare_signal(name + local, bits_for(count));
  };
  const auto command = [&](Signal signal, const char* local) {
    channel.signals[signal] =
        sink_.declare_signal(name + local, bits_for(kNoCommand + 1), command_names());
    channel.values[signal] = channel.at_start[signal] = kNoCommand;
    sink_.change(channel.signals[signal], 0, kNoCommand);
  };
  channel.signals[kState] =
      sink_.declare_signal(name + ".state", 2, {"NORMAL", "PIM", "REFRESH", "POWER_DOWN"});
  command(kRowCommand, ".row_bus.command");
  number(kRowStackId, ".row_bus.stack_id", organisation.stack_ids);
  number(kRowBankGroup, ".row_bus.bank_group", organisation.bank_groups);
  number(kRowBank, ".row_bus.bank", banks);
  number(kRow, ".row_bus.row", organisation.rows);
  command(kColumnCommand, ".column_bus.command");
  number(kColumnStackId, ".column_bus.stack_id", organisation.stack_ids);
  number(kColumnBankGroup, ".column_bus.bank_group", organisation.bank_groups);
  number(kColumnBank, ".column_bus.bank", banks);
  number(kColumn, ".column_bus.column", organisation.columns);
  channels_.push_back(channel);
  return channels_.size() - 1;
}

void DramWaveform::set_at(PseudoChannel& channel, Signal signal, std::uint64_t time_ps,
                          std::uint64_t value) {
  if (channel.values[signal] == value) return;
  channel.values[signal] = value;
  if (time_ps <= start_ps_ && !started_) {
    channel.at_start[signal] = value;
  } else {
    sink_.change(channel.signals[signal], time_ps, value);
  }
}

void DramWaveform::take(std::size_t pseudo_channel, const hbm_pim::CommandRecord& record) {
  PseudoChannel& channel = channels_[pseudo_channel];
  const hbm_pim::CommandAddress& at = record.address;
  const auto number = static_cast<std::uint64_t>(record.command);
  const auto show = [&](Signal command, Cycle bus_cycles) {
    set(channel, command, record.cycle, number);
    set_at(channel, command, (record.cycle + bus_cycles) * clock_period_ps_ - 1, kNoCommand);
  };
  note_state(channel, record);
  if (hbm_pim::is_column_command(record.command)) {
    set(channel, kColumnStackId, record.cycle, at.stack_id);
    set(channel, kColumnBankGroup, record.cycle, at.bank_group);
    set(channel, kColumnBank, record.cycle, at.bank);
    set(channel, kColumn, record.cycle, at.column);
    show(kColumnCommand, device_[Parameter::kTCOLBUS]);
    return;
  }
  const bool activates =
      record.command == DramCommand::kActivate || record.command == DramCommand::kActivateBanks;
  set(channel, kRowStackId, record.cycle, at.stack_id);
  set(channel, kRowBankGroup, record.cycle, at.bank_group);
  set(channel, kRowBank, record.cycle, at.bank);
  set(channel, kRow, record.cycle, at.row);
  show(kRowCommand, device_[activates ? Parameter::kTACTBUS : Parameter::kTROWBUS]);
}

DramWaveform::State DramWaveform::state_of(const PseudoChannel& channel) {
  if (channel.powered_down) return kPowerDown;
  if (channel.refreshing) return kRefresh;
  return channel.pim_mode ? kPim : kNormal;
}

// Its end is told when something later is known, or else one REFab behind another would seem to
// leave a gap.
void DramWaveform::end_refresh(PseudoChannel& channel) {
  channel.refreshing = false;
  set(channel, kState, channel.refresh_end, state_of(channel));
}

void DramWaveform::note_state(PseudoChannel& channel, const hbm_pim::CommandRecord& record) {
  const bool refresh = record.command == DramCommand::kRefresh;
  if (channel.refreshing &&
      (refresh ? record.cycle > channel.refresh_end : record.cycle >= channel.refresh_end)) {
    end_refresh(channel);
  }
  switch (record.command) {
    case DramCommand::kRefresh:
      channel.refreshing = true;
      channel.refresh_end = record.cycle + device_[Parameter::kTRFC];
      break;
    case DramCommand::kPimEnter:
      channel.pim_mode = true;
      break;
    case DramCommand::kPimExit:
      channel.pim_mode = false;
      break;
    case DramCommand::kPowerDownEnter:
      channel.powered_down = true;
      break;
    case DramCommand::kPowerDownExit:
      channel.powered_down = false;
      break;
    default:
      return;
  }
  set(channel, kState, record.cycle, state_of(channel));
}

void DramWaveform::settle(std::uint64_t time_ps) {
  for (PseudoChannel& channel : channels_) {
    if (channel.refreshing && channel.refresh_end * clock_period_ps_ < time_ps) {
      end_refresh(channel);
    }
  }
  if (started_ || time_ps < start_ps_) return;
  started_ = true;
  for (const PseudoChannel& channel : channels_) {
    for (unsigned i = 0; i < kSignals; ++i) {
      sink_.change(channel.signals[i], start_ps_, channel.at_start[i]);
    }
  }
}

}  // namespace hpimvp::cli
