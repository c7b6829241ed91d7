// The controller of one pseudo-channel: turns requests and a stream of PIM commands into DRAM
// commands, each at the earliest cycle that the device allows. Event-driven: time jumps from
// command to command.
//
// Scheduling is FR-FCFS: of the commands that waiting requests need, the one that can go first goes
// first, at the same cycle columns before rows, and then the oldest request's. A request that has
// waited for `starvation_limit` is served before others of its bank, whatever rows they find open.
// Writes gather in a queue of their own and are drained in bursts, between two watermarks, because
// each change of the data bus's direction costs cycles. A read of what a queued write will write is
// answered from the queue. Values are not this class's concern, only times.
//
// A controller at rest can hand its pseudo-channel to a GEMV engine and take it back:
//   PseudoChannelState state = controller.take_over_state();
//   GemvResult result = engine.run(state, ...);
//   controller.resume(state);
//   controller.add_commands(result.commands);
// has the same outcome as start_pim() with the same stream and no request before its end.
//
// Copies are independent and cheap (some 20 KiB in few blocks); they tell the same sinks until they
// get others, and a copy of a controller with a PIM stream pulls from the same source.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "models/hbm_pim/bank_candidates.h"
#include "models/hbm_pim/command_timing.h"
#include "models/hbm_pim/pim_command_source.h"
#include "models/hbm_pim/pseudo_channel_state.h"
#include "models/hbm_pim/refresh_schedule.h"
#include "models/hbm_pim/request_queue.h"

namespace hpimvp::hbm_pim {

enum class PagePolicy : std::uint8_t {
  kOpen,    // a row stays open until a request needs another one of its bank
  kClosed,  // a row closes when no waiting request is for it
};

enum class RefreshPolicy : std::uint8_t { kNone, kAllBank, kPerBank };

// Who gets the pseudo-channel when requests and PIM commands wait both. PIM mode and requests
// exclude each other, so that the choice is made only where all banks are closed.
enum class Arbitration : std::uint8_t {
  kPimFirst,           // requests wait until the stream has ended
  kMemoryFirst,        // PIM goes on while no request waits
  kBoundedInterleave,  // in turn, each for a window at most while the other waits
};

struct ControllerConfig {
  PagePolicy page_policy = PagePolicy::kOpen;
  RefreshPolicy refresh = RefreshPolicy::kAllBank;
  std::uint32_t most_postponed = 8;  // refresh commands; JESD235/JESD238 allow 8
  std::uint32_t read_queue = 64;
  std::uint32_t write_queue = 64;
  std::uint32_t drain_from = 48;          // writes: draining starts,
  std::uint32_t drain_to = 16;            // and ends if reads wait
  std::uint32_t starvation_limit = 4000;  // cycles
  Arbitration arbitration = Arbitration::kBoundedInterleave;
  std::uint32_t pim_window = 2000;  // cycles of kBoundedInterleave
  std::uint32_t memory_window = 500;
  std::uint32_t power_down_after = 0;  // idle cycles; 0: never
};

// Throws std::invalid_argument naming the first value that makes no sense.
void check(const ControllerConfig& config);

struct Completion {
  std::uint64_t id = 0;
  std::uint64_t cycle = 0;  // the request's data have passed the data bus
};

// Whom to tell; a null function: nobody. Commands come in the order of their cycles.
struct CompletionSink {
  void (*notify)(void* context, const Completion& completion) = nullptr;
  void* context = nullptr;
};
struct CommandSink {
  void (*notify)(void* context, const CommandRecord& record) = nullptr;
  void* context = nullptr;
};

struct ControllerCounters {
  std::array<std::uint64_t, kDramCommands> commands{};
  std::uint64_t forwarded_reads = 0;  // answered from the write queue
  std::uint64_t turnarounds = 0;      // changes between serving reads and writes

  std::uint64_t operator[](DramCommand command) const {
    return commands[static_cast<unsigned>(command)];
  }
};

// What a normal access does to a controller at rest, for skip_access(). Cycles from its start;
// where all banks wait for the end of a refresh, from there.
struct AccessOutcome {
  std::uint64_t last = 0;          // the last command
  std::uint64_t end = 0;           // of the last data
  std::uint64_t longest_wait = 0;  // of a request in a queue
  bool draining = false;
  std::uint64_t turnarounds = 0;
  std::array<std::uint64_t, kDramCommands> commands{};
  std::vector<CommandTiming::Binding> bindings;  // behind the last command
  struct Row {
    std::uint32_t bank;
    std::uint32_t piece;  // of the access, whose row is open; kClosed: none is
  };
  static constexpr std::uint32_t kClosed = 0xFFFFFFFF;
  std::vector<Row> rows;

  // Of requests that wait, for skip_service(): how many of a piece are served, and when the last of
  // these ends; and when the queue takes those that are not in it, as many as it takes.
  struct Served {
    std::uint32_t count = 0;
    std::uint64_t end = 0;
  };
  std::vector<Served> served;
  struct End {
    std::uint32_t piece;
    std::uint32_t cycle;
  };
  std::vector<End> ends;  // of each request, in the order of their commands
  std::vector<std::uint64_t> arrivals;
};

class MemoryController {
 public:
  using Cycle = std::uint64_t;
  static constexpr Cycle kNever = ~Cycle{0};

  // `device` and `config` have passed check(). `pseudo_channel` is for command records.
  MemoryController(const DeviceDescription& device, const ControllerConfig& config,
                   std::uint16_t pseudo_channel = 0);

  void set_completion_sink(const CompletionSink& sink) { completions_ = sink; }
  void set_command_sink(const CommandSink& sink) { trace_ = sink; }

  bool can_accept(bool write) const { return !queues_[write].full(); }
  // The request arrives now: run() up to its arrival first. Precondition: can_accept().
  void push(const MemoryRequest& request) { push(request, now_); }
  // It arrived at a cycle before now(), since when nothing was decided that it could have changed:
  // there were PIM commands only, up to now(), and none at which pim_window had ended.
  void push(const MemoryRequest& request, Cycle arrival);

  // Precondition: !pim_active().
  void start_pim(const PimCommandSource& source);
  bool pim_active() const { return pim_.next != nullptr; }
  // For a copy of a controller: the rest of the stream comes from a copy of its source, at the same
  // place. The piece that was pulled last must stay valid as if it came from the new source.
  void rebind_pim(const PimCommandSource& source) { pim_ = source; }
  // The cycle of the last command of a stream so far.
  Cycle last_pim_cycle() const { return last_pim_cycle_; }
  // The end of the last GEMV as in GemvResult: PIM mode has been left behind the end of its stream,
  // and ordinary commands may follow. kNever until that is known, from start_pim() on. A stream
  // without commands ends when it is looked at.
  Cycle pim_end() const { return pim_end_; }

  // Issues all commands before cycle `until`; then now() is `until`.
  void run(Cycle until);
  // Issues the next command if it comes before `until`; false: there is none, and now() is `until`.
  bool issue_next(Cycle until);

  Cycle now() const { return now_; }
  // No request and no PIM command waits.
  bool idle() const { return queues_[0].empty() && queues_[1].empty() && !pim_active(); }
  // Besides, nothing is under way: normal mode, no power-down, no round of refreshes that has begun
  // and must be finished. Rows may be open, refreshes owed, and data of the last requests still on
  // their way.
  bool at_rest() const {
    return idle() && !timing_.pim_mode() && !timing_.powered_down() && !amid_refreshes();
  }

  // Whether take_over_state() may be called: at rest, and refresh not per bank, which the engines
  // do not know.
  bool can_hand_over() const { return at_rest() && config_.refresh != RefreshPolicy::kPerBank; }
  // Precondition: can_hand_over().
  PseudoChannelState take_over_state() const { return {timing_, refresh_, now_}; }
  // Goes on at the end of GEMVs that were computed from take_over_state() on, each beginning where
  // the one before has ended. Precondition: the controller was left alone meanwhile.
  void resume(PseudoChannelState state);
  // Amid a PIM stream without requests: a piece of it has ended, in PIM mode, and no refresh is
  // due, so that a GEMV engine may go on from take_over_state().
  bool between_pim_pieces() const;
  // The same, but requests may wait.
  bool between_pim_pieces_of_busy() const;
  // The first cycle at which requests could make the controller leave PIM mode, which it is in.
  Cycle leaves_pim_from() const;
  // Goes on in such a place, further in the stream that was started, at its command of cycle
  // state.now, after the engine has done what is between; the source's next piece comes then. If
  // requests wait, what the engine did with all banks closed must lie before leaves_pim_from().
  void jump_in_pim(PseudoChannelState state);
  // When PIM mode was entered, if the engine has done that.
  void note_pim_entry(Cycle cycle) { mode_since_ = cycle; }
  // Counts commands that were issued in place of this controller.
  void add_commands(const std::array<std::uint64_t, kDramCommands>& commands);

  // Whether the outcome of a normal access may be taken from AccessFastEngine: at rest, and nothing
  // that an outcome does not know of (closed pages, refresh per bank, power-down, who watches).
  bool can_skip_access() const {
    return config_.page_policy == PagePolicy::kOpen && config_.power_down_after == 0 &&
           config_.refresh != RefreshPolicy::kPerBank && trace_.notify == nullptr && at_rest();
  }
  // Whether no refresh comes between commands in the next `cycles`. Precondition: at_rest().
  bool no_refresh_within(Cycle cycles);
  // In how many cycles the end of a refresh comes, if nothing can be done before and nothing binds
  // behind; else 0. Precondition: at_rest().
  Cycle refresh_left() const;
  // Goes on at the last command of an access that began at now() with so much of refresh_left().
  // Precondition: that it was can_skip_access() and no_refresh_within(refresh_left + outcome.last),
  // and left alone since. `open_row(piece)`: the row of a piece of the access.
  template <typename OpenRow>
  void skip_access(const AccessOutcome& outcome, Cycle refresh_left, OpenRow&& open_row) {
    const Cycle start = now_ + refresh_left;
    now_ = start;
    begin_skip(outcome);
    for (const AccessOutcome::Row& row : outcome.rows)
      set_skipped_row(row.bank, open_row(row.piece));
    timing_.resume(outcome.bindings, start, now_);
  }

  // Whether what happens to waiting reads may be taken from AccessFastEngine: nothing but reads
  // waits, and nothing that an outcome does not know of is under way or due.
  bool can_skip_service() const;
  // No refresh falls due and no request starves in the next `cycles`. Precondition:
  // can_skip_service().
  bool undisturbed_for(Cycle cycles) const;
  // The requests of a queue in the order of their arrival: visit(const MemoryRequest&).
  template <typename Visit>
  void for_each_read(Visit&& visit) const {
    const RequestQueue& queue = queues_[0];
    for (std::uint32_t entry = queue.oldest(); entry != RequestQueue::kNone;
         entry = queue.next(entry)) {
      visit(queue[entry]);
    }
  }
  // Goes on at the last command for the reads, which were in the queue and, `more`, waited for a
  // place in it. `pieces`: these reads in their order, as the outcome knows them. Precondition:
  // can_skip_service() and undisturbed_for(outcome.last). Returns how many of `more` the queue has
  // taken.
  std::size_t skip_service(const AccessOutcome& outcome, std::span<const std::uint32_t> counts,
                           std::span<const std::uint32_t> rows,
                           std::span<const MemoryRequest> more);
  // How long requests will be served before PIM has its turn; kNever if no PIM command waits.
  Cycle service_left() const;
  // A copy that tells nobody and has no refresh, no PIM stream and no requests, which cannot
  // starve.
  MemoryController for_service_trial() const;

  // A copy at `now` that tells nobody and has no refresh.
  MemoryController for_trial(Cycle now) const;
  // Of the oldest request.
  Cycle longest_wait() const;
  Cycle starvation_limit() const { return config_.starvation_limit; }
  bool draining() const { return draining_; }

  // Whether both will do the same if they are asked the same from now on. Precondition: they were
  // constructed with the same device and configuration. False unless both are at rest, at the same
  // now(). Counters and sinks do not matter.
  bool same_as(const MemoryController& other) const;

  const ControllerCounters& counters() const { return counters_; }
  const CommandTiming& timing() const { return timing_; }
  const RefreshSchedule& refresh() const { return refresh_; }

 private:
  void take_back(PseudoChannelState&& state);
  void begin_skip(const AccessOutcome& outcome);
  void set_skipped_row(std::uint32_t bank, std::uint32_t row);
  void skip_idle_refreshes(Cycle until);

  // A command that could be issued.
  struct Choice {
    Precedence precedence = ~Precedence{0};  // by cycle, then urgency, then age
    DramCommand command = DramCommand::kCount;
    std::uint32_t entry = RequestQueue::kNone;  // of the queue being served
    CommandAddress address;

    Cycle cycle() const { return cycle_of(precedence); }
  };

  void choose(Choice& choice);
  void choose_in_pim_mode(Choice& choice);
  void choose_in_normal_mode(Choice& choice);
  void choose_for_requests(Choice& best);
  void consider(Choice& best, DramCommand command, const CommandAddress& address,
                std::uint64_t order) const;
  void consider_requests(Choice& best);
  void consider_closing(Choice& best);
  void consider_bank_refresh(Choice& best);
  void consider_power_down(Choice& best) const;
  // The command, or PREA first if banks are open.
  void consider_when_all_closed(Choice& choice, DramCommand command) const;

  void choose_direction();
  bool starves(const RequestQueue& queue) const;
  void set_starving(std::uint32_t entry);
  void set_refresh_bank(std::uint32_t bank);
  void note_needs(std::uint32_t bank);
  void note_closing(std::uint32_t bank);
  void note_all_needs();
  bool wants_pim();
  bool leaves_pim();
  bool pim_has_next();
  void update_all_bank_refresh();
  std::uint32_t bank_to_refresh() const;
  bool is_unused(std::uint32_t bank) const;

  void issue(const Choice& choice);
  void note_column(const Choice& choice);
  void note_rows(const Choice& choice);
  void note_refresh(const Choice& choice);
  void note_mode(const Choice& choice);
  bool amid_refreshes() const;
  void set_open_row(std::uint32_t bank, std::uint32_t row);

  CommandTiming timing_;
  ControllerConfig config_;
  DeviceOrganisation organisation_;
  Cycle read_data_;  // from RD to the end of its data
  Cycle write_data_;
  Cycle pim_out_;
  std::uint16_t pseudo_channel_;
  CompletionSink completions_;
  CommandSink trace_;

  Cycle now_ = 0;
  // What comes next, decided when the command before was issued or something new arrived, so that
  // it does not depend on how often and up to where time is advanced.
  Choice decision_;
  bool decided_ = false;
  std::array<RequestQueue, 2> queues_;  // reads, writes
  std::uint64_t pushed_ = 0;
  bool draining_ = false;                         // serving writes
  std::uint32_t starving_ = RequestQueue::kNone;  // entry of the queue being served
  std::uint32_t starving_bank_ = RequestQueue::kNone;
  Cycle last_activity_ = 0;

  // What banks need for the queue being served, kept up to date with every change of queues, rows,
  // direction and exceptions (starving_, refresh_bank_).
  BankCandidates needs_;
  BankCandidates closing_;  // kClosed: PRE of rows that no request waits for

  RefreshSchedule refresh_;
  bool refreshing_ = false;                    // all banks, until nothing is owed
  std::vector<std::uint8_t> refreshed_banks_;  // of the current round
  std::uint32_t refreshed_in_round_ = 0;
  std::uint32_t refresh_bank_ = RequestQueue::kNone;

  PimCommandSource pim_;
  std::span<const PimCommand> pim_commands_;
  std::size_t pim_position_ = 0;
  bool entering_pim_ = false;
  bool pim_progress_ = false;  // a PIM command was issued since PIM mode was entered
  Cycle mode_since_ = 0;
  Cycle last_pim_cycle_ = 0;
  Cycle pim_end_ = 0;

  ControllerCounters counters_;
};

}  // namespace hpimvp::hbm_pim
