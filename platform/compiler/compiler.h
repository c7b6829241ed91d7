// From a model's shape and a machine to a plan that the firmware executes: HPIM's compiler, whose
// four stages are modules of their own with results that can be looked at.
//
//   1 operator_graph.h   what is to be done            OperatorGraph
//   2 engine_mapping.h   which engine does it          OperatorMapping
//   3 placement.h        matrices and tables in HBM    Placement
//     tile_memory.h      vectors in the tiles          TileMemory
//   4 tile_programs.h    what the tiles run            ProgramSet
//     plan_image.h       what the firmware reads       CompiledPlan::image
//
// A plan depends on shapes only. Weights are written separately (payload.h), or not at all in
// timing mode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "platform/compiler/engine_mapping.h"
#include "platform/compiler/machine_shape.h"
#include "platform/compiler/model_config.h"
#include "platform/compiler/operator_graph.h"
#include "platform/compiler/placement.h"
#include "platform/compiler/prefill.h"
#include "platform/compiler/prefill_choice.h"
#include "platform/compiler/tile_memory.h"
#include "platform/compiler/tile_programs.h"
#include "platform/compiler/tokenizer.h"

namespace hpimvp::compiler {

struct CompileRequest {
  std::vector<std::uint32_t> prompt;  // at least one token
  std::uint32_t output_tokens = 0;
  std::vector<std::uint32_t> replay;  // plan_format.h, kRequestReplay
  // kRequest...; the compiler adds kRequestReplay if `replay` is not empty, and
  // kRequestDropFirstSpace if the tokenizer asks for it.
  std::uint32_t flags = 0;
  std::uint64_t seed = 0;
  float temperature = 0;
  std::uint32_t top_k = 0;
  float top_p = 1;
  AttentionWishes attention;
  SlicingChoice qkv = SlicingChoice::kAuto;
  PrefillChoice prefill = PrefillChoice::kAuto;
  plan::SchedulePolicy policy = plan::SchedulePolicy::kOverlapped;
  const Tokenizer* tokenizer = nullptr;  // for the printed pieces; null: none
};

struct PlanStatistics {
  std::uint64_t parameters = 0;
  std::uint64_t weight_bytes = 0;  // matrices in the stacks
  std::uint64_t table_bytes = 0;
  std::uint64_t kv_blocks_available = 0;
  std::uint64_t kv_blocks_needed = 0;  // for the whole request
  std::uint32_t tile_activation_bytes = 0;
  std::uint32_t tile_control_bytes = 0;
};

struct CompiledPlan {
  std::vector<std::byte> image;  // for host memory at `address`
  std::uint64_t address = 0;
  std::vector<std::string> operator_names;

  ModelConfig config;
  MachineShape machine;
  OperatorGraph graph;
  std::vector<OperatorMapping> mappings;
  Placement placement;
  AttentionShape attention;
  TileMemory tile_memory;
  TileConstants tile_constants{};
  Prefill prefill;
  plan::SchedulePolicy policy = plan::SchedulePolicy::kOverlapped;
  ProgramSet programs;
  PlanStatistics statistics;
};

// ModelError if the request does not suit the model (too many positions, unknown tokens), or model
// or request do not fit into the machine.
CompiledPlan compile(const ModelConfig& config, const MachineShape& machine,
                     const CompileRequest& request);

}  // namespace hpimvp::compiler
