// When a packet arrives: a two-dimensional mesh of routers with dimension-ordered (X first, then Y)
// routing, virtual cut-through switching and one reservation per link.
//
// A packet is one header flit and its payload in flits of `flit_bytes`; payloads above
// `packet_payload_bytes` are cut into several packets, each with its header, which travel back to
// back. A link moves one flit a cycle. The header leaves a link's input `hop_cycles` after it has
// won the link; it wins a link when it has arrived and every flit reserved before it is through.
// Each node has an injection and an ejection link of the same width, so two flows into one node
// share its ejection link. So, uncontended, over `hops` mesh links:
//
//     latency in cycles = (hops + 2) * hop_cycles + flits - 1
//
// Buffers are unlimited: a blocked packet holds no link behind it. Each reservation is made for the
// whole packet, in the order of the calls; callers therefore call in the order of time, give or
// take the latency of one packet.
//
// The geometry and the 256-bit flits at 800 MHz are those published for the same 32-tile,
// 4-stack structure (SPIMOE, arXiv 2609.34612); two cycles a hop (router and link) and 256-byte
// packets are this project's assumptions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "models/common/activity.h"
#include "models/common/initiator.h"
#include "models/common/statistics.h"

namespace hpimvp::interconnect {

struct MeshNode {
  std::string name;
  unsigned x = 0;  // column
  unsigned y = 0;  // row
};

struct MeshConfig {
  unsigned columns = 8;
  unsigned rows = 5;
  unsigned flit_bytes = 32;
  unsigned packet_payload_bytes = 256;
  unsigned hop_cycles = 2;
  std::uint64_t clock_period_ps = 1250;
  std::vector<MeshNode> nodes;  // at most one at each place
};

class MeshTiming {
 public:
  // Throws std::invalid_argument for a size of 0, a node outside the mesh, two nodes at one place
  // or of one name.
  explicit MeshTiming(MeshConfig config);

  // Index in MeshConfig::nodes; throws std::invalid_argument for an unknown name.
  std::size_t node(const std::string& name) const;

  std::uint64_t flits(std::uint64_t payload_bytes) const;
  unsigned hops(std::size_t source, std::size_t destination) const;

  // Sends a message of `payload_bytes` (0: a header alone) at `start_ps`, reserves the links, and
  // returns when its last flit has left the destination's ejection link. A message inside one node
  // costs nothing.
  std::uint64_t send(std::size_t source, std::size_t destination, std::uint64_t payload_bytes,
                     std::uint64_t start_ps, common::Initiator initiator);

  // Declares two busy signals a node, "<prefix>.<node>.injecting" and ".ejecting".
  void set_activity(common::ActivitySink* sink, const std::string& prefix);

  const MeshConfig& config() const { return config_; }
  // For each kind of initiator that sent something: messages, flits, cycles lost in waiting for
  // links. For each node: busy cycles of its injection and ejection link. And the busiest link.
  common::Statistics statistics() const;

 private:
  enum Direction : unsigned { kEast, kWest, kSouth, kNorth, kInjection, kEjection, kDirections };
  struct Link {
    std::uint64_t free_cycle = 0;
    std::uint64_t busy_cycles = 0;
  };
  struct InitiatorTotals {
    std::uint64_t messages = 0;
    std::uint64_t payload_bytes = 0;
    std::uint64_t flits = 0;
    std::uint64_t waiting_cycles = 0;
  };

  std::size_t link_index(unsigned x, unsigned y, Direction direction) const {
    return (static_cast<std::size_t>(y) * config_.columns + x) * kDirections + direction;
  }
  // The cycle in which the header wins the link.
  std::uint64_t reserve(std::size_t link, std::uint64_t arrival_cycle, std::uint64_t flits);
  void report(common::SignalId signal, std::uint64_t start_cycle, std::uint64_t flits);
  std::string link_name(std::size_t link) const;

  MeshConfig config_;
  std::vector<Link> links_;
  std::array<InitiatorTotals, 6> totals_{};
  common::ActivitySink* activity_ = nullptr;
  std::vector<common::SignalId> injecting_;
  std::vector<common::SignalId> ejecting_;
};

const char* initiator_name(common::Initiator initiator);

}  // namespace hpimvp::interconnect
