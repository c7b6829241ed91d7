// Copies a buffer with the DMA engine, more descriptors than the ring has slots, and checks the
// copy; then makes it fail and checks the error.

#include "firmware/host/command_queue_driver.h"
#include "firmware/host/csr.h"
#include "firmware/tests/test_program.h"
#include "hal/dma_engine.h"

namespace hpimvp::firmware {
namespace {

using hal::dma_engine::CopyDescriptor;

constexpr std::uint32_t kSlots = 4;
constexpr std::uint32_t kCopies = 11;
constexpr std::uint32_t kBytes = 1000;

alignas(64) std::uint64_t ring[kSlots * CommandRing::kDescriptorWords];
std::uint8_t source[kCopies * kBytes];
std::uint8_t destination[kCopies * kBytes];

class News final : public QueueListener {
 public:
  void queue_event(std::uint32_t /*device*/, std::uint32_t completed, bool failed) override {
    has_news = true;
    has_failed = failed;
    total_completed = total_completed + completed;
  }

  volatile bool has_news = false;
  volatile bool has_failed = false;
  volatile std::uint32_t total_completed = 0;
};

void push_copy(CommandQueueDriver& queue, const void* from, std::uint32_t row_bytes, void* to) {
  auto& descriptor = *reinterpret_cast<CopyDescriptor*>(queue.next_slot());
  descriptor = {};
  descriptor.header.opcode = CopyDescriptor::kOpcode;
  descriptor.header.flags = hal::command_queue::CommandHeader::kFlagInterrupt;
  descriptor.header.operation = hal::command_queue::CommandHeader::kNoOperation;
  descriptor.source_address = reinterpret_cast<std::uint64_t>(from);
  descriptor.destination_address = reinterpret_cast<std::uint64_t>(to);
  descriptor.row_bytes = row_bytes;
  descriptor.row_count = 1;
  queue.submit();
}

void wait(News& news, InterruptController& interrupts) {
  const InterruptsMasked masked;
  while (!news.has_news) interrupts.sleep_and_service();
  news.has_news = false;
  fence_device_before_memory();
}

void copy_all(CommandQueueDriver& queue, News& news, InterruptController& interrupts,
              TestMachine& machine) {
  std::uint32_t pushed = 0;
  while (news.total_completed < kCopies) {
    while (pushed < kCopies && pushed - news.total_completed < queue.capacity()) {
      const std::uint32_t offset = pushed++ * kBytes;
      push_copy(queue, source + offset, kBytes, destination + offset);
    }
    wait(news, interrupts);
    if (news.has_failed) machine.fail(name_of(queue.error_code()));
  }
}

}  // namespace

extern "C" std::uint32_t firmware_main(std::uint64_t /*hart*/, std::uint64_t plan_address) {
  TestMachine machine(plan_address);
  InterruptController interrupts(machine.devices.plic);
  interrupts.install();
  News news;
  CommandQueueDriver queue(machine.devices.dma, 0, ring, kSlots, news);
  interrupts.attach(machine.devices.dma_interrupt, queue);

  for (std::uint32_t i = 0; i < sizeof source; ++i)
    source[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
  copy_all(queue, news, interrupts, machine);
  for (std::uint32_t i = 0; i < sizeof source; ++i) {
    if (destination[i] != source[i]) machine.fail("the copy differs");
  }

  push_copy(queue, source, 0, destination);  // no bytes: not a valid descriptor
  wait(news, interrupts);
  if (!news.has_failed) machine.fail("a bad descriptor was accepted");
  if (queue.error_code() != hal::command_queue::ErrorCode::kBadDescriptor) {
    machine.fail("the error has another code");
  }
  machine.uart << std::uint64_t{kCopies} << " copies, then " << name_of(queue.error_code()) << "\n";
  exit_machine(0);
}

}  // namespace hpimvp::firmware
