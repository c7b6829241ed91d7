// Draws DRAM commands as signals of a waveform: for each pseudo-channel, what stands on its two
// command buses, and its state. In GTKWave below the stack's scope, e.g. stack0.pc3:
//   state                  NORMAL, PIM, REFRESH (tRFC from a REFab on) or POWER_DOWN
//   row_bus.command        ACT, PRE, REFab, ACT_AB, ...; "-" when there is none
//   row_bus.stack_id, row_bus.bank_group, row_bus.bank, row_bus.row
//   column_bus.command     RD, WR, MAC_AB, ...
//   column_bus.stack_id, column_bus.bank_group, column_bus.bank, column_bus.column
// Addresses keep their value until the bus's next command. A command stands from its cycle on for
// as long as it takes the bus (tACTBUS, tROWBUS, tCOLBUS), less 1 ps, so that equal commands behind
// each other can be told apart.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "models/common/activity.h"
#include "models/hbm_pim/device_description.h"

namespace hpimvp::cli {

class DramWaveform {
 public:
  // Nothing needs to be drawn before `start_ps` but the state at that time. The sink must outlive
  // this.
  DramWaveform(common::ActivitySink& sink, const hbm_pim::DeviceDescription& device,
               std::uint64_t start_ps);

  // Declares a pseudo-channel's signals below the scope `name` and returns its number.
  std::size_t add(const std::string& name);
  // A command of a pseudo-channel; each one's in the order of cycles.
  void take(std::size_t pseudo_channel, const hbm_pim::CommandRecord& record);
  // All commands before `time_ps` have been told.
  void settle(std::uint64_t time_ps);

 private:
  using Cycle = std::uint64_t;
  enum Signal : std::uint8_t {
    kRowCommand,
    kRowStackId,
    kRowBankGroup,
    kRowBank,
    kRow,
    kColumnCommand,
    kColumnStackId,
    kColumnBankGroup,
    kColumnBank,
    kColumn,
    kState,
    kSignals,
  };
  enum State : std::uint8_t { kNormal, kPim, kRefresh, kPowerDown };

  struct PseudoChannel {
    std::array<common::SignalId, kSignals> signals{};
    std::array<std::uint64_t, kSignals> values{};    // told last
    std::array<std::uint64_t, kSignals> at_start{};  // at start_ps_
    bool pim_mode = false;
    bool powered_down = false;
    bool refreshing = false;
    Cycle refresh_end = 0;
  };

  void set(PseudoChannel& channel, Signal signal, Cycle cycle, std::uint64_t value) {
    set_at(channel, signal, cycle * clock_period_ps_, value);
  }
  void set_at(PseudoChannel& channel, Signal signal, std::uint64_t time_ps, std::uint64_t value);
  void note_state(PseudoChannel& channel, const hbm_pim::CommandRecord& record);
  static State state_of(const PseudoChannel& channel);
  void end_refresh(PseudoChannel& channel);

  common::ActivitySink& sink_;
  hbm_pim::DeviceDescription device_;
  std::uint64_t clock_period_ps_;
  std::uint64_t start_ps_;
  bool started_ = false;  // what was at start_ps_ has been told
  std::vector<PseudoChannel> channels_;
};

}  // namespace hpimvp::cli
