// What a mesh is made of: its size, its routers, and who is attached where.
//
// The geometry and the 256-bit flits at 800 MHz are those published for the same 32-tile, 4-stack
// structure (SPIMOE, arXiv 2609.34612). Two cycles a hop (router and link), 256-byte packets, the
// number and the depth of the buffers are this project's assumptions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace hpimvp::interconnect {

struct MeshNode {
  std::string name;
  unsigned x = 0;  // column
  unsigned y = 0;  // row
};

// What moving a bit costs, header bits and payload alike. docs/interconnect.md compares sources.
struct MeshEnergy {
  // Of each router it passes: FlooNoC (IEEE TVLSI 33(4), 2025; 12 nm, 0.8 V), 0.15 pJ a byte.
  double router_pj_per_bit = 0.019;
  // Of wires between routers: Dally, Turakhia, Han (CACM 63(7), 2020), on-chip communication.
  double link_pj_per_bit_mm = 0.1;
  // From router to router: assumption. Eight columns are as wide as a stack, about 12 mm.
  double hop_mm = 1.5;
};

struct MeshConfig {
  unsigned columns = 8;
  unsigned rows = 5;
  unsigned flit_bytes = 32;
  unsigned packet_payload_bytes = 256;  // each gets a header flit
  unsigned hop_cycles = 2;              // from a link to where the next one can be won
  unsigned virtual_channels = 4;        // buffers at the end of a link, one for each message
  unsigned buffer_flits = 8;            // of each
  unsigned credit_cycles = 1;           // until the sender knows of a place that became free
  std::uint64_t clock_period_ps = 1250;
  MeshEnergy energy;
  std::vector<MeshNode> nodes;  // at most one at each place
};

// Throws std::invalid_argument for a size of 0, buffers that could not keep a link busy, a node
// outside the mesh, two nodes at one place or of one name.
void check(const MeshConfig& config);

// Index in MeshConfig::nodes; throws std::invalid_argument for an unknown name.
std::size_t node_index(const MeshConfig& config, const std::string& name);

// Mesh links between two nodes: the places' distance.
unsigned hops(const MeshConfig& config, std::size_t source, std::size_t destination);

// Of a message of `payload_bytes`: one header for each packet (at least one), and the payload.
std::uint64_t flits_of(const MeshConfig& config, std::uint64_t payload_bytes);

// Links have numbers: six leave or enter each place of the mesh.
enum class LinkKind : std::uint8_t { kEast, kWest, kSouth, kNorth, kInjection, kEjection };
inline constexpr std::uint32_t kLinksOfPlace = 6;

inline std::uint32_t link_index(const MeshConfig& config, unsigned x, unsigned y, LinkKind kind) {
  return (y * config.columns + x) * kLinksOfPlace + static_cast<std::uint32_t>(kind);
}
inline std::uint32_t link_count(const MeshConfig& config) {
  return config.columns * config.rows * kLinksOfPlace;
}
// "x3y0_east": leaves column 3 of row 0 to the east. Injection and ejection belong to the node.
std::string link_name(const MeshConfig& config, std::uint32_t link);

// Appends the links from one node to another: injection, along X, along Y, ejection.
void append_route(const MeshConfig& config, std::size_t source, std::size_t destination,
                  std::vector<std::uint32_t>& route);

}  // namespace hpimvp::interconnect
