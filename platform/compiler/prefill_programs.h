// Prefill's share of the compiler's stage 4: the programs that the tiles run for a chunk of prompt
// tokens.
//
// Each tile takes every so-manieth piece of features, head, or list of steps; what one program
// leaves in HBM the next one finds there.
//
// Numbers: matrices as prefill_steps.h says, each result rounded to FP16 once. Norms in FP32 from
// the FP16 residual stream, deviations from the mean rounded to FP16 as in decode, the result once
// more. Attention: scores and softmax in FP32, its numerators rounded to FP16, sums in FP32, times
// the reciprocal of the denominator, rounded once.
#pragma once

#include <cstdint>
#include <optional>

#include "models/sram_pim/program.h"
#include "platform/compiler/machine_shape.h"
#include "platform/compiler/model_config.h"
#include "platform/compiler/operator_graph.h"
#include "platform/compiler/prefill_memory.h"
#include "platform/compiler/prefill_steps.h"

namespace hpimvp::compiler {

// Where the programs keep what they read into control memory.
struct PrefillControl {
  static constexpr std::uint32_t kPageSteps = 32;  // steps of a matrix that are read at a time

  std::uint32_t block_table = 0;
  std::uint32_t directory = 0;  // this tile's list of steps: address and length
  std::uint32_t bases = 0;
  std::uint32_t steps = 0;   // two pages
  std::uint32_t tokens = 0;  // shares the space of `steps`

  static std::uint32_t bytes(std::uint32_t stacks) {
    return 16 + stacks * kBaseBytes + 2 * kPageSteps * std::uint32_t{sizeof(MatrixStep)};
  }
  // From `begin` on, which is 8-byte aligned.
  static PrefillControl at(std::uint32_t begin, std::uint32_t stacks, std::uint32_t block_table) {
    const std::uint32_t steps = begin + 16 + stacks * kBaseBytes;
    return {block_table, begin, begin + 16, steps, steps};
  }
};

struct PrefillContext {
  const ModelConfig& config;
  const MachineShape& machine;
  const TileMemory& tile_memory;
  const PrefillMemory& memory;
  const ChunkActivations& activations;
  const PrefillControl& control;
};

// The steps of a norm that need the sums of all tiles from the step before.
enum class PrefillNormPart : std::uint8_t {
  kSums,     // adds the addend, if any, and sums up: values, or squares where there is no mean
  kSquares,  // squares of the deviations from the mean
  kApply,
};

// Arguments: r1 address of the tiles' directory of lists (address and length of each, 16 bytes), r2
// of the table of bases, r3 of the results.
void emit_prefill_matrix(sram_pim::Program& program, const PrefillContext& context);

// Arguments of kApply: r1 address of the weight, r2 of the bias. NormMode::kAdd has kSums only.
void emit_prefill_norm(sram_pim::Program& program, const PrefillContext& context, NormMode mode,
                       PrefillNormPart part);

// No arguments.
void emit_prefill_activation(sram_pim::Program& program, const PrefillContext& context);

// Rows of `features` values to the value `to`. Arguments: r1 address of the table, r2 address of
// the chunk's token ids, or with `by_position` its first position, r3 the number of tokens.
void emit_prefill_lookup(sram_pim::Program& program, const PrefillContext& context,
                         std::uint32_t features, ValueKind to, bool by_position);

// Arguments: r1 first position, r2 address of the layer's block table, r3 address of the first
// position's row of RoPE angles, r4 the number of tokens.
void emit_prefill_attention(sram_pim::Program& program, const PrefillContext& context);

}  // namespace hpimvp::compiler
