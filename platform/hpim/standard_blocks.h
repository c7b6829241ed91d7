// The groups of block types of which standard_blocks() consists.
#pragma once

#include "platform/hpim/block_registry.h"

namespace hpimvp::hpim {

// clint, plic, uart16550, system_controller, dma_engine
void add_host_blocks(BlockRegistry& registry);
// sram_pim_tile, sram_pim_dispatcher, hbm_pim_stack
void add_pim_blocks(BlockRegistry& registry);

}  // namespace hpimvp::hpim
