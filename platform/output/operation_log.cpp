#include "platform/output/operation_log.h"

#include <algorithm>

namespace hpimvp::output {

std::uint32_t OperationLog::declare_engine(std::string_view name) {
  engines_.emplace_back(name);
  return static_cast<std::uint32_t>(engines_.size() - 1);
}

void OperationLog::operation(std::uint32_t engine, std::uint32_t operation, std::uint64_t start_ps,
                             std::uint64_t end_ps) {
  Total& total = totals_[{operation, engine}];
  total.first_start_ps = total.count == 0 ? start_ps : std::min(total.first_start_ps, start_ps);
  total.last_end_ps = std::max(total.last_end_ps, end_ps);
  total.busy_ps += end_ps - start_ps;
  ++total.count;
}

}  // namespace hpimvp::output
