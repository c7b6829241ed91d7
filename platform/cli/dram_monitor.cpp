#include "platform/cli/dram_monitor.h"

#include <fmt/format.h>

#include <stdexcept>

namespace hpimvp::cli {

namespace {

// Refreshes are missed only where the scenario asks for them.
hbm_pim::DramChecker::Options options_for(const hbm_pim::ControllerConfig& controller) {
  hbm_pim::DramChecker::Options options;
  options.refresh_required = controller.refresh != hbm_pim::RefreshPolicy::kNone;
  return options;
}

}  // namespace

DramMonitor::DramMonitor(const hpim::HpimMachine& machine, const Options& options)
    : clock_period_ps_(machine.topology().config.hbm.stack.device.clock_period_ps),
      pseudo_channels_(machine.topology().config.hbm.stack.device.organisation.pseudo_channels()),
      check_(options.check) {
  if (!options.trace_path.empty()) {
    trace_.open(options.trace_path, std::ios::binary);
    if (!trace_) throw std::runtime_error(options.trace_path + ": cannot be written");
    trace_ << "component,pseudo_channel,cycle,command,stack_id,bank_group,bank,row,column\n";
  }
  const hbm_pim::HbmPimConfig& config = machine.topology().config.hbm.stack;
  if (!options.drawn.empty()) {
    waveform_.emplace(*options.waveform, config.device, options.waveform_start_ps);
  }
  for (const hpim::HpimMachine::Dram& dram : machine.dram()) {
    auto stack = std::make_unique<Stack>();
    stack->monitor = this;
    stack->name = dram.name;
    stack->tell = dram.tell;
    stack->drawn.resize(pseudo_channels_);
    if (check_) {
      stack->checker =
          std::make_unique<hbm_pim::DramChecker>(config.device, options_for(config.controller));
    }
    for (std::uint32_t i = 0; waveform_ && i < pseudo_channels_; ++i) {
      if (!options.drawn.contains({dram.name, i})) continue;
      stack->drawn[i] = waveform_->add(fmt::format("{}.pc{}", dram.name, i));
    }
    dram.observe({&DramMonitor::take, stack.get()});
    stacks_.push_back(std::move(stack));
  }
}

void DramMonitor::take(void* context, const hbm_pim::CommandRecord& record) {
  const Stack& stack = *static_cast<Stack*>(context);
  if (stack.checker != nullptr) {
    ++stack.monitor->result_.commands;
    if (const auto violation = stack.checker->check(record)) stack.monitor->note(stack, *violation);
  }
  if (stack.monitor->trace_.is_open()) stack.monitor->write(stack, record);
  if (const auto drawn = stack.drawn[record.pseudo_channel]) {
    stack.monitor->waveform_->take(*drawn, record);
  }
}

void DramMonitor::settle(std::uint64_t time_ps) {
  for (const auto& stack : stacks_) stack->tell();
  if (waveform_) waveform_->settle(time_ps);
}

void DramMonitor::note(const Stack& stack, const hbm_pim::Violation& violation) {
  if (++result_.violations == 1) result_.first = stack.name + ": " + to_string(violation);
}

void DramMonitor::write(const Stack& stack, const hbm_pim::CommandRecord& record) {
  fmt::memory_buffer line;
  const hbm_pim::CommandAddress& at = record.address;
  fmt::format_to(std::back_inserter(line), "{},{},{},{},{},{},{},{},{}\n", stack.name,
                 record.pseudo_channel, record.cycle, command_name(record.command), at.stack_id,
                 at.bank_group, at.bank, at.row, at.column);
  trace_.write(line.data(), static_cast<std::streamsize>(line.size()));
}

void DramMonitor::finish(std::uint64_t time_ps) {
  settle(time_ps);
  trace_.close();
  for (const auto& stack : stacks_) {
    if (stack->checker == nullptr) continue;
    for (std::uint32_t i = 0; i < pseudo_channels_; ++i) {
      const auto violation =
          stack->checker->finish(static_cast<std::uint16_t>(i), time_ps / clock_period_ps_);
      if (violation) note(*stack, *violation);
    }
  }
}

std::optional<output::DramCheckResult> DramMonitor::result() const {
  if (!check_) return std::nullopt;
  return result_;
}

}  // namespace hpimvp::cli
