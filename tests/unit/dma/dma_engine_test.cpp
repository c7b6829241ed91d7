// Drives the engine as software does: descriptors in memory, a doorbell, an interrupt.
#include "models/dma/dma_engine.h"

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <systemc>
#include <tuple>
#include <vector>

#include "generated/models/common/command_queue_registers.h"

namespace queue = hpimvp::common::command_queue_registers;
using hpimvp::common::Initiator;
using hpimvp::common::TransactionInfo;
using hpimvp::dma::CopyDescriptor;
using hpimvp::dma::DmaEngine;
using hpimvp::dma::DmaEngineConfig;
using queue::ErrorCode;
using sc_core::SC_NS;
using sc_core::sc_time;

namespace {

constexpr std::uint64_t kMemoryBytes = 1 << 20;
constexpr std::uint64_t kRing = 0x400;
constexpr std::uint64_t kPayloadBase = 0x8'0000;  // with the predicate of timing mode

// Memory that takes 100 ns for each access, whatever its length, and records who came.
struct Memory : sc_core::sc_module {
  tlm_utils::simple_target_socket<Memory> socket{"socket"};
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(kMemoryBytes);
  struct Access {
    bool write;
    std::uint64_t address;
    unsigned length;
    std::uint32_t operation;
    bool payload_valid;
  };
  std::vector<Access> accesses;

  explicit Memory(sc_core::sc_module_name name) : sc_module(name) {
    socket.register_b_transport(this, &Memory::transport);
  }
  void transport(tlm::tlm_generic_payload& transaction, sc_time& delay) {
    const std::uint64_t address = transaction.get_address();
    const unsigned length = transaction.get_data_length();
    const TransactionInfo* info = nullptr;
    transaction.get_extension(info);
    REQUIRE(info != nullptr);
    CHECK(info->initiator == Initiator::kDma);
    accesses.push_back(
        {transaction.is_write(), address, length, info->operation, info->payload_valid});
    if (address + length > kMemoryBytes) {
      transaction.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
      return;
    }
    if (info->payload_valid) {
      if (transaction.is_write()) {
        std::memcpy(bytes.data() + address, transaction.get_data_ptr(), length);
      } else {
        std::memcpy(transaction.get_data_ptr(), bytes.data() + address, length);
      }
    }
    delay += sc_time(100, SC_NS);
    transaction.set_response_status(tlm::TLM_OK_RESPONSE);
  }
};

struct Software : sc_core::sc_module {
  tlm_utils::simple_initiator_socket<Software> socket{"socket"};
  sc_core::sc_in<bool> interrupt{"interrupt"};
  std::function<void(Software&)> body;
  Memory& memory;
  std::uint32_t tail = 0;

  SC_HAS_PROCESS(Software);
  Software(sc_core::sc_module_name name, Memory& memory_in, std::function<void(Software&)> body_in)
      : sc_module(name), body(std::move(body_in)), memory(memory_in) {
    SC_THREAD(run);
  }
  void run() { body(*this); }

  std::uint64_t access(bool write, std::uint64_t offset, unsigned length, std::uint64_t value = 0) {
    tlm::tlm_generic_payload transaction;
    transaction.set_command(write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
    transaction.set_address(offset);
    transaction.set_data_ptr(reinterpret_cast<unsigned char*>(&value));
    transaction.set_data_length(length);
    transaction.set_streaming_width(length);
    sc_time delay = sc_core::SC_ZERO_TIME;
    socket->b_transport(transaction, delay);
    REQUIRE(transaction.is_response_ok());
    return value;
  }
  std::uint64_t read32(std::uint64_t offset) { return access(false, offset, 4); }
  std::uint64_t read64(std::uint64_t offset) { return access(false, offset, 8); }
  void write32(std::uint64_t offset, std::uint64_t value) { access(true, offset, 4, value); }

  void enable() {
    access(true, queue::kBaseOffset, 8, kRing);
    write32(queue::kSizeOffset, 8);
    write32(queue::kInterruptEnableOffset, 3);
    write32(queue::kControlOffset, 1);
  }
  void submit(CopyDescriptor descriptor) {
    descriptor.header.flags |= queue::CommandHeader::kFlagInterrupt;
    std::memcpy(memory.bytes.data() + kRing + tail * 64, &descriptor, 64);
    tail = (tail + 1) % 8;
    write32(queue::kTailOffset, tail);
  }
  void await_interrupt() {
    if (!interrupt.read()) wait(interrupt.posedge_event());
  }
};

CopyDescriptor copy_of(std::uint64_t source, std::uint64_t destination, std::uint32_t row_bytes,
                       std::uint32_t rows = 1, std::uint64_t source_stride = 0,
                       std::uint64_t destination_stride = 0) {
  CopyDescriptor descriptor{};
  descriptor.header.opcode = CopyDescriptor::kOpcode;
  descriptor.header.operation = 42;
  descriptor.source_address = source;
  descriptor.destination_address = destination;
  descriptor.row_bytes = row_bytes;
  descriptor.row_count = rows;
  descriptor.source_stride = source_stride;
  descriptor.destination_stride = destination_stride;
  return descriptor;
}

struct Bench {
  sc_core::sc_signal<bool> line{"line"};
  Memory memory{"memory"};
  DmaEngine dma;
  Software software;

  explicit Bench(std::function<void(Software&)> body, DmaEngine::PayloadPredicate predicate = {})
      : dma("dma", DmaEngineConfig{}, std::move(predicate)),
        software("software", memory, std::move(body)) {
    dma.bus.bind(memory.socket);
    dma.interrupt.bind(line);
    software.interrupt.bind(line);
    software.socket.bind(dma.registers);
    for (std::size_t i = 0x1000; i < memory.bytes.size(); ++i) {
      memory.bytes[i] = static_cast<std::uint8_t>(i * 31 + i / 256);
    }
  }
};

}  // namespace

TEST_CASE("a copy moves the bytes and raises the interrupt") {
  Bench bench([](Software& software) {
    software.enable();
    const std::vector<std::uint8_t> before = software.memory.bytes;
    software.submit(copy_of(0x10'000, 0x20'003, 9001));
    software.await_interrupt();
    CHECK(std::memcmp(&software.memory.bytes[0x20'003], &before[0x10'000], 9001) == 0);
    CHECK(software.memory.bytes[0x20'002] == before[0x20'002]);
    CHECK(software.memory.bytes[0x20'003 + 9001] == before[0x20'003 + 9001]);
    CHECK(software.read64(0x100) == 9001);
    CHECK(software.read64(queue::kCompletedOffset) == 1);
    software.write32(queue::kInterruptStatusOffset, 1);
    wait(sc_core::SC_ZERO_TIME);
    wait(sc_core::SC_ZERO_TIME);
    CHECK_FALSE(software.interrupt.read());
  });
  sc_core::sc_start();
  CHECK(bench.memory.accesses.size() == 1 + 2 * 3);
  CHECK(bench.memory.accesses.back().operation == 42);
}

TEST_CASE("rows are gathered and scattered with their strides") {
  Bench bench([](Software& software) {
    software.enable();
    const std::vector<std::uint8_t> before = software.memory.bytes;
    software.submit(copy_of(0x10'000, 0x20'000, 100, 7, 256, 100));
    software.await_interrupt();
    for (int row = 0; row < 7; ++row) {
      CHECK(std::memcmp(&software.memory.bytes[0x20'000 + row * 100], &before[0x10'000 + row * 256],
                        100) == 0);
    }
    CHECK(software.memory.bytes[0x20'000 + 700] == before[0x20'000 + 700]);
  });
  sc_core::sc_start();
}

TEST_CASE("reading and writing overlap") {
  sc_time took;
  Bench bench([&](Software& software) {
    software.enable();
    software.submit(copy_of(0x10'000, 0x40'000, 10 * 4096));
    software.await_interrupt();
    took = sc_core::sc_time_stamp();
  });
  sc_core::sc_start();
  // Fetch, decode (4 cycles of 1.25 ns), 10 reads one after the other, and the last write.
  CHECK(took == sc_time(100 + 5 + 10 * 100 + 100, SC_NS));
}

TEST_CASE("bursts that touch payload memory carry no data but take the same time") {
  const auto run_one = [](Software& software) {
    software.enable();
    software.submit(copy_of(0x10'000, kPayloadBase, 4096));
    software.submit(copy_of(kPayloadBase, 0x30'000, 4096));
    software.submit(copy_of(0x10'000, 0x40'000, 4096));
    while (software.read64(queue::kCompletedOffset) != 3) wait(sc_time(10, SC_NS));
  };
  Bench bench(run_one, [](std::uint64_t address) { return address >= kPayloadBase; });
  const std::vector<std::uint8_t> before = bench.memory.bytes;
  sc_core::sc_start();
  const auto same = [&](std::uint64_t a, std::uint64_t b) {
    return std::memcmp(&bench.memory.bytes[a], &before[b], 4096) == 0;
  };
  CHECK(same(kPayloadBase, kPayloadBase));
  CHECK(same(0x30'000, 0x30'000));
  CHECK(same(0x40'000, 0x10'000));
  REQUIRE(bench.memory.accesses.size() == 9);
  CHECK_FALSE(bench.memory.accesses[1].payload_valid);
  CHECK_FALSE(bench.memory.accesses[2].payload_valid);
  CHECK(bench.memory.accesses.back().payload_valid);
}

namespace {

void check_bus_error(bool bad_read) {
  Bench bench([&](Software& software) {
    software.enable();
    const std::uint64_t edge = kMemoryBytes - 4096;
    software.submit(bad_read ? copy_of(edge, 0x20'000, 8192) : copy_of(0x20'000, edge, 8192));
    software.await_interrupt();
    CHECK(software.read32(queue::kInterruptStatusOffset) == 2);
    CHECK(software.read32(queue::kErrorCodeOffset) ==
          static_cast<std::uint32_t>(ErrorCode::kBusError));
    CHECK(software.read64(queue::kErrorAddressOffset) == kMemoryBytes);
    CHECK(software.read64(0x100) == 4096);

    // After a reset of the queue the engine works again.
    software.write32(queue::kControlOffset, 2);
    software.tail = 0;
    software.enable();
    wait(sc_time(10, SC_NS));
    software.submit(copy_of(0x10'000, 0x20'000, 16));
    software.await_interrupt();
    CHECK(software.read32(queue::kInterruptStatusOffset) == 1);
  });
  sc_core::sc_start();
}

}  // namespace

TEST_CASE("a failing read stops the queue with the burst's address") {
  check_bus_error(true);
}

TEST_CASE("a failing write stops the queue with the burst's address") {
  check_bus_error(false);
}

namespace {

void check_refusal(bool bad_opcode) {
  Bench bench([&](Software& software) {
    software.enable();
    CopyDescriptor descriptor = copy_of(0x10'000, 0x20'000, bad_opcode ? 16 : 0);
    if (bad_opcode) descriptor.header.opcode = 9;
    software.submit(descriptor);
    software.await_interrupt();
    CHECK(
        software.read32(queue::kErrorCodeOffset) ==
        static_cast<std::uint32_t>(bad_opcode ? ErrorCode::kBadOpcode : ErrorCode::kBadDescriptor));
    CHECK(software.read64(queue::kErrorAddressOffset) == kRing);
  });
  sc_core::sc_start();
}

}  // namespace

TEST_CASE("a bad opcode is refused") {
  check_refusal(true);
}

TEST_CASE("a bad descriptor is refused") {
  check_refusal(false);
}

TEST_CASE("a reset of the queue abandons a copy in the middle") {
  Bench bench([](Software& software) {
    software.enable();
    software.submit(copy_of(0x10'000, 0x40'000, 100 * 1024));
    wait(sc_time(1000, SC_NS));
    software.write32(queue::kControlOffset, 2);
    wait(sc_time(1000, SC_NS));
    const std::uint64_t copied = software.read64(0x100);
    CHECK(copied > 0);
    CHECK(copied < 100 * 1024);
    wait(sc_time(10'000, SC_NS));
    CHECK(software.read64(0x100) == copied);
    CHECK(software.read32(queue::kStatusOffset) == 0);
  });
  sc_core::sc_start();
}

TEST_CASE("the engine tells when it worked on what") {
  struct Recorder : hpimvp::common::ActivitySink {
    using Changes = std::vector<std::tuple<std::uint64_t, std::uint64_t>>;
    std::map<std::string, Changes, std::less<>> changes;
    std::vector<std::string> names;
    std::vector<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>> operations;
    hpimvp::common::SignalId declare_signal(std::string_view name, unsigned,
                                            const std::vector<std::string>&) override {
      names.emplace_back(name);
      return static_cast<hpimvp::common::SignalId>(names.size() - 1);
    }
    void change(hpimvp::common::SignalId signal, std::uint64_t time_ps,
                std::uint64_t value) override {
      changes[names.at(signal)].emplace_back(time_ps, value);
    }
    std::uint32_t declare_engine(std::string_view name) override {
      CHECK(name == "dma");
      return 5;
    }
    void operation(std::uint32_t engine, std::uint32_t operation, std::uint64_t start,
                   std::uint64_t end) override {
      CHECK(engine == 5);
      operations.emplace_back(operation, start, end);
    }
  } recorder;
  Bench bench([](Software& software) {
    software.enable();
    software.submit(copy_of(0x10'000, 0x20'000, 4096));
    software.await_interrupt();
  });
  bench.dma.set_activity(&recorder, "dma");
  sc_core::sc_start();
  REQUIRE(recorder.operations.size() == 1);
  CHECK(recorder.operations[0] ==
        std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>(42, 100'000, 305'000));
  CHECK(recorder.changes.size() == 2);
  CHECK(recorder.changes["dma.busy"] == Recorder::Changes{{100'000, 1}, {305'000, 0}});
  // One descriptor, from the doorbell until it is done.
  const Recorder::Changes& depth = recorder.changes["dma.queue_depth"];
  REQUIRE(depth.size() == 2);
  CHECK(std::get<0>(depth[0]) <= 100'000);
  CHECK(std::get<1>(depth[0]) == 1);
  CHECK(depth[1] == std::tuple<std::uint64_t, std::uint64_t>(305'000, 0));
  CHECK(bench.dma.statistics() ==
        hpimvp::common::Statistics{
            {"commands", 1}, {"bursts", 1}, {"copied_bytes", 4096}, {"busy_ps", 205'000}});
}
