// The engines of the machine: a command queue driver for each, and the events that they raise.
#pragma once

#include <cstdint>
#include <span>

#include "firmware/host/arena.h"
#include "firmware/host/command_queue_driver.h"
#include "firmware/host/csr.h"
#include "firmware/host/engine_access.h"
#include "firmware/host/interrupt_controller.h"
#include "firmware/host/memory_errors.h"
#include "firmware/host/plan_view.h"

namespace hpimvp::firmware {

class EnginePool final : public EngineAccess, public QueueListener {
 public:
  // Starts the queue of every device of the plan that takes commands; rings come from `arena`.
  EnginePool(const PlanView& plan, InterruptController& interrupts,
             const MemoryErrors& memory_errors, Arena& arena);
  EnginePool(const EnginePool&) = delete;
  EnginePool& operator=(const EnginePool&) = delete;

  std::uint32_t ring_capacity(std::uint32_t device) const override;
  std::uint64_t* next_slot(std::uint32_t device) override { return queues_[device]->next_slot(); }
  void submit(std::uint32_t device) override { queues_[device]->submit(); }
  void begin_work() override { mask_interrupts(); }
  void end_work() override { unmask_interrupts(); }
  std::span<const DeviceEvent> wait() override;
  bool retry(std::uint32_t device) override;

  void queue_event(std::uint32_t device, std::uint32_t completed, bool failed) override;

  // Null: the device takes no commands.
  const CommandQueueDriver* queue(std::uint32_t device) const { return queues_[device]; }
  const MemoryErrors& memory_errors() const { return memory_errors_; }
  // Descriptors tried again, counted each time.
  std::uint32_t retries() const;

 private:
  static constexpr std::uint32_t kRingSlots = 64;
  static_assert(kRingSlots > plan::kMaxDeviceDescriptors);
  // Of one descriptor. An error that comes and goes is gone at the first; that others take its
  // place three times in a row is a sign of memory that had better not be used.
  static constexpr std::uint32_t kMostRetries = 3;

  bool is_worth_a_retry(std::uint32_t device) const;
  void attach(const plan::Device& device, CommandQueueDriver& queue, Arena& arena);

  PlanView plan_;
  InterruptController& interrupts_;
  const MemoryErrors& memory_errors_;
  std::span<CommandQueueDriver*> queues_;  // by device
  std::span<DeviceEvent> events_;          // since the last wait(), then what it returned
  std::uint32_t event_count_ = 0;
};

}  // namespace hpimvp::firmware
