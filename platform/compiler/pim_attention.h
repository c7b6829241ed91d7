// Attention in the HBM-PIM stacks: Q.K^T and S.V are GEMVs on keys and values that stand where
// weights would. The tiles rotate keys and queries, store keys and values, and compute the softmax.
//
// KV head h is in stack h % stacks, its h / stacks-th there. Keys are a matrix of `context` outputs
// and head_dim inputs, shared by rows: a new position is a new output. Values are one of head_dim
// outputs and `context` inputs: a position is one FP16 value in each output, and 16 of them are a
// burst of each. So the latest values, up to 16 positions, wait in a block of ordinary memory until
// it is full; when the next one begins, they are transposed and stored as bursts. What they
// contribute meanwhile the tiles compute, and the GEMV adds it as its bias. Where inputs stand
// depends on their number, so that S.V multiplies the whole context, with zeros behind the
// position.
//
// Query head h belongs to tile h % tiles. Its scores come to that tile, which turns them into the
// input of S.V in place.
//
// HBM must read as zeros where it was never written: padding, and values behind the position.
#pragma once

#include <cstdint>
#include <string>

#include "models/sram_pim/program.h"
#include "platform/compiler/gemv_slicing.h"
#include "platform/compiler/machine_shape.h"
#include "platform/compiler/model_config.h"
#include "platform/compiler/operator_graph.h"
#include "platform/compiler/tile_memory.h"

namespace hpimvp::compiler {

// Why it is impossible; empty: it is not.
std::string refuse_pim_attention(const ModelConfig& config, const MachineShape& machine);

// Where keys and values stand: from the same row on in all banks of all stacks. First the layers,
// in a layer the KV heads of a stack, of each the keys, then the values. Behind them all the latest
// values: of each layer, of each KV head of a stack two blocks, which take turns.
struct PimAttention {
  std::uint32_t stacks = 0;
  std::uint32_t heads_per_stack = 0;
  std::uint32_t first_row = 0;
  std::uint32_t key_rows = 0;      // of a KV head, in each bank
  std::uint32_t value_rows = 0;    // likewise
  std::uint32_t latest_bytes = 0;  // blocks of the latest values of a KV head
  std::uint32_t latest_rows = 0;   // in all, in each bank
  std::uint32_t layers = 0;
  std::uint32_t context = 0;     // positions
  GemvSlicing::Decision values;  // how pseudo-channels share them, and why

  std::uint32_t rows_per_layer() const { return heads_per_stack * (key_rows + value_rows); }
  std::uint32_t rows() const { return layers * rows_per_layer() + latest_rows; }
  std::uint32_t row_of_latest() const { return first_row + layers * rows_per_layer(); }
  std::uint32_t stack_of(std::uint32_t kv_head) const { return kv_head % stacks; }
  std::uint32_t row_of_keys(std::uint32_t layer, std::uint32_t kv_head) const {
    return first_row + layer * rows_per_layer() + kv_head / stacks * (key_rows + value_rows);
  }
  std::uint32_t row_of_values(std::uint32_t layer, std::uint32_t kv_head) const {
    return row_of_keys(layer, kv_head) + key_rows;
  }
};

// All but first_row.
PimAttention shape_pim_attention(const ModelConfig& config, const MachineShape& machine,
                                 std::uint32_t context);

// Tables in control memory that the programs read: what a pseudo-channel, a unit and a column add
// to an address, and where the stacks begin. Addresses, 8 bytes an entry.
struct PimAttentionTables {
  std::uint32_t pseudo_channels = 0;
  std::uint32_t units = 0;
  std::uint32_t columns = 0;
  std::uint32_t stacks = 0;
};
PimAttentionTables emit_pim_attention_tables(sram_pim::Program& program,
                                             const MachineShape& machine);

// The program of a part that tiles run. Arguments: r1 position; of kPimKeys and kPimStoreValues r2
// offset of the layer's first row in a stack; of kPimKeys and kPimQueries r3 address of the
// position's row of RoPE angles; of kPimSoftmax and kPimStoreValues r4 offset of the layer's latest
// values in a stack.
void emit_pim_attention(sram_pim::Program& program, const ModelConfig& config,
                        const MachineShape& machine, const TileMemory& memory,
                        const PimAttention& attention, const PimAttentionTables& tables,
                        AttentionPart part);

// How many tiles take part in it.
std::uint32_t pim_attention_tiles(const ModelConfig& config, const MachineShape& machine,
                                  AttentionPart part);

}  // namespace hpimvp::compiler
