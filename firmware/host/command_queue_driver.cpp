#include "firmware/host/command_queue_driver.h"

namespace hpimvp::firmware {
namespace queue = hal::command_queue;

CommandQueueDriver::CommandQueueDriver(std::uint64_t register_address, std::uint32_t device,
                                       std::uint64_t* ring, std::uint32_t slots,
                                       QueueListener& listener)
    : registers_(register_address), device_(device), ring_(ring, slots), listener_(listener) {
  registers_.write_control(queue::make_control_reset(1));
  registers_.write_base(reinterpret_cast<std::uint64_t>(ring));
  registers_.write_size(slots);
  registers_.write_interrupt_enable(queue::make_interrupt_enable_completion(1) |
                                    queue::make_interrupt_enable_error(1));
  registers_.write_control(queue::make_control_enable(1));
}

queue::ErrorCode CommandQueueDriver::error_code() const {
  return queue::get_error_code(registers_.read_error_code());
}

void CommandQueueDriver::handle_interrupt() {
  // The event is cleared before HEAD is read: a completion in between raises it again.
  registers_.write_interrupt_status(queue::make_interrupt_status_completion(1));
  const std::uint32_t head = registers_.read_head();
  if (const std::uint32_t completed = ring_.set_head(head); completed != 0) {
    retries_ = 0;
    listener_.queue_event(device_, completed, false);
    return;  // an error still pending interrupts again
  }
  if (queue::get_status_error(registers_.read_status()) != 0) {
    registers_.write_interrupt_status(queue::make_interrupt_status_error(1));
    listener_.queue_event(device_, 0, true);
  }
}

void CommandQueueDriver::restart() {
  ++retries_;
  ++all_retries_;
  ring_.rewind();
  registers_.write_control(queue::make_control_reset(1));
  registers_.write_control(queue::make_control_enable(1));
  fence_memory_before_device();
  registers_.write_tail(ring_.tail());
}

std::string_view name_of(queue::ErrorCode code) {
  switch (code) {
    case queue::ErrorCode::kNone:
      return "NONE";
    case queue::ErrorCode::kBadOpcode:
      return "BAD_OPCODE";
    case queue::ErrorCode::kBadDescriptor:
      return "BAD_DESCRIPTOR";
    case queue::ErrorCode::kDescriptorFetch:
      return "DESCRIPTOR_FETCH";
    case queue::ErrorCode::kBusError:
      return "BUS_ERROR";
    case queue::ErrorCode::kProgramTrap:
      return "PROGRAM_TRAP";
    case queue::ErrorCode::kBadConfiguration:
      return "BAD_CONFIGURATION";
    case queue::ErrorCode::kUncorrectableError:
      return "UNCORRECTABLE_ERROR";
  }
  return "unknown code";
}

}  // namespace hpimvp::firmware
