// Runs the plan's operators of a token for one position, or those of a chunk for several prompt
// tokens: each when its predecessors are complete, on whatever engines its descriptors name. With
// the policy kSerial an operator also waits until nothing else runs.
//
// An operator that becomes ready enters a queue. The queue's head is issued when the rings of all
// its devices have room: its descriptor templates are copied, patched and submitted. Devices
// complete descriptors in order, so a ring of operator numbers per device says whose descriptor a
// completion was. All tables are built once; a position costs a few dozen instructions per operator
// and descriptor, and no allocation.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "firmware/host/arena.h"
#include "firmware/host/engine_access.h"
#include "firmware/host/plan_view.h"
#include "firmware/host/progress.h"

namespace hpimvp::firmware {

// A device that stopped.
struct EngineFailure {
  static constexpr std::uint32_t kBootDescriptor = 0xFFFFFFFF;

  std::uint32_t device;
  std::uint32_t op;  // operator of the failing descriptor, or kBootDescriptor
};

// Where the block tables are; not read if no operator uses one.
struct BlockTables {
  std::uint64_t first = 0;   // address of that of layer 0
  std::uint64_t stride = 0;  // to the next layer's, in bytes
};

// What is known of a position only at run time.
struct PositionInputs {
  std::uint32_t token;
  std::uint64_t position;
  bool needs_logits;  // else operators with kFlagNeedsLogits count as complete at once
  BlockTables tables;
};

// What is known of a chunk only at run time.
struct ChunkInputs {
  std::span<const std::uint32_t> tokens;  // 1 to chunk_tokens
  std::uint64_t position;                 // of the first
  BlockTables tables;
};

class OperatorScheduler {
 public:
  // The plan has passed check_plan(). `progress` may be null: then no operator is marked.
  OperatorScheduler(const PlanView& plan, EngineAccess& engines, Progress* progress, Arena& arena);

  // Runs the boot descriptors, one after the other.
  std::optional<EngineFailure> run_boot_descriptors();

  // Runs all operators of a token. A failure is the first of a device that stops and that another
  // try does not help; what the other devices have begun by then is finished. After it the
  // scheduler must not be used again.
  std::optional<EngineFailure> run_position(const PositionInputs& inputs);
  // Runs all operators of a chunk, likewise.
  std::optional<EngineFailure> run_chunk(const ChunkInputs& inputs);

 private:
  // Operators that run together: indices in the table.
  struct OperatorList {
    std::uint32_t begin;
    std::uint32_t end;
  };
  struct OperatorState {
    std::uint32_t pending_predecessors;
    std::uint32_t incomplete_descriptors;
    std::uint32_t first_successor;
    std::uint32_t successor_count;
  };
  // Operators of the descriptors that a device has not completed, oldest first.
  struct InFlight {
    std::uint32_t* operators;
    std::uint32_t mask;
    std::uint32_t capacity;
    std::uint32_t begin;  // free-running
    std::uint32_t end;
    std::uint32_t wanted;  // 0 except in has_room()
    bool is_stopped;
  };

  template <typename Visit>
  void for_each_dependency(const Visit& visit) const;
  void build_successors(Arena& arena);
  std::optional<EngineFailure> run(OperatorList list, std::uint64_t position,
                                   const BlockTables& tables);
  void start(OperatorList list);
  void issue_ready();
  bool may_start(const plan::Operator& op);
  bool has_room(const plan::Operator& op);
  void issue(std::uint32_t index);
  void submit(const plan::DescriptorTemplate& descriptor, std::uint32_t index);
  void complete(std::uint32_t index);
  void collect(const DeviceEvent& event);
  void stop(std::uint32_t device);
  std::optional<EngineFailure> finish_others();

  PlanView plan_;
  std::span<const plan::Operator> operators_;  // the whole table
  std::span<const plan::DescriptorTemplate> descriptors_;
  EngineAccess& engines_;
  Progress* progress_;

  std::span<OperatorState> states_;
  std::span<std::uint32_t> successors_;
  std::span<std::uint32_t> ready_;  // in the order of becoming ready; an operator enters once
  std::span<InFlight> in_flight_;   // by device

  bool one_at_a_time_;
  std::uint32_t smallest_ring_ = ~0u;  // capacity of a device
  std::uint32_t in_flight_count_ = 0;  // descriptors, over all devices

  std::uint32_t ready_begin_ = 0;
  std::uint32_t ready_end_ = 0;
  std::uint32_t incomplete_ = 0;  // operators of the list that runs
  std::optional<EngineFailure> failure_;
  bool needs_logits_ = false;
  BlockTables tables_;
  std::uint64_t patch_values_[7] = {};  // by PatchSource
};

}  // namespace hpimvp::firmware
