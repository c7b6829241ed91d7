// Stage 2 of the compiler: which engine executes each operator (HPIM, compiler stage 2, decode).
// Matrices go to the bandwidth of HBM-PIM, what is between them to the SRAM-PIM tiles, table rows
// to the DMA engine.
#pragma once

#include <cstdint>
#include <vector>

#include "platform/compiler/machine_shape.h"
#include "platform/compiler/operator_graph.h"

namespace hpimvp::compiler {

// The tile that holds the vectors between the operators.
inline constexpr std::uint32_t kHomeTile = 0;

struct OperatorMapping {
  plan::Engine engine{};
  std::uint64_t tile_mask = 0;  // SRAM-PIM: which tiles take part
};

// Elements that each tile takes of an activation function over the feed-forward width: equal
// slices, but never so small that starting a tile costs more than it saves.
std::uint32_t activation_slice(std::uint32_t ffn, std::uint32_t tiles);

// One entry per operator of the graph. `tiles_per_kv_head`: how many tiles share a KV head.
std::vector<OperatorMapping> map_operators(const ModelConfig& config, const OperatorGraph& graph,
                                           const MachineShape& machine,
                                           std::uint32_t tiles_per_kv_head);

}  // namespace hpimvp::compiler
