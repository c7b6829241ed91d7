#include "models/hbm_pim/device_description.h"

#include <fmt/format.h>

#include <stdexcept>

#include "models/hbm_pim/access_pieces.h"

namespace hpimvp::hbm_pim {

namespace {

constexpr const char* kParameterNames[kParameters] = {
    "tRCDRD",  "tRCDWR",  "tRP",     "tRAS",   "tRC",    "tCCDS",   "tCCDL",   "tCCDR",  "tRRDS",
    "tRRDL",   "tFAW",    "tWR",     "tWTRS",  "tWTRL",  "tRTW",    "tRTP",    "tPPD",   "tRL",
    "tWL",     "tBL",     "tRFC",    "tRFCpb", "tRREFD", "tREFI",   "tREFIpb", "tPD",    "tXP",
    "tACTBUS", "tROWBUS", "tCOLBUS", "tMAC",   "tMACL",  "tRCDMAC", "tFAWAB",  "tRRDAB", "tGBW",
    "tGBL",    "tRDMAC",  "tCOPY",   "tPIMIN", "tPIMOUT"};

constexpr const char* kLevelNames[kConstraintLevels] = {
    "pseudo_channel", "stack_id", "bank_group", "bank", "operand_group", "activate_group"};

// So that the state of a pseudo-channel stays small, and sums of latencies fit.
constexpr std::uint32_t kMostBanks = 1024;
constexpr std::uint32_t kMostCycles = 1u << 24;
constexpr std::uint64_t kMostRemembered = 1u << 16;  // commands, for constraints with windows

void require(bool holds, const std::string& what) {
  if (!holds) throw std::invalid_argument(what);
}

void check_organisation(const DeviceOrganisation& organisation) {
  const auto within = [](const char* name, std::uint32_t value, std::uint32_t most) {
    require(value >= 1 && value <= most,
            fmt::format("{} is {}; allowed is 1 to {}", name, value, most));
  };
  within("channels", organisation.channels, 1024);
  within("pseudo_channels_per_channel", organisation.pseudo_channels_per_channel, 64);
  within("stack_ids", organisation.stack_ids, 64);
  within("bank_groups", organisation.bank_groups, 64);
  within("banks_per_group", organisation.banks_per_group, 64);
  within("rows", organisation.rows, 1u << 30);
  within("columns", organisation.columns, 65536);
  within("burst_bytes", organisation.burst_bytes, 4096);
  require(organisation.pseudo_channels() <= kMostPseudoChannels,
          fmt::format("a stack has {} pseudo-channels; allowed are {}",
                      organisation.pseudo_channels(), kMostPseudoChannels));
  require(organisation.banks() <= kMostBanks,
          fmt::format("a pseudo-channel has {} banks; allowed are {}", organisation.banks(),
                      kMostBanks));
}

void check_pim(const PimDescription& pim, std::uint32_t banks) {
  require(pim.lanes >= 1, "lanes is 0");
  require(
      pim.banks_per_unit >= 1 && banks % pim.banks_per_unit == 0,
      fmt::format("banks_per_unit is {}, which does not divide the {} banks of a pseudo-channel",
                  pim.banks_per_unit, banks));
  const std::uint32_t units = banks / pim.banks_per_unit;
  require(pim.banks_per_activate_group >= 1 && units % pim.banks_per_activate_group == 0,
          fmt::format("banks_per_activate_group is {}, which does not divide the {} banks that act "
                      "together",
                      pim.banks_per_activate_group, units));
  require(banks / pim.banks_per_activate_group <= 256,
          "more than 256 activate groups: their number does not fit an address");
  require(pim.activate_groups_per_window >= 1, "activate_groups_per_window is 0");
  require(pim.buffer_bytes >= 32, "buffer_bytes is less than a burst of 32");
  require(pim.accumulators >= 1, "accumulators is 0");
  require(pim.result_bytes >= 1, "result_bytes is 0");
}

void check_constraint(const ConstraintRow& row) {
  require(row.before != 0 && row.after != 0,
          fmt::format("constraint {} names no commands", row.name));
  require(row.window >= 1 && row.window <= 256,
          fmt::format("constraint {}: window is {}; allowed is 1 to 256", row.name, row.window));
  require(row.latency <= kMostCycles,
          fmt::format("constraint {}: latency is {}; allowed is at most {}", row.name, row.latency,
                      kMostCycles));
  for (unsigned i = 0; i < kDramCommands; ++i) {
    const auto command = static_cast<DramCommand>(i);
    require(((row.before | row.after) & command_bit(command)) == 0 || acts_on(command, row.level),
            fmt::format("constraint {}: {} does not act on one {}", row.name, command_name(command),
                        level_name(row.level)));
  }
}

// A window remembers its commands for every instance of its level.
void check_windows(const DeviceDescription& device) {
  std::uint64_t remembered = 0;
  for (const ConstraintRow& row : device.constraints) {
    if (row.window == 1) continue;
    remembered += std::uint64_t{row.window} * instances_of(device, row.level);
  }
  require(remembered <= kMostRemembered,
          fmt::format("the windows of the constraints remember {} commands; allowed are {}",
                      remembered, kMostRemembered));
}

void check_timing(const DeviceDescription& device) {
  const auto at_least_one = [&device](Parameter parameter) {
    require(device[parameter] >= 1, fmt::format("{} is 0", parameter_name(parameter)));
  };
  for (const Parameter parameter :
       {Parameter::kTRCDRD, Parameter::kTRCDWR, Parameter::kTRP, Parameter::kTRAS, Parameter::kTRC,
        Parameter::kTCCDS, Parameter::kTCCDL, Parameter::kTBL, Parameter::kTREFI, Parameter::kTMAC,
        Parameter::kTACTBUS, Parameter::kTROWBUS, Parameter::kTCOLBUS}) {
    at_least_one(parameter);
  }
  for (unsigned i = 0; i < kParameters; ++i) {
    require(device.parameters[i] <= kMostCycles,
            fmt::format("{} is {}; allowed is at most {}", kParameterNames[i], device.parameters[i],
                        kMostCycles));
  }
  require(device[Parameter::kTRFC] < device[Parameter::kTREFI],
          "tRFC is not less than tREFI: refresh would take all the time");
  require(
      device[Parameter::kTREFIpb] == 0 || device[Parameter::kTRREFD] < device[Parameter::kTREFIpb],
      "tRREFD is not less than tREFIpb: per-bank refresh would never keep up");
}

}  // namespace

const char* parameter_name(Parameter parameter) {
  const auto index = static_cast<unsigned>(parameter);
  return index < kParameters ? kParameterNames[index] : "?";
}

const char* level_name(ConstraintLevel level) {
  const auto index = static_cast<unsigned>(level);
  return index < kConstraintLevels ? kLevelNames[index] : "?";
}

CommandAddress DeviceOrganisation::bank_address(std::uint32_t bank_index) const {
  CommandAddress address;
  address.bank = static_cast<std::uint8_t>(bank_index % banks_per_group);
  address.bank_group = static_cast<std::uint8_t>(bank_index / banks_per_group % bank_groups);
  address.stack_id = static_cast<std::uint8_t>(bank_index / banks_per_group / bank_groups);
  return address;
}

std::uint32_t instances_of(const DeviceDescription& device, ConstraintLevel level) {
  const DeviceOrganisation& organisation = device.organisation;
  switch (level) {
    case ConstraintLevel::kPseudoChannel:
      return 1;
    case ConstraintLevel::kStackId:
      return organisation.stack_ids;
    case ConstraintLevel::kBankGroup:
      return organisation.stack_ids * organisation.bank_groups;
    case ConstraintLevel::kOperandGroup:
      return device.operand_groups();
    case ConstraintLevel::kActivateGroup:
      return device.activate_groups();
    case ConstraintLevel::kBank:
    case ConstraintLevel::kCount:
      break;
  }
  return organisation.banks();
}

bool acts_on(DramCommand command, ConstraintLevel level) {
  switch (level) {
    case ConstraintLevel::kPseudoChannel:
      return true;
    case ConstraintLevel::kStackId:
    case ConstraintLevel::kBankGroup:
    case ConstraintLevel::kBank:
      switch (command) {
        case DramCommand::kActivate:
        case DramCommand::kPrecharge:
        case DramCommand::kRead:
        case DramCommand::kWrite:
        case DramCommand::kRefreshBank:
        case DramCommand::kCopyToBuffer:
        case DramCommand::kCopyFromBuffer:
          return true;
        default:
          return false;
      }
    case ConstraintLevel::kOperandGroup:
      return command == DramCommand::kActivateBanks || command == DramCommand::kPrechargeBanks ||
             command == DramCommand::kMac || command == DramCommand::kElementAdd ||
             command == DramCommand::kElementMultiply;
    case ConstraintLevel::kActivateGroup:
      return command == DramCommand::kActivateBanks;
    case ConstraintLevel::kCount:
      break;
  }
  return false;
}

void check(const DeviceDescription& device) {
  require(device.clock_period_ps >= 1, "clock_period_ps is 0");
  check_organisation(device.organisation);
  check_pim(device.pim, device.organisation.banks());
  check_timing(device);
  for (const ConstraintRow& row : device.constraints) check_constraint(row);
  check_windows(device);
}

}  // namespace hpimvp::hbm_pim
