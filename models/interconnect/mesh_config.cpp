#include "models/interconnect/mesh_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "models/common/divide.h"

namespace hpimvp::interconnect {
namespace {

using common::divide_up;

void check_node(const MeshConfig& config, std::size_t index) {
  const MeshNode& node = config.nodes[index];
  if (node.x >= config.columns || node.y >= config.rows) {
    throw std::invalid_argument(
        fmt::format("mesh: node {} at ({}, {}) lies outside the {} x {} mesh", node.name, node.x,
                    node.y, config.columns, config.rows));
  }
  for (std::size_t i = 0; i < index; ++i) {
    const MeshNode& other = config.nodes[i];
    if (other.name == node.name) {
      throw std::invalid_argument(fmt::format("mesh: two nodes are called {}", node.name));
    }
    if (other.x == node.x && other.y == node.y) {
      throw std::invalid_argument(fmt::format("mesh: nodes {} and {} are both at ({}, {})",
                                              other.name, node.name, node.x, node.y));
    }
  }
}

}  // namespace

void check(const MeshConfig& config) {
  if (config.columns == 0 || config.rows == 0 || config.flit_bytes == 0 ||
      config.packet_payload_bytes == 0 || config.hop_cycles == 0 || config.credit_cycles == 0 ||
      config.virtual_channels == 0 || config.clock_period_ps == 0) {
    throw std::invalid_argument("mesh: every size, latency and period must be at least 1");
  }
  if (config.buffer_flits < config.hop_cycles + config.credit_cycles) {
    throw std::invalid_argument(fmt::format(
        "mesh: buffers of {} flits cannot keep a link busy; a flit stays for {} cycles and "
        "its place is known to be free {} later",
        config.buffer_flits, config.hop_cycles, config.credit_cycles));
  }
  for (std::size_t i = 0; i < config.nodes.size(); ++i) check_node(config, i);
}

std::size_t node_index(const MeshConfig& config, const std::string& name) {
  const auto node = std::find_if(config.nodes.begin(), config.nodes.end(),
                                 [&name](const MeshNode& one) { return one.name == name; });
  if (node == config.nodes.end()) {
    throw std::invalid_argument(fmt::format("mesh: no node is called {}", name));
  }
  return static_cast<std::size_t>(node - config.nodes.begin());
}

unsigned hops(const MeshConfig& config, std::size_t source, std::size_t destination) {
  const MeshNode& from = config.nodes[source];
  const MeshNode& to = config.nodes[destination];
  const auto distance = [](unsigned a, unsigned b) { return a < b ? b - a : a - b; };
  return distance(from.x, to.x) + distance(from.y, to.y);
}

std::uint64_t flits_of(const MeshConfig& config, std::uint64_t payload_bytes) {
  const std::uint64_t packet = config.packet_payload_bytes;
  const std::uint64_t packets = std::max<std::uint64_t>(1, divide_up(payload_bytes, packet));
  return packets + payload_bytes / packet * divide_up<std::uint64_t>(packet, config.flit_bytes) +
         divide_up<std::uint64_t>(payload_bytes % packet, config.flit_bytes);
}

std::string link_name(const MeshConfig& config, std::uint32_t link) {
  static constexpr const char* kNames[] = {"east",  "west",      "south",
                                           "north", "injection", "ejection"};
  const std::uint32_t place = link / kLinksOfPlace;
  return fmt::format("x{}y{}_{}", place % config.columns, place / config.columns,
                     kNames[link % kLinksOfPlace]);
}

void append_route(const MeshConfig& config, std::size_t source, std::size_t destination,
                  std::vector<std::uint32_t>& route) {
  const MeshNode& from = config.nodes[source];
  const MeshNode& to = config.nodes[destination];
  route.push_back(link_index(config, from.x, from.y, LinkKind::kInjection));
  for (unsigned x = from.x; x != to.x; x < to.x ? ++x : --x) {
    route.push_back(link_index(config, x, from.y, x < to.x ? LinkKind::kEast : LinkKind::kWest));
  }
  for (unsigned y = from.y; y != to.y; y < to.y ? ++y : --y) {
    route.push_back(link_index(config, to.x, y, y < to.y ? LinkKind::kSouth : LinkKind::kNorth));
  }
  route.push_back(link_index(config, to.x, to.y, LinkKind::kEjection));
}

}  // namespace hpimvp::interconnect
