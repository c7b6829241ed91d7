#include "models/hbm_pim/memory_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace hpimvp::hbm_pim {

namespace {

constexpr std::uint32_t kNone = RequestQueue::kNone;

// At the same cycle: what must be done first, then columns, then rows, then what can wait.
constexpr std::uint64_t kUrgent = 0;
constexpr std::uint64_t kColumn = std::uint64_t{1} << 60;
constexpr std::uint64_t kRow = std::uint64_t{2} << 60;
constexpr std::uint64_t kSpare = std::uint64_t{3} << 60;

RefreshSchedule schedule_of(const DeviceDescription& device, const ControllerConfig& config) {
  switch (config.refresh) {
    case RefreshPolicy::kAllBank:
      return {device[Parameter::kTREFI], config.most_postponed};
    case RefreshPolicy::kPerBank:
      return {device[Parameter::kTREFIpb], config.most_postponed};
    case RefreshPolicy::kNone:
      break;
  }
  return {0, config.most_postponed};
}

}  // namespace

void check(const ControllerConfig& config) {
  const auto require = [](bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
  };
  require(config.read_queue >= 1 && config.read_queue <= 65536, "read_queue must be 1 to 65536");
  require(config.write_queue >= 1 && config.write_queue <= 65536, "write_queue must be 1 to 65536");
  require(config.drain_from >= 1 && config.drain_from <= config.write_queue,
          "drain_from must be 1 to write_queue");
  require(config.drain_to < config.drain_from, "drain_to must be less than drain_from");
  require(config.most_postponed <= 8, "most_postponed must be at most 8 (JESD235, JESD238)");
  require(config.starvation_limit >= 1, "starvation_limit is 0");
  require(config.pim_window >= 1 && config.memory_window >= 1, "a window is 0");
}

MemoryController::MemoryController(const DeviceDescription& device, const ControllerConfig& config,
                                   std::uint16_t pseudo_channel)
    : timing_(device),
      config_(config),
      organisation_(device.organisation),
      read_data_(device[Parameter::kTRL] + device[Parameter::kTBL]),
      write_data_(device[Parameter::kTWL] + device[Parameter::kTBL]),
      pim_out_(device[Parameter::kTPIMOUT]),
      pseudo_channel_(pseudo_channel),
      queues_{RequestQueue(device.organisation.banks(), config.read_queue),
              RequestQueue(device.organisation.banks(), config.write_queue)},
      needs_(device.organisation.banks()),
      closing_(config.page_policy == PagePolicy::kClosed ? device.organisation.banks() : 0),
      refresh_(schedule_of(device, config)),
      refreshed_banks_(device.organisation.banks(), 0) {}

void MemoryController::push(const MemoryRequest& request, Cycle arrival) {
  const std::uint32_t bank = organisation_.bank_index(request.address);
  if (!request.write && queues_[1].find(bank, request.address) != kNone) {
    ++counters_.forwarded_reads;
    if (completions_.notify != nullptr) {
      completions_.notify(completions_.context, {request.id, arrival + 1});
    }
    return;
  }
  MemoryRequest ordered = request;
  ordered.arrival = arrival;
  ordered.order = pushed_++;
  RequestQueue& queue = queues_[request.write];
  const std::uint32_t entry = queue.push(bank, ordered);
  // Others of its bank that are served before it stay so.
  const bool may_be_next = entry == queue.hit_of(bank) || entry == queue.oldest_of(bank);
  if (may_be_next && request.write == draining_) note_needs(bank);
  note_closing(bank);
  decided_ = false;
}

void MemoryController::start_pim(const PimCommandSource& source) {
  pim_ = source;
  pim_commands_ = {};
  pim_position_ = 0;
  pim_end_ = kNever;
  decided_ = false;
}

void MemoryController::run(Cycle until) {
  if (refresh_.next_due() < until) skip_idle_refreshes(until);
  while (issue_next(until)) {
  }
}

// A controller that nothing is asked of issues REFab whenever one falls due, at once, as long as
// the one before has ended. All but the last of them leave no trace but their number.
void MemoryController::skip_idle_refreshes(Cycle until) {
  const bool quiet = config_.refresh == RefreshPolicy::kAllBank && idle() && !timing_.pim_mode() &&
                     !timing_.powered_down() && timing_.all_closed() && !draining_ &&
                     config_.power_down_after == 0 && trace_.notify == nullptr;
  refresh_.advance(now_);
  const Cycle due = refresh_.next_due();
  const Cycle interval = refresh_.interval();
  if (!quiet || refresh_.owed() > 0 || until <= due + interval || timing_.binds_until() > due ||
      !timing_.refreshes_fit(interval)) {
    return;
  }
  const Cycle skipped = (until - 1 - due) / interval;
  counters_.commands[static_cast<unsigned>(DramCommand::kRefresh)] += skipped;
  refresh_.skip(skipped);
  refreshing_ = false;
  now_ = due + (skipped - 1) * interval;
  last_activity_ = now_;
  decided_ = false;
}

bool MemoryController::issue_next(Cycle until) {
  while (now_ < until) {
    refresh_.advance(now_);
    if (!decided_) {
      decision_ = {};
      choose(decision_);
      decided_ = true;
    }
    // What falls due in between may change the choice.
    const Cycle horizon = std::min(until, refresh_.next_due());
    if (decision_.cycle() < horizon) {
      decided_ = false;
      issue(decision_);
      return true;
    }
    now_ = horizon;
    if (now_ == refresh_.next_due()) decided_ = false;
  }
  return false;
}

void MemoryController::consider(Choice& best, DramCommand command, const CommandAddress& address,
                                std::uint64_t order) const {
  const Precedence precedence =
      precedence_of(std::max(now_, timing_.earliest(command, address)), order);
  if (precedence < best.precedence) best = {precedence, command, kNone, address};
}

void MemoryController::consider_when_all_closed(Choice& choice, DramCommand command) const {
  consider(choice, timing_.all_closed() ? command : DramCommand::kPrechargeAll, {}, kUrgent);
}

void MemoryController::choose(Choice& choice) {
  if (config_.refresh == RefreshPolicy::kAllBank) update_all_bank_refresh();
  if (timing_.powered_down()) {
    if (!idle() || refresh_.owed() > 0) {
      consider(choice, DramCommand::kPowerDownExit, {}, kUrgent);
    }
  } else if (timing_.pim_mode()) {
    choose_in_pim_mode(choice);
  } else {
    choose_in_normal_mode(choice);
  }
}

void MemoryController::update_all_bank_refresh() {
  if (refresh_.urgent()) refreshing_ = true;
  if (refresh_.owed() == 0) refreshing_ = false;
}

// --- PIM mode

bool MemoryController::pim_has_next() {
  if (pim_.next == nullptr) return false;
  if (pim_position_ < pim_commands_.size()) return true;
  pim_commands_ = pim_.next(pim_.context);
  pim_position_ = 0;
  if (pim_commands_.empty()) {
    pim_ = {};
    if (!timing_.pim_mode()) pim_end_ = now_;  // there was no command at all
  }
  return pim_.next != nullptr;
}

bool MemoryController::leaves_pim() {
  if (!pim_has_next()) return true;
  if (queues_[0].empty() && queues_[1].empty()) return false;
  switch (config_.arbitration) {
    case Arbitration::kPimFirst:
      return false;
    case Arbitration::kMemoryFirst:
      return true;
    case Arbitration::kBoundedInterleave:
      break;
  }
  return pim_progress_ && now_ - mode_since_ >= config_.pim_window;
}

void MemoryController::choose_in_pim_mode(Choice& choice) {
  if (timing_.all_closed()) {
    // REFpb does not exist in PIM mode: when a round of it is owed, REFab stands for it.
    const bool round_owed =
        config_.refresh == RefreshPolicy::kPerBank && refresh_.owed() >= organisation_.banks();
    if (refreshing_ || round_owed) {
      consider(choice, DramCommand::kRefresh, {}, kUrgent);
      return;
    }
    if (leaves_pim()) {
      consider(choice, DramCommand::kPimExit, {}, kUrgent);
      return;
    }
  }
  if (pim_has_next()) {
    const PimCommand& next = pim_commands_[pim_position_];
    consider(choice, next.command, next.address, kColumn);
  }
}

bool MemoryController::wants_pim() {
  if (entering_pim_) return true;
  if (!pim_has_next()) return false;
  if (queues_[0].empty() && queues_[1].empty()) return true;
  switch (config_.arbitration) {
    case Arbitration::kPimFirst:
      return true;
    case Arbitration::kMemoryFirst:
      return false;
    case Arbitration::kBoundedInterleave:
      break;
  }
  return now_ - mode_since_ >= config_.memory_window;
}

// --- Normal mode

void MemoryController::choose_in_normal_mode(Choice& choice) {
  if (!refreshing_ && wants_pim()) {
    entering_pim_ = true;
    consider_when_all_closed(choice, DramCommand::kPimEnter);
  } else if (refreshing_ ||
             (config_.refresh == RefreshPolicy::kAllBank && refresh_.owed() > 0 && idle())) {
    consider_when_all_closed(choice, DramCommand::kRefresh);
  } else {
    choose_for_requests(choice);
  }
}

void MemoryController::choose_for_requests(Choice& best) {
  if (config_.refresh == RefreshPolicy::kPerBank) consider_bank_refresh(best);
  choose_direction();
  consider_requests(best);
  if (config_.page_policy == PagePolicy::kClosed) consider_closing(best);
  if (config_.power_down_after != 0 && idle() && refresh_.owed() == 0) consider_power_down(best);
}

bool MemoryController::starves(const RequestQueue& queue) const {
  return !queue.empty() && now_ - queue[queue.oldest()].arrival >= config_.starvation_limit;
}

void MemoryController::choose_direction() {
  const RequestQueue& reads = queues_[0];
  const RequestQueue& writes = queues_[1];
  const bool read_starves = starves(reads);
  const bool write_starves = starves(writes);
  const bool was_draining = draining_;
  if (read_starves || write_starves) {
    draining_ = !read_starves ||
                (write_starves && writes[writes.oldest()].order < reads[reads.oldest()].order);
  } else if (draining_) {
    draining_ = !writes.empty() && (reads.empty() || writes.size() > config_.drain_to);
  } else {
    draining_ = writes.size() >= config_.drain_from || (reads.empty() && !writes.empty());
  }
  const std::uint32_t starving =
      (draining_ ? write_starves : read_starves) ? queues_[draining_].oldest() : kNone;
  if (draining_ != was_draining) {
    ++counters_.turnarounds;
    starving_ = starving_bank_ = kNone;
    note_all_needs();
  }
  if (starving != kNone && starving != starving_) set_starving(starving);
}

// A request starves until it is served, or the direction changes: its bank's needs are noted then.
void MemoryController::set_starving(std::uint32_t entry) {
  starving_ = entry;
  starving_bank_ = organisation_.bank_index(queues_[draining_][entry].address);
  note_needs(starving_bank_);
}

// What serves the bank's requests next is a candidate from now on, and nothing else.
void MemoryController::note_needs(std::uint32_t bank) {
  const RequestQueue& queue = queues_[draining_];
  if (!queue.has(bank) || bank == refresh_bank_) {
    needs_.remove(bank);
  } else {
    std::uint32_t entry = bank == starving_bank_ ? starving_ : queue.hit_of(bank);
    if (entry == kNone) entry = queue.oldest_of(bank);
    const MemoryRequest& request = queue[entry];
    const std::uint32_t row = queue.open_row(bank);
    const BankNeed unless_open = row == kNone ? BankNeed::kActivate : BankNeed::kPrecharge;
    const bool open = request.address.row == row;
    needs_.set(bank, open ? BankNeed::kColumn : unless_open,
               (open ? kColumn : kRow) + request.order, entry, timing_, now_);
  }
}

void MemoryController::note_closing(std::uint32_t bank) {
  if (config_.page_policy != PagePolicy::kClosed) return;
  if (queues_[0].open_row(bank) == kNone || queues_[0].hit_of(bank) != kNone ||
      queues_[1].hit_of(bank) != kNone) {
    closing_.remove(bank);
  } else {
    closing_.set(bank, BankNeed::kPrecharge, kSpare + bank, kNone, timing_, now_);
  }
}

void MemoryController::note_all_needs() {
  needs_.reset(draining_ ? DramCommand::kWrite : DramCommand::kRead);
  const RequestQueue& queue = queues_[draining_];
  for (std::uint32_t entry = queue.oldest(); entry != kNone; entry = queue.next(entry)) {
    const std::uint32_t bank = organisation_.bank_index(queue[entry].address);
    if (queue.oldest_of(bank) == entry) note_needs(bank);
  }
}

void MemoryController::consider_requests(Choice& best) {
  const BankCandidates::Candidate first = needs_.first(timing_, now_);
  if (first.precedence < best.precedence) {
    best.precedence = first.precedence;
    best.command = first.command;
    best.entry = first.tag;
    best.address = queues_[draining_][first.tag].address;
  }
}

void MemoryController::consider_closing(Choice& best) {
  const BankCandidates::Candidate first = closing_.first(timing_, now_);
  if (cycle_of(first.precedence) < best.cycle()) {
    best.precedence = first.precedence;
    best.command = first.command;
    best.entry = kNone;
    best.address = organisation_.bank_address(first.bank);
  }
}

void MemoryController::consider_power_down(Choice& best) const {
  const Cycle from = std::max(last_activity_ + config_.power_down_after,
                              timing_.earliest(DramCommand::kPowerDownEnter, {}));
  const Cycle cycle = std::max(from, now_);
  if (cycle < best.cycle()) {
    best = {precedence_of(cycle, kSpare), DramCommand::kPowerDownEnter, kNone, {}};
  }
}

// --- Per-bank refresh

bool MemoryController::is_unused(std::uint32_t bank) const {
  return !queues_[0].has(bank) && !queues_[1].has(bank);
}

// Each bank once a round; one that no request waits for if there is such a bank.
std::uint32_t MemoryController::bank_to_refresh() const {
  if (refresh_.owed() == 0) return kNone;
  const bool urgent = refresh_.urgent();
  if (refresh_bank_ != kNone && (urgent || is_unused(refresh_bank_))) return refresh_bank_;
  std::uint32_t chosen = kNone;
  for (std::uint32_t bank = 0; bank < organisation_.banks(); ++bank) {
    if (refreshed_banks_[bank] != 0) continue;
    if (is_unused(bank)) return bank;
    if (urgent && chosen == kNone) chosen = bank;
  }
  return chosen;
}

// Requests of the bank that is to be refreshed must wait.
void MemoryController::set_refresh_bank(std::uint32_t bank) {
  const std::uint32_t before = std::exchange(refresh_bank_, bank);
  if (before == bank) return;
  if (before != kNone) note_needs(before);
  if (bank != kNone) note_needs(bank);
}

void MemoryController::consider_bank_refresh(Choice& best) {
  set_refresh_bank(bank_to_refresh());
  if (refresh_bank_ == kNone) return;
  const bool open = timing_.open_row(refresh_bank_) != CommandTiming::kNoRow;
  consider(best, open ? DramCommand::kPrecharge : DramCommand::kRefreshBank,
           organisation_.bank_address(refresh_bank_), refresh_.urgent() ? kUrgent : kSpare);
}

// --- Issue

void MemoryController::issue(const Choice& choice) {
  now_ = choice.cycle();
  timing_.issue(choice.command, choice.address, choice.cycle());
  ++counters_.commands[static_cast<unsigned>(choice.command)];
  if (trace_.notify != nullptr) {
    trace_.notify(trace_.context,
                  {choice.cycle(), pseudo_channel_, choice.command, choice.address});
  }
  switch (choice.command) {
    case DramCommand::kRead:
    case DramCommand::kWrite:
      note_column(choice);
      break;
    case DramCommand::kActivate:
    case DramCommand::kPrecharge:
    case DramCommand::kPrechargeAll:
      note_rows(choice);
      break;
    case DramCommand::kRefresh:
    case DramCommand::kRefreshBank:
      note_refresh(choice);
      break;
    case DramCommand::kPowerDownEnter:
    case DramCommand::kPowerDownExit:
      break;
    default:
      note_mode(choice);
      break;
  }
  if (choice.command != DramCommand::kPowerDownEnter) last_activity_ = now_;
}

void MemoryController::note_column(const Choice& choice) {
  const bool write = choice.command == DramCommand::kWrite;
  RequestQueue& queue = queues_[write];
  const std::uint64_t id = queue[choice.entry].id;
  const std::uint32_t bank = organisation_.bank_index(choice.address);
  queue.remove(bank, choice.entry);
  if (choice.entry == starving_) starving_ = starving_bank_ = kNone;
  note_needs(bank);
  note_closing(bank);
  if (completions_.notify != nullptr) {
    completions_.notify(completions_.context,
                        {id, choice.cycle() + (write ? write_data_ : read_data_)});
  }
}

void MemoryController::note_rows(const Choice& choice) {
  if (choice.command == DramCommand::kPrechargeAll) {
    for (std::uint32_t bank = 0; bank < organisation_.banks(); ++bank) set_open_row(bank, kNone);
    return;
  }
  const bool opens = choice.command == DramCommand::kActivate;
  set_open_row(organisation_.bank_index(choice.address), opens ? choice.address.row : kNone);
}

void MemoryController::set_open_row(std::uint32_t bank, std::uint32_t row) {
  for (RequestQueue& queue : queues_) queue.set_open_row(bank, row);
  note_needs(bank);
  note_closing(bank);
}

void MemoryController::note_refresh(const Choice& choice) {
  if (choice.command == DramCommand::kRefresh) {
    refresh_.pay(config_.refresh == RefreshPolicy::kPerBank ? organisation_.banks() : 1);
    return;
  }
  refresh_.pay(1);
  refreshed_banks_[refresh_bank_] = 1;
  set_refresh_bank(kNone);
  if (++refreshed_in_round_ == organisation_.banks()) {
    refreshed_in_round_ = 0;
    std::fill(refreshed_banks_.begin(), refreshed_banks_.end(), 0);
  }
}

void MemoryController::note_mode(const Choice& choice) {
  switch (choice.command) {
    case DramCommand::kPimEnter:
      entering_pim_ = false;
      pim_progress_ = false;
      mode_since_ = now_;
      break;
    case DramCommand::kPimExit:
      mode_since_ = now_;
      if (!pim_active()) pim_end_ = now_ + pim_out_;
      break;
    default:
      ++pim_position_;
      pim_progress_ = true;
      last_pim_cycle_ = now_;
      break;
  }
}

// --- Handing over

// While as many are owed as may be, the round need not have begun: it begins in any case.
bool MemoryController::amid_refreshes() const {
  RefreshSchedule schedule = refresh_;
  schedule.advance(now_);
  return refreshing_ && schedule.owed() > 0 && !schedule.urgent();
}

bool MemoryController::between_pim_pieces() const {
  return between_pim_pieces_of_busy() && queues_[0].empty() && queues_[1].empty();
}

bool MemoryController::between_pim_pieces_of_busy() const {
  return pim_active() && timing_.pim_mode() && pim_position_ == pim_commands_.size() &&
         !refreshing_ && config_.refresh != RefreshPolicy::kPerBank;
}

MemoryController::Cycle MemoryController::leaves_pim_from() const {
  switch (config_.arbitration) {
    case Arbitration::kPimFirst:
      return kNever;
    case Arbitration::kMemoryFirst:
      return 0;
    case Arbitration::kBoundedInterleave:
      break;
  }
  return mode_since_ + config_.pim_window;
}

void MemoryController::jump_in_pim(PseudoChannelState state) {
  take_back(std::move(state));
  pim_commands_ = {};
  pim_position_ = 0;
  entering_pim_ = false;
  pim_progress_ = true;
  now_ = state.now;
  last_activity_ = now_;
  last_pim_cycle_ = now_;
}

void MemoryController::resume(PseudoChannelState state) {
  if (state.now == now_) return;  // GEMVs without commands
  pim_ = {};
  take_back(std::move(state));
  // PIM_OUT.
  now_ = state.now - pim_out_;
  mode_since_ = now_;
  last_activity_ = now_;
  pim_end_ = state.now;
  // What a controller notices between PIM_OUT and the end of tPIMOUT, in which it can issue
  // nothing. (Not by choose(): the state of timing need not hold from before the end.)
  while (now_ < state.now) {
    refresh_.advance(now_);
    if (config_.refresh == RefreshPolicy::kAllBank) update_all_bank_refresh();
    if (refresh_.owed() == 0) choose_direction();
    now_ = std::min(state.now, refresh_.next_due());
  }
}

bool MemoryController::no_refresh_within(Cycle cycles) {
  refresh_.advance(now_);
  return refresh_.urgent_at() > now_ + cycles;
}

// After REFab everything waits for the same cycle, and the first command can only be an ACT.
MemoryController::Cycle MemoryController::refresh_left() const {
  const Cycle end = timing_.binds_until();
  const bool all_wait = end > now_ && timing_.all_closed() &&
                        timing_.earliest_in_pseudo_channel(DramCommand::kActivate) == end;
  return all_wait ? end - now_ : 0;
}

void MemoryController::begin_skip(const AccessOutcome& outcome) {
  now_ += outcome.last;
  last_activity_ = now_;
  decided_ = false;
  refreshing_ = false;
  draining_ = outcome.draining;
  counters_.turnarounds += outcome.turnarounds;
  add_commands(outcome.commands);
  note_all_needs();
}

void MemoryController::set_skipped_row(std::uint32_t bank, std::uint32_t row) {
  timing_.set_open_row(bank, row);
  for (RequestQueue& queue : queues_) queue.set_open_row(bank, row);
}

// Of arbitrations only the one whose turns are bounded: PIM first serves nobody, and memory first
// looks anew at each arrival.
bool MemoryController::can_skip_service() const {
  return config_.page_policy == PagePolicy::kOpen && config_.power_down_after == 0 &&
         config_.refresh != RefreshPolicy::kPerBank && !timing_.pim_mode() && !entering_pim_ &&
         !refreshing_ && !refresh_.urgent() && queues_[1].empty() && !queues_[0].empty() &&
         starving_ == kNone && (!pim_active() || pim_position_ < pim_commands_.size()) &&
         (!pim_active() || config_.arbitration == Arbitration::kBoundedInterleave);
}

bool MemoryController::undisturbed_for(Cycle cycles) const {
  const Cycle end = now_ + cycles;
  return refresh_.next_due() > end &&
         end - queues_[0][queues_[0].oldest()].arrival < config_.starvation_limit;
}

MemoryController::Cycle MemoryController::service_left() const {
  if (!pim_active()) return kNever;
  const Cycle end = mode_since_ + config_.memory_window;
  return end > now_ ? end - now_ : 0;
}

MemoryController MemoryController::for_service_trial() const {
  MemoryController trial = for_trial(now_);
  trial.config_.starvation_limit = ~std::uint32_t{0};
  trial.pim_ = {};
  for (RequestQueue& queue : trial.queues_) queue.clear();
  trial.note_all_needs();
  return trial;
}

std::size_t MemoryController::skip_service(const AccessOutcome& outcome,
                                           std::span<const std::uint32_t> counts,
                                           std::span<const std::uint32_t> rows,
                                           std::span<const MemoryRequest> more) {
  const Cycle start = now_;
  std::vector<MemoryRequest> requests;
  for_each_read([&requests](const MemoryRequest& request) { requests.push_back(request); });
  for (std::size_t i = 0; i < outcome.arrivals.size(); ++i) {
    requests.push_back(more[i]);
    requests.back().arrival = start + outcome.arrivals[i];
    requests.back().order = pushed_++;
  }
  queues_[0].clear();
  std::size_t next = 0;
  for (std::size_t piece = 0; piece < counts.size(); ++piece) {
    for (std::uint32_t i = 0; i < counts[piece] && next < requests.size(); ++i, ++next) {
      if (i < outcome.served[piece].count) continue;  // the first of them
      queues_[0].push(organisation_.bank_index(requests[next].address), requests[next]);
    }
  }
  for (const AccessOutcome::Row& row : outcome.rows) {
    set_skipped_row(row.bank, row.piece == AccessOutcome::kClosed ? kNone : rows[row.piece]);
  }
  now_ = start + outcome.last;
  timing_.resume(outcome.bindings, start, now_);
  last_activity_ = now_;
  decided_ = false;
  draining_ = outcome.draining;
  counters_.turnarounds += outcome.turnarounds;
  add_commands(outcome.commands);
  note_all_needs();
  return outcome.arrivals.size();
}

MemoryController MemoryController::for_trial(Cycle now) const {
  MemoryController trial = *this;
  trial.set_completion_sink({});
  trial.set_command_sink({});
  trial.config_.refresh = RefreshPolicy::kNone;
  trial.refresh_ = schedule_of(timing_.device(), trial.config_);
  trial.refreshing_ = false;
  trial.decided_ = false;
  trial.now_ = now;
  return trial;
}

MemoryController::Cycle MemoryController::longest_wait() const {
  Cycle longest = 0;
  for (const RequestQueue& queue : queues_) {
    if (!queue.empty()) longest = std::max(longest, now_ - queue[queue.oldest()].arrival);
  }
  return longest;
}

// Takes the timing out of the state, which is large; the rest of it stays.
void MemoryController::take_back(PseudoChannelState&& state) {
  decided_ = false;
  timing_ = std::move(state.timing);
  refresh_ = state.refresh;
  refreshing_ = false;
  // Candidates are found anew, too: the new timing knows nothing of theirs.
  note_all_needs();
  closing_.reset(DramCommand::kRead);
  for (std::uint32_t bank = 0; bank < organisation_.banks(); ++bank) {
    set_open_row(bank, timing_.open_row(bank));
  }
}

void MemoryController::add_commands(const std::array<std::uint64_t, kDramCommands>& commands) {
  for (unsigned i = 0; i < kDramCommands; ++i) counters_.commands[i] += commands[i];
}

bool MemoryController::same_as(const MemoryController& other) const {
  if (now_ != other.now_ || !at_rest() || !other.at_rest()) return false;
  const auto refresh_from_now = [this](RefreshSchedule schedule) {
    schedule.advance(now_);
    return schedule;
  };
  // How long something has lasted, as far as it matters.
  const auto since = [this](Cycle from, Cycle longest) { return std::min(now_ - from, longest); };
  return draining_ == other.draining_ &&
         refresh_from_now(refresh_) == refresh_from_now(other.refresh_) &&
         refreshed_banks_ == other.refreshed_banks_ && refresh_bank_ == other.refresh_bank_ &&
         since(mode_since_, config_.memory_window) ==
             since(other.mode_since_, config_.memory_window) &&
         since(last_activity_, config_.power_down_after) ==
             since(other.last_activity_, config_.power_down_after) &&
         timing_.same_from(now_, other.timing_, now_);
}

}  // namespace hpimvp::hbm_pim
