// Stage 1 of the compiler: the operators of one decode step and what they are (HPIM, compiler stage
// 1: analysis and annotation). Nothing here knows of a machine.
//
// Operators read and write *values*; who must wait for whom follows from the values, so the
// dependencies are exactly the true ones. A value that is updated in place is a new value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "firmware/abi/plan_format.h"
#include "platform/compiler/model_config.h"

namespace hpimvp::compiler {

// The annotation: what kind of work an operator is.
enum class OperatorClass : std::uint8_t {
  kLookup,     // a row of a table
  kGemv,       // matrix times vector: weights read once, nothing reused
  kNonlinear,  // norms, activation functions, additions
  kAttention,  // on the KV cache
};

// Which weights an operator uses: by role, so that a graph exists without weights.
enum class WeightRole : std::uint8_t {
  kNone,
  kEmbedding,
  kPositions,
  kRope,  // computed by the compiler: (cos, sin) pairs by position
  kEmbedIn,
  kEmbedOut,
  kAttentionNorm,
  kQuery,
  kKey,
  kValue,
  kOutput,
  kFfnNorm,
  kGate,
  kUp,
  kDown,
  kFinalNorm,
  kClassifier,
};

struct WeightRef {
  WeightRole role = WeightRole::kNone;
  std::uint16_t layer = plan::kNoLayer;

  friend bool operator==(const WeightRef&, const WeightRef&) = default;
};
std::string weight_name(const WeightRef& weight);

// Where a value lives in the home tile; values of a kind share one buffer in all layers.
enum class ValueKind : std::uint8_t {
  kHidden,     // the residual stream
  kNormed,     // input of the layer's GEMVs
  kDelta,      // what is added to the residual stream
  kEmbedding,  // row of width `embedding` before or after a projection
  kQuery,
  kKey,
  kValue,
  kContext,  // output of attention
  kGate,
  kUp,
  kInner,       // after the activation function
  kLogits,      // in host memory
  kKeysStored,  // markers without storage of their own: state of the KV cache and of the tiles
  kScores,
  kPartials,
  kQueriesRotated,  // attention in HBM-PIM
  kProbabilities,
  kValuesStored,
};

enum class NormMode : std::uint8_t {
  kNorm,            // normed = norm(hidden)
  kAddNorm,         // hidden += delta; normed = norm(hidden)
  kAddNormInPlace,  // hidden = norm(hidden + delta)
  kAdd,             // hidden += delta
};

// The parts of attention that can run as operators of their own.
enum class AttentionPart : std::uint8_t {
  kWhole,
  kKeys,     // rotate the new keys and store them
  kScores,   // rotate the queries, scores with all keys, softmax
  kValues,   // store the new values, weighted sums of all values
  kCombine,  // where several tiles share a KV head: their sums become one
  // Attention in HBM-PIM (pim_attention.h).
  kPimKeys,         // tiles rotate the new keys and store them
  kPimQueries,      // tiles rotate the queries
  kPimScores,       // GEMVs with the keys
  kPimStoreValues,  // tiles store the new values
  kPimSoftmax,      // tiles; and weighted sums of the latest values
  kPimValues,       // GEMVs with the values
};

struct GraphOperator {
  std::string name;
  plan::OperatorKind kind{};
  OperatorClass annotation{};
  std::uint16_t layer = plan::kNoLayer;
  bool needs_logits = false;  // only of use where logits are

  WeightRef weights;
  bool has_bias = false;
  std::uint32_t outputs = 0;  // GEMV: shape of the matrix
  std::uint32_t inputs = 0;
  std::optional<NormMode> norm;
  std::optional<AttentionPart> attention;

  std::vector<std::uint32_t> reads;  // indices of values
  std::vector<std::uint32_t> writes;
  std::vector<std::uint32_t> predecessors;  // minimal: none follows from the others
};

struct GraphValue {
  ValueKind kind{};
  std::uint32_t producer = 0;  // operator
};

struct OperatorGraph {
  std::vector<GraphOperator> operators;  // in an order that respects dependencies
  std::vector<GraphValue> values;
};

// How attention appears in the graph.
struct AttentionOperators {
  // Keys are stored and scores computed while the values are still being produced (HPIM's decode
  // pipeline); else attention is one operator after Q, K and V.
  bool pipelined = true;
  bool combine = false;     // several tiles share a KV head
  bool in_hbm_pim = false;  // then the others do not matter
};

// Whether the stacks execute it.
bool is_gemv(AttentionPart part);

OperatorGraph build_operator_graph(const ModelConfig& config, const AttentionOperators& attention);

}  // namespace hpimvp::compiler
