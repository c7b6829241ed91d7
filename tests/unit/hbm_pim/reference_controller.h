// The policy of MemoryController in its simplest form, for tests: lists that are searched from the
// start for every command, nothing remembered between commands but what the policy itself needs.
// What it issues next is decided after a command, a request or stream that comes, or a refresh that
// falls due, not again because the caller asks in smaller steps.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "models/hbm_pim/memory_controller.h"

namespace hpimvp::test_support {

class ReferenceController {
 public:
  using Cycle = std::uint64_t;

  ReferenceController(const hbm_pim::DeviceDescription& device,
                      const hbm_pim::ControllerConfig& config)
      : device_(device), config_(config), timing_(device) {
    if (config.refresh == hbm_pim::RefreshPolicy::kAllBank) {
      interval_ = device[hbm_pim::Parameter::kTREFI];
    } else if (config.refresh == hbm_pim::RefreshPolicy::kPerBank) {
      interval_ = device[hbm_pim::Parameter::kTREFIpb];
    }
  }

  bool can_accept(bool write) const {
    return queues_[write].size() < (write ? config_.write_queue : config_.read_queue);
  }
  void push(hbm_pim::MemoryRequest request) {
    if (!request.write && std::any_of(queues_[1].begin(), queues_[1].end(), [&](const auto& write) {
          return bank_of(write.address) == bank_of(request.address) &&
                 write.address.row == request.address.row &&
                 write.address.column == request.address.column;
        })) {
      completions_.push_back({request.id, now_ + 1});
      return;
    }
    decided_ = false;
    request.arrival = now_;
    request.order = pushed_++;
    queues_[request.write].push_back(request);
  }
  void start_pim(std::vector<hbm_pim::PimCommand> commands) {
    pim_ = std::move(commands);
    pim_position_ = 0;
    decided_ = false;
  }
  bool issue_next(Cycle until) {
    while (now_ < until) {
      if (!decided_) decision_ = choose();
      decided_ = true;
      const Candidate best = decision_;
      const Cycle due = interval_ == 0 ? ~Cycle{0} : (now_ / interval_ + 1) * interval_;
      const Cycle horizon = std::min(until, due);
      if (best.cycle < horizon) {
        decided_ = false;
        issue(best);
        return true;
      }
      now_ = horizon;
      if (now_ == due) decided_ = false;
    }
    return false;
  }

  Cycle now() const { return now_; }
  bool idle() const { return queues_[0].empty() && queues_[1].empty() && !pim_waits(); }
  const std::vector<hbm_pim::CommandRecord>& commands() const { return commands_; }
  const std::vector<hbm_pim::Completion>& completions() const { return completions_; }

 private:
  using Command = hbm_pim::DramCommand;
  enum class Kind { kUrgent, kColumn, kRow, kSpare, kLast };
  struct Candidate {
    Cycle cycle = ~Cycle{0};
    Kind kind = Kind::kLast;
    std::uint64_t age = 0;
    Command command = Command::kCount;
    hbm_pim::CommandAddress address;
  };

  std::uint32_t bank_of(const hbm_pim::CommandAddress& address) const {
    return device_.organisation.bank_index(address);
  }
  std::uint32_t banks() const { return device_.organisation.banks(); }
  bool is_open(std::uint32_t bank) const {
    return timing_.open_row(bank) != hbm_pim::CommandTiming::kNoRow;
  }
  bool requests_wait() const { return !queues_[0].empty() || !queues_[1].empty(); }
  bool pim_waits() const { return pim_position_ < pim_.size(); }
  Cycle owed() const { return interval_ == 0 ? 0 : now_ / interval_ - paid_; }
  bool urgent() const { return owed() >= std::max(config_.most_postponed, 1u); }

  static bool better(const Candidate& one, const Candidate& other) {
    if (one.cycle != other.cycle) return one.cycle < other.cycle;
    if (one.kind != other.kind) return one.kind < other.kind;
    return one.age < other.age;
  }
  Candidate candidate(Command command, const hbm_pim::CommandAddress& address, Kind kind,
                      std::uint64_t age) const {
    return {std::max(now_, timing_.earliest(command, address)), kind, age, command, address};
  }
  Candidate all_closed_then(Command command) const {
    return candidate(timing_.all_closed() ? command : Command::kPrechargeAll, {}, Kind::kUrgent, 0);
  }

  Candidate choose() {
    const bool all_bank = config_.refresh == hbm_pim::RefreshPolicy::kAllBank;
    if (all_bank && urgent()) refreshing_ = true;
    if (owed() == 0) refreshing_ = false;
    if (timing_.powered_down()) {
      if (idle() && owed() == 0) return {};
      return candidate(Command::kPowerDownExit, {}, Kind::kUrgent, 0);
    }
    if (timing_.pim_mode()) return choose_in_pim_mode();
    if (refreshing_) return all_closed_then(Command::kRefresh);
    if (entering_ || wants_pim()) {
      entering_ = true;
      return all_closed_then(Command::kPimEnter);
    }
    if (idle() && all_bank && owed() > 0) return all_closed_then(Command::kRefresh);
    return choose_for_requests();
  }

  bool wants_pim() const {
    using hbm_pim::Arbitration;
    if (!pim_waits()) return false;
    if (!requests_wait() || config_.arbitration == Arbitration::kPimFirst) return true;
    return config_.arbitration == Arbitration::kBoundedInterleave &&
           now_ - mode_since_ >= config_.memory_window;
  }
  bool leaves_pim() const {
    using hbm_pim::Arbitration;
    if (!pim_waits()) return true;
    if (!requests_wait() || config_.arbitration == Arbitration::kPimFirst) return false;
    return config_.arbitration == Arbitration::kMemoryFirst ||
           (pim_progress_ && now_ - mode_since_ >= config_.pim_window);
  }
  Candidate choose_in_pim_mode() const {
    if (timing_.all_closed()) {
      const bool round = config_.refresh == hbm_pim::RefreshPolicy::kPerBank && owed() >= banks();
      if (refreshing_ || round) return candidate(Command::kRefresh, {}, Kind::kUrgent, 0);
      if (leaves_pim()) return candidate(Command::kPimExit, {}, Kind::kUrgent, 0);
    }
    if (!pim_waits()) return {};
    const hbm_pim::PimCommand& next = pim_[pim_position_];
    return candidate(next.command, next.address, Kind::kColumn, 0);
  }

  Candidate choose_for_requests() {
    std::vector<Candidate> all;
    if (config_.refresh == hbm_pim::RefreshPolicy::kPerBank) add_bank_refresh(all);
    choose_direction();
    for (std::uint32_t bank = 0; bank < banks(); ++bank) {
      if (bank != refresh_bank_) add_bank(bank, all);
    }
    if (config_.page_policy == hbm_pim::PagePolicy::kClosed) add_closing(all);
    Candidate best;
    for (const Candidate& one : all) {
      if (better(one, best)) best = one;
    }
    if (config_.power_down_after != 0 && idle() && owed() == 0) {
      Candidate down = candidate(Command::kPowerDownEnter, {}, Kind::kSpare, 0);
      down.cycle = std::max(down.cycle, last_activity_ + config_.power_down_after);
      if (down.cycle < best.cycle) best = down;
    }
    return best;
  }

  bool starves(const hbm_pim::MemoryRequest& request) const {
    return now_ - request.arrival >= config_.starvation_limit;
  }
  void choose_direction() {
    const auto& reads = queues_[0];
    const auto& writes = queues_[1];
    const bool read_starves = !reads.empty() && starves(reads[0]);
    const bool write_starves = !writes.empty() && starves(writes[0]);
    if (read_starves && write_starves) {
      draining_ = writes[0].order < reads[0].order;
    } else if (read_starves || write_starves) {
      draining_ = write_starves;
    } else if (draining_) {
      draining_ = !writes.empty() && (reads.empty() || writes.size() > config_.drain_to);
    } else {
      draining_ = writes.size() >= config_.drain_from || (reads.empty() && !writes.empty());
    }
  }

  // The request of the bank that is to be served, and what it needs next.
  void add_bank(std::uint32_t bank, std::vector<Candidate>& all) const {
    std::vector<hbm_pim::MemoryRequest> waiting;
    for (const auto& request : queues_[draining_]) {
      if (bank_of(request.address) == bank) waiting.push_back(request);
    }
    if (waiting.empty()) return;
    hbm_pim::MemoryRequest served = waiting[0];
    const bool first_of_all = served.order == queues_[draining_][0].order;
    if (!(first_of_all && starves(served))) {
      for (auto request = waiting.rbegin(); request != waiting.rend(); ++request) {
        if (request->address.row == timing_.open_row(bank)) served = *request;
      }
    }
    if (served.address.row == timing_.open_row(bank)) {
      all.push_back(candidate(draining_ ? Command::kWrite : Command::kRead, served.address,
                              Kind::kColumn, served.order));
    } else {
      all.push_back(candidate(is_open(bank) ? Command::kPrecharge : Command::kActivate,
                              served.address, Kind::kRow, served.order));
    }
  }
  void add_closing(std::vector<Candidate>& all) const {
    for (std::uint32_t bank = 0; bank < banks(); ++bank) {
      bool wanted = false;
      for (const auto& queue : queues_) {
        for (const auto& request : queue) {
          wanted |=
              bank_of(request.address) == bank && request.address.row == timing_.open_row(bank);
        }
      }
      if (!is_open(bank) || wanted) continue;
      all.push_back(candidate(Command::kPrecharge, device_.organisation.bank_address(bank),
                              Kind::kSpare, 1 + bank));
    }
  }

  bool is_unused(std::uint32_t bank) const {
    for (const auto& queue : queues_) {
      for (const auto& request : queue) {
        if (bank_of(request.address) == bank) return false;
      }
    }
    return true;
  }
  // One not yet refreshed in this round: the one already chosen if that still may be, else the
  // first without requests, else, if it must be, the first.
  std::uint32_t bank_to_refresh() const {
    if (refresh_bank_ < banks() && (urgent() || is_unused(refresh_bank_))) return refresh_bank_;
    std::uint32_t first = banks();
    for (std::uint32_t bank = banks(); bank-- > 0;) {
      if (refreshed_.count(bank) == 0) first = bank;
    }
    for (std::uint32_t bank = 0; bank < banks(); ++bank) {
      if (refreshed_.count(bank) == 0 && is_unused(bank)) return bank;
    }
    return urgent() ? first : banks();
  }
  void add_bank_refresh(std::vector<Candidate>& all) {
    refresh_bank_ = owed() == 0 ? banks() : bank_to_refresh();
    if (refresh_bank_ == banks()) return;
    all.push_back(candidate(is_open(refresh_bank_) ? Command::kPrecharge : Command::kRefreshBank,
                            device_.organisation.bank_address(refresh_bank_),
                            urgent() ? Kind::kUrgent : Kind::kSpare, 0));
  }

  void issue(const Candidate& chosen) {
    now_ = chosen.cycle;
    timing_.issue(chosen.command, chosen.address, now_);
    commands_.push_back({now_, 0, chosen.command, chosen.address});
    if (chosen.command != Command::kPowerDownEnter) last_activity_ = now_;
    switch (chosen.command) {
      case Command::kRead:
      case Command::kWrite:
        complete(chosen);
        break;
      case Command::kRefresh:
        paid_ += config_.refresh == hbm_pim::RefreshPolicy::kPerBank
                     ? std::min<Cycle>(owed(), banks())
                     : 1;
        break;
      case Command::kRefreshBank:
        ++paid_;
        refreshed_.insert(refresh_bank_);
        refresh_bank_ = banks();
        if (refreshed_.size() == banks()) refreshed_.clear();
        break;
      case Command::kPimEnter:
        entering_ = pim_progress_ = false;
        mode_since_ = now_;
        break;
      case Command::kPimExit:
        mode_since_ = now_;
        break;
      case Command::kActivate:
      case Command::kPrecharge:
      case Command::kPrechargeAll:
      case Command::kPowerDownEnter:
      case Command::kPowerDownExit:
        break;
      default:
        ++pim_position_;
        pim_progress_ = true;
        break;
    }
  }
  void complete(const Candidate& chosen) {
    auto& queue = queues_[chosen.command == Command::kWrite];
    const auto served = std::find_if(queue.begin(), queue.end(), [&](const auto& request) {
      return request.order == chosen.age;
    });
    const Cycle latency = device_[chosen.command == Command::kWrite ? hbm_pim::Parameter::kTWL
                                                                    : hbm_pim::Parameter::kTRL];
    completions_.push_back({served->id, now_ + latency + device_[hbm_pim::Parameter::kTBL]});
    queue.erase(served);
  }

  hbm_pim::DeviceDescription device_;
  hbm_pim::ControllerConfig config_;
  hbm_pim::CommandTiming timing_;
  Cycle interval_ = 0;  // of refresh; 0: none
  Cycle now_ = 0;
  Candidate decision_;
  bool decided_ = false;
  std::array<std::vector<hbm_pim::MemoryRequest>, 2> queues_;  // in order of arrival
  std::uint64_t pushed_ = 0;
  bool draining_ = false;
  Cycle last_activity_ = 0;
  Cycle paid_ = 0;
  bool refreshing_ = false;
  std::uint32_t refresh_bank_ = 0xFFFFFFFF;
  std::set<std::uint32_t> refreshed_;
  std::vector<hbm_pim::PimCommand> pim_;
  std::size_t pim_position_ = 0;
  bool entering_ = false;
  bool pim_progress_ = false;
  Cycle mode_since_ = 0;
  std::vector<hbm_pim::CommandRecord> commands_;
  std::vector<hbm_pim::Completion> completions_;
};

}  // namespace hpimvp::test_support
