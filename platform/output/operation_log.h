// Adds up how long each engine worked on each operator of the plan.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "models/common/activity.h"

namespace hpimvp::output {

class OperationLog : public common::ActivitySink {
 public:
  struct Total {
    std::uint64_t count = 0;    // commands
    std::uint64_t busy_ps = 0;  // their durations, added up
    std::uint64_t first_start_ps = 0;
    std::uint64_t last_end_ps = 0;
  };
  struct Key {
    std::uint32_t operation;
    std::uint32_t engine;  // index in engines()
    // clang-tidy 14 takes the comparison with 0 that this implies for a null pointer.
    auto operator<=>(const Key&) const = default;  // NOLINT(modernize-use-nullptr)
  };

  // Signals are not of interest here.
  common::SignalId declare_signal(std::string_view, unsigned,
                                  const std::vector<std::string>&) override {
    return 0;
  }
  void change(common::SignalId, std::uint64_t, std::uint64_t) override {}

  std::uint32_t declare_engine(std::string_view name) override;
  void operation(std::uint32_t engine, std::uint32_t operation, std::uint64_t start_ps,
                 std::uint64_t end_ps) override;

  const std::vector<std::string>& engines() const { return engines_; }
  // Ordered by operation, then engine.
  const std::map<Key, Total>& totals() const { return totals_; }

 private:
  std::vector<std::string> engines_;
  std::map<Key, Total> totals_;
};

}  // namespace hpimvp::output
