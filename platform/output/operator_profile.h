// Where the time of a generated token goes, operator by operator: how long each was being worked
// on, how much of that was hidden behind others, what was on the critical path, and what bounded
// it. Operators of the same name in all layers are one group.
//
// All numbers are of the tokens after the first: from one token to the next the firmware samples,
// runs every operator of the plan for one position, and comes to the next token.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/common/activity.h"

namespace hpimvp::output {

struct ProfiledOperator {
  std::string group;                        // "query", "attention_scores", ...
  std::string kind;                         // as in OperatorInfo
  std::string engine;                       // "hbm_pim", "sram_pim", "dma"
  std::vector<std::uint32_t> predecessors;  // in the plan
};

// Of all operators of a group, seconds per token.
struct GroupProfile {
  std::string group;
  std::string kind;
  std::string engine;
  double busy_s = 0;       // of engines, added up
  double span_s = 0;       // from an operator's first engine's start to its last one's end
  double exclusive_s = 0;  // of the span, when no other group's operator was being worked on
  // Of the time from token to token, what went to this group when it is followed back from each
  // token's end: the operator that ended last, what made that one wait, and so on. Running, and
  // from what it waited for to its start.
  double critical_s = 0;
  double critical_issue_s = 0;
  // From the moment when predecessors were done and an engine was free until the first engine
  // began: completion interrupt, firmware, descriptor fetch. Hidden or not.
  double issue_s = 0;
  // From the end of its predecessors until the engine that began first was free (with a serial
  // schedule, until all were).
  double queue_s = 0;
  // The span, divided by what the engines report of their time; the rest of it, when not all of
  // an operator's engines were at work.
  std::array<double, common::kResources> resources_s{};
  double imbalance_s = 0;
  // The largest of resources, imbalance and issue, by name.
  std::string bound;
};

struct TokenProfile {
  std::uint64_t tokens = 0;
  double token_s = 0;
  // Sampling, and the firmware's way to the next position's first operator. With all groups'
  // critical_s and critical_issue_s this is token_s.
  double between_s = 0;
  double idle_s = 0;                 // no operator was being worked on, `between_s` included
  double concurrent_s = 0;           // operators of two groups or more were
  std::vector<GroupProfile> groups;  // in the order of the plan
};

class OperatorProfile : public common::ActivitySink {
 public:
  // `one_at_a_time`: operators wait for each other whether they need to or not.
  OperatorProfile(std::vector<ProfiledOperator> operators, bool one_at_a_time);

  // A token was chosen: nothing of its position is still at work.
  void on_token(std::uint64_t time_ps);

  // Absent before the second token.
  std::optional<TokenProfile> profile() const;

  common::SignalId declare_signal(std::string_view, unsigned,
                                  const std::vector<std::string>&) override {
    return 0;
  }
  void change(common::SignalId, std::uint64_t, std::uint64_t) override {}
  std::uint32_t declare_engine(std::string_view) override {
    engines_.emplace_back();
    return static_cast<std::uint32_t>(engines_.size() - 1);
  }
  void operation(std::uint32_t engine, std::uint32_t operation, std::uint64_t start_ps,
                 std::uint64_t end_ps) override;
  void usage(std::uint32_t engine, std::uint32_t operation,
             const common::ResourceUsage& usage) override;

 private:
  static constexpr std::uint32_t kNobody = 0xFFFFFFFF;

  // An operator at the position in progress.
  struct Run {
    std::uint64_t commands = 0;
    std::uint64_t start_ps = 0;
    std::uint64_t end_ps = 0;
    std::uint64_t busy_ps = 0;
    common::ResourceUsage usage;
    // Who had the engine that began first, and until when; kNobody: nothing is known.
    std::uint32_t before = kNobody;
    std::uint64_t engine_free_ps = 0;
  };
  // The last command of an engine.
  struct Engine {
    std::uint32_t operation = kNobody;
    std::uint64_t end_ps = 0;
  };
  struct Totals {
    std::uint64_t busy_ps = 0;
    std::uint64_t span_ps = 0;
    std::uint64_t exclusive_ps = 0;
    std::uint64_t critical_ps = 0;
    std::uint64_t critical_issue_ps = 0;
    std::uint64_t issue_ps = 0;
    std::uint64_t queue_ps = 0;
    common::ResourceUsage usage;  // adds up to the span less imbalance
    std::uint64_t imbalance_ps = 0;
  };
  struct Edge {
    std::uint64_t time_ps;
    std::uint32_t group;
    bool starts;
  };

  // What an operator waited for last: a predecessor, or who had its first engine.
  struct Wait {
    std::uint32_t blocker = kNobody;
    std::uint64_t until_ps = 0;  // the blocker's end, or the position's begin
    std::uint64_t ready_ps = 0;  // end of the predecessors, or the position's begin
  };

  void close_position(std::uint64_t end_ps);
  void add_concurrency(std::uint64_t end_ps);
  void add_runs();
  void add_critical_path(std::uint64_t end_ps);
  bool ends_before(std::uint32_t a, std::uint32_t b) const;
  Wait wait_of(std::uint32_t op) const;

  std::vector<ProfiledOperator> operators_;
  bool one_at_a_time_;
  std::vector<std::uint32_t> group_of_;  // operator -> group
  std::vector<std::uint32_t> first_of_;  // group -> its first operator
  std::vector<Engine> engines_;

  std::vector<Run> runs_;             // by operator
  std::vector<std::uint32_t> ended_;  // operators of the position; sorted by end when it closes
  std::vector<Edge> edges_;           // kept to reuse their memory
  std::vector<std::uint32_t> active_;

  std::optional<std::uint64_t> begin_ps_;  // of the position: the last token's time
  std::uint64_t tokens_ = 0;
  std::uint64_t total_ps_ = 0;
  std::uint64_t between_ps_ = 0;
  std::uint64_t idle_ps_ = 0;
  std::uint64_t concurrent_ps_ = 0;
  std::vector<Totals> totals_;  // by group
};

}  // namespace hpimvp::output
