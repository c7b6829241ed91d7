// Starts programs on the tiles from a command queue (sram_pim_dispatcher.registers.json).
//
// Descriptors start in order, each when all tiles of its mask are idle; those with disjoint masks
// run at the same time. A program that traps stops the queue with PROGRAM_TRAP once all tiles of
// its descriptor have stopped; what happened is in the tile's registers and goes to the diagnostic
// function. CONTROL.RESET abandons the programs in execution.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <systemc>
#include <vector>

#include "generated/models/sram_pim/sram_pim_dispatcher_registers.h"
#include "models/common/activity.h"
#include "models/common/command_engine.h"
#include "models/common/statistics.h"
#include "models/sram_pim/tile_config.h"
#include "models/sram_pim/tile_control.h"

namespace hpimvp::sram_pim {

class SramPimDispatcher : public common::CommandEngine {
 public:
  // `tiles`: all of the machine's, at most 64, in the order of their indices; they must outlive the
  // dispatcher. `config` is the tiles'. Throws std::invalid_argument for 0 or more than 64 tiles.
  SramPimDispatcher(sc_core::sc_module_name name, const TileConfig& config,
                    std::vector<TileControl*> tiles);

  // Receives a sentence for every trap: tile, place, instruction, cause, operator.
  // `operation_name`, if any, says what stands for an operation: "12 \"attention\" of layer 3".
  void set_diagnostic(std::function<void(const std::string&)> diagnostic,
                      std::function<std::string(std::uint32_t operation)> operation_name = {});
  // "<name>.running_tiles". Before the simulation starts.
  void set_activity(common::ActivitySink* sink, const std::string& name);
  common::Statistics statistics() const;

 protected:
  std::optional<CommandResult> execute(const Command& command) override;
  void queue_reset() override;

 private:
  using RunDescriptor = sram_pim_dispatcher_registers::RunDescriptor;
  using LoadProgramDescriptor = sram_pim_dispatcher_registers::LoadProgramDescriptor;

  // A RUN command in execution.
  struct Run {
    std::uint64_t number;
    Command command;
    std::uint64_t remaining;  // mask of tiles that have not ended
    bool trapped;
  };

  void install_registers();
  bool mask_is_valid(std::uint64_t mask) const;
  bool is_valid(const RunDescriptor& descriptor) const;
  bool is_valid(const LoadProgramDescriptor& descriptor) const;
  std::uint64_t busy_tiles() const;
  // Returns false if the command was abandoned meanwhile.
  bool wait_for_tiles(const Command& command, std::uint64_t mask);
  std::optional<CommandResult> run(const Command& command, const RunDescriptor& descriptor);
  CommandResult load_program(const Command& command, const LoadProgramDescriptor& descriptor);
  void tile_ended(std::uint64_t run_number, std::size_t tile, const TileControl::RunEnd& end);
  std::string place_of(std::uint32_t operation) const;
  void trace_running();

  TileConfig config_;
  std::vector<TileControl*> tiles_;
  std::function<void(const std::string&)> diagnostic_;
  std::function<std::string(std::uint32_t)> operation_name_;
  std::list<Run> runs_;
  std::uint64_t next_run_ = 0;
  sc_core::sc_event tile_event_;  // a tile has ended, or the queue was reset

  common::ActivitySink* activity_ = nullptr;
  common::SignalId running_signal_ = 0;
  std::uint64_t run_commands_ = 0;
  std::uint64_t load_commands_ = 0;
  std::uint64_t loaded_bytes_ = 0;
  std::uint64_t trapped_commands_ = 0;
};

}  // namespace hpimvp::sram_pim
