// The DMA engine: copies between any two memories on the interconnect, in two dimensions.
//
// A command is checked, decoded, and cut into bursts (copy_schedule.h). One process reads bursts
// into a small ring of buffers, another writes them out, so that reading and writing overlap. A
// failed access stops the queue with BUS_ERROR and the address of the burst. Copies go one after
// the other.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <systemc>
#include <vector>

#include "models/common/activity.h"
#include "models/common/command_engine.h"
#include "models/common/statistics.h"
#include "models/dma/config.h"
#include "models/dma/copy_schedule.h"

namespace hpimvp::dma {

class DmaEngine : public common::CommandEngine {
 public:
  // Whether the memory at an address keeps no contents (timing mode). A burst from or to such a
  // memory has no valid payload. Empty: every memory keeps its contents.
  using PayloadPredicate = std::function<bool(std::uint64_t address)>;

  // Throws std::invalid_argument for a burst size, buffer count or clock period of 0.
  DmaEngine(sc_core::sc_module_name name, const DmaEngineConfig& config,
            PayloadPredicate is_payload_address = {});

  // "<name>.busy" and the engine <name>.
  void set_activity(common::ActivitySink* sink, const std::string& name);
  common::Statistics statistics() const;

 protected:
  std::optional<CommandResult> execute(const Command& command) override;

 private:
  struct Buffer {
    Burst burst;
    std::uint32_t operation = 0;
    bool payload_valid = true;
    std::vector<std::uint8_t> data;
  };

  CommandResult copy(const Command& command, const CopyDescriptor& descriptor);
  CommandResult read_bursts(const Command& command, CopySchedule schedule);
  void write_bursts();
  bool payload_valid(const Burst& burst) const;

  DmaEngineConfig config_;
  PayloadPredicate is_payload_address_;

  // A ring: `filled_` buffers from `oldest_` on wait to be written or are being written.
  std::vector<Buffer> buffers_;
  std::size_t oldest_ = 0;
  std::size_t filled_ = 0;
  CommandResult write_result_;
  sc_core::sc_event buffer_filled_;
  sc_core::sc_event buffer_freed_;

  common::ActivitySink* activity_ = nullptr;
  common::SignalId busy_signal_ = 0;
  std::uint32_t engine_id_ = 0;
  std::uint64_t bytes_copied_ = 0;
  std::uint64_t bursts_ = 0;
  std::uint64_t commands_ = 0;
  std::uint64_t busy_ps_ = 0;
};

}  // namespace hpimvp::dma
