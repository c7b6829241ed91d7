#include "firmware/host/engine_pool.h"

namespace hpimvp::firmware {
namespace {

std::uint64_t queue_count(const PlanView& plan) {
  std::uint64_t count = 0;
  for (const plan::Device& device : plan.devices()) count += takes_commands(device.kind) ? 1 : 0;
  return count;
}

}  // namespace

EnginePool::EnginePool(const PlanView& plan, InterruptController& interrupts, Arena& arena)
    : interrupts_(interrupts),
      queues_(arena.allocate<CommandQueueDriver*>(plan.devices().size())),
      // An event for every descriptor in flight, and an error of every queue.
      events_(arena.allocate<DeviceEvent>(queue_count(plan) * (kRingSlots + 1))) {
  constexpr std::uint64_t kRingAlignment = 64;
  for (std::uint32_t i = 0; i < plan.devices().size(); ++i) {
    const plan::Device& device = plan.devices()[i];
    if (!takes_commands(device.kind)) continue;
    const auto ring = arena.allocate<std::uint64_t>(
        kRingSlots * CommandQueueDriver::kDescriptorWords, kRingAlignment);
    queues_[i] = &arena.create<CommandQueueDriver>(device.register_address, i, ring.data(),
                                                   kRingSlots, *this);
    interrupts.attach(device.interrupt, *queues_[i]);
  }
}

std::uint32_t EnginePool::ring_capacity(std::uint32_t device) const {
  return queues_[device] == nullptr ? 0 : queues_[device]->capacity();
}

std::span<const DeviceEvent> EnginePool::wait() {
  while (event_count_ == 0) interrupts_.sleep_and_service();
  fence_device_before_memory();
  const std::uint32_t count = event_count_;
  event_count_ = 0;
  return events_.first(count);
}

void EnginePool::queue_event(std::uint32_t device, std::uint32_t completed, bool failed) {
  events_[event_count_++] = {device, completed, failed};
}

}  // namespace hpimvp::firmware
