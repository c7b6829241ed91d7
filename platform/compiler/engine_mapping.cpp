#include "platform/compiler/engine_mapping.h"

#include <algorithm>

#include "platform/compiler/pim_attention.h"

namespace hpimvp::compiler {
namespace {

// A transfer's latency outweighs the vector unit's time below this many elements.
constexpr std::uint32_t kLeastSlice = 64;
constexpr std::uint32_t kSliceMultiple = 16;  // whole vectors of the lanes

std::uint64_t first_tiles(std::uint32_t count) {
  return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

OperatorMapping map_attention(const ModelConfig& config, const MachineShape& machine,
                              AttentionPart part, std::uint32_t tiles_per_kv_head) {
  const std::uint32_t tiles = machine.tiles.count;
  switch (part) {
    case AttentionPart::kWhole:
    case AttentionPart::kKeys:
    case AttentionPart::kScores:
    case AttentionPart::kValues:
      return {plan::Engine::kSramPim,
              first_tiles(std::min(tiles, config.kv_heads * tiles_per_kv_head))};
    case AttentionPart::kCombine:
      return {plan::Engine::kSramPim, first_tiles(std::min(tiles, config.kv_heads))};
    case AttentionPart::kPimScores:
    case AttentionPart::kPimValues:
      return {plan::Engine::kHbmPim};
    case AttentionPart::kPimKeys:
    case AttentionPart::kPimQueries:
    case AttentionPart::kPimSoftmax:
    case AttentionPart::kPimStoreValues:
      break;
  }
  return {plan::Engine::kSramPim, first_tiles(pim_attention_tiles(config, machine, part))};
}

}  // namespace

std::uint32_t activation_slice(std::uint32_t ffn, std::uint32_t tiles) {
  const std::uint32_t even = (ffn + tiles - 1) / tiles;
  const std::uint32_t slice = std::max(even, kLeastSlice);
  return (slice + kSliceMultiple - 1) / kSliceMultiple * kSliceMultiple;
}

std::vector<OperatorMapping> map_operators(const ModelConfig& config, const OperatorGraph& graph,
                                           const MachineShape& machine,
                                           std::uint32_t tiles_per_kv_head) {
  const std::uint32_t tiles = machine.tiles.count;
  const std::uint32_t slice = activation_slice(config.ffn, tiles);
  std::vector<OperatorMapping> mappings;
  for (const GraphOperator& op : graph.operators) {
    OperatorMapping& mapping = mappings.emplace_back();
    switch (op.annotation) {
      case OperatorClass::kLookup:
        mapping.engine = plan::Engine::kDma;
        break;
      case OperatorClass::kGemv:
        mapping.engine = plan::Engine::kHbmPim;
        break;
      case OperatorClass::kAttention:
        mapping = map_attention(config, machine, *op.attention, tiles_per_kv_head);
        break;
      case OperatorClass::kNonlinear:
        mapping = {plan::Engine::kSramPim, op.kind == plan::OperatorKind::kActivation
                                               ? first_tiles((config.ffn + slice - 1) / slice)
                                               : std::uint64_t{1} << kHomeTile};
        break;
    }
  }
  return mappings;
}

}  // namespace hpimvp::compiler
