#include "platform/config/machine_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>

#include "platform/config/device_reader.h"
#include "platform/config/error_reader.h"
#include "platform/config/object_reader.h"

namespace hpimvp::config {

namespace {

using hpim::BlockConfig;
using hpim::HpimMachineConfig;

constexpr std::uint32_t kMostCycles = 1u << 20;
constexpr const char* kDefaultDevice = "hbm3_hpim";

std::uint64_t to_period_ps(double clock_mhz) {
  return static_cast<std::uint64_t>(std::llround(1e6 / clock_mhz));
}

void read_clock(ObjectReader& reader, double& clock_mhz) {
  reader.read_number("clock_mhz", clock_mhz, 1, 10'000);
}

void read_host(ObjectReader& machine, hpim::HostConfig& host) {
  auto reader = machine.child("host");
  if (!reader) return;
  read_clock(*reader, host.clock_mhz);
  reader->read_integer("memory_mib", host.memory_mib, 64, 65'536);
  reader->read_number("quantum_us", host.quantum_us, 0.001, 10'000);
  reader->read_integer("mmio_latency_cycles", host.mmio_latency_cycles, 0, kMostCycles);
  reader->read_number("memory_latency_ns", host.memory_latency_ns, 0, 100'000);
  reader->read_number("memory_gb_per_s", host.memory_gb_per_s, 0.001, 100'000);
  reader->read_integer("cache_misses_per_thousand", host.cache_misses_per_thousand, 0, 1000);
  reader->read_integer("timer_hz", host.timer_hz, 1000, 1'000'000'000);
  reader->finish();
}

// Runs a model's check of values that stand at `pointer`.
template <typename Check>
void check_at(const Document& document, const std::string& pointer, Check&& check) {
  try {
    check();
  } catch (const std::exception& error) {
    fail_at(document, pointer, error.what());
  }
}

void read_controller(const Document& document, ObjectReader& hbm,
                     hbm_pim::ControllerConfig& controller) {
  using hbm_pim::Arbitration;
  using hbm_pim::PagePolicy;
  using hbm_pim::RefreshPolicy;
  constexpr std::uint32_t kMostRequests = 4096;
  auto reader = hbm.child("controller");
  if (!reader) return;
  reader->read_choice<PagePolicy>("page_policy", controller.page_policy,
                                  {{"open", PagePolicy::kOpen}, {"closed", PagePolicy::kClosed}});
  reader->read_choice<RefreshPolicy>("refresh", controller.refresh,
                                     {{"none", RefreshPolicy::kNone},
                                      {"all_bank", RefreshPolicy::kAllBank},
                                      {"per_bank", RefreshPolicy::kPerBank}});
  reader->read_choice<Arbitration>("arbitration", controller.arbitration,
                                   {{"pim_first", Arbitration::kPimFirst},
                                    {"memory_first", Arbitration::kMemoryFirst},
                                    {"bounded_interleave", Arbitration::kBoundedInterleave}});
  reader->read_integer("most_postponed", controller.most_postponed, 0, kMostCycles);
  reader->read_integer("read_queue", controller.read_queue, 0, kMostRequests);
  reader->read_integer("write_queue", controller.write_queue, 0, kMostRequests);
  reader->read_integer("drain_from", controller.drain_from, 0, kMostRequests);
  reader->read_integer("drain_to", controller.drain_to, 0, kMostRequests);
  const auto cycles = [&](const char* key, std::uint32_t& value) {
    reader->read_integer(key, value, 0, kMostCycles);
  };
  cycles("starvation_limit", controller.starvation_limit);
  cycles("pim_window", controller.pim_window);
  cycles("memory_window", controller.memory_window);
  cycles("power_down_after", controller.power_down_after);
  reader->finish();
  check_at(document, hbm.child_pointer("controller"), [&] { hbm_pim::check(controller); });
}

void read_hbm(const Document& document, ObjectReader& machine, const std::string& folder,
              hpim::HbmConfig& hbm) {
  auto reader = machine.child("hbm");
  if (!reader) machine.fail_missing("hbm", "its device");
  reader->read_integer("stacks", hbm.stacks, 1, 16);
  const Json* device = reader->find("device");
  if (device == nullptr) reader->fail_missing("device", "the name of a device, or an object");
  if (!device->is_object()) {
    reader->fail("device",
                 "expected the name of a device or an object, found " + describe_value(*device));
  }
  hbm.stack.device = read_device_at(document, reader->child_pointer("device"), folder);
  reader->read_string("mapping", hbm.stack.mapping);
  check_at(document, reader->child_pointer("mapping"),
           [&] { hbm_pim::BitFieldMapping(hbm.stack.device.organisation, hbm.stack.mapping); });
  read_controller(document, *reader, hbm.stack.controller);
  reader->read_integer("controller_latency", hbm.stack.controller_latency, 0, kMostCycles);
  check_at(document, machine.child_pointer("hbm"), [&] { hbm_pim::check(hbm.stack); });
  read_errors(document, *reader, hbm.stacks, hbm.stack.device.organisation.stack_bytes(),
              hbm.stack.errors);
  reader->finish();
}

void read_tile_energy(ObjectReader& tile, sram_pim::TileEnergy& energy) {
  auto reader = tile.child("energy");
  if (!reader) return;
  const auto number = [&](const char* key, double& value) {
    reader->read_number(key, value, 0, 1e6);
  };
  number("tcu_mac_pj", energy.tcu_mac_pj);
  number("pim_mac_pj", energy.pim_mac_pj);
  number("vector_operation_pj", energy.vector_operation_pj);
  number("special_operation_pj", energy.special_operation_pj);
  number("sram_read_pj_per_bit", energy.sram_read_pj_per_bit);
  number("sram_write_pj_per_bit", energy.sram_write_pj_per_bit);
  number("instruction_pj", energy.instruction_pj);
  reader->finish();
}

void read_tile(ObjectReader& reader, sram_pim::TileConfig& tile) {
  double clock_mhz = 1e6 / static_cast<double>(tile.clock_period_ps);
  read_clock(reader, clock_mhz);
  tile.clock_period_ps = to_period_ps(clock_mhz);
  reader.read_integer("activation_bytes", tile.activation_bytes, 4096, 0x80000);
  reader.read_integer("control_bytes", tile.control_bytes, 4096, 0x80000);
  const auto count = [&](const char* key, std::uint32_t& value, std::uint32_t min) {
    reader.read_integer(key, value, min, kMostCycles);
  };
  count("branch_penalty", tile.branch_penalty, 0);
  count("divide_cycles", tile.divide_cycles, 1);
  count("vector_lanes", tile.vector_lanes, 1);
  count("special_lanes", tile.special_lanes, 1);
  count("vector_latency", tile.vector_latency, 1);
  count("special_latency", tile.special_latency, 1);
  count("reduction_latency", tile.reduction_latency, 1);
  count("macro_groups", tile.macro_groups, 1);
  count("multipliers_a_group", tile.multipliers_a_group, 1);
  count("pim_fill_cycles", tile.pim_fill_cycles, 0);
  count("tcu_rows", tile.tcu_rows, 1);
  count("tcu_columns", tile.tcu_columns, 1);
  count("tcu_accumulator_rows", tile.tcu_accumulator_rows, 1);
  count("tcu_feedback_cycles", tile.tcu_feedback_cycles, 0);
  count("tcu_latency", tile.tcu_latency, 0);
  count("transpose_side", tile.transpose_side, 1);
  count("transpose_latency", tile.transpose_latency, 0);
  count("banks", tile.banks, 1);
  count("bank_port_bytes", tile.bank_port_bytes, 1);
  count("transfer_setup_cycles", tile.transfer_setup_cycles, 0);
  count("port_bytes_per_cycle", tile.port_bytes_per_cycle, 1);
  reader.read_integer("max_instructions", tile.max_instructions, 1);
  // 10^15 cycles are days: sums of times stay far from overflowing.
  reader.read_integer("max_cycles", tile.max_cycles, 1, 1'000'000'000'000'000);
  read_tile_energy(reader, tile.energy);
}

void read_sram_pim(const Document& document, ObjectReader& machine, hpim::SramPimConfig& config) {
  auto reader = machine.child("sram_pim");
  if (!reader) return;
  reader->read_integer("tiles", config.tiles, 1, 64);
  read_tile(*reader, config.tile);
  reader->finish();
  config.tile.tiles = config.tiles;
  check_at(document, machine.child_pointer("sram_pim"), [&] { sram_pim::check(config.tile); });
}

void read_placement(const Document& document, ObjectReader& noc,
                    std::vector<interconnect::MeshNode>& placement) {
  const Json* nodes = noc.find("placement");
  if (nodes == nullptr) return;
  const std::string pointer = noc.child_pointer("placement");
  if (!nodes->is_object()) {
    noc.fail("placement", "expected an object of nodes, found " + describe_value(*nodes));
  }
  for (const auto& [name, place] : nodes->items()) {
    ObjectReader reader(document, pointer + "/" + pointer_token(name));
    interconnect::MeshNode node{name, 0, 0};
    reader.read_integer("x", node.x, 0, 255);
    reader.read_integer("y", node.y, 0, 255);
    reader.finish();
    placement.push_back(node);
  }
}

void read_noc_energy(ObjectReader& noc, interconnect::MeshEnergy& energy) {
  auto reader = noc.child("energy");
  if (!reader) return;
  reader->read_number("router_pj_per_bit", energy.router_pj_per_bit, 0, 1e6);
  reader->read_number("link_pj_per_bit_mm", energy.link_pj_per_bit_mm, 0, 1e6);
  reader->read_number("hop_mm", energy.hop_mm, 0, 1e3);
  reader->finish();
}

void read_noc(const Document& document, ObjectReader& machine, hpim::NocConfig& noc) {
  auto reader = machine.child("noc");
  if (!reader) return;
  read_clock(*reader, noc.clock_mhz);
  reader->read_integer("flit_bits", noc.flit_bits, 8, 4096);
  if (noc.flit_bits % 8 != 0) reader->fail("flit_bits", "expected a multiple of 8");
  reader->read_integer("hop_cycles", noc.hop_cycles, 1, kMostCycles);
  reader->read_integer("packet_payload_bytes", noc.packet_payload_bytes, 32, 1u << 20);
  reader->read_integer("virtual_channels", noc.virtual_channels, 1, 64);
  reader->read_integer("buffer_flits", noc.buffer_flits, 2, 1u << 16);
  reader->read_integer("columns", noc.columns, 1, 64);
  if (!reader->has("stack_ports")) noc.stack_ports = std::min(noc.stack_ports, noc.columns);
  reader->read_integer("stack_ports", noc.stack_ports, 1, 64);
  if (noc.stack_ports > noc.columns) {
    reader->fail("stack_ports", fmt::format("{} ports of a stack need as many columns of the mesh; "
                                            "it has {} (columns)",
                                            noc.stack_ports, noc.columns));
  }
  read_placement(document, *reader, noc.placement);
  read_noc_energy(*reader, noc.energy);
  reader->finish();
}

void read_dma(ObjectReader& machine, hpim::DmaConfig& dma) {
  auto reader = machine.child("dma");
  if (!reader) return;
  read_clock(*reader, dma.clock_mhz);
  reader->read_integer("burst_bytes", dma.burst_bytes, 64, 1u << 20);
  reader->finish();
}

void read_uart(ObjectReader& machine, hpim::UartConfig& uart) {
  auto reader = machine.child("uart");
  if (!reader) return;
  reader->read_integer("clock_hz", uart.clock_hz, 16, 1'000'000'000);
  reader->finish();
}

BlockConfig read_block(const Document& document, const std::string& pointer) {
  BlockConfig block;
  ObjectReader reader(document, pointer);
  const auto require = [&](const char* key, const char* what) {
    if (!reader.has(key)) reader.fail_missing(key, what);
  };
  require("block", "the type of the block");
  require("name", "a name of its own");
  require("address", "where its registers are");
  require("size", "how many bytes of registers");
  reader.read_string("block", block.block);
  reader.read_string("name", block.name);
  reader.read_integer("address", block.address);
  reader.read_integer("size", block.size, 1);
  reader.read_integer("count", block.count, 0, 64);
  reader.read_integer("stride", block.stride);
  reader.read_integer("interrupt", block.interrupt, 0, 127);
  reader.read_integer("interrupt_stride", block.interrupt_stride, 0, 127);
  if (auto memory = reader.child("memory")) {
    memory->read_integer("address", block.memory_address);
    memory->read_integer("size", block.memory_size);
    memory->read_integer("stride", block.memory_stride);
    memory->finish();
  }
  reader.finish();
  const Location location = document.location(pointer);
  block.place = fmt::format("{}:{}: {}", location.file, location.line, pointer);
  return block;
}

void read_blocks(const Document& document, ObjectReader& machine, const char* key,
                 std::vector<BlockConfig>& blocks) {
  const Json* list = machine.find(key);
  if (list == nullptr) return;
  if (!list->is_array()) {
    machine.fail(key, "expected an array of blocks, found " + describe_value(*list));
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    blocks.push_back(read_block(document, fmt::format("{}/{}", machine.child_pointer(key), i)));
  }
}

}  // namespace

void expand_device_name(Document& document, const std::string& pointer) {
  const std::string device = pointer + "/hbm/device";
  const Json::json_pointer at(device);
  if (document.root().contains(at) && document.root().at(at).is_string()) {
    document.expand_string(device, "base");
  }
}

void complete_device_base(Document& document, const std::string& pointer) {
  expand_device_name(document, pointer);
  const Json& machine = document.root().at(Json::json_pointer(pointer));
  // What is no object stays as it is: reading it fails with a better message.
  if (!machine.is_object()) return;
  if (machine.contains("hbm")) {
    const Json& hbm = machine["hbm"];
    if (!hbm.is_object()) return;
    if (hbm.contains("device") && (!hbm["device"].is_object() || hbm["device"].contains("base"))) {
      return;
    }
  }
  document.merge(pointer + "/hbm/device",
                 Document::parse(fmt::format(R"({{"base": "{}"}})", kDefaultDevice), "default"));
}

HpimMachineConfig read_machine(Document document, const std::string& pointer,
                               const std::string& folder, const std::string& preset_folder) {
  complete_device_base(document, pointer);
  const std::string device = pointer + "/hbm/device";
  if (document.root().contains(Json::json_pointer(device))) {
    merge_device_bases(document, device, folder, preset_folder + "/hbm");
  }
  HpimMachineConfig config;
  ObjectReader machine(document, pointer);
  std::string description;
  machine.read_string("description", description);
  read_host(machine, config.host);
  read_hbm(document, machine, folder, config.hbm);
  read_sram_pim(document, machine, config.sram_pim);
  read_noc(document, machine, config.noc);
  read_dma(machine, config.dma);
  read_uart(machine, config.uart);
  read_blocks(document, machine, "blocks", config.blocks);
  read_blocks(document, machine, "extra_blocks", config.extra_blocks);
  machine.finish();
  return config;
}

}  // namespace hpimvp::config
