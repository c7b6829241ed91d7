// Driver of the command queue that all engines share (models/common/command_queue.registers.json).
#pragma once

#include <cstdint>
#include <string_view>

#include "firmware/host/command_ring.h"
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
  // Resets the queue at `register_address` and enables it with the ring at `ring`: `slots`
  // descriptors of 64 bytes, a power of two, 64-byte aligned. `device` is the number by which
  // listeners know it.
  CommandQueueDriver(std::uint64_t register_address, std::uint32_t device, std::uint64_t* ring,
                     std::uint32_t slots, QueueListener& listener);

  std::uint32_t device() const { return device_; }
  std::uint32_t capacity() const { return ring_.capacity(); }

  // The next free slot, where the caller writes a descriptor before submit(). The caller knows that
  // fewer than capacity() descriptors are submitted and not completed.
  std::uint64_t* next_slot() { return ring_.next_slot(); }
  void submit() {
    ring_.advance_tail();
    fence_memory_before_device();
    registers_.write_tail(ring_.tail());
  }

  hal::command_queue::ErrorCode error_code() const;
  std::uint64_t error_address() const { return registers_.read_error_address(); }

  // After an error: resets the queue and submits again what is not complete.
  void restart();
  // How often that was done for the descriptor that is next to complete, and in all.
  std::uint32_t retries() const { return retries_; }
  std::uint32_t all_retries() const { return all_retries_; }

  void handle_interrupt() override;

 private:
  hal::command_queue::Registers registers_;
  std::uint32_t device_;
  CommandRing ring_;
  std::uint32_t retries_ = 0;
  std::uint32_t all_retries_ = 0;
  QueueListener& listener_;
};

// "BUS_ERROR" and so on, as in the register description.
std::string_view name_of(hal::command_queue::ErrorCode code);

}  // namespace hpimvp::firmware
