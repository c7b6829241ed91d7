// Prefill's share of the compiler's stage 3: how the tiles divide the product of a matrix with a
// chunk of tokens, step by step.
//
// The weights stay where the processing units of HBM-PIM need them (hbm_pim/weight_layout.h). With
// an address mapping whose lowest field is the column, then all banks, then the pseudo-channel, a
// DRAM row of all banks of one or two adjacent pseudo-channels is one piece of memory: the rows of
// W that lie in these banks, a DRAM row apart, for as many inputs as a row holds. That is operand A
// of the TCU as it stands; the inputs by features are its operand W; the results come out by
// features as well.
//
// A tile works off a list of steps, one TCU instruction each, with what must be loaded before it.
// The sum of an output begins with the bias and goes up the inputs, in FP32; with columns slicing it
// begins at some pseudo-channel's share and goes around. The number of tiles makes no difference.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/hbm_pim/weight_layout.h"
#include "platform/compiler/placement.h"
#include "platform/compiler/prefill_memory.h"

namespace hpimvp::compiler {

// As the tiles read it. C[outputs x tokens] (+)= A[outputs x inputs] W[inputs x tokens].
struct MatrixStep {
  static constexpr std::uint32_t kStart = 1;  // the first of its outputs: do not accumulate
  static constexpr std::uint32_t kBias = 2;   // A is one column of biases
  static constexpr std::uint32_t kStore = 4;  // the last of its outputs
  static constexpr std::uint32_t kAfter = 8;  // what it loads overwrites what the step before reads

  std::uint64_t weight_offset = 0;  // from the base
  std::uint64_t input_address = 0;
  std::uint32_t weight_bytes = 0;  // 0: nothing to load
  std::uint32_t weight_buffer = 0;
  std::uint32_t input_bytes = 0;  // 0: nothing to load
  std::uint32_t input_buffer = 0;
  std::uint32_t base = 0;  // place of the base's entry in the table of bases, in bytes
  std::uint32_t flags = 0;
  std::uint32_t a = 0;
  std::uint32_t w = 0;
  std::uint32_t c = 0;
  std::uint32_t outputs = 0;
  std::uint32_t inputs = 0;
  std::uint32_t result_offset = 0;  // kStore: from the start of the result in HBM
};
static_assert(sizeof(MatrixStep) == 64);

// The table of bases has two addresses for each stack: where a matrix's weights begin in it, and
// the bias of its outputs.
inline constexpr std::uint32_t kBaseBytes = 16;

// One list for each tile.
using MatrixSteps = std::vector<std::vector<MatrixStep>>;

// Why the tiles cannot stream weights from stacks with this mapping, or nothing.
std::string refuse_streaming(const hbm_pim::StackMap& map);

MatrixSteps build_matrix_steps(const GemvPlacement& matrix, const hbm_pim::StackMap& map,
                               const ChunkActivations& activations, ValueKind input,
                               const PrefillMemory& memory, const TileMemory& tile_memory,
                               std::uint32_t tiles);

}  // namespace hpimvp::compiler
