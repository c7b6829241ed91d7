#include "platform/output/operator_profile.h"

#include <algorithm>
#include <map>

namespace hpimvp::output {

OperatorProfile::OperatorProfile(std::vector<ProfiledOperator> operators, bool one_at_a_time)
    : operators_(std::move(operators)), one_at_a_time_(one_at_a_time), runs_(operators_.size()) {
  std::map<std::string, std::uint32_t> numbers;
  for (std::uint32_t i = 0; i < operators_.size(); ++i) {
    const auto [found, is_new] =
        numbers.try_emplace(operators_[i].group, static_cast<std::uint32_t>(first_of_.size()));
    if (is_new) first_of_.push_back(i);
    group_of_.push_back(found->second);
  }
  totals_.resize(first_of_.size());
  active_.resize(first_of_.size());
}

void OperatorProfile::operation(std::uint32_t engine, std::uint32_t operation,
                                std::uint64_t start_ps, std::uint64_t end_ps) {
  if (operation >= runs_.size() || !begin_ps_) return;
  Run& run = runs_[operation];
  if (run.commands == 0) ended_.push_back(operation);
  Engine& worker = engines_[engine];
  if (run.commands == 0 || start_ps < run.start_ps) {
    const bool known =
        worker.operation != operation && worker.end_ps > *begin_ps_ && worker.end_ps <= start_ps;
    run.before = known ? worker.operation : kNobody;
    run.engine_free_ps = known ? worker.end_ps : 0;
    run.start_ps = start_ps;
  }
  worker = {operation, end_ps};
  run.end_ps = std::max(run.end_ps, end_ps);
  run.busy_ps += end_ps - start_ps;
  ++run.commands;
}

void OperatorProfile::usage(std::uint32_t /*engine*/, std::uint32_t operation,
                            const common::ResourceUsage& usage) {
  if (operation < runs_.size() && begin_ps_) runs_[operation].usage.add(usage);
}

void OperatorProfile::on_token(std::uint64_t time_ps) {
  if (begin_ps_) close_position(time_ps);
  begin_ps_ = time_ps;
}

void OperatorProfile::close_position(std::uint64_t end_ps) {
  std::sort(ended_.begin(), ended_.end(),
            [this](std::uint32_t a, std::uint32_t b) { return ends_before(a, b); });
  total_ps_ += end_ps - *begin_ps_;
  ++tokens_;
  add_concurrency(end_ps);
  add_runs();
  add_critical_path(end_ps);
  for (const std::uint32_t op : ended_) runs_[op] = {};
  ended_.clear();
}

// Which groups were being worked on, from one change to the next.
void OperatorProfile::add_concurrency(std::uint64_t end_ps) {
  edges_.clear();
  for (const std::uint32_t op : ended_) {
    edges_.push_back({runs_[op].start_ps, group_of_[op], true});
    edges_.push_back({runs_[op].end_ps, group_of_[op], false});
  }
  std::sort(edges_.begin(), edges_.end(),
            [](const Edge& a, const Edge& b) { return a.time_ps < b.time_ps; });
  std::fill(active_.begin(), active_.end(), 0);
  std::uint32_t active_groups = 0;
  std::uint64_t last_ps = *begin_ps_;
  // Groups' numbers of the active ones, added up: the number of the only one if there is one.
  std::uint64_t sum = 0;
  for (const Edge& edge : edges_) {
    const std::uint64_t time_ps = edge.time_ps - last_ps;
    last_ps = edge.time_ps;
    if (active_groups == 0) idle_ps_ += time_ps;
    if (active_groups == 1) totals_[sum].exclusive_ps += time_ps;
    if (active_groups > 1) concurrent_ps_ += time_ps;
    std::uint32_t& count = active_[edge.group];
    if (edge.starts && count++ == 0) {
      ++active_groups;
      sum += edge.group;
    } else if (!edge.starts && --count == 0) {
      --active_groups;
      sum -= edge.group;
    }
  }
  idle_ps_ += end_ps - last_ps;
}

// A strict order, also of operators that take no time: paths back through it come to an end.
bool OperatorProfile::ends_before(std::uint32_t a, std::uint32_t b) const {
  return std::pair(runs_[a].end_ps, a) < std::pair(runs_[b].end_ps, b);
}

OperatorProfile::Wait OperatorProfile::wait_of(std::uint32_t op) const {
  const Run& run = runs_[op];
  Wait wait{kNobody, *begin_ps_, *begin_ps_};
  for (const std::uint32_t predecessor : operators_[op].predecessors) {
    const Run& before = runs_[predecessor];
    if (before.commands == 0 || before.end_ps > run.start_ps) continue;  // skipped, or no report
    if (before.end_ps >= wait.ready_ps) wait = {predecessor, before.end_ps, before.end_ps};
  }
  if (run.before != kNobody && run.engine_free_ps > wait.until_ps) {
    wait.blocker = run.before;
    wait.until_ps = run.engine_free_ps;
  }
  if (!one_at_a_time_) return wait;
  // The last that ended before this one began.
  auto other = std::upper_bound(
      ended_.begin(), ended_.end(), run.start_ps,
      [this](std::uint64_t time_ps, std::uint32_t o) { return time_ps < runs_[o].end_ps; });
  while (other != ended_.begin()) {
    --other;
    if (runs_[*other].end_ps <= wait.until_ps) break;
    if (*other != op) return {*other, runs_[*other].end_ps, wait.ready_ps};
  }
  return wait;
}

void OperatorProfile::add_runs() {
  for (const std::uint32_t op : ended_) {
    const Run& run = runs_[op];
    Totals& totals = totals_[group_of_[op]];
    const std::uint64_t span = run.end_ps - run.start_ps;
    const std::uint64_t at_work = std::min(run.busy_ps / run.commands, span);
    totals.busy_ps += run.busy_ps;
    totals.span_ps += span;
    totals.imbalance_ps += span - at_work;
    const std::uint64_t reported = run.usage.total();
    for (unsigned i = 0; i < common::kResources; ++i) {
      const auto resource = static_cast<common::Resource>(i);
      totals.usage[resource] += common::share_of(at_work, run.usage[resource], reported);
    }
    const Wait wait = wait_of(op);
    // The first operators wait for the firmware to come to them: that is between tokens.
    if (wait.blocker != kNobody) totals.issue_ps += run.start_ps - wait.until_ps;
    totals.queue_ps += wait.until_ps - wait.ready_ps;
  }
}

// Backwards: `end_ps` is how far the path has come, which is before an operator's end where the one
// after it needed only an engine.
void OperatorProfile::add_critical_path(std::uint64_t end_ps) {
  if (!ended_.empty()) {
    std::uint32_t op = ended_.back();
    between_ps_ += end_ps - runs_[op].end_ps;
    end_ps = runs_[op].end_ps;
    // A path has every operator once at most, but for commands that take no time.
    for (std::size_t steps = 0; op != kNobody && steps < 2 * ended_.size(); ++steps) {
      const Run& run = runs_[op];
      Totals& totals = totals_[group_of_[op]];
      totals.critical_ps += end_ps - run.start_ps;
      end_ps = run.start_ps;
      const Wait wait = wait_of(op);
      op = wait.blocker;
      if (op == kNobody) break;
      totals.critical_issue_ps += end_ps - wait.until_ps;
      end_ps = wait.until_ps;
    }
  }
  between_ps_ += end_ps - *begin_ps_;
}

namespace {

std::string name_of_bound(const GroupProfile& group) {
  std::string name = "imbalance";
  double largest = group.imbalance_s;
  const auto consider = [&](const char* candidate, double time_s) {
    if (time_s <= largest) return;
    largest = time_s;
    name = candidate;
  };
  for (unsigned i = 0; i < common::kResources; ++i) {
    consider(common::kResourceNames[i], group.resources_s[i]);
  }
  consider("issue", group.issue_s);
  return name;
}

}  // namespace

std::optional<TokenProfile> OperatorProfile::profile() const {
  if (tokens_ == 0) return {};
  const auto per_token = [this](std::uint64_t ps) {
    return static_cast<double>(ps) / 1e12 / static_cast<double>(tokens_);
  };
  TokenProfile profile;
  profile.tokens = tokens_;
  profile.token_s = per_token(total_ps_);
  profile.between_s = per_token(between_ps_);
  profile.idle_s = per_token(idle_ps_);
  profile.concurrent_s = per_token(concurrent_ps_);
  for (std::size_t i = 0; i < totals_.size(); ++i) {
    const Totals& totals = totals_[i];
    const ProfiledOperator& op = operators_[first_of_[i]];
    if (totals.span_ps == 0) continue;
    GroupProfile& group = profile.groups.emplace_back();
    group.group = op.group;
    group.kind = op.kind;
    group.engine = op.engine;
    group.busy_s = per_token(totals.busy_ps);
    group.span_s = per_token(totals.span_ps);
    group.exclusive_s = per_token(totals.exclusive_ps);
    group.critical_s = per_token(totals.critical_ps);
    group.critical_issue_s = per_token(totals.critical_issue_ps);
    group.issue_s = per_token(totals.issue_ps);
    group.queue_s = per_token(totals.queue_ps);
    group.imbalance_s = per_token(totals.imbalance_ps);
    for (unsigned r = 0; r < common::kResources; ++r) {
      group.resources_s[r] = per_token(totals.usage.values()[r]);
    }
    group.bound = name_of_bound(group);
  }
  return profile;
}

}  // namespace hpimvp::output
