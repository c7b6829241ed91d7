// Prompt tokens a chunk at a time on the tiles: the four stages of the compiler for prefill.
//
// Decode keeps the matrices where bandwidth is, in HBM-PIM; a chunk reads each weight once for 64
// tokens, which the TCUs multiply faster than HBM-PIM could one by one. The operators of a chunk
// are those of a token, each in a form for a chunk, and follow one another: all tiles work on each.
// The last token of a prompt never is in a chunk: it needs logits, and takes the path of decode.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "platform/compiler/machine_shape.h"
#include "platform/compiler/model_config.h"
#include "platform/compiler/operator_graph.h"
#include "platform/compiler/placement.h"
#include "platform/compiler/prefill_memory.h"
#include "platform/compiler/prefill_programs.h"
#include "platform/compiler/prefill_steps.h"
#include "platform/compiler/tile_memory.h"

namespace hpimvp::compiler {

struct PrefillOperator {
  std::string name;          // "prefill.layer0.key"
  std::uint32_t source = 0;  // the operator of a token that it stands for
  plan::OperatorKind kind{};
  std::uint16_t layer = plan::kNoLayer;
  std::string program;
  std::optional<PrefillNormPart> norm_part;
  std::uint32_t list = 0;  // matrices: which of Prefill::lists
};

// Lists of steps that matrices of the same shape share.
struct PrefillList {
  std::uint32_t example = 0;  // operator of a token
  MatrixSteps steps;
};

struct Prefill {
  bool on_tiles = false;
  std::string reason;              // why not
  std::uint32_t least_tokens = 0;  // smallest chunk that pays
  std::optional<ChunkActivations> activations;
  PrefillMemory memory;
  PrefillControl control;
  std::vector<PrefillOperator> operators;
  std::vector<PrefillList> lists;
};

// Whether the tiles can, and if so the memory that a chunk takes. `prompt`: its tokens.
// `attention`: of decode, whose KV blocks a chunk fills. `every_chunk`: however small.
Prefill plan_prefill_memory(const ModelConfig& config, const MachineShape& machine,
                            const AttentionShape& attention, const TileMemory& tile_memory,
                            std::uint32_t prompt, bool every_chunk);

// Operators and lists, once `placement` has given the activations their place.
void plan_prefill_operators(Prefill& prefill, const ModelConfig& config, const OperatorGraph& graph,
                            const MachineShape& machine, const Placement& placement,
                            const TileMemory& tile_memory);

// The value that an operator of a token reads or writes first.
ValueKind first_input(const OperatorGraph& graph, const GraphOperator& op);
ValueKind first_output(const OperatorGraph& graph, const GraphOperator& op);

// Emits the program of a chunk's operator.
void emit_prefill(sram_pim::Program& program, const PrefillContext& context,
                  const OperatorGraph& graph, const PrefillOperator& op);

}  // namespace hpimvp::compiler
