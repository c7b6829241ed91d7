// One SRAM-PIM tile on the bus: status registers (sram_pim_tile.registers.json), a memory window
// through which others reach its memories (activation memory at 0, control memory at 0x8'0000), and
// a bus initiator for its transfer unit.
//
// A program runs ahead of the simulation in plain C++ (tile_executor.h) and comes back to it only
// where something outside can be seen: a second process issues the transfers at their times, and
// the program waits for the kernel where it needs one to have ended, and at its end. What others
// write into or read from the memories while a program runs, meets the state that the program has
// reached by then, which may be ahead of time; software synchronises with transfers and completions
// only.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <functional>
#include <string>
#include <systemc>
#include <vector>

#include "models/common/activity.h"
#include "models/common/register_block.h"
#include "models/common/statistics.h"
#include "models/common/transaction_extension.h"
#include "models/sram_pim/tile_config.h"
#include "models/sram_pim/tile_control.h"
#include "models/sram_pim/tile_executor.h"

namespace hpimvp::sram_pim {

class SramPimTile : public sc_core::sc_module, public TileControl, private TransferPort {
 public:
  // The memory window.
  static constexpr std::uint64_t kControlMemoryOffset = 0x8'0000;
  static constexpr std::uint64_t kWindowBytes = 0x10'0000;

  tlm_utils::simple_target_socket<SramPimTile> registers;
  tlm_utils::simple_target_socket<SramPimTile> memory;
  tlm_utils::simple_initiator_socket<SramPimTile> bus;

  // `stores_payload` false: timing mode. Throws std::invalid_argument for a configuration that
  // makes no sense.
  SramPimTile(sc_core::sc_module_name name, const TileConfig& config, std::uint16_t tile_index,
              bool stores_payload);
  // The payload would delete an extension that a transaction in flight has left in it.
  ~SramPimTile() override { transfer_payload_.clear_extension(&transfer_info_); }

  // "<name>.state", a signal for each unit ("<name>.vector", "<name>.pim", "<name>.transfer",
  // "<name>.tcu", "<name>.transpose") and the engine <name>. Before the simulation starts.
  void set_activity(common::ActivitySink* sink, const std::string& name);
  common::Statistics statistics() const;
  common::Energies energy() const;
  const TileExecutor& executor() const { return executor_; }

  // TileControl
  bool busy() const override { return state_ == State::kRunning; }
  void start(std::uint32_t entry, std::span<const std::uint64_t> arguments, std::uint32_t operation,
             std::function<void(const RunEnd&)> ended) override;
  void abandon() override;
  bool trapped() const override { return state_ == State::kTrapped; }
  std::string trap_message() const override;
  bool load_control(std::uint32_t address, const std::uint8_t* data, std::size_t bytes) override;

 private:
  enum class State : std::uint8_t { kIdle, kRunning, kTrapped };

  // TransferPort
  void start(const Request& request) override;
  Result finish(std::uint64_t latest_cycle) override;

  void install_registers(std::uint16_t tile_index);
  void serve_registers(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  unsigned debug_registers(tlm::tlm_generic_payload& payload);
  void access_memory(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  bool deny_direct_access(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi);
  unsigned debug_memory(tlm::tlm_generic_payload& payload);
  std::uint64_t window_end(std::uint64_t address) const;
  void read_window(std::uint64_t address, std::uint8_t* data, std::size_t bytes) const;
  void write_window(std::uint64_t address, const std::uint8_t* data, std::size_t bytes);

  void run_programs();
  void run_one();
  void run_transfers();
  void enter(State state);
  // What a run that has taken `duration_ps` spent its time on, from the counters at its start.
  common::ResourceUsage usage_since(const TileCounters& before, std::uint64_t duration_ps) const;
  std::uint64_t start_edge_ps() const;
  std::uint64_t cycle_ps(std::uint64_t cycle) const {
    return run_start_ps_ + cycle * config_.clock_period_ps;
  }

  TileConfig config_;
  common::RegisterBlock block_;
  TileExecutor executor_;

  State state_ = State::kIdle;
  bool abandoned_ = false;
  std::uint32_t entry_ = 0;
  std::vector<std::uint64_t> arguments_;
  std::uint32_t operation_ = common::kNoOperation;
  std::function<void(const RunEnd&)> ended_;
  Trap trap_;
  std::uint64_t run_start_ps_ = 0;
  sc_core::sc_event start_event_;
  sc_core::sc_event abandon_event_;

  Request request_{};
  // Members rather than locals of the transfer thread, whose stack is not unwound at the end.
  common::TransactionInfo transfer_info_;
  tlm::tlm_generic_payload transfer_payload_;
  bool transfer_done_ = true;
  // Of the latest transfer: one that a watchdog has given up may still be in the transfer thread.
  std::uint64_t transfer_number_ = 0;
  std::uint64_t transfer_start_ps_ = 0;
  bool transfer_ok_ = false;
  std::uint64_t transfer_end_cycle_ = 0;
  sc_core::sc_event transfer_event_;
  sc_core::sc_event transfer_done_event_;
  sc_core::sc_event watchdog_event_;
  std::uint64_t watchdog_ps_ = 0;  // when it comes or came last
  sc_core::sc_event_or_list transfer_done_or_watchdog_{transfer_done_event_ | watchdog_event_};
  std::uint16_t tile_index_;

  common::ActivitySink* activity_ = nullptr;
  common::SignalId state_signal_ = 0;
  std::uint32_t engine_id_ = 0;
  std::uint64_t busy_ps_ = 0;
  std::uint64_t window_read_bytes_ = 0;  // activation memory, by others
  std::uint64_t window_write_bytes_ = 0;
};

}  // namespace hpimvp::sram_pim
