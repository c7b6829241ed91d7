#include "platform/hpim/topology.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "models/common/divide.h"
#include "platform/config/nearest.h"

namespace hpimvp::hpim {
namespace {

using interconnect::MeshNode;

constexpr std::uint64_t kRegisterAlignment = 8;
constexpr std::uint64_t kMemoryAlignment = 64;

[[noreturn]] void fail(const std::string& place, const std::string& message) {
  throw MachineError(place.empty() ? message : place + ": " + message);
}

std::vector<BlockConfig> entries_of(const HpimMachineConfig& config) {
  std::vector<BlockConfig> entries = config.blocks.empty() ? default_blocks() : config.blocks;
  entries.insert(entries.end(), config.extra_blocks.begin(), config.extra_blocks.end());
  return entries;
}

const BlockType& type_of(const BlockConfig& entry, const BlockRegistry& registry) {
  const BlockType* type = registry.find(entry.block);
  if (type == nullptr) {
    fail(entry.place, fmt::format("there is no type of block '{}'{}; there are {}", entry.block,
                                  config::suggestion(entry.block, registry.names()),
                                  config::join(registry.names())));
  }
  return *type;
}

std::uint32_t count_of(const BlockConfig& entry, const BlockType& type,
                       const HpimMachineConfig& config) {
  if (!type.count_in) {
    if (entry.count == 0) {
      fail(entry.place, fmt::format("block '{}' needs a count of at least 1", entry.name));
    }
    return entry.count;
  }
  const std::uint32_t count = type.count_in(config);
  if (entry.count != 0 && entry.count != count) {
    fail(entry.place, fmt::format("block '{}' has a count of {}, but the machine has {} (0 stands "
                                  "for as many as it has)",
                                  entry.name, entry.count, count));
  }
  return count;
}

void check_entry(const BlockConfig& entry, const BlockType& type, std::uint32_t count,
                 std::uint64_t memory_bytes) {
  const auto refuse = [&](const std::string& what) {
    fail(entry.place, fmt::format("block '{}': {}", entry.name, what));
  };
  if (entry.name.empty() || entry.name == kHostNode) {
    refuse(fmt::format("a block needs a name, and it must not be '{}'", kHostNode));
  }
  if (entry.size < type.register_bytes) {
    refuse(fmt::format("size {:#x} is less than the {:#x} bytes of registers of '{}'", entry.size,
                       type.register_bytes, type.name));
  }
  if (entry.address % kRegisterAlignment != 0 || entry.stride % kRegisterAlignment != 0) {
    refuse(fmt::format("address and stride must be multiples of {}", kRegisterAlignment));
  }
  if (count > 1 && entry.stride < entry.size) {
    refuse(fmt::format("{} instances need a stride of at least the size {:#x}, found {:#x}", count,
                       entry.size, entry.stride));
  }
  if (entry.interrupt != 0 && !type.has_interrupt) {
    refuse(fmt::format("'{}' has no interrupt to connect to {}", type.name, entry.interrupt));
  }
  if (entry.interrupt != 0 && count > 1 && entry.interrupt_stride == 0) {
    refuse(fmt::format("{} instances cannot share interrupt {}: give an interrupt_stride", count,
                       entry.interrupt));
  }
  if (memory_bytes == 0) {
    if (entry.memory_address != 0 || entry.memory_size != 0) {
      refuse(fmt::format("'{}' has no memory to place", type.name));
    }
    return;
  }
  if (entry.memory_address == 0) refuse("its memory needs an address");
  if (entry.memory_address % kMemoryAlignment != 0 || entry.memory_stride % kMemoryAlignment != 0) {
    refuse(
        fmt::format("address and stride of its memory must be multiples of {}", kMemoryAlignment));
  }
  if (entry.memory_size != 0 && entry.memory_size < memory_bytes) {
    refuse(fmt::format("its memory of {:#x} bytes does not fit into {:#x}", memory_bytes,
                       entry.memory_size));
  }
  if (count > 1 && entry.memory_stride < memory_bytes) {
    refuse(fmt::format("{} memories of {:#x} bytes need a stride of at least that, found {:#x}",
                       count, memory_bytes, entry.memory_stride));
  }
}

std::vector<BlockInstance> expand(const BlockConfig& entry, const BlockType& type,
                                  const HpimMachineConfig& config) {
  const std::uint32_t count = count_of(entry, type, config);
  const std::uint64_t memory_bytes = type.memory_bytes_in ? type.memory_bytes_in(config) : 0;
  check_entry(entry, type, count, memory_bytes);
  const bool is_array = type.count_in || count != 1 || entry.stride != 0;
  std::vector<BlockInstance> instances;
  for (std::uint32_t i = 0; i < count; ++i) {
    BlockInstance instance;
    instance.type = &type;
    instance.name = is_array ? entry.name + std::to_string(i) : entry.name;
    instance.index = i;
    instance.register_address = entry.address + i * entry.stride;
    instance.register_bytes = entry.size;
    instance.interrupt = entry.interrupt == 0 ? 0 : entry.interrupt + i * entry.interrupt_stride;
    instance.memory_bytes = memory_bytes;
    instance.memory_address =
        memory_bytes == 0 ? 0 : entry.memory_address + i * entry.memory_stride;
    instance.payload_bytes = type.payload_bytes_in ? type.payload_bytes_in(config) : 0;
    instance.place = entry.place;
    instances.push_back(std::move(instance));
  }
  return instances;
}

void check_numbers(const std::vector<BlockInstance>& blocks, const BlockRegistry& registry) {
  std::map<std::string, std::uint32_t> counts;
  std::map<std::uint32_t, const BlockInstance*> interrupts;
  std::set<std::string> names;
  for (const BlockInstance& block : blocks) {
    ++counts[block.type->name];
    if (!names.insert(block.name).second) {
      fail(block.place, fmt::format("two blocks are called '{}'", block.name));
    }
    if (block.interrupt == 0) continue;
    if (block.interrupt > kMaxInterrupt) {
      fail(block.place, fmt::format("block '{}' has interrupt {}; the PLIC has 1 to {}", block.name,
                                    block.interrupt, kMaxInterrupt));
    }
    const auto [other, is_new] = interrupts.emplace(block.interrupt, &block);
    if (!is_new) {
      fail(block.place, fmt::format("blocks '{}' and '{}' both have interrupt {}",
                                    other->second->name, block.name, block.interrupt));
    }
  }
  for (const auto& [name, type] : registry.types()) {
    const std::uint32_t count = counts[name];
    if (count < type.at_least) {
      fail("", fmt::format("the machine has no block of type '{}'", name));
    }
    if (count > type.at_most) {
      fail("", fmt::format("the machine has {} blocks of type '{}'; at most {} can be", count, name,
                           type.at_most));
    }
  }
}

void add_range(Topology& topology, const std::string& place, const std::string& name,
               std::uint64_t base, std::uint64_t size) {
  try {
    topology.map.add({name, base, size, 0});
  } catch (const std::invalid_argument& error) {
    fail(place, error.what());
  }
}

void build_map(Topology& topology) {
  add_range(topology, "", "host memory", kHostMemoryBase, topology.host_memory_bytes);
  for (const BlockInstance& block : topology.blocks) {
    add_range(topology, block.place, block.name + " registers", block.register_address,
              block.register_bytes);
    if (block.memory_bytes != 0) {
      add_range(topology, block.place, block.name + " memory", block.memory_address,
                block.memory_bytes);
    }
  }
}

// Names of the nodes that a block is attached to.
std::vector<std::string> nodes_of(const BlockInstance& block, std::uint32_t stack_ports) {
  if (!block.is_node()) return {};
  if (block.type->device_kind != plan::DeviceKind::kHbmPimStack || stack_ports == 1) {
    return {block.name};
  }
  std::vector<std::string> nodes;
  for (std::uint32_t i = 0; i < stack_ports; ++i) {
    nodes.push_back(fmt::format("{}.port{}", block.name, i));
  }
  return nodes;
}

// The blocks that are nodes, by what decides about their place.
struct NodeGroups {
  std::vector<const BlockInstance*> first_stacks;  // half of them
  std::vector<const BlockInstance*> masters;
  std::vector<const BlockInstance*> tiles;
  std::vector<const BlockInstance*> last_stacks;
};

NodeGroups group_nodes(const std::vector<BlockInstance>& blocks) {
  NodeGroups groups;
  std::vector<const BlockInstance*> stacks;
  for (const BlockInstance& block : blocks) {
    if (!block.is_node()) continue;
    const auto kind = block.type->device_kind;
    auto& group = kind == plan::DeviceKind::kHbmPimStack   ? stacks
                  : kind == plan::DeviceKind::kSramPimTile ? groups.tiles
                                                           : groups.masters;
    group.push_back(&block);
  }
  const auto half = stacks.begin() + static_cast<std::ptrdiff_t>((stacks.size() + 1) / 2);
  groups.first_stacks.assign(stacks.begin(), half);
  groups.last_stacks.assign(half, stacks.end());
  return groups;
}

// Fills a mesh from the top left, row by row.
class NodePlacer {
 public:
  explicit NodePlacer(interconnect::MeshConfig& mesh) : mesh_(mesh) {}

  void place(const std::string& name) {
    mesh_.nodes.push_back({name, position_ % mesh_.columns, position_ / mesh_.columns});
    ++position_;
  }
  void place(const std::vector<const BlockInstance*>& blocks) {
    for (const BlockInstance* block : blocks) {
      for (const std::string& name : block->nodes) place(name);
    }
  }
  void start_row() { position_ = common::divide_up(position_, mesh_.columns) * mesh_.columns; }
  // Each block in a row of its own, its nodes in the middle of equal parts of it.
  void place_in_rows(const std::vector<const BlockInstance*>& blocks) {
    for (const BlockInstance* block : blocks) {
      start_row();
      const unsigned row = position_ / mesh_.columns;
      const auto parts = static_cast<unsigned>(block->nodes.size());
      for (unsigned i = 0; i < parts; ++i) {
        mesh_.nodes.push_back({block->nodes[i], (2 * i + 1) * mesh_.columns / (2 * parts), row});
      }
      position_ += mesh_.columns;
    }
  }

 private:
  interconnect::MeshConfig& mesh_;
  unsigned position_ = 0;
};

void place_by_rule(const NodeGroups& groups, bool stacks_have_rows,
                   interconnect::MeshConfig& mesh) {
  NodePlacer placer(mesh);
  if (stacks_have_rows) {
    placer.place_in_rows(groups.first_stacks);
  } else {
    placer.place(groups.first_stacks);
  }
  placer.place(kHostNode);
  placer.place(groups.masters);
  if (!stacks_have_rows) placer.place(groups.last_stacks);
  placer.start_row();
  placer.place(groups.tiles);
  if (stacks_have_rows) placer.place_in_rows(groups.last_stacks);
}

void place_by_wish(const std::vector<MeshNode>& wishes, interconnect::MeshConfig& mesh) {
  std::vector<std::string> names;
  for (const MeshNode& node : mesh.nodes) names.push_back(node.name);
  for (const MeshNode& wish : wishes) {
    const auto node = std::find_if(mesh.nodes.begin(), mesh.nodes.end(),
                                   [&](const MeshNode& one) { return one.name == wish.name; });
    if (node == mesh.nodes.end()) {
      fail("", fmt::format("placement: the mesh has no node '{}'{}", wish.name,
                           config::suggestion(wish.name, names)));
    }
    *node = wish;
  }
}

void place_nodes(Topology& topology) {
  const NocConfig& noc = topology.config.noc;
  interconnect::MeshConfig& mesh = topology.mesh;
  mesh.columns = noc.columns;
  mesh.flit_bytes = noc.flit_bits / 8;
  mesh.packet_payload_bytes = noc.packet_payload_bytes;
  mesh.hop_cycles = noc.hop_cycles;
  mesh.virtual_channels = noc.virtual_channels;
  mesh.buffer_flits = noc.buffer_flits;
  mesh.clock_period_ps = clock_period_ps(noc.clock_mhz);
  mesh.energy = noc.energy;
  if (mesh.columns == 0) fail("", "the mesh needs at least 1 column");
  if (noc.stack_ports == 0 || noc.stack_ports > mesh.columns) {
    fail("", fmt::format("a stack has 1 to {} ports (at most one in each column of the mesh), "
                         "found {}",
                         mesh.columns, noc.stack_ports));
  }
  for (BlockInstance& block : topology.blocks) block.nodes = nodes_of(block, noc.stack_ports);
  place_by_rule(group_nodes(topology.blocks), noc.stack_ports > 1, mesh);
  place_by_wish(noc.placement, mesh);
  mesh.rows = 1;
  for (const MeshNode& node : mesh.nodes) mesh.rows = std::max(mesh.rows, node.y + 1);
  try {
    interconnect::check(mesh);
  } catch (const std::invalid_argument& error) {
    fail("", error.what());
  }
}

nlohmann::ordered_json memory_map_json(const Topology& topology) {
  auto list = nlohmann::ordered_json::array();
  for (const interconnect::AddressRange& range : topology.map.ranges()) {
    list.push_back({{"first", fmt::format("{:#x}", range.base)},
                    {"last", fmt::format("{:#x}", range.base + (range.size - 1))},
                    {"bytes", range.size},
                    {"name", range.name}});
  }
  return list;
}

nlohmann::ordered_json interrupts_json(const Topology& topology) {
  std::map<std::uint32_t, std::string> sources;
  for (const BlockInstance& block : topology.blocks) {
    if (block.interrupt != 0) sources[block.interrupt] = block.name;
  }
  auto list = nlohmann::ordered_json::array();
  for (const auto& [source, name] : sources) {
    list.push_back({{"source", source}, {"name", name}});
  }
  return list;
}

nlohmann::ordered_json clocks_json(const HpimMachineConfig& config) {
  auto list = nlohmann::ordered_json::array();
  for (const Clock& clock : clocks(config)) {
    list.push_back({{"name", clock.name},
                    {"period_ps", clock.period_ps},
                    {"mhz", 1e6 / static_cast<double>(clock.period_ps)}});
  }
  return list;
}

nlohmann::ordered_json mesh_json(const interconnect::MeshConfig& mesh, std::uint32_t stack_ports) {
  auto nodes = nlohmann::ordered_json::array();
  for (const MeshNode& node : mesh.nodes) {
    nodes.push_back({{"name", node.name}, {"x", node.x}, {"y", node.y}});
  }
  const double link_bytes_per_s =
      mesh.flit_bytes * 1e12 / static_cast<double>(mesh.clock_period_ps);
  return {{"columns", mesh.columns},
          {"rows", mesh.rows},
          {"flit_bytes", mesh.flit_bytes},
          {"hop_cycles", mesh.hop_cycles},
          {"virtual_channels", mesh.virtual_channels},
          {"buffer_flits", mesh.buffer_flits},
          {"stack_ports", stack_ports},
          {"link_gb_per_s", link_bytes_per_s * 1e-9},
          {"nodes", nodes}};
}

nlohmann::ordered_json capacities_json(const HpimMachineConfig& config) {
  const hbm_pim::DeviceOrganisation& hbm = config.hbm.stack.device.organisation;
  return {{"host_memory_bytes", std::uint64_t{config.host.memory_mib} << 20},
          {"hbm_device", config.hbm.stack.device.name},
          {"hbm_stacks", config.hbm.stacks},
          {"hbm_stack_bytes", hbm.stack_bytes()},
          {"hbm_bytes", hbm.stack_bytes() * config.hbm.stacks},
          {"pseudo_channels_per_stack", hbm.pseudo_channels()},
          {"banks_per_pseudo_channel", hbm.banks()},
          {"tiles", config.sram_pim.tiles},
          {"activation_bytes_per_tile", config.sram_pim.tile.activation_bytes},
          {"control_bytes_per_tile", config.sram_pim.tile.control_bytes}};
}

}  // namespace

std::uint64_t clock_period_ps(double clock_mhz) {
  return static_cast<std::uint64_t>(std::llround(1e6 / clock_mhz));
}

std::vector<Clock> clocks(const HpimMachineConfig& config) {
  return {{"host", clock_period_ps(config.host.clock_mhz)},
          {"noc", clock_period_ps(config.noc.clock_mhz)},
          {"dma", clock_period_ps(config.dma.clock_mhz)},
          {"sram_pim", config.sram_pim.tile.clock_period_ps},
          {"hbm", config.hbm.stack.device.clock_period_ps}};
}

bool Topology::is_payload(std::uint64_t address) const {
  if (config.data_mode == DataMode::kFunctional) return false;
  for (const BlockInstance& block : blocks) {
    if (address - block.memory_address < block.payload_bytes) return true;
  }
  return false;
}

Topology resolve(const HpimMachineConfig& config, const BlockRegistry& registry) {
  Topology topology;
  topology.config = config;
  topology.host_memory_bytes = std::uint64_t{config.host.memory_mib} << 20;
  for (const BlockConfig& entry : entries_of(config)) {
    for (BlockInstance& instance : expand(entry, type_of(entry, registry), config)) {
      topology.blocks.push_back(std::move(instance));
    }
  }
  check_numbers(topology.blocks, registry);
  build_map(topology);
  place_nodes(topology);
  return topology;
}

std::vector<plan::Device> device_table(const Topology& topology) {
  std::vector<plan::Device> devices;
  std::map<plan::DeviceKind, std::uint32_t> counts;
  for (const BlockInstance& block : topology.blocks) {
    if (!block.type->device_kind) continue;
    plan::Device device{};
    device.kind = *block.type->device_kind;
    device.index = counts[device.kind]++;
    device.register_address = block.register_address;
    device.memory_address = block.memory_address;
    device.memory_bytes = block.memory_bytes;
    device.interrupt = block.interrupt;
    if (block.type->device_clock_hz) {
      device.clock_hz = block.type->device_clock_hz(topology.config);
    }
    devices.push_back(device);
  }
  return devices;
}

nlohmann::ordered_json describe(const Topology& topology) {
  const HpimMachineConfig& config = topology.config;
  const bool functional = config.data_mode == DataMode::kFunctional;
  return {{"data", functional ? "functional" : "timing"},
          {"memory_map", memory_map_json(topology)},
          {"interrupts", interrupts_json(topology)},
          {"clocks", clocks_json(config)},
          {"mesh", mesh_json(topology.mesh, config.noc.stack_ports)},
          {"capacities", capacities_json(config)}};
}

}  // namespace hpimvp::hpim
