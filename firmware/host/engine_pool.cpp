#include "firmware/host/engine_pool.h"

namespace hpimvp::firmware {
namespace {

std::uint64_t queue_count(const PlanView& plan) {
  std::uint64_t count = 0;
  for (const plan::Device& device : plan.devices()) count += takes_commands(device.kind) ? 1 : 0;
  return count;
}

}  // namespace

EnginePool::EnginePool(const PlanView& plan, InterruptController& interrupts,
                       const MemoryErrors& memory_errors, Arena& arena)
    : plan_(plan),
      interrupts_(interrupts),
      memory_errors_(memory_errors),
      queues_(arena.allocate<CommandQueueDriver*>(plan.devices().size())),
      // An event for every descriptor in flight, and an error of every queue.
      events_(arena.allocate<DeviceEvent>(queue_count(plan) * (kRingSlots + 1))) {
  constexpr std::uint64_t kRingAlignment = 64;
  for (std::uint32_t i = 0; i < plan.devices().size(); ++i) {
    const plan::Device& device = plan.devices()[i];
    if (!takes_commands(device.kind)) continue;
    const auto ring =
        arena.allocate<std::uint64_t>(kRingSlots * CommandRing::kDescriptorWords, kRingAlignment);
    queues_[i] = &arena.create<CommandQueueDriver>(device.register_address, i, ring.data(),
                                                   kRingSlots, *this);
    attach(device, *queues_[i], arena);
  }
}

void EnginePool::attach(const plan::Device& device, CommandQueueDriver& queue, Arena& arena) {
  const bool is_stack = device.kind == plan::DeviceKind::kHbmPimStack;
  if (is_stack && interrupts_for_corrected_errors(device)) {
    interrupts_.attach(device.interrupt,
                       arena.create<StackInterrupts>(device, memory_errors_, queue));
  } else {
    interrupts_.attach(device.interrupt, queue);
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

bool EnginePool::retry(std::uint32_t device) {
  CommandQueueDriver& queue = *queues_[device];
  if (queue.retries() >= kMostRetries || !is_worth_a_retry(device)) return false;
  queue.restart();
  return true;
}

// What failed to read memory may find it right the next time. Copies and GEMVs may be done over;
// tile programs are not, as they also change memory that they read.
bool EnginePool::is_worth_a_retry(std::uint32_t device) const {
  using hal::command_queue::ErrorCode;
  const plan::Device& failed = plan_.devices()[device];
  if (failed.kind == plan::DeviceKind::kSramPimDispatcher) return false;
  const CommandQueueDriver& queue = *queues_[device];
  switch (queue.error_code()) {
    case ErrorCode::kUncorrectableError:
      memory_errors_.take_uncorrected(failed);
      return true;
    case ErrorCode::kBusError:
      return memory_errors_.take_uncorrected_at(queue.error_address());
    default:
      return false;
  }
}

std::uint32_t EnginePool::retries() const {
  std::uint32_t sum = 0;
  for (const CommandQueueDriver* const queue : queues_) {
    if (queue != nullptr) sum += queue->all_retries();
  }
  return sum;
}

void EnginePool::queue_event(std::uint32_t device, std::uint32_t completed, bool failed) {
  events_[event_count_++] = {device, completed, failed};
}

}  // namespace hpimvp::firmware
