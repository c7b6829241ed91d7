// Where a chunk of prompt tokens stands while the tiles work on it: its activations in HBM, and the
// programs' buffers in the tiles' activation memory.
//
// A chunk has kChunkTokens tokens. In HBM its activations stand by features: kChunkTokens FP16
// values of one feature, then those of the next. W X then has its results in the order in which W's
// rows stand in HBM, and every transfer is one contiguous piece. What a matrix reads stands in
// every stack, so that each tile reads from the stack that its number says; the rest stands in one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "platform/compiler/machine_shape.h"
#include "platform/compiler/model_config.h"
#include "platform/compiler/operator_graph.h"
#include "platform/compiler/tile_memory.h"

namespace hpimvp::compiler {

inline constexpr std::uint32_t kChunkTokens = 64;  // the side of the TCU's array
inline constexpr std::uint32_t kFeatureBytes = kChunkTokens * 2;
inline constexpr std::uint32_t kStatisticBytes = kChunkTokens * 4;  // an FP32 value a token

// Rows of features that a tile takes at a time where features are independent of each other. The
// same whatever the number of tiles, so that the sums over the pieces are the same as well.
struct FeaturePieces {
  std::uint32_t features = 0;
  std::uint32_t piece = 0;  // features of a piece; the last one may have fewer

  std::uint32_t count() const { return (features + piece - 1) / piece; }
};
FeaturePieces norm_pieces(const ModelConfig& config);
FeaturePieces activation_pieces(const ModelConfig& config);
FeaturePieces lookup_pieces(std::uint32_t features);

// Offsets from the start of the activations' space, the same in all stacks.
class ChunkActivations {
 public:
  ChunkActivations(const ModelConfig& config, const MachineShape& machine);

  std::uint64_t bytes() const { return bytes_; }  // in each stack
  // Once placement has given every stack its space.
  void place(const std::vector<std::uint64_t>& bases) { bases_ = bases; }

  // Where a value stands; the copy of `replica` if it has one in each stack.
  std::uint64_t address(ValueKind kind, std::uint32_t replica) const;
  // 1, or the number of stacks.
  std::uint32_t replicas(ValueKind kind) const;
  // Partial sums of a norm, one kStatisticBytes a piece; which = 0: the first ones, 1: squares.
  std::uint64_t statistics_address(std::uint32_t which, std::uint32_t replica) const;
  std::uint32_t stacks() const { return stacks_; }

 private:
  struct Buffer {
    ValueKind kind{};
    std::uint64_t offset = 0;
    bool everywhere = false;
  };
  void add(ValueKind kind, std::uint32_t features, bool everywhere);
  const Buffer& buffer(ValueKind kind) const;

  std::uint32_t stacks_;
  std::vector<Buffer> buffers_;
  std::uint64_t statistics_[2] = {};
  std::uint64_t bytes_ = 0;
  std::vector<std::uint64_t> bases_;
};

// Byte addresses in activation memory. Each program has the memory for itself, apart from the
// constants.
struct PrefillMemory {
  // Matrices.
  std::uint32_t weights[2] = {};  // streamed in turn
  std::uint32_t inputs[2] = {};
  std::uint32_t sums = 0;          // FP32, kChunkTokens of each output
  std::uint32_t outputs_held = 0;  // outputs that `sums` has room for
  std::uint32_t results = 0;       // FP16, of kUnitOutputs outputs

  // Norms, activation functions, look-ups.
  std::uint32_t features = 0;  // FP16, a piece
  std::uint32_t addend = 0;    // FP16, a piece
  std::uint32_t singles = 0;   // FP32, a piece of a norm
  std::uint32_t totals = 0;    // FP32, a value a token
  std::uint32_t mean = 0, deviation = 0;
  std::uint32_t partials = 0;                        // FP32, one a token and piece
  std::uint32_t weight = 0, bias = 0;                // FP16, of a piece's features
  std::uint32_t weight_single = 0, bias_single = 0;  // FP32
  std::uint32_t activation = 0, activation_gate = 0;
  std::uint32_t by_tokens = 0, by_features = 0;  // FP16, a piece of looked up rows

  // Attention.
  std::uint32_t raw = 0;  // a head by features
  std::uint32_t query = 0, key = 0, value = 0;
  std::uint32_t stream[2] = {};
  std::uint32_t rope = 0;
  std::uint32_t query_rows = 0;    // rows of queries that are worked on at a time
  std::uint32_t context_rows = 0;  // columns of scores and weights: positions
  std::uint32_t scores = 0, softmax = 0, scalars = 0, head_sums = 0, head = 0;

  std::uint32_t bytes_used = 0;
};

// Outputs of a unit of a matrix's work: those of two adjacent pseudo-channels' banks.
inline constexpr std::uint32_t kUnitOutputs = 64;

// For prompts of up to `positions` tokens. Returns what is missing as text, or nothing.
std::string allocate_prefill_memory(const ModelConfig& config, const MachineShape& machine,
                                    const TileMemory& tile_memory, std::uint32_t positions,
                                    PrefillMemory& memory);

}  // namespace hpimvp::compiler
