#include "firmware/host/engine_pool.h"

#include <bit>

#include "firmware/host/csr.h"

namespace hpimvp::firmware {

EnginePool::EnginePool(const PlanView& plan, InterruptController& interrupts, Arena& arena)
    : interrupts_(interrupts),
      queues_(arena.allocate<CommandQueueDriver*>(plan.devices().size())),
      has_news_(arena.allocate<bool>(plan.devices().size())),
      news_(arena.allocate<std::uint32_t>(std::bit_ceil(plan.devices().size()))) {
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

DeviceEvent EnginePool::wait() {
  const InterruptsMasked masked;
  while (news_begin_ == news_end_) interrupts_.sleep_and_service();

  const std::uint32_t device = news_[news_begin_++ & (news_.size() - 1)];
  has_news_[device] = false;
  fence_device_before_memory();
  return {device, queues_[device]->take_completed(), queues_[device]->has_failed()};
}

void EnginePool::queue_has_news(CommandQueueDriver& queue) {
  const std::uint32_t device = queue.device();
  if (has_news_[device]) return;
  has_news_[device] = true;
  news_[news_end_++ & (news_.size() - 1)] = device;
}

}  // namespace hpimvp::firmware
