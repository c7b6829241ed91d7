// The timing of a whole stack, command by command: a MemoryController for every pseudo-channel,
// normal accesses cut into their bursts, and PIM work on all pseudo-channels.
//
// Three things make it fast, and none changes a cycle:
// - Pseudo-channels in the same state that are given the same work stay in the same state. They
//   form a group with one controller, which is split when an access or a GEMV treats its members
//   differently, and groups that have become equal again are joined.
// - A GEMV that finds a controller at rest is computed by GemvFastEngine. Should a normal access
//   come before its end, the engine does it over from its start up to the access and the controller
//   goes on; after the access the engine takes it back.
// - What an access does that finds a controller at rest is remembered by AccessFastEngine. Should
//   another one come before its end, the controller does it over from its start.
// With an observer every command is issued by a controller.
//
// Times are cycles of the DRAM clock and must not go back from call to call.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "models/hbm_pim/access_fast_engine.h"
#include "models/hbm_pim/access_pieces.h"
#include "models/hbm_pim/energy.h"
#include "models/hbm_pim/gemv_fast_engine.h"
#include "models/hbm_pim/memory_controller.h"
#include "models/hbm_pim/pim_cursor.h"

namespace hpimvp::hbm_pim {

// Sums over the pseudo-channels of a stack, from cycle 0 on.
struct StackCounts {
  CommandCounts commands;
  std::uint64_t forwarded_reads = 0;
  std::uint64_t turnarounds = 0;
  // Of PIM work that has ended: where its cycles went, waiting for normal accesses apart.
  std::array<std::uint64_t, kGemvParts> pim_cycles{};
  std::uint64_t pim_waiting_cycles = 0;
  std::uint64_t pim_macs = 0;       // MAC_AB of PIM work that has ended
  std::uint64_t pim_activates = 0;  // ACT_AB
};

class StackScheduler {
 public:
  using Cycle = std::uint64_t;

  // Of an access or of PIM work. `ended`: at `cycle`, which may lie ahead. Otherwise nothing can
  // end before `cycle`, when the caller looks again.
  struct Progress {
    bool ended = false;
    Cycle cycle = 0;
  };

  struct Statistics {
    std::uint64_t fast_gemvs = 0;  // of groups of pseudo-channels
    std::uint64_t commanded_gemvs = 0;
    std::uint64_t interrupted_gemvs = 0;  // from the first to the second
    std::uint64_t resumed_gemvs = 0;      // and back
    std::uint64_t skipped_windows = 0;    // in which requests wait for the end of PIM's turn
    std::uint64_t fast_accesses = 0;      // of groups of pseudo-channels
    std::uint64_t interrupted_accesses = 0;
    std::uint64_t fast_services = 0;  // of reads that have waited for the end of PIM's turn
    std::uint64_t interrupted_services = 0;
    std::uint64_t learned_accesses = 0;
    std::size_t groups = 0;
    std::size_t most_groups = 0;
  };

  // `device` and `controller` have passed check(), `mapping` is one of the device's.
  StackScheduler(const DeviceDescription& device, const ControllerConfig& controller,
                 const BitFieldMapping& mapping);
  StackScheduler(const StackScheduler&) = delete;
  StackScheduler& operator=(const StackScheduler&) = delete;
  ~StackScheduler();

  // Tells of every command, pseudo-channel by pseudo-channel in the order of cycles. Before the
  // first access.
  void observe(const CommandSink& sink);

  // A normal access of `length` bytes (at least 1) at `offset`, which lie in the stack. A read ends
  // when its last burst has passed the data bus, a write when the controllers' queues have taken
  // it. Of those that start in the same cycle the one of the lower rank comes first, whatever the
  // order of calls. Returns its number, which is used again once its end has been told, not in the
  // cycle of its start.
  std::uint32_t start_access(Cycle now, bool write, std::uint64_t offset, std::uint64_t length,
                             std::uint32_t rank = 0);
  Progress access_progress(std::uint32_t access, Cycle now);

  // One PseudoChannelGemv for each pseudo-channel, which fits. Precondition: !pim_active(now).
  void start_gemv(Cycle now, std::span<const PseudoChannelGemv> gemvs);
  // The same list on some pseudo-channels. It keeps to pim_command_source.h.
  void start_list(Cycle now, const ChannelMask& pseudo_channels,
                  const std::shared_ptr<const std::vector<PimCommand>>& list);
  // Of the PIM work started last.
  Progress pim_progress(Cycle now);

  // StackCounts::pim_cycles and pim_waiting_cycles of PIM work whose end has been told.
  const std::array<std::uint64_t, kGemvParts>& ended_pim_cycles() const {
    return totals_.pim_cycles;
  }
  std::uint64_t ended_pim_waiting_cycles() const { return totals_.pim_waiting_cycles; }
  // Brings everything up to `now`.
  StackCounts counts(Cycle now);
  Statistics statistics() const;

 private:
  struct Group;
  struct Access {
    std::uint32_t groups_left = 0;
    bool write = false;
    std::uint32_t rank = 0;
    Cycle start = 0;
    Cycle end = 0;
  };

  static void command_of_group(void* context, const CommandRecord& record);
  static void completion_of_group(void* context, const Completion& completion);

  void connect(Group& group);
  void split_off(Group& group, const ChannelMask& members);
  void split_by(const ChannelMask& mask);
  void join_equal(Cycle now);
  void run(Group& group, Cycle until);
  static void feed(Group& group, Cycle arrival);
  void note_completion(Group& group, std::uint32_t access, Cycle cycle);
  void note_command(Group& group, const CommandRecord& record);
  std::unique_ptr<Group> copy_of(const Group& group);
  void join_if_worth_it(Cycle now);
  bool begin_fast_access(Group& group, std::uint32_t access);
  void finish_fast_access(Group& group);
  void end_fast_access(Group& group);
  void interrupt(Group& group, Cycle now);
  void begin_service(Group& group);
  static void sum_up_service(Group& group);
  std::uint32_t served_before(const Group& group, std::uint32_t access, Cycle now) const;
  void tell_service(Group& group, Cycle until);
  void finish_service(Group& group);
  void interrupt_service(Group& group, Cycle now);
  void end_here(std::uint32_t access, Cycle end);
  void pick_pieces(const Group& group, const std::vector<AccessPiece>& pieces);
  void queue_bursts(Group& group, std::uint32_t access);
  void queue_pieces(Group& group, std::span<const AccessPiece> pieces, std::uint32_t access);
  void queue_posted(Group& group, std::span<const AccessPiece> pieces);
  GemvFastEngine::Channel channel_of(const Group& group, DramCommand previous);
  void begin_gemv(Group& group, const PseudoChannelGemv& gemv);
  static void clear_account(Group& group);
  static void add_to_account(Group& group, const GemvResult& result);
  void begin_commands(Group& group, PimCursor cursor);
  void interrupt_gemv(Group& group, Cycle now);
  bool resumes_fast(const Group& group) const;
  void resume_fast(Group& group);
  bool skips_window(const Group& group) const;
  void skip_window(Group& group);
  static void count_done(Group& group, const GemvResult& done);
  void jump(Group& group, const GemvFastEngine::Channel& channel, GemvFastEngine::Place place);
  std::shared_ptr<const GemvProgram> program_of(const PseudoChannelGemv& gemv);
  void finish_fast(Group& group);
  void finish_commands(Group& group);
  void finish_pim(Group& group, Cycle end);
  void flush(Group& group);
  Cycle pim_bound(const Group& group, Cycle now) const;

  DeviceDescription device_;
  ControllerConfig controller_config_;
  AccessSplitter splitter_;
  GemvFastEngine fast_;
  AccessFastEngine fast_accesses_;
  GapAttribution attribution_;
  Cycle read_latency_;  // from RD to the end of its data
  Cycle read_gap_;      // least cycles between two column commands of the kind
  Cycle column_gap_;
  CommandSink observer_;

  std::vector<std::unique_ptr<Group>> groups_;
  std::vector<std::unique_ptr<Group>> spare_groups_;  // their memory is used again
  std::vector<Access> accesses_;
  std::vector<std::uint32_t> free_accesses_;
  std::vector<AccessPiece> picked_;  // of an access, in the group that is looked at
  std::uint64_t picked_bursts_ = 0;
  std::vector<MemoryRequest> requests_;  // that a queue takes during a service
  std::uint64_t shared_work_ = 0;
  PseudoChannelGemv last_gemv_;  // of last_program_
  std::shared_ptr<const GemvProgram> last_program_;
  Cycle pim_end_ = 0;

  StackCounts totals_;
  Statistics statistics_;
};

}  // namespace hpimvp::hbm_pim
