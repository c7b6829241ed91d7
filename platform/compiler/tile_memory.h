// Stage 3 of the compiler, second half: where everything stands in the tiles' activation memory.
//
// All tiles run the same programs with the same local addresses. The home tile (0) holds the
// vectors between the operators as well. A decode step passes through phases that are strictly
// ordered by dependencies; buffers that no phase needs at the same time may share space.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "platform/compiler/attention_choice.h"
#include "platform/compiler/machine_shape.h"
#include "platform/compiler/model_config.h"
#include "platform/compiler/operator_graph.h"

namespace hpimvp::compiler {

struct AttentionShape {
  bool pipelined = true;                // AttentionPart::kKeys, kScores, kValues, else kWhole
  std::uint32_t heads_per_pass = 1;     // query heads that share one streaming of K and V
  std::uint32_t block_tokens = 64;      // positions in a KV block
  std::uint32_t context = 0;            // positions of the request
  std::uint32_t tiles_per_kv_head = 1;  // tiles that take turns with a KV head's blocks
  // pim_attention.h; then there are no blocks (block_tokens is 0), and a tile has whole heads.
  bool in_hbm_pim = false;

  // Of a layer's KV cache.
  std::uint32_t blocks() const {
    return block_tokens == 0 ? 0 : (context + block_tokens - 1) / block_tokens;
  }
};

// Constants in activation memory. Copied in at boot.
struct TileConstants {
  float inverse_hidden;
  float norm_epsilon;
  float score_scale;  // 1 / sqrt(head_dim)
  float reserved;
  // FP16, one a token of a chunk of prompt tokens.
  std::uint16_t ones[64];
  std::uint16_t zeros[64];
};

// Byte addresses in activation memory, 64-byte aligned. Buffers that the model does not need are 0.
struct TileMemory {
  std::uint32_t constants = 0;

  // Home tile only, FP16.
  std::uint32_t hidden = 0, normed = 0, delta = 0, embedding = 0;
  std::uint32_t query = 0, key = 0, value = 0, context = 0;
  std::uint32_t gate = 0, up = 0, inner = 0;
  std::uint32_t norm_weight = 0, norm_bias = 0, norm_scalar = 0;

  // Attention's working space.
  std::uint32_t local_query = 0, local_key = 0, local_value = 0, rope_row = 0;
  std::uint32_t stream = 0;  // two K or V blocks, stream_bytes each
  std::uint32_t stream_bytes = 0;
  std::uint32_t scores = 0;  // FP32, heads_per_pass rows of score_row_bytes
  std::uint32_t score_row_bytes = 0;
  // Softmax's numerators, FP16, rows of weight_row_bytes. In HBM-PIM: of all query heads of the
  // tile, first their scores, then the results.
  std::uint32_t weights = 0;
  std::uint32_t weight_row_bytes = 0;
  // Per query head: FP32 sums (head_dim), the scores' maximum, and the softmax's denominator (or
  // its reciprocal where no other tile shares the KV head).
  std::uint32_t records = 0, record_bytes = 0;
  // From all tiles that share a KV head, at the first of them: records by query head, then tile.
  std::uint32_t gathered = 0;
  std::uint32_t combined = 0, combine_scratch = 0, combine_scalars = 0;  // FP32
  std::uint32_t local_context = 0;                                       // FP16

  // Of attention in HBM-PIM: the latest values of a KV head, their slots transposed, their weighted
  // sum in FP32, and that of each query head of the tile in FP16.
  std::uint32_t latest_values = 0, latest_bursts = 0, latest_scratch = 0, latest_sums = 0;

  // Activation function's working space.
  std::uint32_t slice_gate = 0, slice_up = 0;

  std::uint32_t bytes_used = 0;

  std::uint32_t home_buffer(ValueKind kind) const;
};

// Of attention in HBM-PIM: query heads whose softmax a tile computes, at most.
std::uint32_t pim_attention_heads_per_tile(const ModelConfig& config, const MachineShape& machine);

struct TileBuffer {
  std::string name;
  std::uint32_t bytes = 0;
  std::uint32_t phases = 0;  // bit mask
  std::uint32_t* address = nullptr;
};

// First fit by falling size; returns the bytes needed. Exposed for tests.
std::uint32_t allocate_buffers(std::vector<TileBuffer>& buffers);

// ModelError naming the largest buffers and the shortage if the memory is too small.
TileMemory allocate_tile_memory(const ModelConfig& config, const MachineShape& machine,
                                const AttentionShape& attention);

struct TileBufferPlace {
  std::string name;
  std::uint32_t address = 0;
  std::uint32_t bytes = 0;
  std::string phases;  // of a token in which it is in use
};

// What allocate_tile_memory() has placed, by address, for people.
std::vector<TileBufferPlace> tile_memory_map(const ModelConfig& config, const MachineShape& machine,
                                             const AttentionShape& attention);

// What a caller may fix; 0: the compiler chooses.
struct AttentionWishes {
  std::uint32_t block_tokens = 0;
  std::uint32_t tiles_per_kv_head = 0;
  bool allow_pipelined = true;
  AttentionChoice engine = AttentionChoice::kTiles;  // kHbmPim: the others do not matter
};

// The attention shape with fewest streams and most overlap whose buffers fit, for `context`
// positions. ModelError if none fits.
AttentionShape choose_attention_shape(const ModelConfig& config, const MachineShape& machine,
                                      std::uint32_t context, const AttentionWishes& wishes);

}  // namespace hpimvp::compiler
