// Base of the SystemC modules that execute commands from a queue: the register socket, the bus
// socket, the interrupt output, and the thread that fetches descriptors and hands them to
// execute(). A derived module adds its own registers' behaviour through block() and implements
// execute().
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <systemc>

#include "models/common/activity.h"
#include "models/common/command_queue.h"
#include "models/common/register_block.h"
#include "models/common/transaction_extension.h"

namespace hpimvp::common {

class CommandEngine : public sc_core::sc_module {
 public:
  using CommandHeader = command_queue_registers::CommandHeader;
  static constexpr std::size_t kDescriptorBytes = CommandHeader::kDescriptorBytes;

  tlm_utils::simple_target_socket<CommandEngine> registers;
  tlm_utils::simple_initiator_socket<CommandEngine> bus;
  sc_core::sc_out<bool> interrupt;

  // `info` is the generated table of the engine's block, whose queue registers start at
  // `queue_offset`. Descriptor fetches carry `initiator` and `initiator_index`.
  CommandEngine(sc_core::sc_module_name name, const BlockInfo& info, std::uint32_t queue_offset,
                Initiator initiator, std::uint16_t initiator_index);

  // Shows how many descriptors the ring holds as "<name>.queue_depth". Null: no more.
  void set_queue_activity(ActivitySink* sink, const std::string& name);

 protected:
  struct Command {
    CommandQueue::Ticket ticket;
    CommandHeader header;
    std::array<std::uint8_t, kDescriptorBytes> bytes;

    // The descriptor as the generated struct of its opcode.
    template <typename Descriptor>
    Descriptor as() const {
      static_assert(sizeof(Descriptor) == kDescriptorBytes);
      Descriptor descriptor;
      std::memcpy(&descriptor, bytes.data(), kDescriptorBytes);
      return descriptor;
    }
  };

  struct CommandResult {
    CommandError error = CommandError::kNone;
    std::uint64_t address = 0;  // what failed, with kBusError and kUncorrectableError
  };

  // Runs in the engine's thread and may wait(). Returns the outcome, or nothing if the command goes
  // on after the return: then finish() reports it later, and the next descriptor is fetched now.
  virtual std::optional<CommandResult> execute(const Command& command) = 0;

  void finish(const Command& command, const CommandResult& result);
  // CONTROL.RESET has abandoned the command: long executions look now and then and return early.
  bool abandoned(const Command& command) const { return !queue_.is_current(command.ticket); }
  // Called after CONTROL.RESET, in the process of the register write: must not wait().
  virtual void queue_reset() {}

  // The interrupt line is also high while the module itself wants it.
  void set_own_interrupt(bool level);

  // One blocking transaction on `bus`, from the calling thread; waits for its delay. `data` may be
  // null if payload_valid is false. True: answered TLM_OK_RESPONSE.
  bool bus_access(tlm::tlm_command access, std::uint64_t address, std::uint8_t* data,
                  std::uint32_t length, std::uint32_t operation, bool payload_valid = true);

  RegisterBlock& block() { return block_; }
  const RegisterBlock& block() const { return block_; }
  CommandQueue& queue() { return queue_; }

 private:
  void serve_registers(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  unsigned serve_debug(tlm::tlm_generic_payload& payload);
  void run();
  std::optional<CommandResult> fetch_and_execute(Command& command);
  void drive_interrupt();
  void report_depth();

  RegisterBlock block_;
  sc_core::sc_event work_event_;
  sc_core::sc_event interrupt_event_;
  bool own_interrupt_ = false;
  CommandQueue queue_;
  Initiator initiator_;
  std::uint16_t initiator_index_;
  ActivitySink* queue_activity_ = nullptr;
  SignalId depth_signal_ = 0;
  std::uint64_t reported_depth_ = 0;
};

}  // namespace hpimvp::common
