#include "platform/output/activity_fan_out.h"

namespace hpimvp::output {

common::SignalId ActivityFanOut::declare_signal(std::string_view name, unsigned bits,
                                                const std::vector<std::string>& value_names) {
  const std::size_t first = signals_.size();
  for (common::ActivitySink* sink : sinks_) {
    signals_.push_back(sink->declare_signal(name, bits, value_names));
  }
  return sinks_.empty() ? 0 : static_cast<common::SignalId>(first / sinks_.size());
}

void ActivityFanOut::change(common::SignalId signal, std::uint64_t time_ps, std::uint64_t value) {
  for (std::size_t k = 0; k < sinks_.size(); ++k) {
    sinks_[k]->change(signals_[signal * sinks_.size() + k], time_ps, value);
  }
}

std::uint32_t ActivityFanOut::declare_engine(std::string_view name) {
  const std::size_t first = engines_.size();
  for (common::ActivitySink* sink : sinks_) engines_.push_back(sink->declare_engine(name));
  return sinks_.empty() ? 0 : static_cast<std::uint32_t>(first / sinks_.size());
}

void ActivityFanOut::operation(std::uint32_t engine, std::uint32_t operation,
                               std::uint64_t start_ps, std::uint64_t end_ps) {
  for (std::size_t k = 0; k < sinks_.size(); ++k) {
    sinks_[k]->operation(engines_[engine * sinks_.size() + k], operation, start_ps, end_ps);
  }
}

void ActivityFanOut::usage(std::uint32_t engine, std::uint32_t operation,
                           const common::ResourceUsage& usage) {
  for (std::size_t k = 0; k < sinks_.size(); ++k) {
    sinks_[k]->usage(engines_[engine * sinks_.size() + k], operation, usage);
  }
}

}  // namespace hpimvp::output
