#include "models/interconnect/mesh_timing.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace hpimvp::interconnect {
namespace {

unsigned distance(unsigned a, unsigned b) {
  return a > b ? a - b : b - a;
}

std::uint64_t divide_rounding_up(std::uint64_t value, std::uint64_t divisor) {
  return value / divisor + (value % divisor != 0);
}

void check(const MeshConfig& config) {
  if (config.columns == 0 || config.rows == 0 || config.flit_bytes == 0 ||
      config.packet_payload_bytes == 0 || config.hop_cycles == 0 || config.clock_period_ps == 0) {
    throw std::invalid_argument("mesh: every size, latency and period must be at least 1");
  }
  for (std::size_t i = 0; i < config.nodes.size(); ++i) {
    const MeshNode& node = config.nodes[i];
    if (node.x >= config.columns || node.y >= config.rows) {
      throw std::invalid_argument("mesh: node " + node.name + " at (" + std::to_string(node.x) +
                                  ", " + std::to_string(node.y) + ") lies outside the " +
                                  std::to_string(config.columns) + " x " +
                                  std::to_string(config.rows) + " mesh");
    }
    for (std::size_t j = 0; j < i; ++j) {
      const MeshNode& other = config.nodes[j];
      if (other.name == node.name) {
        throw std::invalid_argument("mesh: two nodes are called " + node.name);
      }
      if (other.x == node.x && other.y == node.y) {
        throw std::invalid_argument("mesh: nodes " + other.name + " and " + node.name +
                                    " are both at (" + std::to_string(node.x) + ", " +
                                    std::to_string(node.y) + ")");
      }
    }
  }
}

}  // namespace

const char* initiator_name(common::Initiator initiator) {
  switch (initiator) {
    case common::Initiator::kHost:
      return "host";
    case common::Initiator::kDma:
      return "dma";
    case common::Initiator::kTile:
      return "tile";
    case common::Initiator::kDispatcher:
      return "dispatcher";
    case common::Initiator::kHbmStack:
      return "hbm_stack";
    case common::Initiator::kDebugger:
      return "debugger";
  }
  return "unknown";
}

MeshTiming::MeshTiming(MeshConfig config) : config_(std::move(config)) {
  check(config_);
  links_.resize(static_cast<std::size_t>(config_.columns) * config_.rows * kDirections);
}

std::size_t MeshTiming::node(const std::string& name) const {
  for (std::size_t i = 0; i < config_.nodes.size(); ++i) {
    if (config_.nodes[i].name == name) return i;
  }
  throw std::invalid_argument("mesh: no node is called " + name);
}

std::uint64_t MeshTiming::flits(std::uint64_t payload_bytes) const {
  const std::uint64_t packets =
      std::max<std::uint64_t>(1, divide_rounding_up(payload_bytes, config_.packet_payload_bytes));
  const std::uint64_t full_packets = payload_bytes / config_.packet_payload_bytes;
  const std::uint64_t rest = payload_bytes % config_.packet_payload_bytes;
  return packets +
         full_packets * divide_rounding_up(config_.packet_payload_bytes, config_.flit_bytes) +
         divide_rounding_up(rest, config_.flit_bytes);
}

unsigned MeshTiming::hops(std::size_t source, std::size_t destination) const {
  const MeshNode& from = config_.nodes[source];
  const MeshNode& to = config_.nodes[destination];
  return distance(from.x, to.x) + distance(from.y, to.y);
}

std::uint64_t MeshTiming::reserve(std::size_t index, std::uint64_t arrival_cycle,
                                  std::uint64_t flits) {
  Link& link = links_[index];
  const std::uint64_t start = std::max(arrival_cycle, link.free_cycle);
  link.free_cycle = start + flits;
  link.busy_cycles += flits;
  return start;
}

std::uint64_t MeshTiming::send(std::size_t source, std::size_t destination,
                               std::uint64_t payload_bytes, std::uint64_t start_ps,
                               common::Initiator initiator) {
  InitiatorTotals& totals = totals_[static_cast<std::size_t>(initiator)];
  ++totals.messages;
  totals.payload_bytes += payload_bytes;
  if (source == destination) return start_ps;

  const std::uint64_t length = flits(payload_bytes);
  const MeshNode& from = config_.nodes[source];
  const MeshNode& to = config_.nodes[destination];
  const std::uint64_t first_cycle = divide_rounding_up(start_ps, config_.clock_period_ps);

  std::uint64_t cycle = reserve(link_index(from.x, from.y, kInjection), first_cycle, length);
  if (activity_ != nullptr) report(injecting_[source], cycle, length);
  for (unsigned x = from.x; x != to.x;) {
    const bool east = x < to.x;
    cycle =
        reserve(link_index(x, from.y, east ? kEast : kWest), cycle + config_.hop_cycles, length);
    x = east ? x + 1 : x - 1;
  }
  for (unsigned y = from.y; y != to.y;) {
    const bool south = y < to.y;
    cycle =
        reserve(link_index(to.x, y, south ? kSouth : kNorth), cycle + config_.hop_cycles, length);
    y = south ? y + 1 : y - 1;
  }
  cycle = reserve(link_index(to.x, to.y, kEjection), cycle + config_.hop_cycles, length);
  if (activity_ != nullptr) report(ejecting_[destination], cycle, length);

  const std::uint64_t last_cycle = cycle + config_.hop_cycles + length - 1;
  const std::uint64_t uncontended =
      static_cast<std::uint64_t>(hops(source, destination) + 2) * config_.hop_cycles + length - 1;
  totals.flits += length;
  totals.waiting_cycles += last_cycle - first_cycle - uncontended;
  return last_cycle * config_.clock_period_ps;
}

void MeshTiming::set_activity(common::ActivitySink* sink, const std::string& prefix) {
  activity_ = sink;
  injecting_.clear();
  ejecting_.clear();
  if (sink == nullptr) return;
  for (const MeshNode& node : config_.nodes) {
    injecting_.push_back(sink->declare_signal(prefix + "." + node.name + ".injecting", 1));
    ejecting_.push_back(sink->declare_signal(prefix + "." + node.name + ".ejecting", 1));
  }
}

void MeshTiming::report(common::SignalId signal, std::uint64_t start_cycle, std::uint64_t flits) {
  activity_->change(signal, start_cycle * config_.clock_period_ps, 1);
  activity_->change(signal, (start_cycle + flits) * config_.clock_period_ps, 0);
}

std::string MeshTiming::link_name(std::size_t link) const {
  static const char* const kNames[] = {"east", "west", "south", "north", "injection", "ejection"};
  const std::size_t place = link / kDirections;
  std::string name = "x";
  name += std::to_string(place % config_.columns);
  name += "y";
  name += std::to_string(place / config_.columns);
  name += "_";
  return name + kNames[link % kDirections];
}

common::Statistics MeshTiming::statistics() const {
  common::Statistics statistics;
  for (std::size_t i = 0; i < totals_.size(); ++i) {
    const InitiatorTotals& totals = totals_[i];
    if (totals.messages == 0) continue;
    const std::string prefix = initiator_name(static_cast<common::Initiator>(i));
    statistics.emplace_back(prefix + "_messages", totals.messages);
    statistics.emplace_back(prefix + "_payload_bytes", totals.payload_bytes);
    statistics.emplace_back(prefix + "_flits", totals.flits);
    statistics.emplace_back(prefix + "_waiting_cycles", totals.waiting_cycles);
  }
  std::size_t busiest = 0;
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (links_[i].busy_cycles > links_[busiest].busy_cycles) busiest = i;
  }
  statistics.emplace_back("busiest_link_" + link_name(busiest) + "_busy_cycles",
                          links_[busiest].busy_cycles);
  for (const MeshNode& node : config_.nodes) {
    statistics.emplace_back(node.name + "_injection_busy_cycles",
                            links_[link_index(node.x, node.y, kInjection)].busy_cycles);
    statistics.emplace_back(node.name + "_ejection_busy_cycles",
                            links_[link_index(node.x, node.y, kEjection)].busy_cycles);
  }
  return statistics;
}

}  // namespace hpimvp::interconnect
