// Judges a trace of DRAM and PIM commands: for every command whether the device allows it there and
// then. Independent of what schedules commands: of a DeviceDescription it reads the organisation
// and the values of the parameters, never the table of constraints; its rules are written by hand,
// each from the meaning of its parameter in JESD235 (HBM2) and JESD238 (HBM3), and for PIM commands
// from dram_command.h and device_description.h.
//
// Rules bear the name of their parameter ("tRCDRD"). Those without one: "order" (cycles of a
// pseudo-channel go back), "address", "mode" (a PIM command outside PIM mode, or the reverse),
// "power-down", "row open" (ACT), "row closed" and "wrong row" (column commands), "banks open"
// (refresh, change of mode), "data bus" (bursts overlap), "buffer" and "accumulators" (used before
// anything was written to them), and the command buses by their parameters tACTBUS, tROWBUS and
// tCOLBUS.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/hbm_pim/device_description.h"

namespace hpimvp::hbm_pim {

// A command that broke a rule.
struct Violation {
  const char* rule = "";  // lives as long as the program
  CommandRecord command;  // the one that came too early, or should not have come
  CommandRecord earlier;  // what it followed; meaningful if has_earlier
  bool has_earlier = false;
  // Cycles from `earlier` to `command`, 0 where no number is required; for tREFI cycles since the
  // first command, of which `required` are the most.
  std::uint64_t required = 0;
  std::uint64_t actual = 0;
  const char* explanation = "";
};

// "tRCDRD: RD at cycle 118 (pseudo-channel 3, SID 0, bank group 1, bank 2, row 55, column 3) comes
// 13 cycles after ACT at cycle 105 (...); 19 are required (...)".
std::string to_string(const Violation& violation);

class DramChecker {
 public:
  struct Options {
    // Refresh rule: every bank is refreshed once in tREFI on average, from the first command of the
    // pseudo-channel on; up to `postponed_refreshes` may be owed, or done in advance (JESD235: 8).
    bool refresh_required = true;
    std::uint32_t postponed_refreshes = 8;
  };

  // `device` has passed check(). For as many pseudo-channels as the device has.
  explicit DramChecker(const DeviceDescription& device);
  DramChecker(const DeviceDescription& device, const Options& options);

  // The next command of its pseudo-channel; pseudo-channels may be interleaved in any way. Returns
  // the first rule that it breaks. The command takes effect nevertheless, unless its address does
  // not exist, so that a trace can be checked to its end. Does not allocate.
  std::optional<Violation> check(const CommandRecord& record);

  // The trace of a pseudo-channel ends at `cycle`: finds refreshes that never came.
  std::optional<Violation> finish(std::uint16_t pseudo_channel, std::uint64_t cycle) const;

  std::uint64_t commands() const { return commands_; }

 private:
  using Cycle = std::uint64_t;
  static constexpr std::uint32_t kNoRow = 0xFFFFFFFF;
  static constexpr CommandRecord kNever{0, 0, DramCommand::kCount, {}};

  struct Bank {
    std::uint32_t row = kNoRow;
    CommandRecord activate = kNever;   // ACT, ACT_AB
    CommandRecord precharge = kNever;  // PRE, PREA, PRE_AB
    CommandRecord read = kNever;
    CommandRecord write = kNever;
    CommandRecord refresh = kNever;  // REFpb
    std::uint64_t refreshes = 0;     // REFab and REFpb that count
  };
  struct BankGroup {
    CommandRecord activate = kNever;
    CommandRecord read = kNever;
    CommandRecord write = kNever;
  };
  struct OperandGroup {
    std::uint32_t open_banks = 0;
    std::uint32_t row = kNoRow;        // of the first bank opened
    bool one_row = true;               // the others opened have the same
    CommandRecord activate = kNever;   // ACT_AB
    CommandRecord multiply = kNever;   // MAC_AB
    CommandRecord element = kNever;    // EWADD_AB, EWMUL_AB
    CommandRecord copy_read = kNever;  // CP_GB
    CommandRecord copy_write = kNever;
  };
  // The last commands of a kind, of which a window may hold only so many.
  struct Window {
    std::vector<CommandRecord> ring;
    std::uint32_t oldest = 0;
  };
  // When the data of a direction pass the bus, newest at `next` - 1.
  struct Bursts {
    static constexpr std::uint32_t kKept = 64;  // more than can be under way
    std::array<CommandRecord, kKept> commands{};
    std::uint32_t next = 0;
    std::uint32_t count = 0;
  };
  struct PseudoChannel {
    std::vector<Bank> banks;
    std::vector<BankGroup> groups;
    std::vector<OperandGroup> operand_groups;
    std::vector<CommandRecord> read_of_stack_id;
    Window activates;        // ACT, REFpb: tFAW
    Window group_activates;  // ACT_AB: tFAWAB
    Bursts reads;            // RD, RD_MAC
    Bursts writes;           // WR, WR_GB, WR_BIAS
    CommandRecord newest = kNever;
    CommandRecord row_bus = kNever;
    CommandRecord column_bus = kNever;
    CommandRecord activate = kNever;
    CommandRecord precharge = kNever;      // PRE, PREA, PRE_AB
    CommandRecord own_precharge = kNever;  // PRE, PREA
    CommandRecord read = kNever;
    CommandRecord write = kNever;
    CommandRecord refresh = kNever;
    CommandRecord refresh_bank = kNever;
    CommandRecord power_down_enter = kNever;
    CommandRecord power_down_exit = kNever;
    CommandRecord pim_enter = kNever;
    CommandRecord pim_exit = kNever;
    CommandRecord group_activate = kNever;
    CommandRecord array = kNever;  // MAC_AB, EWADD_AB, EWMUL_AB
    CommandRecord multiply = kNever;
    CommandRecord copy = kNever;
    CommandRecord write_buffer = kNever;
    CommandRecord write_bias = kNever;
    CommandRecord read_result = kNever;
    std::uint32_t open_banks = 0;
    bool pim_mode = false;
    bool powered_down = false;
    bool started = false;
    bool buffer_written = false;
    bool accumulators_written = false;
    Cycle origin = 0;            // first command: from here on refresh is due
    Cycle refresh_deadline = 0;  // no command after it without a refresh
  };

  Cycle value(Parameter parameter) const { return device_[parameter]; }
  void require_distance(const char* rule, const CommandRecord& earlier, Cycle required);
  void require_state(const char* rule, bool holds, const char* explanation);
  bool address_exists(const CommandRecord& record) const;
  void apply_checks(PseudoChannel& channel, const CommandRecord& record);

  void check_mode(const PseudoChannel& channel);
  void check_command_bus(const PseudoChannel& channel);
  void check_data_bus(const PseudoChannel& channel, bool is_read);
  void report_overlap(const CommandRecord& earlier);
  void check_overlap(const Bursts& bursts, Cycle latency, Cycle start);
  static Violation refresh_violation(const PseudoChannel& channel, Cycle cycle);
  void check_refresh_deadline(const PseudoChannel& channel);
  void check_not_refreshing(const PseudoChannel& channel);
  void check_window(const char* rule, const Window& window, Cycle required);

  void activate(PseudoChannel& channel);
  void precharge(PseudoChannel& channel);
  void precharge_all(PseudoChannel& channel);
  void read(PseudoChannel& channel);
  void write(PseudoChannel& channel);
  void refresh(PseudoChannel& channel);
  void refresh_bank(PseudoChannel& channel);
  void power_down_enter(PseudoChannel& channel);
  void power_down_exit(PseudoChannel& channel);
  void pim_enter(PseudoChannel& channel);
  void pim_exit(PseudoChannel& channel);
  void activate_group(PseudoChannel& channel);
  void precharge_group(PseudoChannel& channel);
  void write_buffer(PseudoChannel& channel);
  void write_bias(PseudoChannel& channel);
  void array_command(PseudoChannel& channel);
  void read_result(PseudoChannel& channel);
  void copy(PseudoChannel& channel);

  Bank& bank_of(PseudoChannel& channel) const;
  BankGroup& group_of(PseudoChannel& channel) const;
  OperandGroup& operand_group_of_bank(PseudoChannel& channel) const;
  void open(PseudoChannel& channel, Bank& bank, OperandGroup& operand_group);
  void close(PseudoChannel& channel, std::uint32_t bank_index);
  void check_column(const Bank& bank);
  void count_refresh(const PseudoChannel& channel, Bank& bank) const;
  void update_refresh_deadline(PseudoChannel& channel) const;
  void remember(Window& window) const;
  void remember(Bursts& bursts) const;

  DeviceDescription device_;  // its constraints are dropped
  Options options_;
  std::vector<PseudoChannel> channels_;
  std::uint64_t commands_ = 0;
  // Of the command being checked.
  CommandRecord now_;
  Violation violation_;
  bool violated_ = false;
};

}  // namespace hpimvp::hbm_pim
