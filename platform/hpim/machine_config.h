// The configuration of the HPIM machine: plain data, already validated when it gets here
// (platform/config reads it from a scenario). Defaults are HPIM's published configuration, or this
// project's assumption where a comment says so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/hbm_pim/config.h"
#include "models/interconnect/mesh_config.h"
#include "models/sram_pim/tile_config.h"

namespace hpimvp::hpim {

// docs/machine.md, data and timing modes.
enum class DataMode { kFunctional, kTiming };

struct HostConfig {
  double clock_mhz = 1000;  // HPIM states no clock: assumption
  std::uint32_t memory_mib = 256;
  double quantum_us = 1;                   // how far the CPU may run ahead of the other models
  std::uint32_t mmio_latency_cycles = 20;  // an uncached access across the chip: assumption
  // Host memory as a single DDR5-4800 channel would be, and a host cache that is not modelled line
  // by line but lets so many of 1000 loads and stores through: assumptions.
  double memory_latency_ns = 60;
  double memory_gb_per_s = 38.4;
  std::uint32_t cache_misses_per_thousand = 5;
  std::uint32_t timer_hz = 10'000'000;  // of the CLINT's mtime
};

struct HbmConfig {
  std::uint32_t stacks = 4;     // HPIM: 4 HBM3 modules
  hbm_pim::HbmPimConfig stack;  // its device has no default here: it comes from a preset
};

struct SramPimConfig {
  std::uint32_t tiles = 32;  // HPIM: 32 SRAM-PIM cores
  sram_pim::TileConfig tile;
};

// Defaults: SPIMOE (arXiv 2609.34612), second-hand, the same 32 + 4 structure.
struct NocConfig {
  double clock_mhz = 800;
  std::uint32_t flit_bits = 256;
  std::uint32_t hop_cycles = 2;              // router and link: assumption
  std::uint32_t packet_payload_bytes = 256;  // assumption
  std::uint32_t virtual_channels = 4;        // assumption
  std::uint32_t buffer_flits = 8;            // of each virtual channel: assumption
  std::uint32_t columns = 8;                 // of the mesh; rows follow from what is placed
  // Nodes that an HBM-PIM stack is attached to, 1 to `columns`: assumption, a stack's PHY spans the
  // mesh. With 1, all traffic of a stack shares one link.
  std::uint32_t stack_ports = 8;
  interconnect::MeshEnergy energy;
  // Where nodes are that shall not be where topology.h puts them: "host", a block's name, or a port
  // of a stack that has several, "stack0.port3".
  std::vector<interconnect::MeshNode> placement;
};

struct DmaConfig {
  double clock_mhz = 800;            // the NoC's: assumption
  std::uint32_t burst_bytes = 4096;  // between two bursts other traffic gets its turn: assumption
};

struct UartConfig {
  std::uint32_t clock_hz = 48'000'000;  // firmware divides it by 16 x divisor to the baud rate
};

// One entry of the topology: which block, where, how many. `block` names a type of the
// BlockRegistry. Instance i of `count` has its registers at address + i * stride, its interrupt at
// interrupt + i * interrupt_stride, its memory (if it has one) at memory_address + i *
// memory_stride. A count of 0 stands for as many as the machine has (tiles, stacks).
struct BlockConfig {
  std::string block;
  std::string name;
  std::uint64_t address = 0;
  std::uint64_t size = 0;
  std::uint32_t count = 1;
  std::uint64_t stride = 0;
  std::uint32_t interrupt = 0;  // PLIC source, 0: none
  std::uint32_t interrupt_stride = 0;
  std::uint64_t memory_address = 0;
  std::uint64_t memory_size = 0;
  std::uint64_t memory_stride = 0;
  std::string place;  // where it stood in the scenario, for error messages
};

struct HpimMachineConfig {
  DataMode data_mode = DataMode::kFunctional;
  HostConfig host;
  HbmConfig hbm;
  SramPimConfig sram_pim;
  NocConfig noc;
  DmaConfig dma;
  UartConfig uart;
  std::vector<BlockConfig> blocks;        // empty: platform/hpim/default_map.json
  std::vector<BlockConfig> extra_blocks;  // added to them: a user's own peripherals
};

}  // namespace hpimvp::hpim
