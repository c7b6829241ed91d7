#include "platform/compiler/prefill.h"

#include <fmt/format.h>

#include <algorithm>

namespace hpimvp::compiler {
namespace {

// A chunk takes as long as 30 tokens one by one for OPT-1.3B on the HPIM machine, and as 42 for
// OPT-13B: the mesh carries all weights, which HBM-PIM reads at many times the mesh's bandwidth.
constexpr std::uint32_t kLeastTokens = 48;

std::string norm_name(NormMode mode, PrefillNormPart part) {
  if (mode == NormMode::kAdd) return "prefill_add";
  switch (part) {
    case PrefillNormPart::kSums:
      return mode == NormMode::kNorm ? "prefill_norm_sums" : "prefill_add_norm_sums";
    case PrefillNormPart::kSquares:
      return "prefill_norm_squares";
    case PrefillNormPart::kApply:
      return mode == NormMode::kAddNormInPlace ? "prefill_norm_apply_in_place"
                                               : "prefill_norm_apply";
  }
  return "?";
}

class OperatorListBuilder {
 public:
  OperatorListBuilder(Prefill& prefill, const ModelConfig& config, const OperatorGraph& graph,
                      const MachineShape& machine, const Placement& placement,
                      const TileMemory& tile_memory)
      : prefill_(prefill),
        config_(config),
        graph_(graph),
        machine_(machine),
        placement_(placement),
        tile_memory_(tile_memory),
        map_(machine.device,
             hbm_pim::BitFieldMapping(machine.device.organisation, machine.mapping)) {}

  void build() {
    for (std::uint32_t i = 0; i < graph_.operators.size(); ++i) {
      const GraphOperator& op = graph_.operators[i];
      if (op.needs_logits) continue;
      switch (op.annotation) {
        case OperatorClass::kLookup:
          add(i, op.name,
              op.weights.role == WeightRole::kEmbedding ? "prefill_embedding" : "prefill_position");
          break;
        case OperatorClass::kGemv:
          add(i, op.name, "prefill_matrix").list = list_of(i);
          break;
        case OperatorClass::kAttention:
          // The last part stands for all of them.
          if (op.attention == AttentionPart::kWhole || op.attention == AttentionPart::kValues) {
            add(i, fmt::format("layer{}.attention", op.layer), "prefill_attention");
          }
          break;
        case OperatorClass::kNonlinear:
          op.norm ? add_norm(i, op) : void(add(i, op.name, "prefill_activation"));
          break;
      }
    }
  }

 private:
  PrefillOperator& add(std::uint32_t source, const std::string& name, std::string program) {
    const GraphOperator& op = graph_.operators[source];
    PrefillOperator& added = prefill_.operators.emplace_back();
    added.name = "prefill." + name;
    added.source = source;
    added.kind = op.kind;
    added.layer = op.layer;
    added.program = std::move(program);
    return added;
  }

  void add_norm(std::uint32_t source, const GraphOperator& op) {
    const auto add_part = [&](PrefillNormPart part, const char* suffix) {
      add(source, op.name + suffix, norm_name(*op.norm, part)).norm_part = part;
    };
    if (*op.norm == NormMode::kAdd) return add_part(PrefillNormPart::kSums, "");
    add_part(PrefillNormPart::kSums, "_sums");
    if (config_.norm == NormKind::kLayer) add_part(PrefillNormPart::kSquares, "_squares");
    add_part(PrefillNormPart::kApply, "");
  }

  // The same role in another layer has the same list: stacks, slices and buffers are the same.
  std::uint32_t list_of(std::uint32_t index) {
    const GemvPlacement& matrix = *placement_.gemv(index);
    const ValueKind input = first_input(graph_, graph_.operators[index]);
    const auto same = [&](const PrefillList& list) {
      const GemvPlacement& other = *placement_.gemv(list.example);
      return other.weights.role == matrix.weights.role && other.inputs == matrix.inputs &&
             std::equal(other.slices.begin(), other.slices.end(), matrix.slices.begin(),
                        matrix.slices.end(), [](const GemvSlice& a, const GemvSlice& b) {
                          return a.stack == b.stack && a.first_output == b.first_output &&
                                 a.outputs == b.outputs && a.slicing == b.slicing;
                        });
    };
    const auto found = std::find_if(prefill_.lists.begin(), prefill_.lists.end(), same);
    if (found != prefill_.lists.end()) {
      return static_cast<std::uint32_t>(found - prefill_.lists.begin());
    }
    prefill_.lists.push_back(
        {index, build_matrix_steps(matrix, map_, *prefill_.activations, input, prefill_.memory,
                                   tile_memory_, machine_.tiles.count)});
    return static_cast<std::uint32_t>(prefill_.lists.size() - 1);
  }

  Prefill& prefill_;
  const ModelConfig& config_;
  const OperatorGraph& graph_;
  const MachineShape& machine_;
  const Placement& placement_;
  const TileMemory& tile_memory_;
  hbm_pim::StackMap map_;
};

std::string refuse(const ModelConfig& config, const MachineShape& machine,
                   const AttentionShape& attention, const TileMemory& tile_memory,
                   std::uint32_t prompt, PrefillMemory& memory) {
  if (attention.block_tokens != kChunkTokens) {
    return fmt::format("KV blocks have {} positions, a chunk {}", attention.block_tokens,
                       kChunkTokens);
  }
  const hbm_pim::BitFieldMapping mapping(machine.device.organisation, machine.mapping);
  const std::string refusal = refuse_streaming(hbm_pim::StackMap(machine.device, mapping));
  if (!refusal.empty()) return refusal;
  return allocate_prefill_memory(config, machine, tile_memory, prompt, memory);
}

}  // namespace

Prefill plan_prefill_memory(const ModelConfig& config, const MachineShape& machine,
                            const AttentionShape& attention, const TileMemory& tile_memory,
                            std::uint32_t prompt, bool every_chunk) {
  Prefill prefill;
  prefill.least_tokens = every_chunk ? 1 : kLeastTokens;
  // Before the last token.
  if (prompt <= prefill.least_tokens) {
    prefill.reason = fmt::format("the prompt has {} tokens, {} would be worth a chunk", prompt,
                                 prefill.least_tokens + 1);
    return prefill;
  }
  prefill.reason = refuse(config, machine, attention, tile_memory, prompt, prefill.memory);
  prefill.on_tiles = prefill.reason.empty();
  if (prefill.on_tiles) prefill.activations.emplace(config, machine);
  return prefill;
}

void plan_prefill_operators(Prefill& prefill, const ModelConfig& config, const OperatorGraph& graph,
                            const MachineShape& machine, const Placement& placement,
                            const TileMemory& tile_memory) {
  prefill.activations->place(placement.activation_bases);
  OperatorListBuilder(prefill, config, graph, machine, placement, tile_memory).build();
}

ValueKind first_input(const OperatorGraph& graph, const GraphOperator& op) {
  return graph.values[op.reads.front()].kind;
}

ValueKind first_output(const OperatorGraph& graph, const GraphOperator& op) {
  return graph.values[op.writes.front()].kind;
}

void emit_prefill(sram_pim::Program& program, const PrefillContext& context,
                  const OperatorGraph& graph, const PrefillOperator& op) {
  const GraphOperator& source = graph.operators[op.source];
  switch (source.annotation) {
    case OperatorClass::kLookup: {
      const bool token = source.weights.role == WeightRole::kEmbedding;
      return emit_prefill_lookup(program, context,
                                 token ? context.config.embedding : context.config.hidden,
                                 first_output(graph, source), !token);
    }
    case OperatorClass::kGemv:
      return emit_prefill_matrix(program, context);
    case OperatorClass::kAttention:
      return emit_prefill_attention(program, context);
    case OperatorClass::kNonlinear:
      return op.norm_part ? emit_prefill_norm(program, context, *source.norm, *op.norm_part)
                          : emit_prefill_activation(program, context);
  }
}

}  // namespace hpimvp::compiler
