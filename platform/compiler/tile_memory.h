// Stage 3 of the compiler, second half: where everything stands in the tiles' activation memory.
//
// All tiles run the same programs with the same local addresses. The home tile (0) holds the
// vectors between the operators as well. A decode step passes through phases that are strictly
// ordered by dependencies; buffers that no phase needs at the same time may share space.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "platform/compiler/machine_shape.h"
#include "platform/compiler/model_config.h"
#include "platform/compiler/operator_graph.h"

namespace hpimvp::compiler {

struct AttentionShape {
  bool pipelined = true;             // AttentionPart::kKeys, kScores, kValues, else kWhole
  std::uint32_t heads_per_pass = 1;  // query heads that share one streaming of K and V
  std::uint32_t block_tokens = 64;   // positions in a KV block
  std::uint32_t context = 0;         // positions that the score buffers hold
};

// Constants in activation memory, FP32 each, in this order. Copied in at boot.
struct TileConstants {
  float inverse_hidden;
  float norm_epsilon;
  float score_scale;  // 1 / sqrt(head_dim)
  float reserved;
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
  std::uint32_t weights = 0;  // softmax's numerators, FP16, rows of weight_row_bytes
  std::uint32_t weight_row_bytes = 0;
  std::uint32_t reciprocals = 0;    // 1 / softmax's denominators, FP32
  std::uint32_t maximum = 0;        // FP32 scalar
  std::uint32_t accumulators = 0;   // FP32, heads_per_pass rows of head_dim
  std::uint32_t local_context = 0;  // FP16

  // Activation function's working space.
  std::uint32_t slice_gate = 0, slice_up = 0;

  std::uint32_t bytes_used = 0;

  std::uint32_t home_buffer(ValueKind kind) const;
};

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

// The attention shape with most overlap and fewest streams whose buffers fit, for `context`
// positions and (if not 0) blocks of `block_tokens`. ModelError if none fits.
AttentionShape choose_attention_shape(const ModelConfig& config, const MachineShape& machine,
                                      std::uint32_t context, std::uint32_t block_tokens,
                                      bool allow_pipelined);

}  // namespace hpimvp::compiler
