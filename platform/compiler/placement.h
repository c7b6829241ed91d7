// Stage 3 of the compiler, first half: tiling of the matrices over the stacks, and where everything
// stands in HBM (HPIM, compiler stage 3).
//
// A matrix is cut by outputs: each stack takes a contiguous part of them, a multiple of what a slot
// of a pseudo-channel holds, and shares it among its pseudo-channels by rows or columns
// (gemv_slicing.h), laid out by hbm_pim::WeightLayout from a row that is the same in all banks.
// A stack that reads its own part of a bias waits for no other one's memory: the parts stand with
// the slices. Tables and vectors that are read as ordinary memory take whole rows over all banks (1
// MiB in HPIM's organisation), so that they never share a row with weights. What remains of each
// stack becomes the firmware's KV region.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/hbm_pim/weight_layout.h"
#include "platform/compiler/gemv_slicing.h"
#include "platform/compiler/machine_shape.h"
#include "platform/compiler/model_config.h"
#include "platform/compiler/operator_graph.h"
#include "platform/compiler/pim_attention.h"
#include "platform/compiler/slicing_choice.h"

namespace hpimvp::compiler {

struct GemvSlice {
  std::uint32_t stack = 0;
  std::uint32_t first_output = 0;
  std::uint32_t outputs = 0;
  std::uint32_t weight_row = 0;
  std::uint32_t weight_rows = 0;  // of each bank
  hbm_pim::Slicing slicing = hbm_pim::Slicing::kRows;
  GemvSlicing::Decision decision;  // what the compiler would choose, and why
  std::uint64_t bias_address = 0;  // of the slice's own part, in the slice's stack; 0: none
};

struct GemvPlacement {
  std::uint32_t operator_index = 0;
  WeightRef weights;
  std::uint32_t inputs = 0;
  std::uint32_t outputs = 0;
  std::vector<GemvSlice> slices;

  bool has_bias() const { return !slices.empty() && slices.front().bias_address != 0; }
};

enum class TableKind : std::uint8_t {
  kMatrix,  // rows of the weight's matrix
  kVector,  // a norm's weight
  kBias,    // the bias of a norm, or a GEMV slice's part of one
  kRope,    // FP32 (cos, sin) pairs, one row per position
};

struct TablePlacement {
  WeightRef weights;
  TableKind kind{};
  std::uint32_t stack = 0;
  std::uint64_t address = 0;
  std::uint64_t rows = 0;
  std::uint32_t row_bytes = 0;
};

struct StackUse {
  std::uint64_t rows_used = 0;  // of each bank, from row 0 on
  std::uint64_t weight_bytes = 0;
  std::uint64_t table_bytes = 0;
};

struct Placement {
  std::vector<GemvPlacement> gemvs;
  std::vector<TablePlacement> tables;
  std::vector<StackUse> stacks;
  std::vector<std::uint64_t> activation_bases;  // by stack; empty if none were asked for
  std::vector<plan::MemoryRegion> kv_regions;   // none where attention is in HBM-PIM
  std::optional<PimAttention> attention;

  // The first such table's; 0 if there is none.
  std::uint64_t table_address(const WeightRef& weights, TableKind kind) const;
  // Null if the operator is not a GEMV.
  const GemvPlacement* gemv(std::uint32_t operator_index) const;
};

// `positions`: how many rows the position tables need. `qkv`: how the stacks share the matrices of
// queries, keys and values among their pseudo-channels; that of the others is chosen.
// `activation_bytes`: space in each stack for the activations of a chunk of prompt tokens.
// `attention_in_hbm_pim`: keys and values of so many positions get a place in the stacks.
// ModelError naming the first weights that do not fit and by how much the stacks are too small.
Placement place_model(const ModelConfig& config, const OperatorGraph& graph,
                      const MachineShape& machine, std::uint32_t positions,
                      SlicingChoice qkv = SlicingChoice::kAuto, std::uint64_t activation_bytes = 0,
                      bool attention_in_hbm_pim = false);

}  // namespace hpimvp::compiler
