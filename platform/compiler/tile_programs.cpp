#include "platform/compiler/tile_programs.h"

#include <fmt/format.h>

#include <cstddef>

#include "platform/compiler/engine_mapping.h"
#include "platform/compiler/model_error.h"

namespace hpimvp::compiler {
namespace {

using sram_pim::Program;
using enum sram_pim::Opcode;

constexpr unsigned kSyncTransfer = static_cast<unsigned>(sram_pim::Unit::kTransfer);
constexpr unsigned kSyncVector = static_cast<unsigned>(sram_pim::Unit::kVector);

std::uint32_t constant_address(const TileMemory& memory, std::size_t offset) {
  return memory.constants + static_cast<std::uint32_t>(offset);
}

// The registers of the norm programs: addresses of buffers and scalars, and the length.
enum NormRegister : unsigned {
  kWeightSource = 1,
  kBiasSource = 2,
  kCount = 6,
  kBytes,
  kHidden,
  kDelta,
  kOut,
  kWeight,
  kBias,
  kMean,
  kVariance,
  kInverseCount,
  kEpsilon,
};

void load_norm_registers(Program& program, const ModelConfig& config, const TileMemory& memory,
                         NormMode mode) {
  program.load_constant(kCount, config.hidden);
  program.load_constant(kBytes, std::uint64_t{config.hidden} * 2);
  program.load_constant(kHidden, memory.hidden);
  program.load_constant(kDelta, memory.delta);
  program.load_constant(kOut, mode == NormMode::kAddNormInPlace ? memory.hidden : memory.normed);
  program.load_constant(kWeight, memory.norm_weight);
  program.load_constant(kBias, memory.norm_bias);
  program.load_constant(kMean, memory.norm_scalar);
  program.load_constant(kVariance, memory.norm_scalar + 4);
  program.load_constant(kInverseCount,
                        constant_address(memory, offsetof(TileConstants, inverse_hidden)));
  program.load_constant(kEpsilon, constant_address(memory, offsetof(TileConstants, norm_epsilon)));
}

// variance = 1 / sqrt(sum of squares / count + epsilon)
void emit_inverse_deviation(Program& program, unsigned source) {
  program.emit(kVrSqH, {kVariance, source, kCount});
  program.emit(kSsMul, {kVariance, kVariance, kInverseCount});
  program.emit(kSsAdd, {kVariance, kVariance, kEpsilon});
  program.emit(kSsRsqrt, {kVariance, kVariance});
}

}  // namespace

void emit_norm(Program& program, const ModelConfig& config, const TileMemory& memory,
               NormMode mode) {
  load_norm_registers(program, config, memory, mode);
  if (mode == NormMode::kAdd) {
    program.emit(kVhAdd, {kHidden, kHidden, kDelta, kCount});
    program.emit(kHalt);
    return;
  }
  // The weights arrive while the vector unit computes the statistics.
  program.emit(kXlda, {kWeight, kWeightSource, kBytes});
  if (config.has_norm_bias()) program.emit(kXlda, {kBias, kBiasSource, kBytes});
  if (mode != NormMode::kNorm) program.emit(kVhAdd, {kHidden, kHidden, kDelta, kCount});
  if (config.norm == NormKind::kLayer) {
    program.emit(kVrSumH, {kMean, kHidden, kCount});
    program.emit(kSsMul, {kMean, kMean, kInverseCount});
    program.emit(kSsNeg, {kMean, kMean});
    program.emit(kVhAdds, {kOut, kHidden, kMean, kCount});
    emit_inverse_deviation(program, kOut);
  } else {
    emit_inverse_deviation(program, kHidden);
    if (mode != NormMode::kAddNormInPlace) program.emit(kVhCopy, {kOut, kHidden, kCount});
  }
  program.emit(kSync, {kSyncTransfer});
  program.emit(kVhMulsv, {kOut, kWeight, kVariance, kCount});
  if (config.has_norm_bias()) program.emit(kVhAdd, {kOut, kOut, kBias, kCount});
  program.emit(kHalt);
}

void emit_activation(Program& program, const ModelConfig& config, const MachineShape& machine,
                     const TileMemory& memory) {
  enum : unsigned { kStart = 6, kLength, kSliceBytes, kSource, kGate, kUp, kTemporary };
  const std::uint32_t slice = activation_slice(config.ffn, machine.tiles.count);
  const std::uint64_t home =
      machine.tiles.memory_base + std::uint64_t{kHomeTile} * machine.tiles.memory_stride;
  program.emit(kTileId, {kStart});
  program.load_constant(kLength, slice);
  program.emit(kMul, {kStart, kStart, kLength});
  program.load_constant(kTemporary, config.ffn);
  program.emit(kSub, {kTemporary, kTemporary, kStart});
  program.emit(kMinu, {kLength, kLength, kTemporary});
  program.emit(kAdd, {kSliceBytes, kLength, kLength});
  program.emit(kAdd, {kStart, kStart, kStart});  // bytes from here on
  const auto pull = [&](unsigned local, std::uint32_t local_address, std::uint32_t home_address) {
    program.load_constant(local, local_address);
    program.load_constant(kSource, home + home_address);
    program.emit(kAdd, {kSource, kSource, kStart});
    program.emit(kXlda, {local, kSource, kSliceBytes});
  };
  if (config.has_gate()) pull(kGate, memory.slice_gate, memory.gate);
  pull(kUp, memory.slice_up, memory.up);
  program.emit(kSync, {kSyncTransfer});
  switch (config.activation) {
    case Activation::kSiluGate:
      program.emit(kVhSilumul, {kUp, kGate, kUp, kLength});
      break;
    case Activation::kRelu:
      program.emit(kVhRelu, {kUp, kUp, kLength});
      break;
    case Activation::kGelu:
      program.emit(kVhGelu, {kUp, kUp, kLength});
      break;
  }
  program.load_constant(kSource, home + memory.inner);
  program.emit(kAdd, {kSource, kSource, kStart});
  program.emit(kSync, {kSyncVector});
  program.emit(kXsta, {kUp, kSource, kSliceBytes});
  program.emit(kHalt);
}

namespace {

std::string norm_program_name(NormMode mode) {
  switch (mode) {
    case NormMode::kNorm:
      return "norm";
    case NormMode::kAddNorm:
      return "add_norm";
    case NormMode::kAddNormInPlace:
      return "add_norm_in_place";
    case NormMode::kAdd:
      return "add";
  }
  return "?";
}

std::string attention_program_name(AttentionPart part) {
  switch (part) {
    case AttentionPart::kWhole:
      return "attention";
    case AttentionPart::kKeys:
      return "attention_keys";
    case AttentionPart::kScores:
      return "attention_scores";
    case AttentionPart::kValues:
      return "attention_values";
    case AttentionPart::kCombine:
      return "attention_combine";
    case AttentionPart::kPimKeys:
      return "attention_keys";
    case AttentionPart::kPimQueries:
      return "attention_queries";
    case AttentionPart::kPimSoftmax:
      return "attention_softmax";
    case AttentionPart::kPimStoreValues:
      return "attention_store_values";
    case AttentionPart::kPimScores:
    case AttentionPart::kPimValues:
      return "";
  }
  return "?";
}

}  // namespace

std::string program_name(const GraphOperator& op) {
  if (op.norm) return norm_program_name(*op.norm);
  if (op.attention) return attention_program_name(*op.attention);
  return op.kind == plan::OperatorKind::kActivation ? "activation" : "";
}

namespace {

class ProgramSetBuilder {
 public:
  ProgramSetBuilder(const ModelConfig& config, const MachineShape& machine,
                    const TileMemory& memory, const AttentionShape& attention, Prefill& prefill,
                    const PimAttention* pim_attention)
      : config_(config),
        machine_(machine),
        memory_(memory),
        attention_(attention),
        prefill_(prefill),
        pim_attention_(pim_attention) {}

  // Tables stand behind the programs, whose size depends on how long the tables' addresses are:
  // they get a place at the end of control memory instead.
  ProgramSet build(const OperatorGraph& graph) {
    const std::uint32_t blocks = attention_.blocks();
    const auto stacks = static_cast<std::uint32_t>(machine_.stacks.size());
    const std::uint32_t prefill_bytes = prefill_.on_tiles ? PrefillControl::bytes(stacks) : 0;
    const std::uint64_t table_bytes = std::uint64_t{blocks} * 8 + prefill_bytes;
    const std::uint32_t control_bytes = machine_.tiles.control_bytes / 8 * 8;
    if (table_bytes <= control_bytes) {
      const std::uint32_t begin = control_bytes - static_cast<std::uint32_t>(table_bytes);
      block_table_ = begin + prefill_bytes;
      if (prefill_.on_tiles) prefill_.control = PrefillControl::at(begin, stacks, block_table_);
    }
    if (pim_attention_ != nullptr) add_pim_tables();
    for (const GraphOperator& op : graph.operators) add(op);
    for (const PrefillOperator& op : prefill_.operators) add(op, graph);
    set_.control_bytes_used = static_cast<std::uint32_t>(set_.image.size() + table_bytes);
    if (set_.image.size() + table_bytes > control_bytes) {
      throw ModelError(fmt::format(
          "model {} with {} positions: a tile's control memory has {} bytes, but the programs need "
          "{} and their tables ({} KV blocks among them) {}: {} too many",
          config_.name, attention_.context, control_bytes, set_.image.size(), blocks, table_bytes,
          set_.image.size() + table_bytes - control_bytes));
    }
    return std::move(set_);
  }

 private:
  void add(const GraphOperator& op) {
    const std::string name = program_name(op);
    if (name.empty() || set_.entries.contains(name)) return;
    Program program(static_cast<std::uint32_t>(set_.image.size()));
    if (op.norm) {
      emit_norm(program, config_, memory_, *op.norm);
    } else if (op.attention && pim_attention_ != nullptr) {
      emit_pim_attention(program, config_, machine_, memory_, *pim_attention_, pim_tables_,
                         *op.attention);
    } else if (op.attention) {
      emit_attention(program, config_, machine_, memory_, attention_, *op.attention, block_table_);
    } else {
      emit_activation(program, config_, machine_, memory_);
    }
    add(name, program);
  }

  void add_pim_tables() {
    Program tables(static_cast<std::uint32_t>(set_.image.size()));
    pim_tables_ = emit_pim_attention_tables(tables, machine_);
    append(tables);
  }

  void add(const PrefillOperator& op, const OperatorGraph& graph) {
    if (set_.entries.contains(op.program)) return;
    Program program(static_cast<std::uint32_t>(set_.image.size()));
    emit_prefill(
        program,
        {config_, machine_, memory_, prefill_.memory, *prefill_.activations, prefill_.control},
        graph, op);
    add(op.program, program);
  }

  void add(const std::string& name, const Program& program) {
    set_.entries[name] = program.base();
    set_.listings[name] = program.listing();
    append(program);
  }

  void append(const Program& program) {
    const std::vector<std::uint8_t> bytes = program.bytes();
    set_.image.insert(set_.image.end(), bytes.begin(), bytes.end());
  }

  const ModelConfig& config_;
  const MachineShape& machine_;
  const TileMemory& memory_;
  const AttentionShape& attention_;
  Prefill& prefill_;
  const PimAttention* pim_attention_;
  PimAttentionTables pim_tables_;
  std::uint32_t block_table_ = 0;
  ProgramSet set_;
};

}  // namespace

ProgramSet generate_programs(const ModelConfig& config, const OperatorGraph& graph,
                             const MachineShape& machine, const TileMemory& memory,
                             const AttentionShape& attention, Prefill& prefill,
                             const PimAttention* pim_attention) {
  return ProgramSetBuilder(config, machine, memory, attention, prefill, pim_attention).build(graph);
}

}  // namespace hpimvp::compiler
