#include "platform/cli/plan_description.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "platform/cli/operator_names.h"
#include "platform/cli/result_table.h"
#include "platform/config/document.h"
#include "platform/config/nearest.h"

namespace hpimvp::cli {

namespace {

using compiler::CompiledPlan;
using compiler::GraphOperator;
using compiler::OperatorClass;
using Json = nlohmann::ordered_json;

const char* class_name(OperatorClass annotation) {
  switch (annotation) {
    case OperatorClass::kLookup:
      return "lookup";
    case OperatorClass::kGemv:
      return "GEMV";
    case OperatorClass::kNonlinear:
      return "nonlinear";
    case OperatorClass::kAttention:
      return "attention";
  }
  return "?";
}

const char* value_name(compiler::ValueKind kind) {
  static constexpr const char* kNames[] = {"hidden",
                                           "normed",
                                           "delta",
                                           "embedding",
                                           "query",
                                           "key",
                                           "value",
                                           "context",
                                           "gate",
                                           "up",
                                           "inner",
                                           "logits",
                                           "kv",
                                           "scores",
                                           "partials",
                                           "rotated queries",
                                           "probabilities",
                                           "values stored"};
  return kNames[static_cast<std::size_t>(kind)];
}

const char* slicing_name(hbm_pim::Slicing slicing) {
  return slicing == hbm_pim::Slicing::kColumns ? "columns" : "rows";
}

// "3", "0-31", "0-3, 8-11"
std::string ranges(const std::vector<std::uint32_t>& ascending) {
  std::string text;
  for (std::size_t i = 0; i < ascending.size();) {
    std::size_t last = i;
    while (last + 1 < ascending.size() && ascending[last + 1] == ascending[last] + 1) ++last;
    if (!text.empty()) text += ", ";
    text += last == i ? fmt::format("{}", ascending[i])
                      : fmt::format("{}-{}", ascending[i], ascending[last]);
    i = last + 1;
  }
  return text;
}

std::string range(std::uint64_t first, std::uint64_t count) {
  return count <= 1 ? fmt::format("{}", first) : fmt::format("{}-{}", first, first + count - 1);
}

std::string hexadecimal(std::uint64_t address) {
  return fmt::format("{:#x}", address);
}

std::vector<std::uint32_t> bits_of(std::uint64_t mask) {
  std::vector<std::uint32_t> bits;
  for (std::uint32_t bit = 0; bit < 64; ++bit) {
    if ((mask >> bit & 1) != 0) bits.push_back(bit);
  }
  return bits;
}

// Which layers are alike: the same operators, of the same shape, on the same engines.
class LayerGroups {
 public:
  explicit LayerGroups(const CompiledPlan& plan) : layers_(plan.config.layers) {
    std::vector<Signature> signatures(layers_);
    for (std::size_t i = 0; i < plan.graph.operators.size(); ++i) {
      const GraphOperator& op = plan.graph.operators[i];
      if (op.layer == plan::kNoLayer) continue;
      const compiler::GemvPlacement* gemv = plan.placement.gemv(static_cast<std::uint32_t>(i));
      signatures[op.layer].push_back(
          {operator_group(op.name), op.outputs, op.inputs,
           op.norm ? static_cast<int>(*op.norm) : -1,
           gemv == nullptr ? hbm_pim::Slicing::kRows : gemv->slices.front().slicing});
    }
    for (std::uint32_t layer = 0; layer < layers_; ++layer) {
      const auto like = std::find_if(groups_.begin(), groups_.end(), [&](const auto& group) {
        return signatures[group.front()] == signatures[layer];
      });
      if (like == groups_.end()) {
        groups_.push_back({layer});
      } else {
        like->push_back(layer);
      }
    }
  }

  std::set<std::uint32_t> chosen(std::optional<std::uint32_t> wish) const {
    std::set<std::uint32_t> layers;
    if (wish) {
      if (*wish >= layers_) {
        throw config::ConfigError(
            fmt::format("--layer {}: the model has layers 0 to {}", *wish, layers_ - 1));
      }
      layers.insert(*wish);
    } else {
      for (const auto& group : groups_) layers.insert(group.front());
    }
    return layers;
  }

  Json json(const std::set<std::uint32_t>& shown) const {
    Json list = Json::array();
    for (const auto& group : groups_) {
      std::vector<std::uint32_t> here;
      std::copy_if(group.begin(), group.end(), std::back_inserter(here),
                   [&](std::uint32_t layer) { return shown.count(layer) != 0; });
      if (!here.empty()) list.push_back({{"shown", ranges(here)}, {"alike", ranges(group)}});
    }
    return list;
  }

 private:
  using Signature =
      std::vector<std::tuple<std::string, std::uint32_t, std::uint32_t, int, hbm_pim::Slicing>>;
  std::uint32_t layers_;
  std::vector<std::vector<std::uint32_t>> groups_;
};

class Describer {
 public:
  Describer(const CompiledPlan& plan, const std::set<std::uint32_t>& layers) : plan_(plan) {
    for (std::uint32_t i = 0; i < plan.graph.operators.size(); ++i) {
      const std::uint16_t layer = plan.graph.operators[i].layer;
      if (layer == plan::kNoLayer || layers.count(layer) != 0) shown_.push_back(i);
    }
    layers_ = layers;
  }

  Json annotation() const {
    Json list = Json::array();
    for (const std::uint32_t index : shown_) {
      const GraphOperator& op = plan_.graph.operators[index];
      list.push_back({{"operator", op.name},
                      {"kind", kind_name(op.kind)},
                      {"class", class_name(op.annotation)},
                      {"shape", shape(op)},
                      {"reads", values(op.reads, true)},
                      {"writes", values(op.writes, false)},
                      {"after", predecessors(op)}});
    }
    return {{"operators", list}, {"operators_in_all", plan_.graph.operators.size()}};
  }

  Json mapping() const {
    Json list = Json::array();
    for (const std::uint32_t index : shown_) {
      const GraphOperator& op = plan_.graph.operators[index];
      const compiler::OperatorMapping& mapping = plan_.mappings[index];
      Json one = {{"operator", op.name},
                  {"engine", engine_name(mapping.engine)},
                  {"on", places(index)},
                  {"slicing", ""},
                  {"why", reason(index)}};
      if (const auto* gemv = plan_.placement.gemv(index)) {
        one["slicing"] = slicing_name(gemv->slices.front().slicing);
      } else if (op.attention && compiler::is_gemv(*op.attention)) {
        one["slicing"] = slicing_name(pim_slicing(*op.attention));
      }
      list.push_back(std::move(one));
    }
    return {{"schedule_policy", policy_name(plan_.policy)},
            {"prefill", plan_.prefill.on_tiles
                            ? fmt::format("chunks of {} tokens on the tiles, of {} at least",
                                          compiler::kChunkTokens, plan_.prefill.least_tokens)
                            : "token by token: " + plan_.prefill.reason},
            {"operators", list},
            {"prefill_operators", prefill_operators()}};
  }

  Json tiling() const {
    return {{"matrices", matrices()},       {"tables", tables()},
            {"stacks", stacks()},           {"kv_cache", kv_cache()},
            {"kv_regions", kv_regions()},   {"attention", attention()},
            {"tile_memory", tile_memory()}, {"prefill_matrices", prefill_matrices()}};
  }

  Json code() const {
    Json programs = Json::array();
    // In the order of their addresses.
    std::vector<std::pair<std::uint32_t, std::string>> entries;
    for (const auto& [name, entry] : plan_.programs.entries) entries.emplace_back(entry, name);
    std::sort(entries.begin(), entries.end());
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const auto end = i + 1 < entries.size()
                           ? entries[i + 1].first
                           : static_cast<std::uint32_t>(plan_.programs.image.size());
      const auto& [entry, name] = entries[i];
      programs.push_back({{"program", name},
                          {"entry", hexadecimal(entry)},
                          {"instructions", (end - entry) / 4},
                          {"operators", operators_of(name)},
                          {"listing", plan_.programs.listings.at(name)}});
    }
    return {{"image_bytes", plan_.programs.image.size()},
            {"control_memory_bytes", plan_.machine.tiles.control_bytes},
            {"control_memory_used", plan_.programs.control_bytes_used},
            {"plan_bytes", plan_.image.size()},
            {"programs", programs}};
  }

 private:
  bool shows(const compiler::WeightRef& weights) const {
    return weights.layer == plan::kNoLayer || layers_.count(weights.layer) != 0;
  }

  std::string shape(const GraphOperator& op) const {
    const compiler::ModelConfig& config = plan_.config;
    switch (op.annotation) {
      case OperatorClass::kGemv:
        return fmt::format("{}x{}{}", op.outputs, op.inputs, op.has_bias ? " + bias" : "");
      case OperatorClass::kAttention:
        return fmt::format("{} heads, {} KV heads, {} wide, {} positions", config.heads,
                           config.kv_heads, config.head_dim, plan_.attention.context);
      case OperatorClass::kLookup:
        return fmt::format("row of {}", op.weights.role == compiler::WeightRole::kEmbedding
                                            ? config.embedding
                                            : config.hidden);
      case OperatorClass::kNonlinear:
        return fmt::format("{}", op.norm ? config.hidden : config.ffn);
    }
    return "";
  }

  // "normed of layer0.attention_norm"
  std::string values(const std::vector<std::uint32_t>& indices, bool producer) const {
    std::string text;
    for (const std::uint32_t index : indices) {
      const compiler::GraphValue& value = plan_.graph.values[index];
      text += text.empty() ? "" : ", ";
      text += value_name(value.kind);
      if (producer) text += " of " + plan_.graph.operators[value.producer].name;
    }
    return text;
  }

  std::string predecessors(const GraphOperator& op) const {
    std::string text;
    for (const std::uint32_t predecessor : op.predecessors) {
      text += (text.empty() ? "" : ", ") + plan_.graph.operators[predecessor].name;
    }
    return text;
  }

  std::string places(std::uint32_t index) const {
    if (const auto* gemv = plan_.placement.gemv(index)) {
      std::vector<std::uint32_t> numbers;
      for (const auto& slice : gemv->slices) numbers.push_back(slice.stack);
      return "stacks " + ranges(numbers);
    }
    const auto& part = plan_.graph.operators[index].attention;
    if (part && compiler::is_gemv(*part)) {
      const std::uint32_t stacks = plan_.placement.attention->stacks;
      return "stacks " + range(0, std::min(stacks, plan_.config.kv_heads));
    }
    const std::uint64_t tiles = plan_.mappings[index].tile_mask;
    return tiles == 0 ? "DMA engine" : "tiles " + ranges(bits_of(tiles));
  }

  std::string reason(std::uint32_t index) const {
    const GraphOperator& op = plan_.graph.operators[index];
    switch (op.annotation) {
      case OperatorClass::kLookup:
        return "a row of a table in HBM, copied to the home tile";
      case OperatorClass::kGemv:
        return slicing_reason(*plan_.placement.gemv(index));
      case OperatorClass::kAttention:
        return attention_reason(op);
      case OperatorClass::kNonlinear:
        break;
    }
    if (op.norm) return "the vectors are in the home tile's memory";
    return fmt::format("slices of {} elements",
                       compiler::activation_slice(plan_.config.ffn, plan_.machine.tiles.count));
  }

  static std::string slicing_reason(const compiler::GemvPlacement& gemv) {
    const compiler::GemvSlice& slice = gemv.slices.front();
    const auto& decision = slice.decision;
    if (decision.row_cycles == 0) return "weights read once: HBM-PIM's bandwidth";
    const std::string cycles =
        fmt::format("rows {} DRAM cycles, columns {}", decision.row_cycles, decision.column_cycles);
    if (slice.slicing != decision.slicing) return cycles + "; asked for by mapping.qkv";
    return cycles + (slice.slicing == hbm_pim::Slicing::kColumns
                         ? "; columns save an eighth or more"
                         : "; columns do not save an eighth");
  }

  hbm_pim::Slicing pim_slicing(compiler::AttentionPart part) const {
    return part == compiler::AttentionPart::kPimValues ? plan_.placement.attention->values.slicing
                                                       : hbm_pim::Slicing::kRows;
  }

  std::string pim_attention_reason(compiler::AttentionPart part) const {
    switch (part) {
      case compiler::AttentionPart::kPimScores:
        return "asked for by mapping.attention; a GEMV for each query head with the keys so far";
      case compiler::AttentionPart::kPimValues:
        return "asked for by mapping.attention; a GEMV for each query head over the whole context";
      case compiler::AttentionPart::kPimKeys:
        return "KV heads go round the tiles; keys are stored where a GEMV's weights stand";
      case compiler::AttentionPart::kPimStoreValues:
        return "KV heads go round the tiles; values are stored where a GEMV's weights stand once "
               "they fill bursts";
      case compiler::AttentionPart::kPimSoftmax:
        return "query heads go round the tiles; with the sums of the values that wait";
      default:
        return "query heads go round the tiles";
    }
  }

  std::string attention_reason(const GraphOperator& op) const {
    if (plan_.attention.in_hbm_pim) return pim_attention_reason(*op.attention);
    const std::uint32_t tiles = plan_.machine.tiles.count;
    const std::uint32_t kv_heads = plan_.config.kv_heads;
    const std::uint32_t shared = plan_.attention.tiles_per_kv_head;
    if (op.attention == compiler::AttentionPart::kCombine) {
      return "the first tile of each KV head adds up the others' sums";
    }
    if (shared > 1) return fmt::format("{} tiles share each of {} KV heads", shared, kv_heads);
    if (kv_heads > tiles) {
      return fmt::format("{} KV heads on {} tiles: up to {} heads a tile, one after the other",
                         kv_heads, tiles, (kv_heads + tiles - 1) / tiles);
    }
    return "a KV head and its query heads on each tile";
  }

  Json matrices() const {
    Json list = Json::array();
    for (const compiler::GemvPlacement& gemv : plan_.placement.gemvs) {
      if (!shows(gemv.weights)) continue;
      for (const compiler::GemvSlice& slice : gemv.slices) {
        list.push_back({{"matrix", compiler::weight_name(gemv.weights)},
                        {"shape", fmt::format("{}x{}", gemv.outputs, gemv.inputs)},
                        {"stack", slice.stack},
                        {"outputs", range(slice.first_output, slice.outputs)},
                        {"rows_of_banks", range(slice.weight_row, slice.weight_rows)},
                        {"among_pseudo_channels", slicing_name(slice.slicing)},
                        {"bias", slice.bias_address == 0 ? std::string("none")
                                                         : hexadecimal(slice.bias_address)}});
      }
    }
    return list;
  }

  Json tables() const {
    static constexpr const char* kKinds[] = {"matrix", "vector", "bias", "RoPE angles"};
    Json list = Json::array();
    for (const compiler::TablePlacement& table : plan_.placement.tables) {
      if (!shows(table.weights)) continue;
      list.push_back({{"table", compiler::weight_name(table.weights)},
                      {"kind", kKinds[static_cast<std::size_t>(table.kind)]},
                      {"stack", table.stack},
                      {"address", hexadecimal(table.address)},
                      {"rows", table.rows},
                      {"row_bytes", table.row_bytes}});
    }
    return list;
  }

  Json stacks() const {
    Json list = Json::array();
    for (std::size_t i = 0; i < plan_.placement.stacks.size(); ++i) {
      const compiler::StackUse& use = plan_.placement.stacks[i];
      list.push_back({{"stack", i},
                      {"rows_used", use.rows_used},
                      {"rows", plan_.machine.device.organisation.rows},
                      {"weight_bytes", use.weight_bytes},
                      {"table_bytes", use.table_bytes}});
    }
    return list;
  }

  Json kv_cache() const {
    return {
        {"block_positions", plan_.attention.block_tokens},
        {"block_bytes", std::uint64_t{plan_.config.kv_width()} * 4 * plan_.attention.block_tokens},
        {"blocks_needed", plan_.statistics.kv_blocks_needed},
        {"blocks_available", plan_.statistics.kv_blocks_available}};
  }

  Json kv_regions() const {
    Json list = Json::array();
    for (const plan::MemoryRegion& region : plan_.placement.kv_regions) {
      list.push_back({{"region", list.size()},
                      {"address", hexadecimal(region.address)},
                      {"bytes", region.bytes}});
    }
    return list;
  }

  Json attention() const {
    const compiler::AttentionShape& shape = plan_.attention;
    if (shape.in_hbm_pim) return pim_attention();
    return {{"engine", "sram_pim"},
            {"pipelined", shape.pipelined},
            {"query_heads_a_pass", shape.heads_per_pass},
            {"passes", plan_.config.heads_per_kv_head() / shape.heads_per_pass},
            {"tiles_a_kv_head", shape.tiles_per_kv_head},
            {"positions", shape.context}};
  }

  // Of layer 0; the others follow.
  Json pim_attention() const {
    const compiler::PimAttention& attention = *plan_.placement.attention;
    return {{"engine", "hbm_pim"},
            {"kv_heads_a_stack", attention.heads_per_stack},
            {"rows_of_banks", range(attention.row_of_keys(0, 0), attention.rows_per_layer())},
            {"rows_of_keys_a_head", attention.key_rows},
            {"rows_of_values_a_head", attention.value_rows},
            {"values_among_pseudo_channels", slicing_name(attention.values.slicing)},
            {"positions", attention.context}};
  }

  Json tile_memory() const {
    Json list = Json::array();
    for (const auto& place :
         compiler::tile_memory_map(plan_.config, plan_.machine, plan_.attention)) {
      list.push_back({{"buffer", place.name},
                      {"address", hexadecimal(place.address)},
                      {"bytes", place.bytes},
                      {"used_in", place.phases}});
    }
    return list;
  }

  // One after the other, on all tiles.
  Json prefill_operators() const {
    Json list = Json::array();
    for (const compiler::PrefillOperator& op : plan_.prefill.operators) {
      if (op.layer != plan::kNoLayer && layers_.count(op.layer) == 0) continue;
      list.push_back({{"operator", op.name}, {"program", op.program}});
    }
    return list;
  }

  // What the tiles stream for a chunk.
  Json prefill_matrices() const {
    Json list = Json::array();
    for (const compiler::PrefillList& matrix : plan_.prefill.lists) {
      const GraphOperator& op = plan_.graph.operators[matrix.example];
      std::size_t most_steps = 0;
      std::uint64_t weight_bytes = 0;
      std::uint64_t input_bytes = 0;
      for (const auto& steps : matrix.steps) {
        most_steps = std::max(most_steps, steps.size());
        for (const compiler::MatrixStep& step : steps) {
          weight_bytes += step.weight_bytes;
          input_bytes += step.input_bytes;
        }
      }
      list.push_back({{"matrix", operator_group(op.name)},
                      {"shape", fmt::format("{}x{}", op.outputs, op.inputs)},
                      {"steps_of_busiest_tile", most_steps},
                      {"weight_bytes", weight_bytes},
                      {"input_bytes", input_bytes}});
    }
    return list;
  }

  std::string operators_of(const std::string& program) const {
    std::size_t count = 0;
    std::string first;
    for (const GraphOperator& op : plan_.graph.operators) {
      if (compiler::program_name(op) != program) continue;
      if (count++ == 0) first = op.name;
    }
    for (const compiler::PrefillOperator& op : plan_.prefill.operators) {
      if (op.program == program && count++ == 0) first = op.name;
    }
    return count <= 1 ? first : fmt::format("{} and {} more", first, count - 1);
  }

  const CompiledPlan& plan_;
  std::set<std::uint32_t> layers_;
  std::vector<std::uint32_t> shown_;  // operators
};

void check_stage(const std::string& stage) {
  const auto& stages = plan_stages();
  if (stage.empty() || std::find(stages.begin(), stages.end(), stage) != stages.end()) return;
  throw config::ConfigError(fmt::format("--stage '{}' is none of {}{}", stage, config::join(stages),
                                        config::suggestion(stage, stages)));
}

const char* stage_title(const std::string& stage) {
  if (stage == "annotation") return "stage 1: analysis and annotation";
  if (stage == "mapping") return "stage 2: mapping";
  if (stage == "tiling") return "stage 3: tiling and placement";
  return "stage 4: code";
}

std::string stage_text(const Json& stage) {
  std::string text;
  std::vector<std::vector<std::string>> scalars;
  for (const auto& [name, part] : stage.items()) {
    if (part.is_structured()) continue;
    scalars.push_back({name, cell_text(part)});
  }
  if (!scalars.empty()) text += format_table(scalars) + "\n";
  for (const auto& [name, part] : stage.items()) {
    if (name == "programs") {
      for (const Json& program : part) {
        text += fmt::format("program {} at {}: {} instructions, for {}\n{}\n",
                            cell_text(program["program"]), cell_text(program["entry"]),
                            cell_text(program["instructions"]), cell_text(program["operators"]),
                            cell_text(program["listing"]));
      }
    } else if (part.is_structured()) {
      text += section_text(name, part);
    }
  }
  return text;
}

}  // namespace

const std::vector<std::string>& plan_stages() {
  static const std::vector<std::string> stages = {"annotation", "mapping", "tiling", "code"};
  return stages;
}

Json describe_plan_stages(const CompiledPlan& plan, const PlanDescriptionOptions& options) {
  check_stage(options.stage);
  const LayerGroups groups(plan);
  const std::set<std::uint32_t> layers = groups.chosen(options.layer);
  const Describer describer(plan, layers);
  Json description;
  description["model"] = plan.config.name;
  description["layers"] = groups.json(layers);
  const auto wanted = [&](const char* stage) {
    return options.stage.empty() || options.stage == stage;
  };
  if (wanted("annotation")) description["annotation"] = describer.annotation();
  if (wanted("mapping")) description["mapping"] = describer.mapping();
  if (wanted("tiling")) description["tiling"] = describer.tiling();
  if (wanted("code")) description["code"] = describer.code();
  return description;
}

std::string plan_text(const Json& description) {
  std::string text = fmt::format("model {}\n", cell_text(description["model"]));
  for (const Json& group : description["layers"]) {
    text += fmt::format("layers {} are alike; shown: {}\n", cell_text(group["alike"]),
                        cell_text(group["shown"]));
  }
  for (const std::string& stage : plan_stages()) {
    if (!description.contains(stage)) continue;
    text += fmt::format("\n== {} ==\n\n{}", stage_title(stage), stage_text(description[stage]));
  }
  return text;
}

}  // namespace hpimvp::cli
