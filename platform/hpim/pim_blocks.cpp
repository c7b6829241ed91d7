#include <utility>

#include "generated/models/hbm_pim/hbm_pim_stack_registers.h"
#include "generated/models/sram_pim/sram_pim_dispatcher_registers.h"
#include "generated/models/sram_pim/sram_pim_tile_registers.h"
#include "models/hbm_pim/hbm_pim_stack.h"
#include "models/sram_pim/sram_pim_dispatcher.h"
#include "models/sram_pim/sram_pim_tile.h"
#include "platform/hpim/built_block.h"
#include "platform/hpim/standard_blocks.h"

namespace hpimvp::hpim {
namespace {

using hbm_pim::HbmPimStack;
using sram_pim::SramPimDispatcher;
using sram_pim::SramPimTile;

bool stores_payload(const BlockContext& context) {
  return context.config().data_mode == DataMode::kFunctional;
}

sram_pim::TileConfig tile_config(const HpimMachineConfig& config) {
  sram_pim::TileConfig tile = config.sram_pim.tile;
  tile.tiles = config.sram_pim.tiles;
  return tile;
}

// Models name their signals after the instance.
template <typename Module>
BuiltBlock built_with_activity(std::unique_ptr<Module> module, const std::string& name) {
  Module* raw = module.get();
  BuiltBlock block = built(std::move(module));
  block.set_activity = [raw, name](common::ActivitySink* sink) { raw->set_activity(sink, name); };
  return block;
}

BlockType tile_type() {
  BlockType type;
  type.name = "sram_pim_tile";
  type.register_bytes = sram_pim::sram_pim_tile_registers::kBlockBytes;
  type.is_bus_master = true;
  type.count_in = [](const HpimMachineConfig& config) { return config.sram_pim.tiles; };
  type.memory_bytes_in = [](const HpimMachineConfig&) { return SramPimTile::kWindowBytes; };
  type.payload_bytes_in = [](const HpimMachineConfig& config) {
    return std::uint64_t{config.sram_pim.tile.activation_bytes};
  };
  type.device_kind = plan::DeviceKind::kSramPimTile;
  type.factory = [](const BlockContext& context) {
    const std::string& name = context.instance.name;
    return built_with_activity(
        std::make_unique<SramPimTile>(name.c_str(), tile_config(context.config()),
                                      static_cast<std::uint16_t>(context.instance.index),
                                      stores_payload(context)),
        name);
  };
  return type;
}

BlockType dispatcher_type() {
  BlockType type;
  type.name = "sram_pim_dispatcher";
  type.register_bytes = sram_pim::sram_pim_dispatcher_registers::kBlockBytes;
  type.has_interrupt = true;
  type.is_bus_master = true;
  type.has_queue = true;
  type.at_most = 1;
  type.built_last = true;  // it is given the tiles
  type.device_kind = plan::DeviceKind::kSramPimDispatcher;
  type.factory = [](const BlockContext& context) {
    std::vector<sram_pim::TileControl*> tiles;
    for (SramPimTile* tile : context.modules<SramPimTile>()) tiles.push_back(tile);
    const std::string& name = context.instance.name;
    auto dispatcher = std::make_unique<SramPimDispatcher>(
        name.c_str(), tile_config(context.config()), std::move(tiles));
    dispatcher->set_diagnostic(context.services.diagnostic, context.services.operation_name);
    return built_with_activity(std::move(dispatcher), name);
  };
  return type;
}

BlockType stack_type() {
  BlockType type;
  type.name = "hbm_pim_stack";
  type.register_bytes = hbm_pim::hbm_pim_stack_registers::kBlockBytes;
  type.has_interrupt = true;
  type.is_bus_master = true;
  type.has_queue = true;
  type.count_in = [](const HpimMachineConfig& config) { return config.hbm.stacks; };
  type.memory_bytes_in = [](const HpimMachineConfig& config) {
    return config.hbm.stack.device.organisation.stack_bytes();
  };
  type.payload_bytes_in = type.memory_bytes_in;
  type.device_kind = plan::DeviceKind::kHbmPimStack;
  type.factory = [](const BlockContext& context) {
    const std::string& name = context.instance.name;
    return built_with_activity(
        std::make_unique<HbmPimStack>(name.c_str(), context.config().hbm.stack,
                                      static_cast<std::uint16_t>(context.instance.index),
                                      stores_payload(context)),
        name);
  };
  return type;
}

}  // namespace

void add_pim_blocks(BlockRegistry& registry) {
  registry.add(tile_type());
  registry.add(dispatcher_type());
  registry.add(stack_type());
}

BlockRegistry standard_blocks() {
  BlockRegistry registry;
  add_host_blocks(registry);
  add_pim_blocks(registry);
  return registry;
}

}  // namespace hpimvp::hpim
