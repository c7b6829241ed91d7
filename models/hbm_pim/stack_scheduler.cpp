#include "models/hbm_pim/stack_scheduler.h"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

namespace hpimvp::hbm_pim {

namespace {

using Cycle = StackScheduler::Cycle;

// What a request's id is when nobody waits for its completion.
constexpr std::uint64_t kPosted = ~std::uint64_t{0};

// Whose burst it is when nobody waits for it any more.
constexpr std::uint32_t kNobody = ~std::uint32_t{0};

// Pieces of an access in a pseudo-channel that are worth a look at what is remembered.
constexpr std::size_t kMostFastPieces = 512;

// Requests that are worth it, too.
constexpr std::size_t kMostServiceRequests = 2048;

// How often accesses must have been done for several groups before it is worth a look whether
// groups have become equal. Groups that get accesses of their own would be split again at once.
constexpr std::uint64_t kSharedWorkToJoin = 16;

// Columns that a GEMV must have left for the fast engine to take it back.
constexpr std::uint64_t kColumnsToResume = 32;

// Learned states of the fast engine take about 10 KiB each.
constexpr std::size_t kMostFastStates = 2000;

// Least distance of two `command`s of a pseudo-channel, by the rows of the table that hold for all
// of it alike.
Cycle least_gap(const DeviceDescription& device, DramCommand command) {
  Cycle gap = 0;
  for (const ConstraintRow& row : device.constraints) {
    const bool applies = row.level == ConstraintLevel::kPseudoChannel && row.window == 1 &&
                         !row.other_instances && (row.before & command_bit(command)) != 0 &&
                         (row.after & command_bit(command)) != 0;
    if (applies) gap = std::max<Cycle>(gap, row.latency);
  }
  return gap;
}

bool is_ordinary(DramCommand command) {
  switch (command) {
    case DramCommand::kActivate:
    case DramCommand::kPrecharge:
    case DramCommand::kRead:
    case DramCommand::kWrite:
    case DramCommand::kRefreshBank:
    case DramCommand::kPowerDownEnter:
    case DramCommand::kPowerDownExit:
      return true;
    default:
      return false;
  }
}

}  // namespace

// Pseudo-channels in the same state. The controller's commands are those of every member.
struct StackScheduler::Group {
  enum class Pim : std::uint8_t {
    kNone,
    kFast,      // computed up to its end; the controller stands at `place`
    kCommands,  // the controller pulls from `cursor`
  };
  // A request that the controller's queue has not taken yet.
  struct Burst {
    std::uint32_t access = 0;
    bool write = false;
    CommandAddress address;
  };
  // An access that has requests in this group.
  struct Waiting {
    std::uint32_t access = 0;
    std::uint32_t remaining = 0;  // reads: not completed; writes: not taken by the queue
    Cycle end = 0;
    bool told = false;               // that it has ended, by a fast service that may be interrupted
    AccessOutcome::Served served{};  // by a fast service; the end is the last one's
  };

  explicit Group(MemoryController initial) : controller(std::move(initial)) {}

  StackScheduler* scheduler = nullptr;
  MemoryController controller;
  ChannelMask members;
  std::uint64_t size = 0;

  std::vector<Burst> backlog;  // from backlog_begin on
  std::size_t backlog_begin = 0;
  Cycle arrived = 0;  // the last of them; the controller may stand at a later cycle (skip_window())
  std::vector<Waiting> waiting;

  // An access that AccessFastEngine has computed; the controller stands at its start. Null: none.
  struct FastAccess {
    std::shared_ptr<const AccessOutcome> outcome;
    std::uint32_t access = 0;
    bool write = false;
    bool told = false;       // that it has ended
    Cycle refresh_left = 0;  // when it began
    Cycle last = 0;          // command
    std::vector<AccessPiece> pieces;
  };

  FastAccess fast;

  // What AccessFastEngine says becomes of the reads that wait, in the queue and in the backlog; the
  // controller stands where it begins to serve them. Null: nothing.
  struct FastService {
    std::shared_ptr<const AccessOutcome> outcome;
    std::vector<AccessPiece> pieces;
    std::vector<std::uint32_t> accesses;  // whose a piece is
    std::vector<std::uint32_t> counts;
    std::vector<std::uint32_t> rows;
  };

  FastService service;
  bool by_command = false;  // a service is being done over

  Pim pim = Pim::kNone;
  PimCursor cursor;
  PseudoChannelGemv gemv;
  bool is_gemv = false;         // not a list
  bool interrupted = false;     // an access is about to come: no way back to kFast
  GemvFastEngine::Place place;  // of kFast
  GemvResult result;
  std::optional<PseudoChannelState> after;  // kFast: the state at its end

  // Account of PIM work by commands.
  DramCommand previous = GapAttribution::kNothing;
  Cycle accounted = 0;
  std::array<std::uint64_t, kGemvParts> parts{};
  std::uint64_t waited = 0;
  std::uint64_t macs = 0;
  std::uint64_t activates = 0;

  Cycle powered_down_at = 0;
  std::uint64_t power_down_cycles = 0;
  ControllerCounters flushed;  // how much of the counters is in the totals

  bool has_backlog() const { return backlog_begin < backlog.size(); }
  bool may_join() const {
    return pim == Pim::kNone && !has_backlog() && fast.outcome == nullptr &&
           service.outcome == nullptr;
  }
  std::size_t first_member() const { return members._Find_first(); }
};

StackScheduler::StackScheduler(const DeviceDescription& device, const ControllerConfig& controller,
                               const BitFieldMapping& mapping)
    : device_(device),
      controller_config_(controller),
      splitter_(mapping),
      fast_(device),
      attribution_(device),
      read_latency_(device[Parameter::kTRL] + device[Parameter::kTBL]),
      read_gap_(least_gap(device, DramCommand::kRead)),
      column_gap_(least_gap(device, DramCommand::kMac)) {
  if (device.organisation.pseudo_channels() > kMostPseudoChannels) {
    throw std::invalid_argument("a stack has at most 256 pseudo-channels");
  }
  auto group = std::make_unique<Group>(MemoryController(device, controller));
  for (std::uint32_t i = 0; i < device.organisation.pseudo_channels(); ++i) group->members.set(i);
  group->size = device.organisation.pseudo_channels();
  group->scheduler = this;
  groups_.push_back(std::move(group));
  connect(*groups_.front());
  statistics_.most_groups = 1;
}

StackScheduler::~StackScheduler() = default;

void StackScheduler::observe(const CommandSink& sink) {
  observer_ = sink;
  for (const auto& group : groups_) connect(*group);
}

// ------------------------------------------------------------------ what controllers tell

void StackScheduler::connect(Group& group) {
  group.controller.set_completion_sink({&StackScheduler::completion_of_group, &group});
  const bool listens = observer_.notify != nullptr || group.pim == Group::Pim::kCommands ||
                       controller_config_.power_down_after != 0;
  group.controller.set_command_sink(listens ? CommandSink{&StackScheduler::command_of_group, &group}
                                            : CommandSink{});
}

void StackScheduler::completion_of_group(void* context, const Completion& completion) {
  if (completion.id == kPosted) return;
  Group& group = *static_cast<Group*>(context);
  group.scheduler->note_completion(group, static_cast<std::uint32_t>(completion.id),
                                   completion.cycle);
}

void StackScheduler::note_completion(Group& group, std::uint32_t access, Cycle cycle) {
  const auto entry =
      std::find_if(group.waiting.begin(), group.waiting.end(),
                   [access](const Group::Waiting& one) { return one.access == access; });
  entry->end = std::max(entry->end, cycle);
  if (--entry->remaining > 0) return;
  if (!entry->told) end_here(access, entry->end);
  *entry = group.waiting.back();
  group.waiting.pop_back();
}

// The access has ended in one of its groups.
void StackScheduler::end_here(std::uint32_t access, Cycle end) {
  accesses_[access].end = std::max(accesses_[access].end, end);
  --accesses_[access].groups_left;
}

void StackScheduler::command_of_group(void* context, const CommandRecord& record) {
  Group& group = *static_cast<Group*>(context);
  group.scheduler->note_command(group, record);
}

void StackScheduler::note_command(Group& group, const CommandRecord& record) {
  if (record.command == DramCommand::kPowerDownEnter) group.powered_down_at = record.cycle;
  if (record.command == DramCommand::kPowerDownExit) {
    group.power_down_cycles += record.cycle - group.powered_down_at;
  }
  if (group.pim == Group::Pim::kCommands) {
    const Cycle gap = record.cycle - group.accounted;
    if (is_ordinary(record.command)) {
      group.waited += gap;
      group.previous = GapAttribution::kNothing;
    } else {
      attribution_.add(group.previous, record.command, gap, group.parts);
      group.previous = record.command;
    }
    group.accounted = record.cycle;
    group.macs += record.command == DramCommand::kMac ? 1 : 0;
    group.activates += record.command == DramCommand::kActivateBanks ? 1 : 0;
  }
  if (observer_.notify == nullptr) return;
  CommandRecord told = record;
  for (std::uint32_t i = 0; i < device_.organisation.pseudo_channels(); ++i) {
    if (!group.members[i]) continue;
    told.pseudo_channel = static_cast<std::uint16_t>(i);
    observer_.notify(observer_.context, told);
  }
}

// ------------------------------------------------------------------ groups

std::unique_ptr<StackScheduler::Group> StackScheduler::copy_of(const Group& group) {
  if (spare_groups_.empty()) return std::make_unique<Group>(group);
  std::unique_ptr<Group> copy = std::move(spare_groups_.back());
  spare_groups_.pop_back();
  *copy = group;
  return copy;
}

// Takes `members` out of the group into one of their own.
void StackScheduler::split_off(Group& group, const ChannelMask& members) {
  flush(group);
  std::unique_ptr<Group> part = copy_of(group);
  part->members = members;
  part->size = members.count();
  group.members &= ~members;
  group.size -= part->size;
  for (const Group::Waiting& waiting : part->waiting) {
    if (!waiting.told) ++accesses_[waiting.access].groups_left;
  }
  connect(*part);
  if (part->controller.pim_active()) part->controller.rebind_pim(part->cursor.source());
  groups_.push_back(std::move(part));
  statistics_.most_groups = std::max(statistics_.most_groups, groups_.size());
}

// Afterwards each group is inside the mask or outside.
void StackScheduler::split_by(const ChannelMask& mask) {
  const std::size_t groups = groups_.size();
  for (std::size_t i = 0; i < groups; ++i) {
    Group& group = *groups_[i];
    const ChannelMask inside = group.members & mask;
    if (inside.any() && inside != group.members) split_off(group, inside);
  }
}

void StackScheduler::join_if_worth_it(Cycle now) {
  if (shared_work_ >= kSharedWorkToJoin) join_equal(now);
}

void StackScheduler::join_equal(Cycle now) {
  shared_work_ = 0;
  if (groups_.size() == 1) return;
  for (const auto& group : groups_) run(*group, now);
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    Group& kept = *groups_[i];
    if (!kept.may_join()) continue;
    for (std::size_t k = groups_.size() - 1; k > i; --k) {
      Group& other = *groups_[k];
      if (!other.may_join()) continue;
      if (!kept.controller.same_as(other.controller)) continue;
      flush(kept);
      flush(other);
      kept.members |= other.members;
      kept.size += other.size;
      spare_groups_.push_back(std::move(groups_[k]));
      groups_.erase(groups_.begin() + static_cast<std::ptrdiff_t>(k));
    }
  }
}

// Moves what was counted since the last time to the totals.
void StackScheduler::flush(Group& group) {
  const ControllerCounters& counters = group.controller.counters();
  for (unsigned i = 0; i < kDramCommands; ++i) {
    totals_.commands.commands[i] += (counters.commands[i] - group.flushed.commands[i]) * group.size;
  }
  totals_.forwarded_reads +=
      (counters.forwarded_reads - group.flushed.forwarded_reads) * group.size;
  totals_.turnarounds += (counters.turnarounds - group.flushed.turnarounds) * group.size;
  totals_.commands.power_down_cycles += group.power_down_cycles * group.size;
  group.power_down_cycles = 0;
  group.flushed = counters;
}

// ------------------------------------------------------------------ time

void StackScheduler::run(Group& group, Cycle until) {
  if (group.pim == Group::Pim::kFast) {
    if (group.result.end > until) return;
    finish_fast(group);
  }
  if (group.fast.outcome != nullptr) {
    if (group.fast.write && until > group.controller.now()) end_fast_access(group);
    if (group.fast.last >= until) return;
    finish_fast_access(group);
  }
  if (group.service.outcome != nullptr) {
    tell_service(group, until);
    if (group.controller.now() + group.service.outcome->last >= until) return;
    finish_service(group);
  }
  // What arrives in this cycle waits until it is over.
  if (group.has_backlog() && group.arrived < until) {
    feed(group, std::min(group.controller.now(), group.arrived));
  }
  if (group.controller.now() >= until) return;
  while (group.has_backlog() || group.pim == Group::Pim::kCommands) {
    feed(group, group.controller.now());
    const bool was_pim_mode = group.controller.timing().pim_mode();
    const bool issued = group.controller.issue_next(until);
    if (group.pim == Group::Pim::kCommands &&
        group.controller.pim_end() != MemoryController::kNever) {
      finish_commands(group);
    }
    if (!issued) return;
    if (resumes_fast(group)) {
      resume_fast(group);
      return run(group, until);
    }
    if (was_pim_mode && !group.controller.timing().pim_mode()) {
      begin_service(group);
      if (group.service.outcome != nullptr) return run(group, until);
    }
    if (skips_window(group)) {
      skip_window(group);
      if (group.controller.now() >= until) return run(group, until);
    }
  }
  group.controller.run(until);
}

// `arrival`: at the queue.
void StackScheduler::feed(Group& group, Cycle arrival) {
  while (group.has_backlog()) {
    const Group::Burst& burst = group.backlog[group.backlog_begin];
    if (!group.controller.can_accept(burst.write)) return;
    MemoryRequest request;
    request.id = burst.write ? kPosted : burst.access;
    request.address = burst.address;
    request.write = burst.write;
    ++group.backlog_begin;
    group.controller.push(request, arrival);
    if (burst.write && burst.access != kNobody) {
      group.scheduler->note_completion(group, burst.access, arrival + 1);
    }
  }
  group.backlog.clear();
  group.backlog_begin = 0;
}

// ------------------------------------------------------------------ normal accesses

std::uint32_t StackScheduler::start_access(Cycle now, bool write, std::uint64_t offset,
                                           std::uint64_t length, std::uint32_t rank) {
  join_if_worth_it(now);
  std::uint32_t access = static_cast<std::uint32_t>(accesses_.size());
  if (free_accesses_.empty()) {
    accesses_.emplace_back();
  } else {
    access = free_accesses_.back();
    free_accesses_.pop_back();
  }
  accesses_[access] = {0, write, rank, now, now};

  const std::vector<AccessPiece>& pieces = splitter_.split(offset, length);
  ChannelMask touched;
  const ChannelMask* last = nullptr;
  std::uint64_t groups = 0;
  for (const AccessPiece& piece : pieces) {
    if (last != nullptr && *last == piece.pseudo_channels) continue;
    last = &piece.pseudo_channels;
    split_by(*last);
    touched |= *last;
  }
  for (const auto& group : groups_) {
    if ((group->members & touched).none()) continue;
    run(*group, now);
    if (group->pim == Group::Pim::kFast) interrupt_gemv(*group, now);
    if (group->fast.outcome != nullptr) interrupt(*group, now);
    if (group->service.outcome != nullptr) interrupt_service(*group, now);
    pick_pieces(*group, pieces);
    if (!begin_fast_access(*group, access)) queue_bursts(*group, access);
    group->interrupted = false;
    group->arrived = now;
    ++groups;
  }
  shared_work_ += groups - 1;
  return access;
}

// Those of the group.
void StackScheduler::pick_pieces(const Group& group, const std::vector<AccessPiece>& pieces) {
  picked_.clear();
  picked_bursts_ = 0;
  for (const AccessPiece& piece : pieces) {
    if ((piece.pseudo_channels & group.members).none()) continue;
    picked_.push_back(piece);
    picked_bursts_ += piece.count;
  }
}

// False: the controller must do it.
bool StackScheduler::begin_fast_access(Group& group, std::uint32_t access) {
  const bool write = accesses_[access].write;
  const bool possible = observer_.notify == nullptr && group.pim == Group::Pim::kNone &&
                        !group.has_backlog() && picked_.size() <= kMostFastPieces &&
                        group.controller.can_skip_access();
  if (!possible) return false;
  auto outcome = fast_accesses_.outcome(group.controller, picked_, write);
  if (outcome == nullptr) return false;
  const Cycle refresh_left = group.controller.refresh_left();
  const bool holds = refresh_left + outcome->longest_wait < group.controller.starvation_limit() &&
                     group.controller.no_refresh_within(refresh_left + outcome->last);
  if (!holds) return false;
  const Cycle now = group.controller.now();
  const Cycle start = now + refresh_left;
  const Cycle end = write ? now + 1 : start + outcome->end;
  group.waiting.push_back({access, static_cast<std::uint32_t>(picked_bursts_), end});
  ++accesses_[access].groups_left;
  ++statistics_.fast_accesses;
  group.fast.refresh_left = refresh_left;
  group.fast.last = start + outcome->last;
  group.fast.outcome = std::move(outcome);
  group.fast.access = access;
  group.fast.write = write;
  group.fast.told = false;
  group.fast.pieces.assign(picked_.begin(), picked_.end());
  return true;
}

void StackScheduler::finish_fast_access(Group& group) {
  const auto& pieces = group.fast.pieces;
  group.controller.skip_access(
      *group.fast.outcome, group.fast.refresh_left,
      [&pieces](std::uint32_t piece) { return pieces[piece].address.row; });
  group.fast.outcome.reset();
  end_fast_access(group);
}

void StackScheduler::end_fast_access(Group& group) {
  if (group.fast.told) return;
  group.fast.told = true;
  const Group::Waiting waiting = group.waiting.front();
  group.waiting.clear();
  end_here(waiting.access, waiting.end);
}

// Something comes before the last command of a fast access: the controller does it over. If the end
// of a write has been told it stays what it was.
void StackScheduler::interrupt(Group& group, Cycle now) {
  ++statistics_.interrupted_accesses;
  group.fast.outcome.reset();
  group.waiting.clear();
  if (group.fast.told) {
    queue_posted(group, group.fast.pieces);
  } else {
    queue_pieces(group, group.fast.pieces, group.fast.access);
  }
  run(group, now);
}

void StackScheduler::queue_bursts(Group& group, std::uint32_t access) {
  ++accesses_[access].groups_left;
  queue_pieces(group, picked_, access);
}

// Behind those that came in earlier cycles and, of this one, those of no higher rank.
void StackScheduler::queue_pieces(Group& group, std::span<const AccessPiece> pieces,
                                  std::uint32_t access) {
  const Access& queued = accesses_[access];
  const auto goes_before = [&](const Group::Burst& burst) {
    if (burst.access == kNobody) return false;
    const Access& other = accesses_[burst.access];
    return other.start == queued.start && other.rank > queued.rank;
  };
  std::size_t place = group.backlog.size();
  while (place > group.backlog_begin && goes_before(group.backlog[place - 1])) --place;
  const std::size_t end = group.backlog.size();
  for (const AccessPiece& piece : pieces) {
    CommandAddress address = piece.address;
    for (std::uint32_t i = 0; i < piece.count; ++i, ++address.column) {
      group.backlog.push_back({access, queued.write, address});
    }
  }
  group.waiting.push_back({access, static_cast<std::uint32_t>(group.backlog.size() - end), 0});
  const auto at = [&group](std::size_t i) {
    return group.backlog.begin() + static_cast<std::ptrdiff_t>(i);
  };
  std::rotate(at(place), at(end), group.backlog.end());
}

// Writes that nobody waits for.
void StackScheduler::queue_posted(Group& group, std::span<const AccessPiece> pieces) {
  for (const AccessPiece& piece : pieces) {
    CommandAddress address = piece.address;
    for (std::uint32_t i = 0; i < piece.count; ++i, ++address.column) {
      group.backlog.push_back({kNobody, true, address});
    }
  }
}

StackScheduler::Progress StackScheduler::access_progress(std::uint32_t access, Cycle now) {
  Cycle bound = now + 1;
  if (accesses_[access].groups_left > 0) {
    for (const auto& group : groups_) {
      const auto waits_here = [&group, access] {
        return std::find_if(
            group->waiting.begin(), group->waiting.end(),
            [access](const Group::Waiting& one) { return one.access == access && !one.told; });
      };
      if (waits_here() == group->waiting.end()) continue;
      run(*group, now);
      const auto waiting = waits_here();
      if (waiting == group->waiting.end()) continue;
      if (group->fast.outcome != nullptr) {
        bound = std::max(bound, waiting->end);
      } else if (!accesses_[access].write) {
        std::uint32_t left = waiting->remaining;
        // Its end is known, but something may come that brings even that forward.
        if (group->service.outcome != nullptr) left -= served_before(*group, access, now);
        bound = std::max(bound, now + read_latency_ + (left - 1) * read_gap_);
      } else if (group->arrived < now) {
        // The queue takes nothing before the controller goes on. (What arrives now is fed later.)
        bound = std::max(bound, group->controller.now());
      }
    }
  }
  if (accesses_[access].groups_left > 0) return {false, bound};
  free_accesses_.push_back(access);
  return {true, accesses_[access].end};
}

// ------------------------------------------------------------------ waiting reads

// The controller has just begun to serve what has waited for PIM.
void StackScheduler::begin_service(Group& group) {
  feed(group, group.controller.now());
  if (observer_.notify != nullptr || group.by_command || !group.controller.can_skip_service()) {
    return;
  }
  Group::FastService& service = group.service;
  service.pieces.clear();
  service.accesses.clear();
  std::size_t requests = 0;
  const auto add = [&](std::uint32_t access, const CommandAddress& address) {
    ++requests;
    if (!service.pieces.empty() && service.accesses.back() == access) {
      AccessPiece& last = service.pieces.back();
      const bool follows = device_.organisation.bank_index(last.address) ==
                               device_.organisation.bank_index(address) &&
                           last.address.row == address.row &&
                           last.address.column + last.count == address.column;
      if (follows) {
        ++last.count;
        return;
      }
    }
    service.pieces.push_back({address, 1, {}});
    service.accesses.push_back(access);
  };
  group.controller.for_each_read([&](const MemoryRequest& request) {
    add(static_cast<std::uint32_t>(request.id), request.address);
  });
  for (std::size_t i = group.backlog_begin; i < group.backlog.size(); ++i) {
    if (group.backlog[i].write || requests > kMostServiceRequests) return;
    add(group.backlog[i].access, group.backlog[i].address);
  }
  if (service.pieces.size() > kMostFastPieces) return;
  service.counts.clear();
  service.rows.clear();
  for (const AccessPiece& piece : service.pieces) {
    service.counts.push_back(piece.count);
    service.rows.push_back(piece.address.row);
  }
  auto outcome = fast_accesses_.service(group.controller, service.pieces);
  if (outcome->last == 0 || !group.controller.undisturbed_for(outcome->last)) return;
  ++statistics_.fast_services;
  service.outcome = std::move(outcome);
  sum_up_service(group);
}

// What the service does for each access.
void StackScheduler::sum_up_service(Group& group) {
  const Group::FastService& service = group.service;
  for (Group::Waiting& waiting : group.waiting) waiting.served = {};
  auto waiting = group.waiting.begin();
  for (std::size_t i = 0; i < service.accesses.size(); ++i) {
    const std::uint32_t access = service.accesses[i];
    if (waiting->access != access) {
      waiting = std::find_if(group.waiting.begin(), group.waiting.end(),
                             [access](const Group::Waiting& one) { return one.access == access; });
    }
    const AccessOutcome::Served& served = service.outcome->served[i];
    waiting->served.count += served.count;
    waiting->served.end = std::max(waiting->served.end, group.controller.now() + served.end);
  }
}

// How many reads of the access the service has served by commands before `now`.
std::uint32_t StackScheduler::served_before(const Group& group, std::uint32_t access,
                                            Cycle now) const {
  std::uint32_t count = 0;
  for (const AccessOutcome::End& end : group.service.outcome->ends) {
    if (group.controller.now() + end.cycle - read_latency_ >= now) break;
    count += group.service.accesses[end.piece] == access ? 1 : 0;
  }
  return count;
}

// Accesses of which all commands come before `until`.
void StackScheduler::tell_service(Group& group, Cycle until) {
  for (Group::Waiting& waiting : group.waiting) {
    const AccessOutcome::Served& served = waiting.served;
    if (waiting.told || served.count != waiting.remaining) continue;
    if (served.end - read_latency_ >= until) continue;
    waiting.told = true;
    end_here(waiting.access, std::max(waiting.end, served.end));
  }
}

void StackScheduler::finish_service(Group& group) {
  Group::FastService& service = group.service;
  for (std::size_t i = 0; i < group.waiting.size();) {
    Group::Waiting& waiting = group.waiting[i];
    waiting.remaining -= waiting.served.count;
    waiting.end = std::max(waiting.end, waiting.served.end);
    if (waiting.remaining > 0) {
      ++i;
      continue;
    }
    if (!waiting.told) end_here(waiting.access, waiting.end);
    waiting = group.waiting.back();
    group.waiting.pop_back();
  }
  requests_.clear();
  for (std::size_t i = 0; i < service.outcome->arrivals.size(); ++i) {
    const Group::Burst& burst = group.backlog[group.backlog_begin + i];
    MemoryRequest request;
    request.id = burst.access;
    request.address = burst.address;
    requests_.push_back(request);
  }
  group.backlog_begin +=
      group.controller.skip_service(*service.outcome, service.counts, service.rows, requests_);
  service.outcome.reset();
  if (group.pim != Group::Pim::kCommands) return;
  group.waited += group.controller.now() - group.accounted;
  group.accounted = group.controller.now();
  group.previous = GapAttribution::kNothing;
}

// Something comes before the service's last command: the controller does it over.
void StackScheduler::interrupt_service(Group& group, Cycle now) {
  ++statistics_.interrupted_services;
  group.service.outcome.reset();
  group.by_command = true;
  run(group, now);
  group.by_command = false;
}

// ------------------------------------------------------------------ PIM work

void StackScheduler::start_gemv(Cycle now, std::span<const PseudoChannelGemv> gemvs) {
  join_equal(now);
  pim_end_ = now;
  ChannelMask left;
  for (std::size_t i = 0; i < gemvs.size(); ++i) left.set(i);
  for (std::size_t i = 0; i < gemvs.size(); ++i) {
    if (!left[i]) continue;
    ChannelMask same;
    for (std::size_t k = i; k < gemvs.size(); ++k) same[k] = gemvs[k] == gemvs[i];
    split_by(same);
    left &= ~same;
  }
  if (fast_.statistics().states > kMostFastStates) fast_.forget();
  for (const auto& group : groups_) {
    const PseudoChannelGemv& gemv = gemvs[group->first_member()];
    if (gemv.outputs == 0) continue;
    run(*group, now);
    if (group->fast.outcome != nullptr) interrupt(*group, now);
    if (group->service.outcome != nullptr) interrupt_service(*group, now);
    begin_gemv(*group, gemv);
  }
}

GemvFastEngine::Channel StackScheduler::channel_of(const Group& group, DramCommand previous) {
  const MemoryController& controller = group.controller;
  return fast_.channel_of(controller.timing(), controller.refresh(), controller.now(), previous);
}

void StackScheduler::begin_gemv(Group& group, const PseudoChannelGemv& gemv) {
  const bool fast =
      observer_.notify == nullptr && !group.has_backlog() && group.controller.can_hand_over();
  group.gemv = gemv;
  group.place = {};
  if (!fast) {
    ++statistics_.commanded_gemvs;
    begin_commands(group, PimCursor(program_of(gemv)));
    group.is_gemv = true;
    return;
  }
  ++statistics_.fast_gemvs;
  clear_account(group);
  GemvFastEngine::Channel channel = channel_of(group, GapAttribution::kNothing);
  group.result = fast_.run(channel, gemv);
  group.after = fast_.state_of(channel);
  group.pim = Group::Pim::kFast;
}

void StackScheduler::start_list(Cycle now, const ChannelMask& pseudo_channels,
                                const std::shared_ptr<const std::vector<PimCommand>>& list) {
  join_equal(now);
  pim_end_ = now;
  if (list->empty()) return;
  split_by(pseudo_channels);
  for (const auto& group : groups_) {
    if ((group->members & pseudo_channels).none()) continue;
    run(*group, now);
    if (group->fast.outcome != nullptr) interrupt(*group, now);
    if (group->service.outcome != nullptr) interrupt_service(*group, now);
    ++statistics_.commanded_gemvs;
    begin_commands(*group, PimCursor(list));
  }
}

// A program takes longer to write than to interrupt.
std::shared_ptr<const GemvProgram> StackScheduler::program_of(const PseudoChannelGemv& gemv) {
  if (last_program_ == nullptr || !(last_gemv_ == gemv)) {
    last_program_ = std::make_shared<const GemvProgram>(device_, gemv);
    last_gemv_ = gemv;
  }
  return last_program_;
}

// The fast engine goes on from where it has begun, as far as commands come before `now`, and leaves
// the rest to the controller.
void StackScheduler::interrupt_gemv(Group& group, Cycle now) {
  ++statistics_.interrupted_gemvs;
  const bool from_start = group.place == GemvFastEngine::Place{};
  GemvFastEngine::Channel channel =
      channel_of(group, from_start ? GapAttribution::kNothing : group.previous);
  GemvFastEngine::Place place = group.place;
  const GemvResult done =
      fast_.advance(channel, group.gemv, place, {.latest = std::max<Cycle>(now, 1) - 1});
  if (from_start) {
    begin_commands(group, PimCursor(program_of(group.gemv)));
    group.is_gemv = true;
  } else {
    group.pim = Group::Pim::kCommands;
    group.after.reset();
    connect(group);
  }
  group.interrupted = true;
  if (place.amid_program()) {
    if (from_start) group.controller.note_pim_entry(place.entered);
    const Cycle closed_before = std::max(now, group.controller.leaves_pim_from());
    const GemvResult ahead =
        fast_.advance(channel, group.gemv, place, {.closed_before = closed_before});
    if (!(place == group.place)) {
      count_done(group, done);
      count_done(group, ahead);
      jump(group, channel, place);
    }
  }
  run(group, now);
}

void StackScheduler::count_done(Group& group, const GemvResult& done) {
  group.controller.add_commands(done.commands);
  add_to_account(group, done);
}

// Goes on where the fast engine has come to.
void StackScheduler::jump(Group& group, const GemvFastEngine::Channel& channel,
                          GemvFastEngine::Place place) {
  group.cursor.go_to(place.stretches - 1, place.repetitions);
  group.controller.jump_in_pim(fast_.state_of(channel));
  group.previous = fast_.previous_of(channel);
  group.accounted = channel.now;
}

bool StackScheduler::skips_window(const Group& group) const {
  return group.pim == Group::Pim::kCommands && group.is_gemv && observer_.notify == nullptr &&
         group.controller.between_pim_pieces_of_busy() &&
         group.controller.now() < group.controller.leaves_pim_from();
}

// Up to the end of PIM's turn requests change nothing: the fast engine does what comes before. The
// controller then stands ahead of time, and is told of requests that arrive meanwhile when they
// did.
void StackScheduler::skip_window(Group& group) {
  GemvFastEngine::Channel channel = channel_of(group, group.previous);
  const GemvFastEngine::Place from{static_cast<std::uint32_t>(group.cursor.block() + 1),
                                   group.cursor.repetition(), 0};
  GemvFastEngine::Place place = from;
  const GemvResult done = fast_.advance(channel, group.gemv, place,
                                        {.closed_before = group.controller.leaves_pim_from()});
  if (place == from) return;
  ++statistics_.skipped_windows;
  count_done(group, done);
  jump(group, channel, place);
}

bool StackScheduler::resumes_fast(const Group& group) const {
  return group.pim == Group::Pim::kCommands && group.is_gemv && !group.interrupted &&
         !group.has_backlog() && observer_.notify == nullptr &&
         group.cursor.columns_left() >= kColumnsToResume && group.controller.between_pim_pieces();
}

void StackScheduler::resume_fast(Group& group) {
  ++statistics_.resumed_gemvs;
  GemvFastEngine::Channel channel = channel_of(group, group.previous);
  group.place = {static_cast<std::uint32_t>(group.cursor.block() + 1), group.cursor.repetition(),
                 0};
  group.result = fast_.run_rest(channel, group.gemv, group.place);
  group.after = fast_.state_of(channel);
  group.pim = Group::Pim::kFast;
  connect(group);
}

void StackScheduler::clear_account(Group& group) {
  group.parts = {};
  group.waited = 0;
  group.macs = 0;
  group.activates = 0;
}

void StackScheduler::add_to_account(Group& group, const GemvResult& result) {
  for (unsigned i = 0; i < kGemvParts; ++i) group.parts[i] += result.cycles[i];
  group.macs += result[DramCommand::kMac];
  group.activates += result[DramCommand::kActivateBanks];
}

// From where the controller stands.
void StackScheduler::begin_commands(Group& group, PimCursor cursor) {
  group.pim = Group::Pim::kCommands;
  group.is_gemv = false;
  group.after.reset();
  group.cursor = std::move(cursor);
  group.previous = GapAttribution::kNothing;
  group.accounted = group.controller.now();
  clear_account(group);
  connect(group);
  group.controller.start_pim(group.cursor.source());
}

void StackScheduler::finish_fast(Group& group) {
  group.controller.resume(std::move(*group.after));
  group.controller.add_commands(group.result.commands);
  add_to_account(group, group.result);
  group.after.reset();
  finish_pim(group, group.result.end);
}

void StackScheduler::finish_commands(Group& group) {
  const Cycle end = group.controller.pim_end();
  group.parts[static_cast<unsigned>(GemvPart::kModeChange)] += end - group.accounted;
  finish_pim(group, end);
}

void StackScheduler::finish_pim(Group& group, Cycle end) {
  group.pim = Group::Pim::kNone;
  group.cursor = {};
  connect(group);
  pim_end_ = std::max(pim_end_, end);
  for (unsigned i = 0; i < kGemvParts; ++i) totals_.pim_cycles[i] += group.parts[i] * group.size;
  totals_.pim_waiting_cycles += group.waited * group.size;
  totals_.pim_macs += group.macs * group.size;
  totals_.pim_activates += group.activates * group.size;
}

StackScheduler::Progress StackScheduler::pim_progress(Cycle now) {
  Cycle bound = 0;
  for (const auto& group : groups_) {
    if (group->pim == Group::Pim::kNone) continue;
    run(*group, now);
    if (group->pim != Group::Pim::kNone) bound = std::max(bound, pim_bound(*group, now));
  }
  if (bound == 0) return {true, pim_end_};
  return {false, bound};
}

// Before which it cannot have ended.
Cycle StackScheduler::pim_bound(const Group& group, Cycle now) const {
  if (group.pim == Group::Pim::kFast) return group.result.end;
  return now + std::max<Cycle>(
                   1, group.cursor.columns_left() * column_gap_ + device_[Parameter::kTPIMOUT]);
}

// ------------------------------------------------------------------ counting

StackCounts StackScheduler::counts(Cycle now) {
  for (const auto& group : groups_) {
    run(*group, now);
    if (group->fast.outcome != nullptr) interrupt(*group, now);
    if (group->service.outcome != nullptr) interrupt_service(*group, now);
    flush(*group);
  }
  StackCounts counts = totals_;
  counts.commands.cycles = now * device_.organisation.pseudo_channels();
  for (const auto& group : groups_) {
    if (!group->controller.timing().powered_down()) continue;
    counts.commands.power_down_cycles += (now - group->powered_down_at) * group->size;
  }
  return counts;
}

StackScheduler::Statistics StackScheduler::statistics() const {
  Statistics statistics = statistics_;
  statistics.groups = groups_.size();
  statistics.learned_accesses = fast_accesses_.statistics().learned;
  return statistics;
}

}  // namespace hpimvp::hbm_pim
