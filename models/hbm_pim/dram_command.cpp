#include "models/hbm_pim/dram_command.h"

namespace hpimvp::hbm_pim {

const char* command_name(DramCommand command) {
  static constexpr const char* kNames[kDramCommands] = {
      "ACT",     "PRE",    "PREA",   "RD",       "WR",       "REFab",  "REFpb",
      "PDE",     "PDX",    "PIM_IN", "PIM_OUT",  "ACT_AB",   "PRE_AB", "WR_GB",
      "WR_BIAS", "MAC_AB", "RD_MAC", "EWADD_AB", "EWMUL_AB", "CP_GB",  "CP_BANK"};
  const auto index = static_cast<unsigned>(command);
  return index < kDramCommands ? kNames[index] : "?";
}

bool is_column_command(DramCommand command) {
  switch (command) {
    case DramCommand::kRead:
    case DramCommand::kWrite:
    case DramCommand::kWriteBuffer:
    case DramCommand::kWriteBias:
    case DramCommand::kMac:
    case DramCommand::kReadResult:
    case DramCommand::kElementAdd:
    case DramCommand::kElementMultiply:
    case DramCommand::kCopyToBuffer:
    case DramCommand::kCopyFromBuffer:
      return true;
    default:
      return false;
  }
}

}  // namespace hpimvp::hbm_pim
