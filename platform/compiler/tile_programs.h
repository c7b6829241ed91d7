// Stage 4 of the compiler, first half: the programs that the SRAM-PIM tiles run.
//
// A program takes what changes from layer to layer or from token to token as arguments (r1 to r5);
// local addresses and sizes are built in. All programs of a plan stand in the tiles' control memory
// together, followed by the space for a layer's KV block table.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "models/sram_pim/program.h"
#include "platform/compiler/machine_shape.h"
#include "platform/compiler/model_config.h"
#include "platform/compiler/operator_graph.h"
#include "platform/compiler/pim_attention.h"
#include "platform/compiler/prefill.h"
#include "platform/compiler/tile_memory.h"

namespace hpimvp::compiler {

// Arguments of the norm programs: r1 address of the weight, r2 of the bias, in any memory.
void emit_norm(sram_pim::Program& program, const ModelConfig& config, const TileMemory& memory,
               NormMode mode);

// SwiGLU, ReLU or GELU: each tile pulls its slice from the home tile and pushes the result back.
// No arguments.
void emit_activation(sram_pim::Program& program, const ModelConfig& config,
                     const MachineShape& machine, const TileMemory& memory);

// Arguments of the attention programs: r1 position, r2 address of the layer's block table, r3
// address of the position's row of RoPE angles (kKeys, kScores, kWhole of models with RoPE).
// kCombine takes the position only. `block_table`: where the program keeps the table in control
// memory.
void emit_attention(sram_pim::Program& program, const ModelConfig& config,
                    const MachineShape& machine, const TileMemory& memory,
                    const AttentionShape& attention, AttentionPart part, std::uint32_t block_table);

struct ProgramSet {
  std::vector<std::uint8_t> image;               // for control memory from address 0 on
  std::map<std::string, std::uint32_t> entries;  // address of each program
  std::map<std::string, std::string> listings;
  std::uint32_t control_bytes_used = 0;  // image and block table
};

// The program that the tiles run for an operator, its name in ProgramSet; empty: none.
std::string program_name(const GraphOperator& op);

// All programs that the operators of `graph` and of `prefill` need; sets the latter's places in
// control memory. `pim_attention`: where keys and values stand, if attention is in HBM-PIM.
// ModelError if control memory is too small.
ProgramSet generate_programs(const ModelConfig& config, const OperatorGraph& graph,
                             const MachineShape& machine, const TileMemory& memory,
                             const AttentionShape& attention, Prefill& prefill,
                             const PimAttention* pim_attention = nullptr);

}  // namespace hpimvp::compiler
