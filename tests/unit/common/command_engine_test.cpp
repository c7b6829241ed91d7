// A command engine on a small bus: software's view through the register socket, memory behind the
// bus socket. Each test case is one simulation.
#include "models/common/command_engine.h"

#include <catch2/catch.hpp>
#include <functional>
#include <vector>

#include "models/common/memory_target.h"

namespace hpimvp::common {
namespace {

namespace regs = command_queue_registers;
using sc_core::SC_NS;
using sc_core::sc_time;
using sc_core::sc_time_stamp;

constexpr std::uint64_t kRing = 0x1000;
constexpr std::uint16_t kWork = 1;        // takes bytes 8..11 of the descriptor in ns
constexpr std::uint16_t kBackground = 2;  // the same, while the next descriptor starts

class ExampleEngine : public CommandEngine {
 public:
  explicit ExampleEngine(sc_core::sc_module_name name)
      : CommandEngine(name, regs::kBlock, 0, Initiator::kDma, 3) {}

  std::vector<std::pair<std::uint32_t, sc_time>> started;  // operation, when
  unsigned resets = 0;

 protected:
  std::optional<CommandResult> execute(const Command& command) override {
    started.emplace_back(command.header.operation, sc_time_stamp());
    std::uint32_t nanoseconds = 0;
    std::memcpy(&nanoseconds, command.bytes.data() + 8, sizeof(nanoseconds));
    const sc_time duration(nanoseconds, SC_NS);
    if (command.header.opcode == kBackground) {
      sc_core::sc_spawn([this, command, duration] {
        wait(duration);
        finish(command, {});
      });
      return std::nullopt;
    }
    if (command.header.opcode != kWork) return CommandResult{CommandError::kBadOpcode};
    wait(duration);
    return CommandResult{};
  }
  void queue_reset() override { ++resets; }
};

class Bench : public sc_core::sc_module {
 public:
  explicit Bench(sc_core::sc_module_name name = "bench") : sc_module(name) {
    cpu.bind(engine.registers);
    engine.bus.bind(memory.memory);
    engine.interrupt.bind(interrupt);
    SC_HAS_PROCESS(Bench);
    SC_THREAD(run);
  }

  // Runs `body` in a thread, as a CPU would.
  void simulate(std::function<void()> body) {
    body_ = std::move(body);
    sc_core::sc_start();
    REQUIRE(finished_);
  }

  tlm::tlm_response_status access(tlm::tlm_command command, std::uint32_t offset, void* data,
                                  unsigned length) {
    tlm::tlm_generic_payload payload;
    payload.set_command(command);
    payload.set_address(offset);
    payload.set_data_ptr(static_cast<std::uint8_t*>(data));
    payload.set_data_length(length);
    payload.set_streaming_width(length);
    sc_time delay;
    cpu->b_transport(payload, delay);
    return payload.get_response_status();
  }
  void write(std::uint32_t offset, std::uint64_t value) {
    const unsigned length = offset == regs::kBaseOffset ? 8 : 4;
    REQUIRE(access(tlm::TLM_WRITE_COMMAND, offset, &value, length) == tlm::TLM_OK_RESPONSE);
  }
  std::uint64_t read(std::uint32_t offset) {
    const bool wide = offset == regs::kErrorAddressOffset || offset == regs::kCompletedOffset;
    std::uint64_t value = 0;
    REQUIRE(access(tlm::TLM_READ_COMMAND, offset, &value, wide ? 8 : 4) == tlm::TLM_OK_RESPONSE);
    return value;
  }
  void enable(std::uint64_t ring = kRing) {
    write(regs::kBaseOffset, ring);
    write(regs::kSizeOffset, 8);
    write(regs::kInterruptEnableOffset, 3);
    write(regs::kControlOffset, regs::kControlEnableMask);
  }
  void put(unsigned slot, std::uint16_t opcode, std::uint32_t nanoseconds, bool with_interrupt) {
    const regs::CommandHeader header{
        opcode,
        static_cast<std::uint16_t>(with_interrupt ? regs::CommandHeader::kFlagInterrupt : 0), slot};
    std::uint8_t* place = memory.data() + kRing + 64 * slot;
    std::memcpy(place, &header, sizeof(header));
    std::memcpy(place + sizeof(header), &nanoseconds, sizeof(nanoseconds));
  }

  tlm_utils::simple_initiator_socket<Bench> cpu{"cpu"};
  MemoryTarget memory{"memory", {.size_bytes = 1 << 16, .latency_ps = 10'000}};
  ExampleEngine engine{"engine"};
  sc_core::sc_signal<bool> interrupt{"interrupt"};

 private:
  void run() {
    body_();
    finished_ = true;
  }
  std::function<void()> body_;
  bool finished_ = false;
};

TEST_CASE("descriptors are fetched over the bus, executed in order, and raise the interrupt") {
  Bench bench;
  bench.put(0, kWork, 100, false);
  bench.put(1, kWork, 50, true);
  bench.simulate([&] {
    bench.enable();
    bench.write(regs::kTailOffset, 2);
    wait(bench.interrupt.posedge_event());
    // Two fetches of 10 ns and the two durations.
    CHECK(sc_time_stamp() == sc_time(170, SC_NS));
    CHECK(bench.read(regs::kHeadOffset) == 2);
    CHECK(bench.read(regs::kCompletedOffset) == 2);
    bench.write(regs::kInterruptStatusOffset, regs::kInterruptStatusCompletionMask);
    wait(bench.interrupt.negedge_event());
    CHECK(sc_time_stamp() == sc_time(170, SC_NS));
  });
  REQUIRE(bench.engine.started.size() == 2);
  CHECK(bench.engine.started[0] == std::make_pair(0U, sc_time(10, SC_NS)));
  CHECK(bench.engine.started[1] == std::make_pair(1U, sc_time(120, SC_NS)));
}

TEST_CASE("commands that go on in the background overlap and complete in order") {
  Bench bench;
  bench.put(0, kBackground, 500, false);
  bench.put(1, kBackground, 100, false);
  bench.put(2, kWork, 20, true);
  bench.simulate([&] {
    bench.enable();
    bench.write(regs::kTailOffset, 3);
    wait(400, SC_NS);
    CHECK(bench.read(regs::kHeadOffset) == 0);
    CHECK(bench.read(regs::kStatusOffset) == regs::kStatusBusyMask);
    CHECK_FALSE(bench.interrupt.read());
    wait(bench.interrupt.posedge_event());
    CHECK(sc_time_stamp() == sc_time(510, SC_NS));
    CHECK(bench.read(regs::kHeadOffset) == 3);
  });
  CHECK(bench.engine.started[2].second == sc_time(30, SC_NS));
}

TEST_CASE("a ring outside memory is a fetch error with its address") {
  Bench bench;
  bench.simulate([&] {
    bench.enable(0x20'0000);
    bench.write(regs::kTailOffset, 1);
    wait(bench.interrupt.posedge_event());
    CHECK(bench.read(regs::kStatusOffset) == regs::kStatusErrorMask);
    CHECK(bench.read(regs::kErrorCodeOffset) ==
          static_cast<std::uint64_t>(CommandError::kDescriptorFetch));
    CHECK(bench.read(regs::kErrorAddressOffset) == 0x20'0000);
  });
  CHECK(bench.engine.started.empty());
}

TEST_CASE("an unknown opcode stops the queue until it is reset") {
  Bench bench;
  bench.put(0, 77, 0, false);
  bench.put(1, kWork, 10, true);
  bench.simulate([&] {
    bench.enable();
    bench.write(regs::kTailOffset, 2);
    wait(bench.interrupt.posedge_event());
    CHECK(bench.read(regs::kErrorCodeOffset) ==
          static_cast<std::uint64_t>(CommandError::kBadOpcode));
    CHECK(bench.read(regs::kErrorAddressOffset) == kRing);
    wait(1000, SC_NS);
    CHECK(bench.read(regs::kHeadOffset) == 0);
    bench.write(regs::kControlOffset, regs::kControlResetMask);
    CHECK(bench.engine.resets == 1);
    wait(sc_core::SC_ZERO_TIME);
    wait(sc_core::SC_ZERO_TIME);
    CHECK_FALSE(bench.interrupt.read());
    bench.put(0, kWork, 10, true);
    bench.enable();
    bench.write(regs::kTailOffset, 1);
    wait(bench.interrupt.posedge_event());
    CHECK(bench.read(regs::kHeadOffset) == 1);
  });
}

TEST_CASE("a reset during execution discards the command's completion") {
  Bench bench;
  bench.put(0, kWork, 1000, true);
  bench.simulate([&] {
    bench.enable();
    bench.write(regs::kTailOffset, 1);
    wait(500, SC_NS);
    bench.write(regs::kControlOffset, regs::kControlResetMask);
    CHECK(bench.read(regs::kStatusOffset) == 0);
    wait(1000, SC_NS);
    CHECK(bench.read(regs::kCompletedOffset) == 0);
    CHECK_FALSE(bench.interrupt.read());
  });
}

TEST_CASE("the register socket answers each access that it does not take with the right error") {
  Bench bench;
  bench.simulate([] {});
  std::uint64_t data = 0;
  CHECK(bench.access(tlm::TLM_READ_COMMAND, 0x40, &data, 4) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(bench.access(tlm::TLM_WRITE_COMMAND, regs::kHeadOffset, &data, 4) ==
        tlm::TLM_COMMAND_ERROR_RESPONSE);
  CHECK(bench.access(tlm::TLM_READ_COMMAND, regs::kHeadOffset, &data, 8) ==
        tlm::TLM_BURST_ERROR_RESPONSE);
  CHECK(bench.access(tlm::TLM_READ_COMMAND, regs::kHeadOffset, &data, 3) ==
        tlm::TLM_BURST_ERROR_RESPONSE);
  CHECK(bench.access(tlm::TLM_READ_COMMAND, regs::kHeadOffset + 2, &data, 4) ==
        tlm::TLM_BURST_ERROR_RESPONSE);

  tlm::tlm_generic_payload payload;
  std::uint8_t enable = TLM_BYTE_ENABLED;
  payload.set_command(tlm::TLM_READ_COMMAND);
  payload.set_address(regs::kHeadOffset);
  payload.set_data_ptr(reinterpret_cast<std::uint8_t*>(&data));
  payload.set_data_length(4);
  payload.set_streaming_width(2);
  sc_time delay;
  bench.cpu->b_transport(payload, delay);
  CHECK(payload.get_response_status() == tlm::TLM_BURST_ERROR_RESPONSE);
  payload.set_streaming_width(4);
  payload.set_byte_enable_ptr(&enable);
  payload.set_byte_enable_length(1);
  bench.cpu->b_transport(payload, delay);
  CHECK(payload.get_response_status() == tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
}

TEST_CASE("a debugger reads registers and cannot write them") {
  Bench bench;
  bench.simulate([] {});
  std::uint32_t value = 5;
  tlm::tlm_generic_payload payload;
  payload.set_command(tlm::TLM_WRITE_COMMAND);
  payload.set_address(regs::kSizeOffset);
  payload.set_data_ptr(reinterpret_cast<std::uint8_t*>(&value));
  payload.set_data_length(4);
  CHECK(bench.cpu->transport_dbg(payload) == 0);
  bench.write(regs::kSizeOffset, 16);
  payload.set_command(tlm::TLM_READ_COMMAND);
  CHECK(bench.cpu->transport_dbg(payload) == 4);
  CHECK(value == 16);
}

}  // namespace
}  // namespace hpimvp::common
