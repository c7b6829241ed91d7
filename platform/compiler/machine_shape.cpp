#include "platform/compiler/machine_shape.h"

#include <fmt/format.h>

#include "platform/compiler/model_error.h"

namespace hpimvp::compiler {
namespace {

void require(bool condition, const char* field, const std::string& problem) {
  if (!condition) throw ModelError("machine", field, problem);
}

void check_mapping(const MachineShape& machine) {
  const hbm_pim::DeviceOrganisation& organisation = machine.device.organisation;
  const hbm_pim::BitFieldMapping mapping(organisation, machine.mapping);
  const std::uint64_t stripe =
      organisation.row_bytes() * organisation.banks() * organisation.pseudo_channels();
  const auto offset_of_row = [&mapping](std::uint32_t row) {
    hbm_pim::CommandAddress address;
    address.row = row;
    return mapping.offset_of({0, address});
  };
  require(
      offset_of_row(organisation.rows - 1) == stripe * (organisation.rows - 1) &&
          (organisation.rows == 1 || offset_of_row(1) == stripe),
      "hbm.mapping",
      fmt::format("is \"{}\"; row, unsplit, must be its most significant field, so that weights "
                  "and tables can have memory of their own",
                  machine.mapping));
}

void check_device(const MachineShape& machine, const char* field, std::uint32_t device,
                  plan::DeviceKind kind) {
  require(device < machine.devices.size() && machine.devices[device].kind == kind, field,
          fmt::format("is {}, which is not such a device in the table of {}", device,
                      machine.devices.size()));
}

}  // namespace

void check_machine(const MachineShape& machine) {
  require(!machine.stacks.empty(), "stacks", "is empty, expected at least one HBM-PIM stack");
  require(machine.tiles.count >= 1 && machine.tiles.count <= 64, "tiles",
          fmt::format("is {}, expected 1 to 64", machine.tiles.count));
  require(machine.tiles.activation_bytes <= machine.tiles.memory_stride, "activation memory",
          fmt::format("is {} bytes, more than the {} from tile to tile",
                      machine.tiles.activation_bytes, machine.tiles.memory_stride));
  check_mapping(machine);
  check_device(machine, "dispatcher_device", machine.dispatcher_device,
               plan::DeviceKind::kSramPimDispatcher);
  check_device(machine, "dma_device", machine.dma_device, plan::DeviceKind::kDma);
  for (const StackShape& stack : machine.stacks) {
    check_device(machine, "stack device", stack.device, plan::DeviceKind::kHbmPimStack);
  }
  require(machine.plan_address % 64 == 0, "plan_address",
          fmt::format("is {:#x}, expected a multiple of 64", machine.plan_address));
  require(machine.plan_address < machine.free_memory_end, "free_memory_end",
          fmt::format("is {:#x}, not behind plan_address {:#x}", machine.free_memory_end,
                      machine.plan_address));
}

MachineShape default_machine_shape(std::uint32_t stacks, std::uint32_t tiles,
                                   std::uint64_t plan_address, std::uint64_t free_memory_end,
                                   const hbm_pim::DeviceDescription& device) {
  using plan::DeviceKind;
  MachineShape machine;
  machine.device = device;
  machine.tiles.count = tiles;
  machine.plan_address = plan_address;
  machine.free_memory_end = free_memory_end;
  machine.devices = {
      {DeviceKind::kClint, 0, 0x0200'0000, 0, 0, 0, 10'000'000},
      {DeviceKind::kPlic, 0, 0x0C00'0000, 0, 0, 0, 0},
      {DeviceKind::kUart, 0, 0x1000'0000, 0, 0, 1, 3'686'400},
      {DeviceKind::kSystemController, 0, 0x1000'1000, 0, 0, 0, 0},
      {DeviceKind::kDma, 0, 0x1001'0000, 0, 0, 2, 0},
      {DeviceKind::kSramPimDispatcher, 0, 0x1002'0000, 0, 0, 3, 0},
  };
  machine.dma_device = 4;
  machine.dispatcher_device = 5;
  for (std::uint32_t i = 0; i < tiles; ++i) {
    machine.devices.push_back({DeviceKind::kSramPimTile, i, 0x1010'0000 + 0x1000ULL * i,
                               machine.tiles.memory_base + machine.tiles.memory_stride * i,
                               machine.tiles.activation_bytes, 0, 0});
  }
  for (std::uint32_t i = 0; i < stacks; ++i) {
    const std::uint64_t memory = 0x10'0000'0000 + 0x8'0000'0000ULL * i;
    machine.stacks.push_back({static_cast<std::uint32_t>(machine.devices.size()), memory});
    machine.devices.push_back({DeviceKind::kHbmPimStack, i, 0x1020'0000 + 0x1000ULL * i, memory,
                               device.organisation.stack_bytes(), 16 + i, 0});
  }
  return machine;
}

}  // namespace hpimvp::compiler
