// Driver of the command queue that all engines share (models/common/command_queue.registers.json).
#pragma once

#include <cstdint>
#include <string_view>

#include "firmware/host/csr.h"
#include "firmware/host/interrupt_controller.h"
#include "hal/command_queue.h"

namespace hpimvp::firmware {

// Who wants to know that something has happened to a queue. Called from the interrupt handler.
class QueueListener {
 public:
  // `completed` more descriptors have completed, or the queue has stopped with an error.
  virtual void queue_event(std::uint32_t device, std::uint32_t completed, bool failed) = 0;

 protected:
  ~QueueListener() = default;
};

class CommandQueueDriver final : public InterruptHandler {
 public:
  static constexpr std::uint32_t kDescriptorWords = 8;  // of 64 bits

  // Resets the queue at `register_address` and enables it with the ring at `ring`: `slots`
  // descriptors of 64 bytes, a power of two, 64-byte aligned. `device` is the number by which
  // listeners know it.
  CommandQueueDriver(std::uint64_t register_address, std::uint32_t device, std::uint64_t* ring,
                     std::uint32_t slots, QueueListener& listener);

  std::uint32_t device() const { return device_; }
  std::uint32_t capacity() const { return mask_; }

  // The next free slot, where the caller writes a descriptor before submit(). The caller knows that
  // fewer than capacity() descriptors are submitted and not completed.
  std::uint64_t* next_slot() { return next_slot_; }
  void submit() {
    tail_ = (tail_ + 1) & mask_;
    next_slot_ = ring_ + tail_ * kDescriptorWords;
    fence_memory_before_device();
    registers_.write_tail(tail_);
  }

  hal::command_queue::ErrorCode error_code() const;
  std::uint64_t error_address() const { return registers_.read_error_address(); }

  void handle_interrupt() override;

 private:
  hal::command_queue::Registers registers_;
  std::uint32_t device_;
  std::uint64_t* ring_;
  std::uint32_t mask_;
  std::uint32_t tail_ = 0;  // as in the register TAIL
  std::uint32_t head_ = 0;  // as last seen in HEAD
  std::uint64_t* next_slot_;
  QueueListener& listener_;
};

// "BUS_ERROR" and so on, as in the register description.
std::string_view name_of(hal::command_queue::ErrorCode code);

}  // namespace hpimvp::firmware
