// The command queue as software and as an engine see it.
#include "models/common/command_queue.h"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "tests/unit/common/random_seed.h"

namespace hpimvp::common {
namespace {

namespace regs = command_queue_registers;
constexpr std::uint64_t kBase = 0x8000'1000;

class Bench {
 public:
  explicit Bench(std::uint64_t size = 8) {
    write(regs::kBaseOffset, kBase);
    write(regs::kSizeOffset, size);
    write(regs::kInterruptEnableOffset, 3);
    write(regs::kControlOffset, regs::kControlEnableMask);
  }

  AccessResult try_write(std::uint32_t offset, std::uint64_t value) {
    const unsigned width = offset == regs::kBaseOffset ? 8 : 4;
    return block.write(offset, width, value);
  }
  void write(std::uint32_t offset, std::uint64_t value) {
    REQUIRE(try_write(offset, value) == AccessResult::kOk);
  }
  std::uint64_t read(std::uint32_t offset) const {
    const bool wide = offset == regs::kErrorAddressOffset || offset == regs::kCompletedOffset ||
                      offset == regs::kBaseOffset;
    std::uint64_t value = 0;
    REQUIRE(block.read(offset, wide ? 8 : 4, value) == AccessResult::kOk);
    return value;
  }

  unsigned announcements = 0;
  unsigned interrupt_edges = 0;
  unsigned resets = 0;
  RegisterBlock block{regs::kBlock};
  CommandQueue queue{block,
                     0,
                     {.work_available = [this] { ++announcements; },
                      .interrupt = [this](bool) { ++interrupt_edges; },
                      .reset = [this] { ++resets; }}};
};

TEST_CASE("a doorbell announces work, and descriptors come in ring order and wrap") {
  Bench bench(4);
  CHECK_FALSE(bench.queue.has_work());
  bench.write(regs::kTailOffset, 3);
  CHECK(bench.announcements == 1);
  for (const std::uint64_t slot : {0, 1, 2}) {
    REQUIRE(bench.queue.has_work());
    CHECK(bench.queue.next_descriptor_address() == kBase + 64 * slot);
    const auto ticket = bench.queue.start();
    CHECK(ticket.address == kBase + 64 * slot);
    CHECK(bench.read(regs::kStatusOffset) == regs::kStatusBusyMask);
    bench.queue.complete(ticket, false);
    CHECK(bench.read(regs::kHeadOffset) == slot + 1);
  }
  CHECK_FALSE(bench.queue.has_work());
  CHECK(bench.read(regs::kStatusOffset) == 0);
  bench.write(regs::kTailOffset, 1);
  CHECK(bench.queue.start().address == kBase + 64 * 3);
  CHECK(bench.queue.start().address == kBase);
  CHECK_FALSE(bench.queue.has_work());
  CHECK(bench.read(regs::kCompletedOffset) == 3);
}

TEST_CASE("nothing starts while the queue is disabled") {
  Bench bench;
  bench.write(regs::kControlOffset, 0);
  bench.write(regs::kTailOffset, 2);
  CHECK_FALSE(bench.queue.has_work());
  CHECK(bench.announcements == 0);
  bench.write(regs::kControlOffset, regs::kControlEnableMask);
  CHECK(bench.queue.has_work());
  CHECK(bench.announcements == 1);
}

TEST_CASE("the completion interrupt follows the flag, the enable bit and write-1-to-clear") {
  Bench bench;
  bench.write(regs::kTailOffset, 2);
  bench.queue.complete(bench.queue.start(), false);
  CHECK_FALSE(bench.queue.interrupt_level());
  bench.queue.complete(bench.queue.start(), true);
  CHECK(bench.queue.interrupt_level());
  CHECK(bench.read(regs::kInterruptStatusOffset) == regs::kInterruptStatusCompletionMask);
  bench.write(regs::kInterruptEnableOffset, regs::kInterruptEnableErrorMask);
  CHECK_FALSE(bench.queue.interrupt_level());
  bench.write(regs::kInterruptEnableOffset, regs::kInterruptEnableCompletionMask);
  CHECK(bench.queue.interrupt_level());
  bench.write(regs::kInterruptStatusOffset, regs::kInterruptStatusErrorMask);
  CHECK(bench.queue.interrupt_level());
  bench.write(regs::kInterruptStatusOffset, regs::kInterruptStatusCompletionMask);
  CHECK_FALSE(bench.queue.interrupt_level());
  CHECK(bench.interrupt_edges == 4);
}

TEST_CASE("commands that finish out of order are reported in order") {
  Bench bench;
  bench.write(regs::kTailOffset, 3);
  const auto first = bench.queue.start();
  const auto second = bench.queue.start();
  const auto third = bench.queue.start();
  bench.queue.complete(third, true);
  bench.queue.complete(second, false);
  CHECK(bench.read(regs::kHeadOffset) == 0);
  CHECK_FALSE(bench.queue.interrupt_level());
  CHECK(bench.queue.running() == 1);
  bench.queue.complete(first, false);
  CHECK(bench.read(regs::kHeadOffset) == 3);
  CHECK(bench.read(regs::kCompletedOffset) == 3);
  CHECK(bench.queue.interrupt_level());
}

TEST_CASE("an error stops the queue at the failing descriptor once those before have completed") {
  Bench bench;
  bench.write(regs::kTailOffset, 4);
  const auto first = bench.queue.start();
  const auto second = bench.queue.start();
  bench.queue.fail(second, CommandError::kBadOpcode, 0x1234);
  CHECK(bench.read(regs::kStatusOffset) == regs::kStatusBusyMask);
  CHECK_FALSE(bench.queue.has_work());
  bench.queue.complete(first, false);
  CHECK(bench.read(regs::kStatusOffset) == regs::kStatusErrorMask);
  CHECK(bench.read(regs::kHeadOffset) == 1);
  CHECK(bench.read(regs::kErrorCodeOffset) == 1);
  CHECK(bench.read(regs::kErrorAddressOffset) == second.address);
  CHECK(bench.queue.interrupt_level());
  bench.write(regs::kTailOffset, 5);
  CHECK_FALSE(bench.queue.has_work());
}

TEST_CASE("bus, fetch and memory errors report the address that failed") {
  for (const auto code : {CommandError::kBusError, CommandError::kDescriptorFetch,
                          CommandError::kUncorrectableError}) {
    Bench bench;
    bench.write(regs::kTailOffset, 1);
    bench.queue.fail(bench.queue.start(), code, 0xABCD'0000'1234);
    CHECK(bench.read(regs::kErrorCodeOffset) == static_cast<std::uint64_t>(code));
    CHECK(bench.read(regs::kErrorAddressOffset) == 0xABCD'0000'1234);
  }
}

TEST_CASE("reset abandons what runs, clears progress and disables") {
  Bench bench;
  bench.write(regs::kTailOffset, 3);
  const auto first = bench.queue.start();
  const auto second = bench.queue.start();
  bench.queue.fail(first, CommandError::kBadDescriptor);
  CHECK(bench.queue.is_current(second));
  bench.write(regs::kControlOffset, regs::kControlResetMask | regs::kControlEnableMask);
  CHECK(bench.resets == 1);
  CHECK_FALSE(bench.queue.is_current(second));
  CHECK_FALSE(bench.queue.interrupt_level());
  for (const std::uint32_t offset :
       {regs::kTailOffset, regs::kHeadOffset, regs::kCompletedOffset, regs::kStatusOffset,
        regs::kInterruptStatusOffset, regs::kErrorCodeOffset, regs::kErrorAddressOffset,
        regs::kControlOffset}) {
    CHECK(bench.read(offset) == 0);
  }
  CHECK(bench.read(regs::kSizeOffset) == 8);
  CHECK(bench.read(regs::kBaseOffset) == kBase);

  bench.write(regs::kTailOffset, 1);
  bench.write(regs::kControlOffset, regs::kControlEnableMask);
  const auto fresh = bench.queue.start();
  bench.queue.complete(second, true);  // late news of an abandoned command
  CHECK(bench.read(regs::kHeadOffset) == 0);
  bench.queue.complete(fresh, false);
  CHECK(bench.read(regs::kHeadOffset) == 1);
}

TEST_CASE("ring address and size take no write while the queue is enabled or busy") {
  Bench bench;
  CHECK(bench.try_write(regs::kBaseOffset, 0) == AccessResult::kCommandError);
  CHECK(bench.try_write(regs::kSizeOffset, 4) == AccessResult::kCommandError);
  bench.write(regs::kTailOffset, 1);
  const auto ticket = bench.queue.start();
  bench.write(regs::kControlOffset, 0);
  CHECK(bench.try_write(regs::kSizeOffset, 4) == AccessResult::kCommandError);
  bench.queue.complete(ticket, false);
  CHECK(bench.try_write(regs::kSizeOffset, 4) == AccessResult::kOk);
}

TEST_CASE("a bad configuration stops the queue when it is enabled or rung") {
  const auto error_after = [](std::uint64_t base, std::uint64_t size, std::uint64_t tail) {
    Bench bench;
    bench.write(regs::kControlOffset, 0);
    bench.write(regs::kBaseOffset, base);
    bench.write(regs::kSizeOffset, size);
    bench.write(regs::kControlOffset, regs::kControlEnableMask);
    bench.write(regs::kTailOffset, tail);
    CHECK(bench.queue.interrupt_level() == (bench.read(regs::kErrorCodeOffset) != 0));
    CHECK((bench.announcements > 0) == (bench.read(regs::kErrorCodeOffset) == 0));
    return bench.read(regs::kErrorCodeOffset);
  };
  const auto bad = static_cast<std::uint64_t>(CommandError::kBadConfiguration);
  CHECK(error_after(kBase, 8, 1) == 0);
  CHECK(error_after(kBase, 2, 1) == 0);
  CHECK(error_after(kBase, 4096, 4095) == 0);
  CHECK(error_after(kBase + 32, 8, 1) == bad);
  CHECK(error_after(kBase, 0, 0) == bad);
  CHECK(error_after(kBase, 1, 0) == bad);
  CHECK(error_after(kBase, 12, 1) == bad);
  CHECK(error_after(kBase, 8192, 1) == bad);
  CHECK(error_after(kBase, 8, 8) == bad);
}

TEST_CASE("random traffic keeps head, completions and order as a simple model has them") {
  const std::uint64_t seed = random_seed(99);
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  Bench bench(16);
  std::vector<std::pair<CommandQueue::Ticket, bool>> in_flight;  // bool: finished
  std::uint64_t rung = 0;
  std::uint64_t started = 0;
  for (int step = 0; step < 20000; ++step) {
    const std::uint64_t reported = started - in_flight.size();
    switch (random() % 3) {
      case 0:
        rung += random() % (15 - (rung - reported) + 1);
        bench.write(regs::kTailOffset, rung % 16);
        break;
      case 1:
        REQUIRE(bench.queue.has_work() == (rung > started));
        if (rung > started) {
          in_flight.emplace_back(bench.queue.start(), false);
          REQUIRE(in_flight.back().first.address == kBase + 64 * (started % 16));
          ++started;
        }
        break;
      case 2:
        if (!in_flight.empty()) {
          auto& [ticket, finished] = in_flight[random() % in_flight.size()];
          if (!finished) bench.queue.complete(ticket, false);
          finished = true;
        }
        break;
    }
    while (!in_flight.empty() && in_flight.front().second) in_flight.erase(in_flight.begin());
    REQUIRE(bench.read(regs::kHeadOffset) == (started - in_flight.size()) % 16);
    REQUIRE(bench.read(regs::kCompletedOffset) == started - in_flight.size());
  }
  CHECK(started > 1000);
}

}  // namespace
}  // namespace hpimvp::common
