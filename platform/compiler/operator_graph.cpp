#include "platform/compiler/operator_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

namespace hpimvp::compiler {
namespace {

using plan::OperatorKind;

class GraphBuilder {
 public:
  GraphBuilder(const ModelConfig& config, const AttentionOperators& attention)
      : config_(config), attention_(attention) {
    current_.fill(kNoValue);
  }

  OperatorGraph build() {
    add_embedding();
    for (std::uint32_t layer = 0; layer < config_.layers; ++layer) {
      layer_ = static_cast<std::uint16_t>(layer);
      add_attention_block();
      add_feed_forward_block();
    }
    layer_ = plan::kNoLayer;
    add_output();
    return std::move(graph_);
  }

 private:
  static constexpr std::uint32_t kNoValue = 0xFFFFFFFF;
  static constexpr std::size_t kKinds = static_cast<std::size_t>(ValueKind::kValuesStored) + 1;

  // Appends an operator that reads the current value of each kind of `reads` and makes a new value
  // of each kind of `writes`.
  GraphOperator& add(const char* name, OperatorKind kind, OperatorClass annotation,
                     std::initializer_list<ValueKind> reads,
                     std::initializer_list<ValueKind> writes) {
    const auto index = static_cast<std::uint32_t>(graph_.operators.size());
    GraphOperator& op = graph_.operators.emplace_back();
    op.name = layer_ == plan::kNoLayer ? name : fmt::format("layer{}.{}", layer_, name);
    op.kind = kind;
    op.annotation = annotation;
    op.layer = layer_;
    for (const ValueKind read : reads) {
      op.reads.push_back(current_[static_cast<std::size_t>(read)]);
    }
    for (const ValueKind write : writes) {
      op.writes.push_back(static_cast<std::uint32_t>(graph_.values.size()));
      graph_.values.push_back({write, index});
    }
    set_predecessors(op);
    for (const std::uint32_t value : op.writes) {
      current_[static_cast<std::size_t>(graph_.values[value].kind)] = value;
    }
    return op;
  }

  // The producers of what is read, without those that another producer waits for already.
  void set_predecessors(GraphOperator& op) {
    std::set<std::uint32_t> producers;
    for (const std::uint32_t value : op.reads) producers.insert(graph_.values[value].producer);
    for (const std::uint32_t producer : producers) {
      const bool implied = std::any_of(producers.begin(), producers.end(), [&](std::uint32_t p) {
        return p > producer && depends_on(p, producer);
      });
      if (!implied) op.predecessors.push_back(producer);
    }
  }

  bool depends_on(std::uint32_t op, std::uint32_t other) const {
    if (op == other) return true;
    if (op < other) return false;
    const auto& predecessors = graph_.operators[op].predecessors;
    return std::any_of(predecessors.begin(), predecessors.end(),
                       [&](std::uint32_t p) { return depends_on(p, other); });
  }

  void gemv(const char* name, OperatorKind kind, WeightRole role, ValueKind input, ValueKind output,
            std::uint32_t outputs, std::uint32_t inputs, bool bias) {
    GraphOperator& op = add(name, kind, OperatorClass::kGemv, {input}, {output});
    op.weights = {role, layer_};
    op.outputs = outputs;
    op.inputs = inputs;
    op.has_bias = bias;
  }

  GraphOperator& norm(const char* name, WeightRole role, NormMode mode) {
    using enum ValueKind;
    GraphOperator& op =
        mode == NormMode::kNorm
            ? add(name, OperatorKind::kNorm, OperatorClass::kNonlinear, {kHidden}, {kNormed})
        : mode == NormMode::kAddNorm ? add(name, OperatorKind::kNorm, OperatorClass::kNonlinear,
                                           {kHidden, kDelta}, {kHidden, kNormed})
                                     : add(name, OperatorKind::kNorm, OperatorClass::kNonlinear,
                                           {kHidden, kDelta}, {kHidden});
    op.norm = mode;
    op.weights = {role, layer_};
    op.has_bias = config_.has_norm_bias();
    return op;
  }

  void add_embedding() {
    using enum ValueKind;
    const bool project = config_.has_embedding_projection();
    add("embedding", OperatorKind::kEmbedding, OperatorClass::kLookup, {},
        {project ? kEmbedding : kHidden})
        .weights = {WeightRole::kEmbedding, layer_};
    if (project) {
      gemv("embedding_projection", OperatorKind::kProjection, WeightRole::kEmbedIn, kEmbedding,
           kHidden, config_.hidden, config_.embedding, false);
    }
    if (!config_.has_rope()) {
      add("position", OperatorKind::kEmbedding, OperatorClass::kLookup, {}, {kDelta}).weights = {
          WeightRole::kPositions, layer_};
    }
    if (config_.post_norm) {
      GraphOperator& op = add("embedding_sum", OperatorKind::kResidual, OperatorClass::kNonlinear,
                              {kHidden, kDelta}, {kHidden});
      op.norm = NormMode::kAdd;
    }
  }

  // The values that a layer's GEMVs read.
  ValueKind block_input() const {
    return config_.post_norm ? ValueKind::kHidden : ValueKind::kNormed;
  }

  void add_attention_block() {
    using enum ValueKind;
    if (!config_.post_norm) {
      // The first addition is that of a learned position.
      const bool add_delta = layer_ > 0 || !config_.has_rope();
      norm("attention_norm", WeightRole::kAttentionNorm,
           add_delta ? NormMode::kAddNorm : NormMode::kNorm);
    }
    const std::uint32_t hidden = config_.hidden;
    gemv("key", OperatorKind::kKey, WeightRole::kKey, block_input(), kKey, config_.kv_width(),
         hidden, config_.qkv_bias);
    gemv("query", OperatorKind::kQuery, WeightRole::kQuery, block_input(), kQuery,
         config_.query_width(), hidden, config_.qkv_bias);
    gemv("value", OperatorKind::kValue, WeightRole::kValue, block_input(), kValue,
         config_.kv_width(), hidden, config_.qkv_bias);
    add_attention();
    gemv("projection", OperatorKind::kProjection, WeightRole::kOutput, kContext, kDelta, hidden,
         config_.query_width(), config_.output_bias);
    if (config_.post_norm) {
      norm("attention_norm", WeightRole::kAttentionNorm, NormMode::kAddNormInPlace);
    }
  }

  void add_attention() {
    using enum ValueKind;
    if (attention_.in_hbm_pim) return add_pim_attention();
    const ValueKind result = attention_.combine ? kPartials : kContext;
    if (attention_.pipelined) {
      attention("attention_keys", AttentionPart::kKeys, {kKey}, {kKeysStored});
      attention("attention_scores", AttentionPart::kScores, {kQuery, kKeysStored}, {kScores});
      attention("attention_values", AttentionPart::kValues, {kValue, kScores}, {result});
    } else {
      attention("attention", AttentionPart::kWhole, {kKey, kQuery, kValue}, {result});
    }
    if (attention_.combine) {
      attention("attention_combine", AttentionPart::kCombine, {kPartials}, {kContext});
    }
  }

  void add_pim_attention() {
    using enum ValueKind;
    const bool rotates = config_.has_rope();
    attention("attention_keys", AttentionPart::kPimKeys, {kKey}, {kKeysStored});
    if (rotates) {
      attention("attention_queries", AttentionPart::kPimQueries, {kQuery}, {kQueriesRotated});
    }
    attention("attention_scores", AttentionPart::kPimScores,
              {rotates ? kQueriesRotated : kQuery, kKeysStored}, {kScores});
    attention("attention_store_values", AttentionPart::kPimStoreValues, {kValue}, {kValuesStored});
    attention("attention_softmax", AttentionPart::kPimSoftmax, {kScores, kValuesStored},
              {kProbabilities});
    attention("attention_values", AttentionPart::kPimValues, {kProbabilities}, {kContext});
  }

  void attention(const char* name, AttentionPart part, std::initializer_list<ValueKind> reads,
                 std::initializer_list<ValueKind> writes) {
    add(name, OperatorKind::kAttention, OperatorClass::kAttention, reads, writes).attention = part;
  }

  void add_feed_forward_block() {
    using enum ValueKind;
    if (!config_.post_norm) norm("ffn_norm", WeightRole::kFfnNorm, NormMode::kAddNorm);
    const auto kind = OperatorKind::kFeedForward;
    if (config_.has_gate()) {
      gemv("gate", kind, WeightRole::kGate, block_input(), kGate, config_.ffn, config_.hidden,
           config_.ffn_bias);
    }
    gemv("up", kind, WeightRole::kUp, block_input(), kUp, config_.ffn, config_.hidden,
         config_.ffn_bias);
    if (config_.has_gate()) {
      add("activation", OperatorKind::kActivation, OperatorClass::kNonlinear, {kGate, kUp},
          {kInner});
    } else {
      add("activation", OperatorKind::kActivation, OperatorClass::kNonlinear, {kUp}, {kInner});
    }
    gemv("down", kind, WeightRole::kDown, kInner, kDelta, config_.hidden, config_.ffn,
         config_.ffn_bias);
    if (config_.post_norm) norm("ffn_norm", WeightRole::kFfnNorm, NormMode::kAddNormInPlace);
  }

  void add_output() {
    using enum ValueKind;
    const std::size_t first = graph_.operators.size();
    if (config_.has_final_norm()) norm("final_norm", WeightRole::kFinalNorm, NormMode::kAddNorm);
    ValueKind input = block_input();
    if (config_.has_embedding_projection()) {
      gemv("output_projection", OperatorKind::kProjection, WeightRole::kEmbedOut, input, kEmbedding,
           config_.embedding, config_.hidden, false);
      input = kEmbedding;
    }
    gemv("classifier", OperatorKind::kClassifier, WeightRole::kClassifier, input, kLogits,
         config_.vocabulary, config_.embedding, false);
    for (std::size_t i = first; i < graph_.operators.size(); ++i) {
      graph_.operators[i].needs_logits = true;
    }
  }

  const ModelConfig& config_;
  AttentionOperators attention_;
  std::uint16_t layer_ = plan::kNoLayer;
  OperatorGraph graph_;
  std::array<std::uint32_t, kKinds> current_{};
};

const char* role_name(WeightRole role) {
  static constexpr const char* kNames[] = {"none",
                                           "embedding",
                                           "positions",
                                           "rope",
                                           "embedding_projection",
                                           "output_projection",
                                           "attention_norm",
                                           "query",
                                           "key",
                                           "value",
                                           "projection",
                                           "ffn_norm",
                                           "gate",
                                           "up",
                                           "down",
                                           "final_norm",
                                           "classifier"};
  return kNames[static_cast<std::size_t>(role)];
}

}  // namespace

std::string weight_name(const WeightRef& weight) {
  return weight.layer == plan::kNoLayer
             ? std::string(role_name(weight.role))
             : fmt::format("layer{}.{}", weight.layer, role_name(weight.role));
}

bool is_gemv(AttentionPart part) {
  return part == AttentionPart::kPimScores || part == AttentionPart::kPimValues;
}

OperatorGraph build_operator_graph(const ModelConfig& config, const AttentionOperators& attention) {
  return GraphBuilder(config, attention).build();
}

}  // namespace hpimvp::compiler
