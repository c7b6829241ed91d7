#include "models/interconnect/control_network.h"

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <systemc>
#include <utility>

using hpimvp::interconnect::ControlNetwork;
using hpimvp::interconnect::ControlNetworkConfig;
using sc_core::SC_PS;
using sc_core::sc_time;
using sc_core::SC_ZERO_TIME;

namespace {

struct Responder : sc_core::sc_module {
  tlm_utils::simple_target_socket<Responder> socket{"socket"};
  std::uint64_t last_address = ~0ull;
  bool offers_dmi;

  Responder(sc_core::sc_module_name name, bool offers_dmi_in)
      : sc_module(name), offers_dmi(offers_dmi_in) {
    socket.register_b_transport(this, &Responder::transport);
    socket.register_transport_dbg(this, &Responder::debug);
    socket.register_get_direct_mem_ptr(this, &Responder::direct);
  }
  void transport(tlm::tlm_generic_payload& transaction, sc_time& delay) {
    last_address = transaction.get_address();
    delay += sc_time(500, SC_PS);
    transaction.set_response_status(tlm::TLM_OK_RESPONSE);
  }
  unsigned debug(tlm::tlm_generic_payload& transaction) {
    last_address = transaction.get_address();
    return transaction.get_data_length();
  }
  bool direct(tlm::tlm_generic_payload&, tlm::tlm_dmi&) { return offers_dmi; }
};

struct Bench : sc_core::sc_module {
  ControlNetwork network{"network",
                         ControlNetworkConfig{20'000},
                         {{"timer", 0x1000, 0x100}, {"uart", 0x2000, 0x1000}}};
  Responder timer{"timer", true};
  Responder uart{"uart", false};
  Responder memory{"memory", true};
  tlm_utils::simple_initiator_socket<Bench> host{"host"};
  std::function<void(Bench&)> body;

  SC_HAS_PROCESS(Bench);
  Bench(sc_core::sc_module_name name, std::function<void(Bench&)> body_in)
      : sc_module(name), body(std::move(body_in)) {
    SC_THREAD(run);
    host.bind(network.from_host);
    network.to_target(0).bind(timer.socket);
    network.to_target(1).bind(uart.socket);
    network.memory.bind(memory.socket);
  }
  void run() { body(*this); }
  // The time from the call to the end of the transaction.
  sc_time read(std::uint64_t address, tlm::tlm_response_status expected) {
    unsigned char data[8] = {};
    tlm::tlm_generic_payload transaction;
    transaction.set_read();
    transaction.set_address(address);
    transaction.set_data_ptr(data);
    transaction.set_data_length(8);
    transaction.set_streaming_width(8);
    const sc_time start = sc_core::sc_time_stamp();
    sc_time delay = SC_ZERO_TIME;
    host->b_transport(transaction, delay);
    CHECK(transaction.get_response_status() == expected);
    return sc_core::sc_time_stamp() + delay - start;
  }
  bool dmi(std::uint64_t address) {
    tlm::tlm_generic_payload transaction;
    tlm::tlm_dmi dmi;
    transaction.set_address(address);
    return host->get_direct_mem_ptr(transaction, dmi);
  }
};

}  // namespace

TEST_CASE("a register access takes the network's latency on top of the block's") {
  Bench bench_module("bench", [](Bench& bench) {
    CHECK(bench.read(0x1010, tlm::TLM_OK_RESPONSE) == sc_time(20'500, SC_PS));
    CHECK(bench.timer.last_address == 0x10);
    bench.read(0x2FF8, tlm::TLM_OK_RESPONSE);
    bench.read(0x2FF8, tlm::TLM_OK_RESPONSE);
    CHECK(bench.uart.last_address == 0xFF8);
    CHECK(bench.network.statistics() ==
          hpimvp::common::Statistics{{"timer_accesses", 1}, {"uart_accesses", 2}});
  });
  sc_core::sc_start();
}

TEST_CASE("every other address goes on to memory unchanged and free of charge") {
  Bench bench_module("bench", [](Bench& bench) {
    CHECK(bench.read(0x8000'0000, tlm::TLM_OK_RESPONSE) == sc_time(500, SC_PS));
    CHECK(bench.memory.last_address == 0x8000'0000);
    CHECK(bench.network.statistics().empty());
  });
  sc_core::sc_start();
}

TEST_CASE("an access that leaves its block is an address error") {
  Bench bench_module("bench", [](Bench& bench) {
    bench.read(0x10FC, tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(bench.timer.last_address == ~0ull);
    CHECK(bench.memory.last_address == ~0ull);
  });
  sc_core::sc_start();
}

TEST_CASE("debug transport reaches blocks and memory, direct access only memory") {
  Bench bench_module("bench", [](Bench& bench) {
    unsigned char byte = 0;
    tlm::tlm_generic_payload transaction;
    transaction.set_read();
    transaction.set_data_ptr(&byte);
    transaction.set_data_length(1);
    transaction.set_address(0x2001);
    CHECK(bench.host->transport_dbg(transaction) == 1);
    CHECK(bench.uart.last_address == 1);
    transaction.set_address(0x8001);
    CHECK(bench.host->transport_dbg(transaction) == 1);
    CHECK(bench.memory.last_address == 0x8001);

    CHECK_FALSE(bench.dmi(0x1000));
    CHECK(bench.dmi(0x8000));
  });
  sc_core::sc_start();
}

TEST_CASE("overlapping register blocks are refused by name") {
  CHECK_THROWS_WITH(
      ControlNetwork("network", {}, {{"timer", 0x1000, 0x1001}, {"uart", 0x2000, 0x1000}}),
      "uart [0x2000, 0x2fff] overlaps timer [0x1000, 0x2000]");
}
