#include "models/hbm_pim/access_fast_engine.h"

#include <algorithm>

#include "models/common/hash.h"

namespace hpimvp::hbm_pim {

namespace {

using Cycle = AccessFastEngine::Cycle;

// How a row that a piece needs relates to others.
constexpr std::uint64_t kClosedBank = 0;
constexpr std::uint64_t kOtherRowOpen = 1;
constexpr std::uint64_t kOpenRow = 2;
constexpr std::uint64_t kRowOfPiece = 3;  // plus the number of an earlier piece

// What an access is, for keys: reads or writes that find nothing waiting, or reads that wait.
constexpr std::uint64_t kReads = 0;
constexpr std::uint64_t kWrites = 1;
constexpr std::uint64_t kWaitingReads = 2;

struct Completions {
  Cycle end = 0;

  static void note(void* context, const Completion& completion) {
    Cycle& end = static_cast<Completions*>(context)->end;
    end = std::max(end, completion.cycle);
  }
};

// Banks that the pieces have changed.
void note_rows(const MemoryController& after, const MemoryController& before,
               std::span<const AccessPiece> pieces, AccessOutcome& outcome) {
  const DeviceOrganisation& organisation = after.timing().device().organisation;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const std::uint32_t bank = organisation.bank_index(pieces[i].address);
    const bool known = std::any_of(outcome.rows.begin(), outcome.rows.end(),
                                   [&](const auto& row) { return row.bank == bank; });
    const std::uint32_t row = after.timing().open_row(bank);
    if (known || row == before.timing().open_row(bank)) continue;
    if (row == CommandTiming::kNoRow) {
      outcome.rows.push_back({bank, AccessOutcome::kClosed});
    } else if (row == pieces[i].address.row) {
      outcome.rows.push_back({bank, static_cast<std::uint32_t>(i)});
    }
  }
}

}  // namespace

std::size_t AccessFastEngine::Hash::operator()(const Key& key) const {
  std::uint64_t hash = common::kHashStart;
  for (const std::uint64_t value : key) hash = common::hash_with(hash, value);
  return hash;
}

void AccessFastEngine::make_key(const MemoryController& controller,
                                std::span<const AccessPiece> pieces, std::uint64_t kind,
                                Cycle start) {
  const CommandTiming& timing = controller.timing();
  const DeviceOrganisation& organisation = timing.device().organisation;
  last_piece_of_bank_.assign(organisation.banks(), 0);
  key_.clear();
  key_.push_back(pieces.size() << 3 | kind << 1 | (controller.draining() ? 1 : 0));
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const std::uint32_t bank = organisation.bank_index(pieces[i].address);
    const std::uint32_t row = pieces[i].address.row;
    std::uint64_t relation = 0;
    if (timing.open_row(bank) == row) {
      relation = kOpenRow;
    } else {
      std::uint32_t& last = last_piece_of_bank_[bank];
      relation = timing.open_row(bank) == CommandTiming::kNoRow ? kClosedBank : kOtherRowOpen;
      for (std::uint32_t other = last; other > 0; --other) {
        if (pieces[other - 1].address.row != row ||
            organisation.bank_index(pieces[other - 1].address) != bank) {
          continue;
        }
        relation = kRowOfPiece + other - 1;
        break;
      }
      last = static_cast<std::uint32_t>(i + 1);
    }
    key_.push_back(bank | std::uint64_t{pieces[i].count} << 16 | relation << 40);
  }
  bindings_.clear();
  timing.bindings(start, start, bindings_);
  for (const CommandTiming::Binding& binding : bindings_) {
    key_.push_back(binding.number | static_cast<std::uint64_t>(binding.time) << 24);
  }
}

std::shared_ptr<const AccessOutcome> AccessFastEngine::learn(const MemoryController& controller,
                                                             std::span<const AccessPiece> pieces,
                                                             bool write) {
  const Cycle start = controller.now() + controller.refresh_left();
  MemoryController trial = controller.for_trial(start);
  Completions completions;
  trial.set_completion_sink({&Completions::note, &completions});
  const DeviceOrganisation& organisation = trial.timing().device().organisation;
  std::size_t piece = 0;
  std::uint32_t done = 0;
  AccessOutcome outcome;
  MemoryRequest request;
  request.write = write;
  while (piece < pieces.size() || !trial.idle()) {
    while (piece < pieces.size() && trial.can_accept(write)) {
      // Writes have ended when the queue has taken them: at once, or not here.
      if (write && trial.now() != start) return nullptr;
      request.address = pieces[piece].address;
      request.address.column = static_cast<std::uint16_t>(request.address.column + done);
      trial.push(request);
      if (++done < pieces[piece].count) continue;
      ++piece;
      done = 0;
    }
    trial.issue_next(MemoryController::kNever);
    outcome.longest_wait = std::max(outcome.longest_wait, trial.longest_wait());
    if (outcome.longest_wait >= trial.starvation_limit()) return nullptr;
  }
  outcome.last = trial.now() - start;
  outcome.end = completions.end - start;
  outcome.draining = trial.draining();
  outcome.turnarounds = trial.counters().turnarounds - controller.counters().turnarounds;
  for (unsigned i = 0; i < kDramCommands; ++i) {
    outcome.commands[i] = trial.counters().commands[i] - controller.counters().commands[i];
  }
  trial.timing().bindings(trial.now(), start, outcome.bindings);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const std::uint32_t bank = organisation.bank_index(pieces[i].address);
    const bool known = std::any_of(outcome.rows.begin(), outcome.rows.end(),
                                   [&](const auto& row) { return row.bank == bank; });
    if (known || trial.timing().open_row(bank) != pieces[i].address.row) continue;
    outcome.rows.push_back({bank, static_cast<std::uint32_t>(i)});
  }
  return std::make_shared<const AccessOutcome>(std::move(outcome));
}

std::shared_ptr<const AccessOutcome> AccessFastEngine::outcome(const MemoryController& controller,
                                                               std::span<const AccessPiece> pieces,
                                                               bool write) {
  ++statistics_.accesses;
  make_key(controller, pieces, write ? kWrites : kReads,
           controller.now() + controller.refresh_left());
  return find_or([&] { return learn(controller, pieces, write); });
}

template <typename Learn>
std::shared_ptr<const AccessOutcome> AccessFastEngine::find_or(Learn&& learn) {
  const auto known = outcomes_.find(key_);
  if (known != outcomes_.end()) return known->second;
  ++statistics_.learned;
  if (outcomes_.size() >= kMostRemembered) outcomes_.clear();
  return outcomes_.emplace(key_, learn()).first->second;
}

std::shared_ptr<const AccessOutcome> AccessFastEngine::service(
    const MemoryController& controller, std::span<const AccessPiece> pieces) {
  ++statistics_.accesses;
  make_key(controller, pieces, kWaitingReads, controller.now());
  key_.push_back(controller.service_left());
  return find_or([&] { return learn_service(controller, pieces); });
}

std::shared_ptr<const AccessOutcome> AccessFastEngine::learn_service(
    const MemoryController& controller, std::span<const AccessPiece> pieces) {
  const Cycle start = controller.now();
  const Cycle left = controller.service_left();
  const bool draining = controller.draining();
  MemoryController trial = controller.for_service_trial();
  const ControllerCounters before = trial.counters();
  AccessOutcome outcome;
  outcome.served.resize(pieces.size());
  struct Sink {
    AccessOutcome* outcome;
    Cycle start;

    static void note(void* context, const Completion& completion) {
      const Sink& sink = *static_cast<Sink*>(context);
      AccessOutcome::Served& served = sink.outcome->served[completion.id];
      ++served.count;
      const Cycle end = completion.cycle - sink.start;
      served.end = std::max(served.end, end);
      sink.outcome->ends.push_back(
          {static_cast<std::uint32_t>(completion.id), static_cast<std::uint32_t>(end)});
    }
  };
  Sink sink{&outcome, start};
  trial.set_completion_sink({&Sink::note, &sink});
  std::size_t piece = 0;
  std::uint32_t done = 0;
  std::size_t pushed = 0;
  std::size_t in_queue = 0;
  controller.for_each_read([&in_queue](const MemoryRequest&) { ++in_queue; });
  MemoryRequest request;
  while (piece < pieces.size() || !trial.idle()) {
    while (piece < pieces.size() && trial.can_accept(false)) {
      request.id = piece;
      request.address = pieces[piece].address;
      request.address.column = static_cast<std::uint16_t>(request.address.column + done);
      trial.push(request);
      if (pushed++ >= in_queue) outcome.arrivals.push_back(trial.now() - start);
      if (++done < pieces[piece].count) continue;
      ++piece;
      done = 0;
    }
    if (trial.now() - start >= left) break;
    trial.issue_next(MemoryController::kNever);
  }
  outcome.last = trial.now() - start;
  outcome.draining = trial.draining();
  outcome.turnarounds = trial.counters().turnarounds - before.turnarounds;
  for (unsigned i = 0; i < kDramCommands; ++i) {
    outcome.commands[i] = trial.counters().commands[i] - before.commands[i];
  }
  if (outcome.last == 0) outcome.draining = draining;
  trial.timing().bindings(trial.now(), start, outcome.bindings);
  note_rows(trial, controller, pieces, outcome);
  return std::make_shared<const AccessOutcome>(std::move(outcome));
}

AccessFastEngine::Statistics AccessFastEngine::statistics() const {
  Statistics statistics = statistics_;
  statistics.remembered = outcomes_.size();
  return statistics;
}

}  // namespace hpimvp::hbm_pim
