#include "platform/hpim/topology.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "platform/hpim/built_block.h"
#include "tests/unit/hbm_pim/device_presets.h"

using hpimvp::hpim::BlockConfig;
using hpimvp::hpim::BlockContext;
using hpimvp::hpim::BlockRegistry;
using hpimvp::hpim::BlockType;
using hpimvp::hpim::BuiltBlock;
using hpimvp::hpim::DataMode;
using hpimvp::hpim::HpimMachineConfig;
using hpimvp::hpim::MachineError;
using hpimvp::hpim::resolve;
using hpimvp::hpim::Topology;
namespace interconnect = hpimvp::interconnect;
namespace plan = hpimvp::plan;

namespace {

// Types like the standard ones, without their models.
BlockType type_like(const std::string& name, std::uint64_t register_bytes, bool interrupt,
                    bool master, plan::DeviceKind kind) {
  BlockType type;
  type.name = name;
  type.register_bytes = register_bytes;
  type.has_interrupt = interrupt;
  type.is_bus_master = master;
  type.device_kind = kind;
  type.factory = [](const BlockContext&) { return BuiltBlock{}; };
  return type;
}

BlockRegistry test_registry() {
  using plan::DeviceKind;
  BlockRegistry registry;
  BlockType clint = type_like("clint", 0x10000, false, false, DeviceKind::kClint);
  clint.at_least = clint.at_most = 1;
  clint.device_clock_hz = [](const HpimMachineConfig& config) { return config.host.timer_hz; };
  registry.add(clint);
  registry.add(type_like("plic", 0x400000, false, false, DeviceKind::kPlic));
  registry.add(type_like("uart16550", 8, true, false, DeviceKind::kUart));
  registry.add(type_like("system_controller", 0x1000, false, false, DeviceKind::kSystemController));
  registry.add(type_like("dma_engine", 0x1000, true, true, DeviceKind::kDma));
  registry.add(
      type_like("sram_pim_dispatcher", 0x1000, true, true, DeviceKind::kSramPimDispatcher));
  BlockType tile = type_like("sram_pim_tile", 0x1000, false, true, DeviceKind::kSramPimTile);
  tile.count_in = [](const HpimMachineConfig& config) { return config.sram_pim.tiles; };
  tile.memory_bytes_in = [](const HpimMachineConfig&) { return 0x88000; };
  tile.payload_bytes_in = [](const HpimMachineConfig&) { return 0x60000; };
  registry.add(tile);
  BlockType stack = type_like("hbm_pim_stack", 0x1000, true, true, DeviceKind::kHbmPimStack);
  stack.count_in = [](const HpimMachineConfig& config) { return config.hbm.stacks; };
  stack.memory_bytes_in = [](const HpimMachineConfig& config) {
    return config.hbm.stack.device.organisation.stack_bytes();
  };
  stack.payload_bytes_in = stack.memory_bytes_in;
  registry.add(stack);
  return registry;
}

const BlockRegistry kRegistry = test_registry();

HpimMachineConfig default_machine() {
  static const auto kDevice = hpimvp::test_support::device_preset("hbm3_hpim");
  HpimMachineConfig config;
  config.hbm.stack.device = kDevice;
  return config;
}

using Place = std::pair<unsigned, unsigned>;  // column and row

Place place_of(const Topology& topology, const std::string& node) {
  const auto& found = topology.mesh.nodes.at(interconnect::node_index(topology.mesh, node));
  return {found.x, found.y};
}

BlockConfig extra(const std::string& name, std::uint64_t address, std::uint32_t interrupt = 0) {
  BlockConfig block;
  block.block = "uart16550";
  block.name = name;
  block.address = address;
  block.size = 0x1000;
  block.interrupt = interrupt;
  block.place = "scenario.json:7: /machine/extra_blocks/0";
  return block;
}

// The message of the error that a configuration with one more block gives.
std::string error_with(BlockConfig block) {
  HpimMachineConfig config = default_machine();
  config.extra_blocks.push_back(std::move(block));
  try {
    resolve(config, kRegistry);
  } catch (const MachineError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("the default machine has the addresses of docs/machine.md") {
  const Topology topology = resolve(default_machine(), kRegistry);
  const auto devices = hpimvp::hpim::device_table(topology);
  REQUIRE(devices.size() == 6 + 32 + 4);
  CHECK(devices[0].kind == plan::DeviceKind::kClint);
  CHECK(devices[0].register_address == 0x0200'0000);
  CHECK(devices[0].clock_hz == 10'000'000);
  const plan::Device& last_tile = devices[6 + 31];
  CHECK(last_tile.kind == plan::DeviceKind::kSramPimTile);
  CHECK(last_tile.index == 31);
  CHECK(last_tile.register_address == 0x1010'0000 + 31 * 0x1000);
  CHECK(last_tile.memory_address == 0x4000'0000 + 31 * 0x10'0000);
  const plan::Device& last_stack = devices[6 + 32 + 3];
  CHECK(last_stack.kind == plan::DeviceKind::kHbmPimStack);
  CHECK(last_stack.index == 3);
  CHECK(last_stack.register_address == 0x1020'3000);
  CHECK(last_stack.memory_address == 0x10'0000'0000 + 3 * 0x8'0000'0000);
  CHECK(last_stack.memory_bytes == 24ull << 30);
  CHECK(last_stack.interrupt == 19);
}

TEST_CASE("the number of tiles and stacks follows the configuration") {
  HpimMachineConfig config = default_machine();
  config.hbm.stacks = 2;
  config.sram_pim.tiles = 5;
  const Topology topology = resolve(config, kRegistry);
  CHECK(topology.blocks.size() == 6 + 5 + 2);
  CHECK(topology.blocks.back().name == "stack1");
}

TEST_CASE("with one port a stack the first row holds all that is no tile") {
  HpimMachineConfig config = default_machine();
  config.noc.stack_ports = 1;
  const Topology topology = resolve(config, kRegistry);
  CHECK(topology.mesh.columns == 8);
  CHECK(topology.mesh.rows == 5);
  CHECK(topology.mesh.nodes.size() == 1 + 2 + 4 + 32);
  std::set<std::pair<unsigned, unsigned>> places;
  for (const auto& node : topology.mesh.nodes) places.emplace(node.x, node.y);
  CHECK(places.size() == topology.mesh.nodes.size());
  const auto& host = topology.mesh.nodes[2];
  CHECK(host.name == "host");
  CHECK(host.y == 0);
  const auto& tile9 = topology.mesh.nodes[7 + 9];
  CHECK(tile9.name == "tile9");
  CHECK(tile9.x == 1);
  CHECK(tile9.y == 2);
}

TEST_CASE("stacks with several ports have rows of their own above and below the tiles") {
  HpimMachineConfig config = default_machine();
  const Topology full = resolve(config, kRegistry);
  CHECK(full.mesh.rows == 2 + 1 + 4 + 2);
  CHECK(full.mesh.nodes.size() == 1 + 2 + 4 * 8 + 32);
  for (unsigned i = 0; i < 8; ++i) {
    const std::string port = ".port" + std::to_string(i);
    CHECK(place_of(full, "stack0" + port) == Place(i, 0));
    CHECK(place_of(full, "stack1" + port) == Place(i, 1));
    CHECK(place_of(full, "stack2" + port) == Place(i, 7));
    CHECK(place_of(full, "stack3" + port) == Place(i, 8));
  }
  CHECK(place_of(full, "host") == Place(0, 2));
  CHECK(place_of(full, "dispatcher") == Place(2, 2));
  CHECK(place_of(full, "tile0") == Place(0, 3));
  CHECK(place_of(full, "tile31") == Place(7, 6));

  config.noc.stack_ports = 3;
  config.hbm.stacks = 3;
  config.sram_pim.tiles = 9;
  const Topology spread = resolve(config, kRegistry);
  CHECK(spread.mesh.rows == 2 + 1 + 2 + 1);
  CHECK(place_of(spread, "stack1.port0") == Place(1, 1));
  CHECK(place_of(spread, "stack1.port1") == Place(4, 1));
  CHECK(place_of(spread, "stack1.port2") == Place(6, 1));
  CHECK(place_of(spread, "stack2.port0") == Place(1, 5));
}

TEST_CASE("a stack's ports are its nodes, and no more of them than columns") {
  HpimMachineConfig config = default_machine();
  config.noc.stack_ports = 2;
  const Topology topology = resolve(config, kRegistry);
  CHECK(topology.blocks.back().nodes == std::vector<std::string>{"stack3.port0", "stack3.port1"});
  CHECK(hpimvp::hpim::describe(topology)["mesh"]["stack_ports"] == 2);
  for (const std::uint32_t ports : {0u, 9u}) {
    config.noc.stack_ports = ports;
    CHECK_THROWS_WITH(resolve(config, kRegistry), Catch::Contains("a stack has 1 to 8 ports"));
  }
  config.noc.stack_ports = 1;
  CHECK(resolve(config, kRegistry).blocks.back().nodes == std::vector<std::string>{"stack3"});
}

TEST_CASE("a placement moves a node, and a place for two is an error") {
  HpimMachineConfig config = default_machine();
  config.noc.placement = {{"stack3.port5", 5, 9}};
  CHECK(place_of(resolve(config, kRegistry), "stack3.port5") == Place(5, 9));
  config.noc.stack_ports = 1;
  config.noc.placement = {{"dma", 7, 6}};
  const Topology topology = resolve(config, kRegistry);
  CHECK(topology.mesh.rows == 7);
  config.noc.placement = {{"dma", 0, 1}};
  CHECK_THROWS_WITH(resolve(config, kRegistry), "mesh: nodes dma and tile0 are both at (0, 1)");
  config.noc.placement = {{"tlie3", 0, 9}};
  CHECK_THROWS_WITH(resolve(config, kRegistry),
                    Catch::Contains("no node 'tlie3'") && Catch::Contains("tile3"));
}

TEST_CASE("payload memory is tiles' activations and stacks, in timing mode only") {
  HpimMachineConfig config = default_machine();
  CHECK_FALSE(resolve(config, kRegistry).is_payload(0x4000'0000));
  config.data_mode = DataMode::kTiming;
  const Topology topology = resolve(config, kRegistry);
  CHECK(topology.is_payload(0x4000'0000));
  CHECK(topology.is_payload(0x4005'FFFF));
  CHECK_FALSE(topology.is_payload(0x4006'0000));
  CHECK_FALSE(topology.is_payload(0x4008'0000));
  CHECK(topology.is_payload(0x4015'FFFF));
  CHECK(topology.is_payload(0x15'FFFF'FFFF));
  CHECK_FALSE(topology.is_payload(0x16'0000'0000));
  CHECK_FALSE(topology.is_payload(0x8000'0000));
}

TEST_CASE("a peripheral of the user's is added to the default blocks") {
  HpimMachineConfig config = default_machine();
  config.extra_blocks.push_back(extra("second_uart", 0x1000'2000, 40));
  const Topology topology = resolve(config, kRegistry);
  CHECK(topology.blocks.back().name == "second_uart");
  CHECK(topology.blocks.back().interrupt == 40);
  const auto devices = hpimvp::hpim::device_table(topology);
  CHECK(devices.back().kind == plan::DeviceKind::kUart);
  CHECK(devices.back().index == 1);
}

TEST_CASE("an unknown type is answered with the nearest one") {
  BlockConfig block = extra("x", 0x1000'2000);
  block.block = "uart16500";
  const std::string message = error_with(block);
  CHECK_THAT(message, Catch::StartsWith("scenario.json:7: /machine/extra_blocks/0: there is no "
                                        "type of block 'uart16500'; did you mean 'uart16550'"));
}

TEST_CASE("conflicts name both blocks and the place") {
  CHECK(error_with(extra("x", 0x1000'0800)) ==
        "scenario.json:7: /machine/extra_blocks/0: x registers [0x10000800, 0x100017ff] overlaps "
        "system registers [0x10001000, 0x10001fff]");
  CHECK(error_with(extra("x", 0x8000'0000)) ==
        "scenario.json:7: /machine/extra_blocks/0: x registers [0x80000000, 0x80000fff] overlaps "
        "host memory [0x80000000, 0x8fffffff]");
  CHECK(error_with(extra("x", 0x1000'2000, 2)) ==
        "scenario.json:7: /machine/extra_blocks/0: blocks 'dma' and 'x' both have interrupt 2");
  CHECK(error_with(extra("dma", 0x1000'2000)) ==
        "scenario.json:7: /machine/extra_blocks/0: two blocks are called 'dma'");
}

TEST_CASE("entries that cannot be are refused with the reason") {
  BlockConfig block = extra("x", 0x1000'2004);
  CHECK_THAT(error_with(block), Catch::EndsWith("must be multiples of 8"));

  block = extra("x", 0x1000'2000);
  block.size = 4;
  CHECK_THAT(error_with(block), Catch::Contains("size 0x4 is less than the 0x8 bytes"));

  block = extra("x", 0x1000'2000);
  block.count = 2;
  CHECK_THAT(error_with(block), Catch::Contains("stride of at least the size 0x1000, found 0x0"));
  block.count = 0;
  CHECK_THAT(error_with(block), Catch::Contains("count of at least 1"));

  block = extra("x", 0x1000'2000, 130);
  CHECK_THAT(error_with(block), Catch::Contains("the PLIC has 1 to 127"));

  block = extra("x", 0x1000'2000, 40);
  block.count = 2;
  block.stride = 0x1000;
  CHECK_THAT(error_with(block), Catch::Contains("cannot share interrupt 40"));

  block = extra("x", 0x1000'2000);
  block.memory_address = 0x7000'0000;
  CHECK_THAT(error_with(block), Catch::Contains("has no memory to place"));

  block = extra("host", 0x1000'2000);
  CHECK_THAT(error_with(block), Catch::Contains("must not be 'host'"));

  block = extra("clint2", 0x0300'0000);
  block.block = "clint";
  block.size = 0x10000;
  CHECK(error_with(block) == "the machine has 2 blocks of type 'clint'; at most 1 can be");
}

TEST_CASE("memories must fit where they are put") {
  HpimMachineConfig config = default_machine();
  config.blocks = hpimvp::hpim::default_blocks();
  for (BlockConfig& block : config.blocks) {
    if (block.block == "hbm_pim_stack") block.memory_stride = 1ull << 30;
  }
  CHECK_THROWS_WITH(resolve(config, kRegistry),
                    Catch::Contains("need a stride of at least that, found 0x40000000"));

  config.host.memory_mib = 1u << 20;  // reaches the stacks at 64 GiB
  config.blocks.clear();
  CHECK_THROWS_WITH(resolve(config, kRegistry),
                    Catch::Contains("stack0 memory") && Catch::Contains("host memory"));
}

TEST_CASE("a machine without a clint is refused") {
  HpimMachineConfig config = default_machine();
  config.blocks.push_back(extra("uart", 0x1000'0000));
  CHECK_THROWS_WITH(resolve(config, kRegistry), "the machine has no block of type 'clint'");
}

TEST_CASE("the description lists the memory map in order, interrupts and clocks") {
  const auto json = hpimvp::hpim::describe(resolve(default_machine(), kRegistry));
  CHECK(json["memory_map"][0]["name"] == "clint registers");
  CHECK(json["memory_map"][0]["first"] == "0x2000000");
  CHECK(json["memory_map"].back()["name"] == "stack3 memory");
  CHECK(json["memory_map"].back()["last"] == "0x2dffffffff");
  CHECK(json["interrupts"].dump() ==
        R"([{"source":1,"name":"uart"},{"source":2,"name":"dma"},{"source":3,"name":"dispatcher"},)"
        R"({"source":16,"name":"stack0"},{"source":17,"name":"stack1"},)"
        R"({"source":18,"name":"stack2"},{"source":19,"name":"stack3"}])");
  CHECK(json["clocks"][1]["period_ps"] == 1250);
  CHECK(json["capacities"]["hbm_bytes"] == 96ull << 30);
}
