// Passes what models tell on to several listeners, each of which numbers signals and engines in its
// own way.
#pragma once

#include <vector>

#include "models/common/activity.h"

namespace hpimvp::output {

class ActivityFanOut : public common::ActivitySink {
 public:
  // The listeners must outlive the fan-out.
  explicit ActivityFanOut(std::vector<common::ActivitySink*> sinks) : sinks_(std::move(sinks)) {}

  common::SignalId declare_signal(std::string_view name, unsigned bits,
                                  const std::vector<std::string>& value_names) override;
  void change(common::SignalId signal, std::uint64_t time_ps, std::uint64_t value) override;
  std::uint32_t declare_engine(std::string_view name) override;
  void operation(std::uint32_t engine, std::uint32_t operation, std::uint64_t start_ps,
                 std::uint64_t end_ps) override;
  void usage(std::uint32_t engine, std::uint32_t operation,
             const common::ResourceUsage& usage) override;

 private:
  std::vector<common::ActivitySink*> sinks_;
  // Signal i of this sink is signals_[i * sinks + k] of sink k; the same for engines.
  std::vector<common::SignalId> signals_;
  std::vector<std::uint32_t> engines_;
};

}  // namespace hpimvp::output
