// The command queue in front of an engine (command_queue.registers.json): a ring of descriptors in
// memory, a doorbell, and completion and error reports. Plain state machine; command_engine.h puts
// it into SystemC.
//
// Descriptors start in ring order. Several may be in execution at once, and may finish in any
// order: they are reported (HEAD, COMPLETED, interrupt) in ring order. A failed descriptor is
// reported when all before it have completed; nothing starts after a failure until CONTROL.RESET.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "generated/models/common/command_queue_registers.h"
#include "models/common/register_block.h"

namespace hpimvp::common {

using CommandError = command_queue_registers::ErrorCode;

class CommandQueue {
 public:
  struct Hooks {
    std::function<void()> work_available;       // has_work() has become true
    std::function<void(bool level)> interrupt;  // the interrupt line has changed
    std::function<void()> reset;                // CONTROL.RESET: all tickets are void
  };

  // A descriptor that was started. Stays valid until it is completed, failed or reset away.
  struct Ticket {
    std::uint64_t address = 0;   // of the descriptor
    std::uint64_t sequence = 0;  // since construction
  };

  // Adds the queue's behaviour to the registers of `block` from `offset` on (where the block's
  // description includes command_queue.registers.json). `block` must outlive the queue.
  CommandQueue(RegisterBlock& block, std::uint32_t offset, Hooks hooks);
  CommandQueue(const CommandQueue&) = delete;
  CommandQueue& operator=(const CommandQueue&) = delete;

  // Engine side.
  // A descriptor may be started now.
  bool has_work() const;
  // Address of the descriptor that start() will hand out.
  std::uint64_t next_descriptor_address() const;
  // Takes the next descriptor. Only while has_work().
  Ticket start();
  // False once the ticket was completed, failed, or abandoned by CONTROL.RESET.
  bool is_current(const Ticket& ticket) const;
  // Calls for a ticket that is not current do nothing: a reset may overtake an engine.
  void complete(const Ticket& ticket, bool interrupt);
  // `address`: what failed for kDescriptorFetch, kBusError and kUncorrectableError; other codes
  // report the descriptor's.
  void fail(const Ticket& ticket, CommandError code, std::uint64_t address = 0);

  bool interrupt_level() const { return interrupt_level_; }
  // Descriptors in the ring: not yet reported complete.
  std::uint64_t depth() const;
  // Descriptors started and neither completed nor failed.
  unsigned running() const { return running_; }
  // Power-on state, the registers' included. Calls hooks.reset and reports a fall of the interrupt.
  void reset();

 private:
  enum class State : std::uint8_t { kRunning, kDone, kFailed };
  struct Entry {
    State state = State::kRunning;
    bool interrupt = false;
    CommandError code = CommandError::kNone;
    std::uint64_t error_address = 0;
  };

  void install_hooks();
  AccessResult write_control(const RegisterBlock::Write& write);
  AccessResult write_while_idle() const;
  AccessResult write_tail();
  std::uint64_t reg(std::uint32_t offset) const { return block_.get(offset_ + offset); }
  void set_reg(std::uint32_t offset, std::uint64_t value) { block_.set(offset_ + offset, value); }
  bool enabled() const;
  bool configuration_is_good() const;
  std::uint64_t slot_address(std::uint64_t slot) const;
  void clear_progress();
  void stop(CommandError code, std::uint64_t address);
  void retire();
  void raise(std::uint64_t status_bits);
  void update_interrupt();
  void announce_work();
  Entry* find(const Ticket& ticket);

  RegisterBlock& block_;
  std::uint32_t offset_;
  Hooks hooks_;
  // Started and not yet reported, in ring order; the first stands in slot HEAD.
  std::deque<Entry> entries_;
  std::uint64_t first_sequence_ = 0;  // of entries_.front()
  unsigned running_ = 0;
  bool any_failed_ = false;  // an entry has failed, reported or not
  bool stopped_ = false;     // STATUS.ERROR
  bool interrupt_level_ = false;
};

}  // namespace hpimvp::common
