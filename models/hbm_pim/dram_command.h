// The commands of an HBM-PIM pseudo-channel as they stand on its command bus, and the record of one
// in a command trace: what a scheduler produces, and a checker, an energy model, a waveform and a
// trace file consume.
#pragma once

#include <cstdint>

namespace hpimvp::hbm_pim {

enum class DramCommand : std::uint8_t {
  // JEDEC (JESD235, JESD238)
  kActivate,        // ACT: open a row of one bank
  kPrecharge,       // PRE: close one bank
  kPrechargeAll,    // PREA: close all banks of the pseudo-channel
  kRead,            // RD
  kWrite,           // WR
  kRefresh,         // REFab: all banks, which must be closed
  kRefreshBank,     // REFpb: one bank, which must be closed
  kPowerDownEnter,  // PDE
  kPowerDownExit,   // PDX
  // PIM: `bank` fields mean nothing, all banks of the pseudo-channel act together
  kPimEnter,         // enter PIM mode: all banks must be closed
  kPimExit,          // back to normal mode: all banks must be closed
  kActivateBanks,    // ACT_AB: open the same row in a group of banks (`bank` = number of the group)
  kPrechargeBanks,   // PRE_AB: close all banks
  kWriteBuffer,      // WR_GB: 32 B of the input vector from the data bus to the global buffer
  kWriteBias,        // WR_BIAS: 32 B of start values from the data bus to the accumulators
  kMac,              // MAC_AB: a column of every bank times a piece of the global buffer
  kReadResult,       // RD_MAC: 32 B of accumulators to the data bus
  kElementAdd,       // EWADD_AB: a column of every bank plus the other operand
  kElementMultiply,  // EWMUL_AB
  kCopyToBuffer,     // a column of one bank to the global buffer
  kCopyFromBuffer,   // global buffer to a column of one bank
  kCount,
};

inline constexpr unsigned kDramCommands = static_cast<unsigned>(DramCommand::kCount);

// "ACT", "MAC_AB", ...: as in traces and waveforms.
const char* command_name(DramCommand command);

// On the column command bus; the others are on the row command bus.
bool is_column_command(DramCommand command);

// Where a command acts within its pseudo-channel.
struct CommandAddress {
  std::uint8_t stack_id = 0;    // SID
  std::uint8_t bank_group = 0;  // within the stack ID
  std::uint8_t bank = 0;        // within the bank group
  std::uint32_t row = 0;
  std::uint16_t column = 0;  // in bursts
};

struct CommandRecord {
  std::uint64_t cycle = 0;  // of the DRAM clock, absolute
  std::uint16_t pseudo_channel = 0;
  DramCommand command = DramCommand::kActivate;
  CommandAddress address;
};

}  // namespace hpimvp::hbm_pim
