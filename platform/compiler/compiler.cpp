#include "platform/compiler/compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "models/common/fp16.h"
#include "platform/compiler/model_error.h"
#include "platform/compiler/plan_image.h"

namespace hpimvp::compiler {
namespace {

void check_tokens(const std::vector<std::uint32_t>& tokens, const char* what,
                  const ModelConfig& config) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= config.vocabulary) {
      throw ModelError(fmt::format("request: {} token {} is {}, but model {} has {} tokens", what,
                                   i, tokens[i], config.name, config.vocabulary));
    }
  }
}

void check_request(const ModelConfig& config, const MachineShape& machine,
                   const CompileRequest& request) {
  if (request.prompt.empty()) throw ModelError("request: the prompt has no tokens");
  check_tokens(request.prompt, "prompt", config);
  check_tokens(request.replay, "replay", config);
  if (!(request.temperature >= 0 && std::isfinite(request.temperature))) {
    throw ModelError(
        fmt::format("request: temperature is {}, expected at least 0", request.temperature));
  }
  if (!(request.top_p > 0 && request.top_p <= 1)) {
    throw ModelError(
        fmt::format("request: top_p is {}, expected more than 0 and at most 1", request.top_p));
  }
  // The last generated token is not processed itself.
  const std::uint64_t positions = std::uint64_t{request.prompt.size()} + request.output_tokens;
  if (positions > std::uint64_t{config.max_positions} + 1 ||
      request.prompt.size() > config.max_positions) {
    throw ModelError(fmt::format(
        "request: {} prompt tokens and {} output tokens need more than the {} positions of model "
        "{}",
        request.prompt.size(), request.output_tokens, config.max_positions, config.name));
  }
  if (request.attention.engine == AttentionChoice::kHbmPim) {
    const std::string refusal = refuse_pim_attention(config, machine);
    if (!refusal.empty()) {
      throw ModelError(
          fmt::format("model {}: attention in HBM-PIM is not possible: {}", config.name, refusal));
    }
  }
  if (request.attention.block_tokens > 4096) {
    throw ModelError(fmt::format("request: block_tokens is {}, expected at most 4096",
                                 request.attention.block_tokens));
  }
}

std::uint32_t context_limit(const ModelConfig& config, const CompileRequest& request) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(
      config.max_positions, std::uint64_t{request.prompt.size()} + request.output_tokens));
}

PlanStatistics make_statistics(const CompiledPlan& plan) {
  PlanStatistics statistics;
  statistics.parameters = plan.config.parameter_count();
  for (const StackUse& stack : plan.placement.stacks) {
    statistics.weight_bytes += stack.weight_bytes;
    statistics.table_bytes += stack.table_bytes;
  }
  const std::uint64_t block_bytes =
      std::uint64_t{plan.config.kv_width()} * 4 * plan.attention.block_tokens;
  for (const plan::MemoryRegion& region : plan.placement.kv_regions) {
    statistics.kv_blocks_available += region.bytes / block_bytes;
  }
  statistics.kv_blocks_needed = std::uint64_t{plan.attention.blocks()} * plan.config.layers;
  statistics.tile_activation_bytes = plan.tile_memory.bytes_used;
  statistics.tile_control_bytes = plan.programs.control_bytes_used;
  return statistics;
}

void check_kv_capacity(const CompiledPlan& plan) {
  const PlanStatistics& statistics = plan.statistics;
  if (statistics.kv_blocks_needed <= statistics.kv_blocks_available) return;
  throw ModelError(fmt::format(
      "model {}: the KV cache of {} positions needs {} blocks of {} positions, but the HBM that "
      "weights leave free holds {}, {} too few",
      plan.config.name, plan.attention.context, statistics.kv_blocks_needed,
      plan.attention.block_tokens, statistics.kv_blocks_available,
      statistics.kv_blocks_needed - statistics.kv_blocks_available));
}

TileConstants make_constants(const ModelConfig& config) {
  TileConstants constants{1.0F / static_cast<float>(config.hidden),
                          config.norm_epsilon,
                          1.0F / std::sqrt(static_cast<float>(config.head_dim)),
                          0,
                          {},
                          {}};
  std::fill(std::begin(constants.ones), std::end(constants.ones), common::float_to_fp16(1));
  return constants;
}

Prefill choose_prefill(const CompiledPlan& plan, const CompileRequest& request,
                       PrefillChoice choice) {
  Prefill prefill;
  if (choice == PrefillChoice::kTokens) {
    prefill.reason = "the scenario asks for it";
    return prefill;
  }
  if ((request.flags & plan::kRequestAllLogits) != 0) {
    prefill.reason = "logits are wanted at all positions of the prompt";
    return prefill;
  }
  if (plan.attention.in_hbm_pim) {
    prefill.reason = "attention is in HBM-PIM";
    return prefill;
  }
  return plan_prefill_memory(plan.config, plan.machine, plan.attention, plan.tile_memory,
                             static_cast<std::uint32_t>(request.prompt.size()),
                             choice == PrefillChoice::kTiles);
}

CompiledPlan compile_with(const ModelConfig& config, const MachineShape& machine,
                          const CompileRequest& request, PrefillChoice choice) {
  CompiledPlan plan;
  plan.config = config;
  plan.machine = machine;
  plan.address = machine.plan_address;
  plan.attention =
      choose_attention_shape(config, machine, context_limit(config, request), request.attention);
  plan.graph = build_operator_graph(
      config,
      {plan.attention.pipelined, plan.attention.tiles_per_kv_head > 1, plan.attention.in_hbm_pim});
  plan.mappings = map_operators(config, plan.graph, machine, plan.attention.tiles_per_kv_head);
  plan.policy = request.policy;
  plan.tile_memory = allocate_tile_memory(config, machine, plan.attention);
  plan.tile_constants = make_constants(config);
  plan.prefill = choose_prefill(plan, request, choice);
  if (choice == PrefillChoice::kTiles && !plan.prefill.on_tiles && request.prompt.size() > 1) {
    throw ModelError(fmt::format("model {}: the tiles cannot process the prompt: {}", config.name,
                                 plan.prefill.reason));
  }
  plan.placement = place_model(config, plan.graph, machine, plan.attention.context, request.qkv,
                               plan.prefill.on_tiles ? plan.prefill.activations->bytes() : 0,
                               plan.attention.in_hbm_pim);
  if (plan.prefill.on_tiles) {
    plan_prefill_operators(plan.prefill, config, plan.graph, machine, plan.placement,
                           plan.tile_memory);
  }
  plan.programs =
      generate_programs(config, plan.graph, machine, plan.tile_memory, plan.attention, plan.prefill,
                        plan.placement.attention ? &*plan.placement.attention : nullptr);
  for (const GraphOperator& op : plan.graph.operators) plan.operator_names.push_back(op.name);
  for (const PrefillOperator& op : plan.prefill.operators) plan.operator_names.push_back(op.name);
  plan.statistics = make_statistics(plan);
  check_kv_capacity(plan);
  plan.image = write_plan_image(plan, request);
  return plan;
}

}  // namespace

CompiledPlan compile(const ModelConfig& config, const MachineShape& machine,
                     const CompileRequest& request) {
  check_config(config, config.name);
  check_machine(machine);
  check_request(config, machine, request);
  if (request.prefill != PrefillChoice::kAuto) {
    return compile_with(config, machine, request, request.prefill);
  }
  try {
    return compile_with(config, machine, request, PrefillChoice::kAuto);
  } catch (const ModelError& error) {
    // What a chunk takes may be what is too much.
    CompiledPlan plan = compile_with(config, machine, request, PrefillChoice::kTokens);
    plan.prefill.reason = error.what();
    return plan;
  }
}

}  // namespace hpimvp::compiler
