// How models tell what they are doing, without knowing who listens: state changes for waveforms,
// and operations for timelines and per-operator results. A model holds a pointer to a sink that may
// be null, and tests it before each call, so that nothing is paid when nobody listens.
//
// Times are absolute simulated picoseconds and may lie ahead of the kernel's time (a model that has
// computed a duration reports both ends at once); a sink sorts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/common/resource_usage.h"

namespace hpimvp::common {

using SignalId = std::uint32_t;

class ActivitySink {
 public:
  virtual ~ActivitySink() = default;

  // A signal of `bits` bits with a hierarchical name ("hbm.stack0.pc3.state"), value 0 at time 0.
  // With `value_names`, value i is shown as value_names[i]. Called before the simulation starts.
  virtual SignalId declare_signal(std::string_view name, unsigned bits,
                                  const std::vector<std::string>& value_names = {}) = 0;
  virtual void change(SignalId signal, std::uint64_t time_ps, std::uint64_t value) = 0;

  // An engine ("hbm.stack0", "tile5", "dma") has worked on an operator of the plan.
  virtual std::uint32_t declare_engine(std::string_view name) = 0;
  virtual void operation(std::uint32_t engine, std::uint32_t operation, std::uint64_t start_ps,
                         std::uint64_t end_ps) = 0;
  // After the report of an operation: what its time went to.
  virtual void usage(std::uint32_t /*engine*/, std::uint32_t /*operation*/,
                     const ResourceUsage& /*usage*/) {}
};

}  // namespace hpimvp::common
