#include "models/interconnect/mesh_interconnect.h"

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <functional>
#include <string>
#include <systemc>
#include <utility>
#include <vector>

#include "models/common/transaction_extension.h"

using hpimvp::common::Initiator;
using hpimvp::common::TransactionInfo;
using hpimvp::interconnect::MeshConfig;
using hpimvp::interconnect::MeshInterconnect;
using sc_core::SC_PS;
using sc_core::sc_time;
using sc_core::SC_ZERO_TIME;

namespace {

// Memory of 4 KiB with a fixed latency.
struct TestMemory : sc_core::sc_module {
  tlm_utils::simple_target_socket<TestMemory> socket{"socket"};
  std::vector<unsigned char> bytes = std::vector<unsigned char>(4096);
  sc_time latency;
  std::uint64_t last_address = 0;

  TestMemory(sc_core::sc_module_name name, sc_time latency_in)
      : sc_module(name), latency(latency_in) {
    socket.register_b_transport(this, &TestMemory::transport);
    socket.register_transport_dbg(this, &TestMemory::debug);
    socket.register_get_direct_mem_ptr(this, &TestMemory::direct);
  }
  void transport(tlm::tlm_generic_payload& transaction, sc_time& delay) {
    last_address = transaction.get_address();
    debug(transaction);
    delay += latency;
    transaction.set_response_status(tlm::TLM_OK_RESPONSE);
  }
  unsigned debug(tlm::tlm_generic_payload& transaction) {
    unsigned char* stored = bytes.data() + transaction.get_address();
    if (transaction.is_read()) {
      std::memcpy(transaction.get_data_ptr(), stored, transaction.get_data_length());
    } else {
      std::memcpy(stored, transaction.get_data_ptr(), transaction.get_data_length());
    }
    return transaction.get_data_length();
  }
  bool direct(tlm::tlm_generic_payload&, tlm::tlm_dmi& dmi) {
    dmi.set_dmi_ptr(bytes.data());
    dmi.set_start_address(0);
    dmi.set_end_address(~0ull);
    dmi.allow_read_write();
    return true;
  }
};

struct Driver : sc_core::sc_module {
  tlm_utils::simple_initiator_socket<Driver> socket{"socket"};
  std::function<void(Driver&)> body;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> invalidated;

  SC_HAS_PROCESS(Driver);
  Driver(sc_core::sc_module_name name, std::function<void(Driver&)> body_in)
      : sc_module(name), body(std::move(body_in)) {
    SC_THREAD(run);
    socket.register_invalidate_direct_mem_ptr(this, &Driver::on_invalidate);
  }
  void run() { body(*this); }
  void on_invalidate(sc_dt::uint64 start, sc_dt::uint64 end) {
    invalidated.emplace_back(start, end);
  }

  // The time from the call to the end of the transaction.
  sc_time access(tlm::tlm_command command, std::uint64_t address, std::vector<unsigned char>& data,
                 tlm::tlm_response_status expected = tlm::TLM_OK_RESPONSE) {
    tlm::tlm_generic_payload transaction;
    TransactionInfo info;
    info.initiator = Initiator::kDma;
    transaction.set_extension(&info);
    transaction.set_command(command);
    transaction.set_address(address);
    transaction.set_data_ptr(data.data());
    transaction.set_data_length(static_cast<unsigned>(data.size()));
    transaction.set_streaming_width(static_cast<unsigned>(data.size()));
    const sc_time start = sc_core::sc_time_stamp();
    sc_time delay = SC_ZERO_TIME;
    socket->b_transport(transaction, delay);
    sc_core::wait(delay);
    transaction.clear_extension(&info);
    CHECK(transaction.get_response_status() == expected);
    CHECK(transaction.get_address() == address);
    return sc_core::sc_time_stamp() - start;
  }
};

MeshConfig line_of_three() {
  MeshConfig config;
  config.columns = 3;
  config.rows = 1;
  config.nodes = {{"left", 0, 0}, {"middle", 1, 0}, {"right", 2, 0}};
  return config;
}

struct Bench {
  MeshInterconnect mesh;
  TestMemory near{"near", sc_time(100, SC_PS)};
  TestMemory far{"far", sc_time(10'000, SC_PS)};
  Driver driver;

  explicit Bench(std::function<void(Driver&)> body)
      : mesh("mesh", line_of_three(), {{"driver", {"left"}}},
             {{"near", {"left"}, 0x1000, 0x1000}, {"far", {"right"}, 0x10000, 0x1000}}),
        driver("driver", std::move(body)) {
    driver.socket.bind(mesh.from_initiator(0));
    mesh.to_target(0).bind(near.socket);
    mesh.to_target(1).bind(far.socket);
  }
};

}  // namespace

TEST_CASE("a read sends a header and brings the data back") {
  sc_time took;
  Bench bench([&](Driver& driver) {
    std::vector<unsigned char> data(64);
    took = driver.access(tlm::TLM_READ_COMMAND, 0x10020, data);
    CHECK(data[0] == 0x5A);
  });
  bench.far.bytes[0x20] = 0x5A;
  sc_core::sc_start();
  // Out: 4 links of 2 cycles; 10 ns in the memory; back: 4 links of 2 cycles and 2 more flits.
  CHECK(took == sc_time(8 * 1250 + 10'000 + (8 + 2) * 1250, SC_PS));
  CHECK(bench.far.last_address == 0x20);
}

TEST_CASE("a write carries the data out and gets a header back") {
  sc_time took;
  Bench bench([&](Driver& driver) {
    std::vector<unsigned char> data(64, 0x77);
    took = driver.access(tlm::TLM_WRITE_COMMAND, 0x10FC0, data);
  });
  sc_core::sc_start();
  CHECK(took == sc_time((8 + 2) * 1250 + 10'000 + 8 * 1250, SC_PS));
  CHECK(bench.far.bytes[0xFFF] == 0x77);
}

TEST_CASE("a target in the initiator's node costs only its own latency") {
  sc_time took;
  Bench bench([&](Driver& driver) {
    std::vector<unsigned char> data(64);
    took = driver.access(tlm::TLM_READ_COMMAND, 0x1000, data);
  });
  sc_core::sc_start();
  CHECK(took == sc_time(100, SC_PS));
}

TEST_CASE("an access that no target holds is an address error and takes no time") {
  Bench bench([&](Driver& driver) {
    std::vector<unsigned char> data(8);
    const auto error = tlm::TLM_ADDRESS_ERROR_RESPONSE;
    CHECK(driver.access(tlm::TLM_READ_COMMAND, 0x0, data, error) == SC_ZERO_TIME);
    driver.access(tlm::TLM_READ_COMMAND, 0x1FFC, data, error);
    driver.access(tlm::TLM_WRITE_COMMAND, 0x11000, data, error);
  });
  sc_core::sc_start();
  CHECK(bench.mesh.statistics().back() ==
        std::pair<std::string, std::uint64_t>("address_errors", 3));
}

TEST_CASE("debug transport reaches every target without time") {
  Bench bench([&](Driver& driver) {
    unsigned char byte = 0xC3;
    tlm::tlm_generic_payload transaction;
    transaction.set_write();
    transaction.set_address(0x10001);
    transaction.set_data_ptr(&byte);
    transaction.set_data_length(1);
    CHECK(driver.socket->transport_dbg(transaction) == 1);
    transaction.set_address(0x9000);
    CHECK(driver.socket->transport_dbg(transaction) == 0);
  });
  sc_core::sc_start();
  CHECK(bench.far.bytes[1] == 0xC3);
  CHECK(sc_core::sc_time_stamp() == SC_ZERO_TIME);
}

TEST_CASE("direct memory is granted in the own node only and is confined to the range") {
  Bench bench([&](Driver& driver) {
    tlm::tlm_generic_payload transaction;
    tlm::tlm_dmi dmi;
    transaction.set_address(0x1234);
    REQUIRE(driver.socket->get_direct_mem_ptr(transaction, dmi));
    CHECK(dmi.get_start_address() == 0x1000);
    CHECK(dmi.get_end_address() == 0x1FFF);
    CHECK(transaction.get_address() == 0x1234);
    transaction.set_address(0x10000);
    CHECK_FALSE(driver.socket->get_direct_mem_ptr(transaction, dmi));
  });
  sc_core::sc_start();
}

TEST_CASE("an invalidation reaches the initiators of the target's node in their addresses") {
  Bench bench([](Driver&) {});
  sc_core::sc_start();
  bench.near.socket->invalidate_direct_mem_ptr(0x10, 0x1F);
  bench.far.socket->invalidate_direct_mem_ptr(0x10, 0x1F);
  REQUIRE(bench.driver.invalidated.size() == 1);
  CHECK(bench.driver.invalidated[0] == std::pair<std::uint64_t, std::uint64_t>(0x1010, 0x101F));
}

namespace {

// Two initiators on the left, a memory with a port in each row on the right, and a block that is an
// initiator and a memory in the middle of both rows.
struct PortsBench {
  MeshInterconnect mesh;
  TestMemory memory{"memory", sc_time(10'000, SC_PS)};
  TestMemory block{"block", sc_time(10'000, SC_PS)};
  Driver upper;
  Driver lower;
  Driver master;

  static MeshConfig two_rows() {
    MeshConfig config;
    config.columns = 4;
    config.rows = 3;
    config.nodes = {{"upper", 0, 0},        {"lower", 0, 2},        {"memory.port0", 3, 0},
                    {"memory.port1", 3, 2}, {"memory.port2", 3, 1}, {"block.port0", 1, 0},
                    {"block.port1", 1, 2}};
    return config;
  }
  // `memory_ports`: of {0, 1}.
  PortsBench(std::function<void(Driver&)> upper_body, std::function<void(Driver&)> lower_body,
             const std::vector<std::string>& memory_ports)
      : mesh("mesh", two_rows(),
             {{"upper", {"upper"}},
              {"lower", {"lower"}},
              {"master", {"block.port0", "block.port1"}}},
             {{"memory", memory_ports, 0x10000, 0x1000},
              {"block", {"block.port0", "block.port1"}, 0x20000, 0x1000}}),
        upper("upper_driver", std::move(upper_body)),
        lower("lower_driver", std::move(lower_body)),
        master("master_driver", [](Driver&) {}) {
    upper.socket.bind(mesh.from_initiator(0));
    lower.socket.bind(mesh.from_initiator(1));
    master.socket.bind(mesh.from_initiator(2));
    mesh.to_target(0).bind(memory.socket);
    mesh.to_target(1).bind(block.socket);
  }
  std::string initiator_node(std::size_t initiator, std::size_t target) const {
    return mesh.network().config().nodes[mesh.ports(initiator, target).initiator].name;
  }
  std::string target_node(std::size_t initiator, std::size_t target) const {
    return mesh.network().config().nodes[mesh.ports(initiator, target).target].name;
  }
};

}  // namespace

TEST_CASE("of several ports the nearest pair is used, of equal ones the first") {
  const auto nothing = [](Driver&) {};
  PortsBench bench(nothing, nothing, {"memory.port2", "memory.port1", "memory.port0"});
  CHECK(bench.target_node(0, 0) == "memory.port0");
  CHECK(bench.target_node(1, 0) == "memory.port1");
  CHECK(bench.target_node(0, 1) == "block.port0");
  CHECK(bench.target_node(1, 1) == "block.port1");
  // From the block to the memory both its ports are two hops away from one: the first of the
  // initiator's decides.
  CHECK(bench.initiator_node(2, 0) == "block.port0");
  CHECK(bench.target_node(2, 0) == "memory.port0");
  CHECK(bench.mesh.ports(2, 1).is_local());
  CHECK(bench.initiator_node(2, 1) == "block.port0");
}

TEST_CASE("equally near ports of a target: its list decides") {
  MeshConfig mesh;
  mesh.nodes = {{"middle", 1, 1}, {"right", 2, 1}, {"left", 0, 1}, {"below", 1, 2}};
  for (const std::string first : {"right", "left", "below"}) {
    std::vector<std::string> ports = {first};
    for (const std::string other : {"right", "left", "below"}) {
      if (other != first) ports.push_back(other);
    }
    const MeshInterconnect tie(("tie_" + first).c_str(), mesh, {{"middle", {"middle"}}},
                               {{"memory", ports, 0, 0x1000}});
    CHECK(tie.network().config().nodes[tie.ports(0, 0).target].name == first);
  }
}

namespace {

// When both read 1 KiB at once: how long each takes.
std::pair<sc_time, sc_time> read_at_once(const std::vector<std::string>& memory_ports) {
  std::pair<sc_time, sc_time> took;
  const auto read = [](sc_time& time) {
    return [&time](Driver& driver) {
      std::vector<unsigned char> data(1024);
      time = driver.access(tlm::TLM_READ_COMMAND, 0x10000, data);
    };
  };
  PortsBench bench(read(took.first), read(took.second), memory_ports);
  sc_core::sc_start();
  return took;
}

// Without contention, over 3 mesh links each way: 1 KiB is 32 flits and 4 headers.
const sc_time kReadAlone(10 * 1250 + 10'000 + (10 + 35) * 1250, SC_PS);

}  // namespace

TEST_CASE("messages of different ports do not wait for each other") {
  const auto [upper, lower] = read_at_once({"memory.port0", "memory.port1"});
  CHECK(upper == kReadAlone);
  CHECK(lower == kReadAlone);
}

TEST_CASE("messages of one port wait for its link") {
  const auto [upper, lower] = read_at_once({"memory.port0"});
  CHECK(upper == kReadAlone);
  // Its request arrives two hops later, its data leave when those of the other have left.
  CHECK(lower >= kReadAlone + sc_time(36 * 1250, SC_PS));
}

TEST_CASE("an initiator or a target without a node is refused by name") {
  const auto make = [](std::vector<std::string> driver, std::vector<std::string> memory) {
    return MeshInterconnect("mesh", line_of_three(), {{"driver", std::move(driver)}},
                            {{"memory", std::move(memory), 0, 0x1000}});
  };
  CHECK_THROWS_WITH(make({}, {"left"}), "mesh: driver is attached to no node");
  CHECK_THROWS_WITH(make({"left"}, {}), "mesh: memory is attached to no node");
  CHECK_THROWS_WITH(make({"left"}, {"left", "up"}), Catch::Contains("no node is called up"));
}

TEST_CASE("overlapping targets are refused by name") {
  CHECK_THROWS_WITH(
      MeshInterconnect("mesh", line_of_three(), {},
                       {{"near", {"left"}, 0x1000, 0x1000}, {"far", {"right"}, 0x1800, 0x1000}}),
      Catch::Contains("far") && Catch::Contains("near"));
}
