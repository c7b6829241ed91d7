// Energy of a pseudo-channel, or of many: linear in the numbers of its commands and the time that
// has passed. So a command-level run counts commands, a fast engine multiplies counts, and both get
// the same picojoules.
//
// What a command costs (parameters: DeviceEnergy):
//   ACT, ACT_AB          activate_pj for every row opened (its precharge included)
//   RD, WR               a burst through cell, bank group, global I/O, TSV and interposer
//   MAC_AB               in every unit a burst from the cells and a MAC for each of its FP16
//   values;
//                        the operand from the buffer (native: broadcast, see below)
//   EWADD_AB, EWMUL_AB   the same with a burst from the cells and one to them; an operation counts
//                        as a MAC, which is an upper bound
//   WR_GB                a burst through interposer and TSV, into the buffer
//   WR_BIAS, RD_MAC      a burst between the interposer and the units: all segments but the cells
//   CP_GB, CP_BANK       a burst through cell, bank group and global I/O, and the buffer
//   REFab, REFpb         refresh_bank_pj for every bank
//   PIM_IN, PIM_OUT      one activation (of a reserved row)
//   time                 background_mw, or power_down_mw in power-down
// Broadcast: a native device keeps the operand in one global buffer, so that every MAC_AB sends a
// burst over the global I/O wires and the wires of every bank group. Samsung's units have registers
// of their own: WR_GB and CP_GB are broadcast to them, and a MAC_AB reads them in each unit.
// Nothing is published about this energy; the segments' parameters are applied to the wires that
// switch, and the total is kept apart so that it can be left out where a publication leaves it out.
#pragma once

#include <array>
#include <cstdint>

#include "models/hbm_pim/device_description.h"

namespace hpimvp::hbm_pim {

// What happened, of one pseudo-channel or summed over several.
struct CommandCounts {
  std::array<std::uint64_t, kDramCommands> commands{};
  std::uint64_t cycles = 0;             // pseudo-channels x time, power-down included
  std::uint64_t power_down_cycles = 0;  // of these

  std::uint64_t operator[](DramCommand command) const {
    return commands[static_cast<unsigned>(command)];
  }
  std::uint64_t& operator[](DramCommand command) {
    return commands[static_cast<unsigned>(command)];
  }
  CommandCounts& operator+=(const CommandCounts& other);
  friend bool operator==(const CommandCounts&, const CommandCounts&) = default;
};

// Counts the commands of one pseudo-channel as they are issued.
class CommandCounter {
 public:
  // In the order of their cycles.
  void count(DramCommand command, std::uint64_t cycle) {
    ++counts_[command];
    if (command == DramCommand::kPowerDownEnter) {
      power_down_since_ = cycle;
      powered_down_ = true;
    } else if (command == DramCommand::kPowerDownExit && powered_down_) {
      counts_.power_down_cycles += cycle - power_down_since_;
      powered_down_ = false;
    }
  }
  void count(const CommandRecord& record) { count(record.command, record.cycle); }
  // Of the time from cycle 0 to `end`.
  CommandCounts counts(std::uint64_t end) const;

 private:
  CommandCounts counts_;
  std::uint64_t power_down_since_ = 0;
  bool powered_down_ = false;
};

// Picojoules.
struct EnergyBreakdown {
  double activate = 0;
  double cell = 0;        // between cell array and bank edge
  double bank_group = 0;  // bank edge to bank group
  double global_io = 0;   // bank group to global I/O
  double tsv = 0;
  double interposer = 0;
  double broadcast = 0;  // operands on the wires from the buffer to the units
  double buffer = 0;
  double mac = 0;
  double refresh = 0;
  double background = 0;

  double total() const;
  EnergyBreakdown& operator+=(const EnergyBreakdown& other);

  // use(const char* name, double picojoules) for every component.
  template <typename Use>
  void for_each(Use&& use) const {
    use("activate", activate);
    use("cell", cell);
    use("bank_group", bank_group);
    use("global_io", global_io);
    use("tsv", tsv);
    use("interposer", interposer);
    use("broadcast", broadcast);
    use("buffer", buffer);
    use("mac", mac);
    use("refresh", refresh);
    use("background", background);
  }
};

EnergyBreakdown energy_of(const DeviceDescription& device, const CommandCounts& counts);

}  // namespace hpimvp::hbm_pim
