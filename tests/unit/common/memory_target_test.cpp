#include "models/common/memory_target.h"

#include <tlm_utils/simple_initiator_socket.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <stdexcept>

#include "models/common/transaction_extension.h"

namespace hpimvp::common {
namespace {

struct Driver : sc_core::sc_module {
  tlm_utils::simple_initiator_socket<Driver> socket{"socket"};
  explicit Driver(sc_core::sc_module_name name) : sc_module(name) {}
};

class Bench {
 public:
  explicit Bench(const MemoryTargetConfig& config) : memory("memory", config) {
    driver.socket.bind(memory.memory);
    sc_core::sc_start(sc_core::SC_ZERO_TIME);
  }

  tlm::tlm_response_status send(tlm::tlm_command command, std::uint64_t address, void* data,
                                unsigned length) {
    payload.set_command(command);
    payload.set_address(address);
    payload.set_data_ptr(static_cast<std::uint8_t*>(data));
    payload.set_data_length(length);
    if (streaming_width == 0) payload.set_streaming_width(length);
    if (streaming_width != 0) payload.set_streaming_width(streaming_width);
    payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    delay = sc_core::SC_ZERO_TIME;
    driver.socket->b_transport(payload, delay);
    return payload.get_response_status();
  }

  MemoryTarget memory;
  Driver driver{"driver"};
  tlm::tlm_generic_payload payload;
  unsigned streaming_width = 0;  // 0: the length
  sc_core::sc_time delay;
};

TEST_CASE("memory keeps what is written, and an access takes latency and transfer time") {
  Bench bench({.size_bytes = 1 << 20, .latency_ps = 30000, .ps_per_64_bytes = 1500});
  std::uint64_t value = 0x1122334455667788;
  CHECK(bench.send(tlm::TLM_WRITE_COMMAND, 0xFFFF8, &value, 8) == tlm::TLM_OK_RESPONSE);
  CHECK(bench.delay == sc_core::sc_time(30, sc_core::SC_NS));
  value = 0;
  CHECK(bench.send(tlm::TLM_READ_COMMAND, 0xFFFF8, &value, 8) == tlm::TLM_OK_RESPONSE);
  CHECK(value == 0x1122334455667788);
  CHECK(bench.payload.is_dmi_allowed());
  std::uint8_t block[65] = {};
  bench.send(tlm::TLM_READ_COMMAND, 0, block, 64);
  CHECK(bench.delay == sc_core::sc_time(30000, sc_core::SC_PS));
  bench.send(tlm::TLM_READ_COMMAND, 0, block, 65);
  CHECK(bench.delay == sc_core::sc_time(31500, sc_core::SC_PS));
  const Statistics expected = {
      {"reads", 3}, {"writes", 1}, {"read_bytes", 137}, {"write_bytes", 8}};
  CHECK(bench.memory.statistics() == expected);
}

TEST_CASE("accesses outside the memory get an address error and change nothing") {
  Bench bench({.size_bytes = 100});
  std::uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  CHECK(bench.send(tlm::TLM_WRITE_COMMAND, 93, data, 8) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(bench.send(tlm::TLM_WRITE_COMMAND, 100, data, 1) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(bench.send(tlm::TLM_READ_COMMAND, ~0ULL, data, 8) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(bench.memory.data()[99] == 0);
  CHECK(bench.send(tlm::TLM_WRITE_COMMAND, 92, data, 8) == tlm::TLM_OK_RESPONSE);
  CHECK(bench.memory.data()[99] == 8);
}

TEST_CASE("byte enables select bytes and repeat") {
  Bench bench({.size_bytes = 64});
  std::uint8_t enables[2] = {TLM_BYTE_ENABLED, TLM_BYTE_DISABLED};
  bench.payload.set_byte_enable_ptr(enables);
  bench.payload.set_byte_enable_length(2);
  std::uint8_t data[4] = {1, 2, 3, 4};
  CHECK(bench.send(tlm::TLM_WRITE_COMMAND, 8, data, 4) == tlm::TLM_OK_RESPONSE);
  const std::uint8_t expected[4] = {1, 0, 3, 0};
  CHECK(std::memcmp(bench.memory.data() + 8, expected, 4) == 0);
  std::uint8_t back[4] = {9, 9, 9, 9};
  CHECK(bench.send(tlm::TLM_READ_COMMAND, 8, back, 4) == tlm::TLM_OK_RESPONSE);
  const std::uint8_t seen[4] = {1, 9, 3, 9};
  CHECK(std::memcmp(back, seen, 4) == 0);
}

TEST_CASE("a streaming width repeats the same addresses") {
  Bench bench({.size_bytes = 64});
  std::uint8_t data[6] = {1, 2, 3, 4, 5, 6};
  bench.streaming_width = 4;
  CHECK(bench.send(tlm::TLM_WRITE_COMMAND, 60, data, 6) == tlm::TLM_OK_RESPONSE);
  const std::uint8_t expected[4] = {5, 6, 3, 4};
  CHECK(std::memcmp(bench.memory.data() + 60, expected, 4) == 0);
}

TEST_CASE("a transaction without payload takes its time and touches no data") {
  Bench bench({.size_bytes = 4096, .latency_ps = 10});
  bench.memory.data()[5] = 42;
  TransactionInfo info;
  info.payload_valid = false;
  bench.payload.set_extension(&info);
  CHECK(bench.send(tlm::TLM_WRITE_COMMAND, 0, nullptr, 4096) == tlm::TLM_OK_RESPONSE);
  CHECK(bench.delay == sc_core::sc_time(10, sc_core::SC_PS));
  CHECK(bench.memory.data()[5] == 42);
  CHECK(bench.send(tlm::TLM_READ_COMMAND, 0, nullptr, 4096) == tlm::TLM_OK_RESPONSE);
  bench.payload.clear_extension(&info);
}

TEST_CASE("direct access gives the whole image") {
  Bench bench({.size_bytes = 4096, .latency_ps = 70});
  tlm::tlm_dmi dmi;
  bench.payload.set_address(0x10);
  CHECK(bench.driver.socket->get_direct_mem_ptr(bench.payload, dmi));
  CHECK(dmi.get_start_address() == 0);
  CHECK(dmi.get_end_address() == 4095);
  CHECK(dmi.get_dmi_ptr() == bench.memory.data());
  CHECK(dmi.is_read_write_allowed());
  CHECK(dmi.get_read_latency() == sc_core::sc_time(70, sc_core::SC_PS));
}

TEST_CASE("direct access is refused where it is not allowed") {
  Bench bench({.size_bytes = 4096, .allow_dmi = false});
  tlm::tlm_dmi dmi;
  std::uint8_t data = 0;
  CHECK_FALSE(bench.driver.socket->get_direct_mem_ptr(bench.payload, dmi));
  CHECK(dmi.is_none_allowed());
  CHECK(bench.send(tlm::TLM_READ_COMMAND, 0, &data, 1) == tlm::TLM_OK_RESPONSE);
  CHECK_FALSE(bench.payload.is_dmi_allowed());
}

TEST_CASE("debug transport reaches the image without time and stops at its end") {
  Bench bench({.size_bytes = 16, .latency_ps = 10});
  std::uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  bench.payload.set_command(tlm::TLM_WRITE_COMMAND);
  bench.payload.set_address(12);
  bench.payload.set_data_ptr(data);
  bench.payload.set_data_length(8);
  CHECK(bench.driver.socket->transport_dbg(bench.payload) == 4);
  CHECK(bench.memory.data()[15] == 4);
  bench.payload.set_address(16);
  CHECK(bench.driver.socket->transport_dbg(bench.payload) == 0);
}

TEST_CASE("a memory of no bytes is refused") {
  CHECK_THROWS_AS(MemoryTarget("memory", MemoryTargetConfig{}), std::invalid_argument);
}

}  // namespace
}  // namespace hpimvp::common
