// The machine as it is to be built: every block of a configuration with its addresses, interrupt
// and place in the mesh, checked as a whole. Needs no simulation, so that `validate` and
// `describe` say what `run` will do.
//
// Nodes of the mesh are the host (CPU and host memory), every bus master and every block with
// memory; a stack has NocConfig::stack_ports of them. From the top, unless NocConfig::placement
// says otherwise: half of the stacks, each with a row of its own and its ports spread over the
// columns; a row of the host and the other masters; rows of tiles; the rest of the stacks. With one
// port a stack, the first rows take, from left to right, half of the stacks, the host, the other
// masters and the rest of the stacks, and tiles fill the rows below. (SPIMOE, arXiv 2609.34612, has
// the tiles in a 4 x 8 mesh; where stacks and host are attached is this project's assumption.)
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/interconnect/address_map.h"
#include "models/interconnect/mesh_config.h"
#include "platform/hpim/block_registry.h"
#include "platform/hpim/machine_config.h"

namespace hpimvp::hpim {

inline constexpr std::uint64_t kHostMemoryBase = 0x8000'0000;
inline constexpr const char* kHostNode = "host";
inline constexpr std::uint32_t kMaxInterrupt = 127;

// A machine that cannot be; the message starts with the place in the scenario, if there is one.
class MachineError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

struct BlockInstance {
  const BlockType* type = nullptr;
  std::string name;
  std::uint32_t index = 0;  // in its entry of the configuration
  std::uint64_t register_address = 0;
  std::uint64_t register_bytes = 0;
  std::uint32_t interrupt = 0;  // 0: none
  std::uint64_t memory_address = 0;
  std::uint64_t memory_bytes = 0;   // 0: none
  std::uint64_t payload_bytes = 0;  // the first bytes of memory that keep nothing in timing mode
  std::string place;
  std::vector<std::string> nodes;  // of the mesh, where it is attached; none if it is no node

  bool is_node() const { return memory_bytes != 0 || type->is_bus_master; }
};

struct Topology {
  HpimMachineConfig config;
  std::vector<BlockInstance> blocks;  // in the order of the configuration
  interconnect::MeshConfig mesh;
  std::uint64_t host_memory_bytes = 0;
  interconnect::AddressMap map;  // everything; targets are of no meaning

  // Whether the memory at `address` keeps no contents.
  bool is_payload(std::uint64_t address) const;
};

// The types in `registry` must outlive the result. Throws MachineError.
Topology resolve(const HpimMachineConfig& config, const BlockRegistry& registry);

// Entries of default_map.json, which is built into the program.
std::vector<BlockConfig> default_blocks();

// What the plan tells the firmware.
std::vector<plan::Device> device_table(const Topology& topology);

struct Clock {
  std::string name;
  std::uint64_t period_ps;
};
std::vector<Clock> clocks(const HpimMachineConfig& config);

// Memory map (sorted), interrupts, clocks, mesh and capacities.
nlohmann::ordered_json describe(const Topology& topology);

std::uint64_t clock_period_ps(double clock_mhz);

}  // namespace hpimvp::hpim
