#include "models/common/command_queue.h"

#include <cassert>
#include <utility>

namespace hpimvp::common {
namespace {

namespace regs = command_queue_registers;
constexpr std::uint64_t kDescriptorBytes = regs::CommandHeader::kDescriptorBytes;
constexpr std::uint64_t kMinSize = 2;
constexpr std::uint64_t kMaxSize = 4096;

}  // namespace

CommandQueue::CommandQueue(RegisterBlock& block, std::uint32_t offset, Hooks hooks)
    : block_(block), offset_(offset), hooks_(std::move(hooks)) {
  install_hooks();
}

void CommandQueue::install_hooks() {
  const auto on_write = [this](std::uint32_t offset, RegisterBlock::WriteHook hook) {
    block_.on_write(offset_ + offset, std::move(hook));
  };
  on_write(regs::kBaseOffset, [this](const auto&) { return write_while_idle(); });
  on_write(regs::kSizeOffset, [this](const auto&) { return write_while_idle(); });
  on_write(regs::kControlOffset, [this](const auto& write) { return write_control(write); });
  on_write(regs::kTailOffset, [this](const auto&) { return write_tail(); });
  const auto refresh_interrupt = [this](const auto&) {
    update_interrupt();
    return AccessResult::kOk;
  };
  on_write(regs::kInterruptEnableOffset, refresh_interrupt);
  on_write(regs::kInterruptStatusOffset, refresh_interrupt);
  block_.on_read(offset_ + regs::kStatusOffset, [this](std::uint32_t) -> std::uint64_t {
    return (running_ > 0 ? regs::kStatusBusyMask : 0) | (stopped_ ? regs::kStatusErrorMask : 0);
  });
}

AccessResult CommandQueue::write_while_idle() const {
  return enabled() || running_ > 0 ? AccessResult::kCommandError : AccessResult::kOk;
}

AccessResult CommandQueue::write_control(const RegisterBlock::Write& write) {
  if (write.written & regs::kControlResetMask) {
    clear_progress();
    set_reg(regs::kControlOffset, 0);
    return AccessResult::kOk;
  }
  if (enabled() && !stopped_ && !configuration_is_good()) {
    stop(CommandError::kBadConfiguration, slot_address(reg(regs::kHeadOffset)));
  }
  announce_work();
  return AccessResult::kOk;
}

AccessResult CommandQueue::write_tail() {
  if (enabled() && !stopped_ && !configuration_is_good()) {
    stop(CommandError::kBadConfiguration, slot_address(reg(regs::kHeadOffset)));
  }
  announce_work();
  return AccessResult::kOk;
}

bool CommandQueue::enabled() const {
  return (reg(regs::kControlOffset) & regs::kControlEnableMask) != 0;
}

bool CommandQueue::configuration_is_good() const {
  const std::uint64_t size = reg(regs::kSizeOffset);
  const bool power_of_two = (size & (size - 1)) == 0;
  return power_of_two && size >= kMinSize && size <= kMaxSize &&
         reg(regs::kBaseOffset) % kDescriptorBytes == 0 && reg(regs::kTailOffset) < size &&
         reg(regs::kHeadOffset) < size;
}

std::uint64_t CommandQueue::slot_address(std::uint64_t slot) const {
  return reg(regs::kBaseOffset) + slot * kDescriptorBytes;
}

bool CommandQueue::has_work() const {
  if (!enabled() || stopped_ || any_failed_) return false;
  const std::uint64_t mask = reg(regs::kSizeOffset) - 1;
  const std::uint64_t waiting = (reg(regs::kTailOffset) - reg(regs::kHeadOffset)) & mask;
  return waiting > entries_.size();
}

std::uint64_t CommandQueue::next_descriptor_address() const {
  const std::uint64_t mask = reg(regs::kSizeOffset) - 1;
  return slot_address((reg(regs::kHeadOffset) + entries_.size()) & mask);
}

CommandQueue::Ticket CommandQueue::start() {
  assert(has_work());
  const Ticket ticket{next_descriptor_address(), first_sequence_ + entries_.size()};
  entries_.push_back({});
  ++running_;
  return ticket;
}

CommandQueue::Entry* CommandQueue::find(const Ticket& ticket) {
  if (ticket.sequence < first_sequence_) return nullptr;
  const std::uint64_t position = ticket.sequence - first_sequence_;
  if (position >= entries_.size()) return nullptr;
  Entry& entry = entries_[position];
  return entry.state == State::kRunning ? &entry : nullptr;
}

bool CommandQueue::is_current(const Ticket& ticket) const {
  return const_cast<CommandQueue*>(this)->find(ticket) != nullptr;
}

void CommandQueue::complete(const Ticket& ticket, bool interrupt) {
  Entry* entry = find(ticket);
  if (entry == nullptr) return;
  entry->state = State::kDone;
  entry->interrupt = interrupt;
  --running_;
  retire();
}

void CommandQueue::fail(const Ticket& ticket, CommandError code, std::uint64_t address) {
  Entry* entry = find(ticket);
  if (entry == nullptr) return;
  const bool names_address = code == CommandError::kDescriptorFetch ||
                             code == CommandError::kBusError ||
                             code == CommandError::kUncorrectableError;
  entry->state = State::kFailed;
  entry->code = code;
  entry->error_address = names_address ? address : ticket.address;
  any_failed_ = true;
  --running_;
  retire();
}

// Reports what has finished, in ring order, up to the first descriptor that has not or that failed.
std::uint64_t CommandQueue::depth() const {
  const std::uint64_t size = reg(regs::kSizeOffset);
  if (size == 0) return 0;
  return (reg(regs::kTailOffset) - reg(regs::kHeadOffset)) & (size - 1);
}

void CommandQueue::retire() {
  if (stopped_) return;
  const std::uint64_t mask = reg(regs::kSizeOffset) - 1;
  bool interrupt = false;
  while (!entries_.empty() && entries_.front().state == State::kDone) {
    interrupt = interrupt || entries_.front().interrupt;
    entries_.pop_front();
    ++first_sequence_;
    set_reg(regs::kHeadOffset, (reg(regs::kHeadOffset) + 1) & mask);
    set_reg(regs::kCompletedOffset, reg(regs::kCompletedOffset) + 1);
  }
  if (interrupt) raise(regs::kInterruptStatusCompletionMask);
  if (!entries_.empty() && entries_.front().state == State::kFailed) {
    stop(entries_.front().code, entries_.front().error_address);
  }
}

void CommandQueue::stop(CommandError code, std::uint64_t address) {
  stopped_ = true;
  set_reg(regs::kErrorCodeOffset, static_cast<std::uint64_t>(code));
  set_reg(regs::kErrorAddressOffset, address);
  raise(regs::kInterruptStatusErrorMask);
}

void CommandQueue::raise(std::uint64_t status_bits) {
  set_reg(regs::kInterruptStatusOffset, reg(regs::kInterruptStatusOffset) | status_bits);
  update_interrupt();
}

void CommandQueue::update_interrupt() {
  const bool level = (reg(regs::kInterruptStatusOffset) & reg(regs::kInterruptEnableOffset)) != 0;
  if (level == interrupt_level_) return;
  interrupt_level_ = level;
  if (hooks_.interrupt) hooks_.interrupt(level);
}

void CommandQueue::announce_work() {
  if (has_work() && hooks_.work_available) hooks_.work_available();
}

void CommandQueue::clear_progress() {
  for (const std::uint32_t offset :
       {regs::kTailOffset, regs::kHeadOffset, regs::kCompletedOffset, regs::kInterruptStatusOffset,
        regs::kErrorCodeOffset, regs::kErrorAddressOffset}) {
    set_reg(offset, 0);
  }
  first_sequence_ += entries_.size();  // voids all tickets
  entries_.clear();
  running_ = 0;
  any_failed_ = false;
  stopped_ = false;
  update_interrupt();
  if (hooks_.reset) hooks_.reset();
}

void CommandQueue::reset() {
  for (const RegisterInfo& one : regs::kRegisters) set_reg(one.offset, one.reset);
  clear_progress();
}

}  // namespace hpimvp::common
