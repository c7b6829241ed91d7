// Plays requests and PIM commands into a controller and keeps what comes out, for tests. Every
// command is held against a timing state of the bench's own, and given to the checker.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "models/hbm_pim/checker.h"
#include "models/hbm_pim/memory_controller.h"

namespace hpimvp::test_support {

class ControllerBench {
 public:
  using Cycle = std::uint64_t;

  ControllerBench(const hbm_pim::DeviceDescription& device, const hbm_pim::ControllerConfig& config)
      : controller_(device, config),
        reference_(device),
        checker_(device, {config.refresh != hbm_pim::RefreshPolicy::kNone, 8}) {
    controller_.set_command_sink({&ControllerBench::take_command, this});
    controller_.set_completion_sink({&ControllerBench::take_completion, this});
  }
  ControllerBench(const ControllerBench&) = delete;
  ControllerBench& operator=(const ControllerBench&) = delete;

  // Offers the requests at their arrivals or, when a queue is full, as soon as there is room.
  void play(const std::vector<hbm_pim::MemoryRequest>& requests) {
    for (const hbm_pim::MemoryRequest& request : requests) {
      controller_.run(std::max(request.arrival, controller_.now()));
      while (!controller_.can_accept(request.write)) {
        if (!controller_.issue_next(~Cycle{0})) throw std::logic_error("the controller hangs");
      }
      controller_.push(request);
    }
  }

  // Until nothing waits any more.
  void finish() {
    while (!controller_.idle()) {
      if (!controller_.issue_next(~Cycle{0})) throw std::logic_error("the controller hangs");
    }
  }

  void start_pim(std::vector<hbm_pim::PimCommand> commands) {
    pim_commands_ = std::move(commands);
    pim_given_ = 0;
    controller_.start_pim({&ControllerBench::next_pim, this});
  }

  hbm_pim::MemoryController& controller() { return controller_; }
  const std::vector<hbm_pim::CommandRecord>& commands() const { return commands_; }
  // By request; the end of its data.
  const std::unordered_map<std::uint64_t, Cycle>& completions() const { return completions_; }
  Cycle last_data() const { return last_data_; }
  // What was wrong with the commands; empty: nothing.
  const std::string& violation() const { return violation_; }

 private:
  static void take_command(void* context, const hbm_pim::CommandRecord& record) {
    auto& bench = *static_cast<ControllerBench*>(context);
    bench.commands_.push_back(record);
    const auto wrong = [&](const char* what) {
      if (!bench.violation_.empty()) return;
      bench.violation_ = std::string(hbm_pim::command_name(record.command)) + " at cycle " +
                         std::to_string(record.cycle) + what;
    };
    if (!bench.reference_.is_legal(record.command, record.address)) wrong(" is illegal");
    if (record.cycle < bench.reference_.earliest(record.command, record.address)) {
      wrong(" is too early");
    }
    if (bench.commands_.size() > 1 && record.cycle < bench.commands_.rbegin()[1].cycle) {
      wrong(" goes back in time");
    }
    const bool column = record.command == hbm_pim::DramCommand::kRead ||
                        record.command == hbm_pim::DramCommand::kWrite;
    if (column && bench.reference_.open_row(record.address) != record.address.row) {
      wrong(" meets another row");
    }
    bench.reference_.issue(record.command, record.address, record.cycle);
    const auto found = bench.checker_.check(record);
    if (found && bench.violation_.empty()) bench.violation_ = hbm_pim::to_string(*found);
  }
  static void take_completion(void* context, const hbm_pim::Completion& completion) {
    auto& bench = *static_cast<ControllerBench*>(context);
    if (!bench.completions_.emplace(completion.id, completion.cycle).second) {
      bench.violation_ = "a request completes twice";
    }
    bench.last_data_ = std::max(bench.last_data_, completion.cycle);
  }
  // In pieces, as a source would.
  static std::span<const hbm_pim::PimCommand> next_pim(void* context) {
    auto& bench = *static_cast<ControllerBench*>(context);
    const std::size_t count =
        std::min<std::size_t>(37, bench.pim_commands_.size() - bench.pim_given_);
    bench.pim_given_ += count;
    return {bench.pim_commands_.data() + bench.pim_given_ - count, count};
  }

  hbm_pim::MemoryController controller_;
  hbm_pim::CommandTiming reference_;
  hbm_pim::DramChecker checker_;
  std::vector<hbm_pim::CommandRecord> commands_;
  std::unordered_map<std::uint64_t, Cycle> completions_;
  Cycle last_data_ = 0;
  std::string violation_;
  std::vector<hbm_pim::PimCommand> pim_commands_;
  std::size_t pim_given_ = 0;
};

}  // namespace hpimvp::test_support
