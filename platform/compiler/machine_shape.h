// What the compiler needs to know of the machine, filled in by whoever builds the machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "firmware/abi/plan_format.h"
#include "models/hbm_pim/bit_field_mapping.h"
#include "models/hbm_pim/device_description.h"

namespace hpimvp::compiler {

struct StackShape {
  std::uint32_t device = 0;  // index in MachineShape::devices
  std::uint64_t memory_base = 0;
};

struct TileShape {
  std::uint32_t count = 32;  // at most 64
  std::uint32_t activation_bytes = 384 * 1024;
  std::uint32_t control_bytes = 32 * 1024;
  std::uint64_t memory_base = 0x4000'0000;  // of tile 0: activation memory at +0
  std::uint64_t memory_stride = 0x10'0000;  // from tile to tile
};

struct MachineShape {
  hbm_pim::DeviceDescription device;  // the same for all stacks
  // Of their addresses. Rows must be the most significant field: a row of all banks is then one
  // piece of memory.
  std::string mapping = std::string(hbm_pim::kDefaultMapping);
  std::vector<StackShape> stacks;  // at least one
  TileShape tiles;
  std::uint32_t dispatcher_device = 0;  // indices in `devices`
  std::uint32_t dma_device = 0;

  // Host memory: the plan is written from plan_address on, and the firmware may use what follows it
  // up to free_memory_end.
  std::uint64_t plan_address = 0;
  std::uint64_t free_memory_end = 0;

  std::vector<plan::Device> devices;  // goes into the plan as it is
};

// ModelError naming the field if something is missing or inconsistent.
void check_machine(const MachineShape& machine);

// The machine of docs/machine.md with its default addresses and stacks of a device. `plan_address`
// to `free_memory_end` is the host memory that plan and firmware data may take.
MachineShape default_machine_shape(std::uint32_t stacks, std::uint32_t tiles,
                                   std::uint64_t plan_address, std::uint64_t free_memory_end,
                                   const hbm_pim::DeviceDescription& device);

}  // namespace hpimvp::compiler
