#include "platform/compiler/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "platform/compiler/gemv_slicing.h"
#include "platform/compiler/model_error.h"

namespace hpimvp::compiler {
namespace {

constexpr std::uint64_t kTableAlignment = 64;

// How many successive bytes a pseudo-channel has at least; 0 if nothing can be aligned to that.
std::uint64_t piece_of_pseudo_channel(const MachineShape& machine) {
  const hbm_pim::DeviceOrganisation& organisation = machine.device.organisation;
  if (organisation.pseudo_channels() == 1) return 0;
  const hbm_pim::BitFieldMapping mapping(organisation, machine.mapping);
  std::uint64_t piece = organisation.stack_bytes();
  for (std::uint32_t i = 1; i < organisation.pseudo_channels(); ++i) {
    piece = std::min(piece, mapping.offset_of({i, {}}));
  }
  return piece % kTableAlignment == 0 ? piece : 0;
}

// Hands out rows of one stack from row 0 up. Space may be promised that is not there, so that the
// error can say how much is missing in all.
class StackAllocator {
 public:
  StackAllocator(const MachineShape& machine, std::uint64_t memory_base)
      : memory_base_(memory_base),
        rows_(machine.device.organisation.rows),
        stripe_bytes_(machine.device.organisation.row_bytes() *
                      machine.device.organisation.banks() *
                      machine.device.organisation.pseudo_channels()),
        piece_(piece_of_pseudo_channel(machine)) {}

  std::uint64_t take_rows(std::uint64_t rows) {
    const std::uint64_t first = next_row_;
    next_row_ += rows;
    return first;
  }

  // Ordinary memory: continues in the last row taken for this purpose if there is room.
  std::uint64_t take_bytes(std::uint64_t bytes) {
    bytes = aligned(bytes);
    if (bytes > open_bytes_) open_rows(bytes);
    return take_open(0, bytes);
  }

  // The same for a vector that an operator waits for. If it is so short that one pseudo-channel
  // could have all of it, a border between two of them goes through its middle, which halves the
  // time to read it. The next vector has other ones, as the two may be read at the same time.
  std::uint64_t take_vector(std::uint64_t bytes) {
    bytes = aligned(bytes);
    if (bytes >= 2 * piece_) return take_bytes(bytes);
    if (bytes_before_vector(bytes) + bytes > open_bytes_) open_rows(bytes);
    return take_open(bytes_before_vector(bytes), bytes);
  }

  std::uint64_t rows_used() const { return next_row_; }
  bool full() const { return next_row_ > rows_; }
  std::uint64_t missing_bytes() const { return full() ? (next_row_ - rows_) * stripe_bytes_ : 0; }
  std::uint64_t used_bytes() const { return next_row_ * stripe_bytes_; }
  std::uint64_t total_bytes() const { return rows_ * stripe_bytes_; }

  plan::MemoryRegion remainder() const {
    return {memory_base_ + used_bytes(), total_bytes() - used_bytes()};
  }

 private:
  static std::uint64_t aligned(std::uint64_t bytes) {
    return (bytes + kTableAlignment - 1) / kTableAlignment * kTableAlignment;
  }

  // Up to where its middle is at an odd multiple of the piece: every other border.
  std::uint64_t bytes_before_vector(std::uint64_t bytes) const {
    const std::uint64_t half = bytes / 2 / kTableAlignment * kTableAlignment;
    const std::uint64_t earliest = open_address_ - memory_base_ + half;
    const std::uint64_t border = (earliest + 3 * piece_ - 1) / (2 * piece_) * (2 * piece_) - piece_;
    return border - earliest;
  }

  void open_rows(std::uint64_t bytes) {
    const std::uint64_t rows = (bytes + stripe_bytes_ - 1) / stripe_bytes_;
    open_address_ = memory_base_ + take_rows(rows) * stripe_bytes_;
    open_bytes_ = rows * stripe_bytes_;
  }

  std::uint64_t take_open(std::uint64_t skipped, std::uint64_t bytes) {
    const std::uint64_t address = open_address_ + skipped;
    open_address_ += skipped + bytes;
    open_bytes_ -= skipped + bytes;
    return address;
  }

  std::uint64_t memory_base_;
  std::uint64_t rows_;
  std::uint64_t stripe_bytes_;  // one row of all banks of all pseudo-channels
  std::uint64_t piece_;         // successive bytes of a pseudo-channel
  std::uint64_t next_row_ = 0;
  std::uint64_t open_address_ = 0;
  std::uint64_t open_bytes_ = 0;
};

class Placer {
 public:
  Placer(const ModelConfig& config, const OperatorGraph& graph, const MachineShape& machine,
         std::uint32_t positions, SlicingChoice qkv, std::uint64_t activation_bytes,
         bool attention_in_hbm_pim)
      : config_(config),
        graph_(graph),
        machine_(machine),
        positions_(positions),
        qkv_(qkv),
        activation_bytes_(activation_bytes),
        attention_in_hbm_pim_(attention_in_hbm_pim),
        slicing_(machine.device) {
    for (const StackShape& stack : machine.stacks) {
      stacks_.emplace_back(machine, stack.memory_base);
    }
    placement_.stacks.resize(stacks_.size());
  }

  Placement place() {
    for (std::uint32_t i = 0; i < graph_.operators.size(); ++i) {
      if (graph_.operators[i].annotation == OperatorClass::kGemv) place_gemv(i);
    }
    place_vectors();
    place_tables();
    place_activations();
    if (attention_in_hbm_pim_) place_attention();
    report_shortage();
    for (std::size_t i = 0; i < stacks_.size(); ++i) {
      placement_.stacks[i].rows_used = stacks_[i].rows_used();
      const plan::MemoryRegion region = stacks_[i].remainder();
      if (region.bytes != 0 && !attention_in_hbm_pim_) placement_.kv_regions.push_back(region);
    }
    return std::move(placement_);
  }

 private:
  void place_gemv(std::uint32_t index) {
    const GraphOperator& op = graph_.operators[index];
    GemvPlacement& gemv = placement_.gemvs.emplace_back();
    gemv.operator_index = index;
    gemv.weights = op.weights;
    gemv.inputs = op.inputs;
    gemv.outputs = op.outputs;
    const std::uint64_t slot = hbm_pim::outputs_per_slot(machine_.device);
    const std::uint64_t slots = (op.outputs + slot - 1) / slot;
    const std::uint64_t per_stack = (slots + stacks_.size() - 1) / stacks_.size() * slot;
    std::uint64_t first = 0;
    for (std::uint32_t stack = 0; stack < stacks_.size() && first < op.outputs; ++stack) {
      const auto outputs =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(per_stack, op.outputs - first));
      const GemvSlicing::Decision decision = slicing_.decide(op.inputs, outputs, op.has_bias);
      const hbm_pim::Slicing slicing = wished(op.kind).value_or(decision.slicing);
      const std::uint64_t rows =
          hbm_pim::WeightLayout::rows_for(machine_.device, {op.inputs, outputs, 0, slicing});
      const std::uint64_t row = stacks_[stack].take_rows(rows);
      note_overflow(stack, op.weights);
      gemv.slices.push_back({stack, static_cast<std::uint32_t>(first), outputs,
                             static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(rows),
                             slicing, decision, 0});
      placement_.stacks[stack].weight_bytes += std::uint64_t{outputs} * op.inputs * 2;
      first += outputs;
    }
  }

  std::optional<hbm_pim::Slicing> wished(plan::OperatorKind kind) const {
    const bool applies = kind == plan::OperatorKind::kQuery || kind == plan::OperatorKind::kKey ||
                         kind == plan::OperatorKind::kValue;
    if (!applies || qkv_ == SlicingChoice::kAuto) return {};
    return qkv_ == SlicingChoice::kRows ? hbm_pim::Slicing::kRows : hbm_pim::Slicing::kColumns;
  }

  std::uint64_t add_table(const WeightRef& weights, TableKind kind, std::uint32_t stack,
                          std::uint64_t rows, std::uint32_t row_bytes) {
    const bool vector = kind == TableKind::kVector || kind == TableKind::kBias;
    const std::uint64_t bytes = rows * row_bytes;
    const std::uint64_t address =
        vector ? stacks_[stack].take_vector(bytes) : stacks_[stack].take_bytes(bytes);
    note_overflow(stack, weights);
    placement_.stacks[stack].table_bytes += rows * row_bytes;
    placement_.tables.push_back({weights, kind, stack, address, rows, row_bytes});
    return address;
  }

  // Small vectors; the norms' of a layer stand in the same stack, the layers take turns.
  void place_vectors() {
    for (const GraphOperator& op : graph_.operators) {
      const std::uint32_t stack =
          op.layer == plan::kNoLayer ? 0 : op.layer % static_cast<std::uint32_t>(stacks_.size());
      if (op.norm && *op.norm != NormMode::kAdd) {
        add_table(op.weights, TableKind::kVector, stack, 1, config_.hidden * 2);
        if (op.has_bias) add_table(op.weights, TableKind::kBias, stack, 1, config_.hidden * 2);
      }
    }
    for (GemvPlacement& gemv : placement_.gemvs) {
      if (!graph_.operators[gemv.operator_index].has_bias) continue;
      for (GemvSlice& slice : gemv.slices) {
        slice.bias_address =
            add_table(gemv.weights, TableKind::kBias, slice.stack, 1, slice.outputs * 2);
      }
    }
  }

  // Large tables, each into the stack that is least full.
  void place_tables() {
    const WeightRef embedding{WeightRole::kEmbedding, plan::kNoLayer};
    add_table(embedding, TableKind::kMatrix, emptiest_stack(), config_.vocabulary,
              config_.embedding * 2);
    if (config_.has_rope()) {
      const WeightRef rope{WeightRole::kRope, plan::kNoLayer};
      add_table(rope, TableKind::kRope, emptiest_stack(), positions_,
                config_.head_dim / 2 * 2 * sizeof(float));
    } else {
      const WeightRef learned{WeightRole::kPositions, plan::kNoLayer};
      add_table(learned, TableKind::kMatrix, emptiest_stack(), positions_, config_.hidden * 2);
    }
  }

  void place_activations() {
    if (activation_bytes_ == 0) return;
    for (StackAllocator& stack : stacks_) {
      placement_.activation_bases.push_back(stack.take_bytes(activation_bytes_));
    }
  }

  // Keys and values, from the same row on in all stacks.
  void place_attention() {
    PimAttention attention = shape_pim_attention(config_, machine_, positions_);
    std::uint64_t first = 0;
    for (const StackAllocator& stack : stacks_) first = std::max(first, stack.rows_used());
    for (std::uint32_t i = 0; i < stacks_.size(); ++i) {
      stacks_[i].take_rows(first + attention.rows() - stacks_[i].rows_used());
      if (first_overflow_.empty() && stacks_[i].full()) first_overflow_ = "keys and values";
    }
    attention.first_row = static_cast<std::uint32_t>(first);
    placement_.attention = attention;
  }

  std::uint32_t emptiest_stack() const {
    const auto emptiest = std::min_element(
        stacks_.begin(), stacks_.end(),
        [](const auto& a, const auto& b) { return a.rows_used() < b.rows_used(); });
    return static_cast<std::uint32_t>(emptiest - stacks_.begin());
  }

  void note_overflow(std::uint32_t stack, const WeightRef& weights) {
    if (first_overflow_.empty() && stacks_[stack].full()) first_overflow_ = weight_name(weights);
  }

  void report_shortage() const {
    std::uint64_t missing = 0;
    std::string fullest;
    for (std::size_t i = 0; i < stacks_.size(); ++i) {
      if (!stacks_[i].full()) continue;
      missing += stacks_[i].missing_bytes();
      if (fullest.empty()) {
        fullest = fmt::format("stack {} needs {} bytes and has {}", i, stacks_[i].used_bytes(),
                              stacks_[i].total_bytes());
      }
    }
    if (missing == 0) return;
    throw ModelError(
        fmt::format("model {}: weights do not fit into HBM: {} bytes more are needed ({} "
                    "parameters at 2 bytes, "
                    "{} stacks; {}); the first that did not fit is {}",
                    config_.name, missing, config_.parameter_count(), stacks_.size(), fullest,
                    first_overflow_));
  }

  const ModelConfig& config_;
  const OperatorGraph& graph_;
  const MachineShape& machine_;
  std::uint32_t positions_;
  SlicingChoice qkv_;
  std::uint64_t activation_bytes_;
  bool attention_in_hbm_pim_;
  GemvSlicing slicing_;
  std::vector<StackAllocator> stacks_;
  Placement placement_;
  std::string first_overflow_;
};

}  // namespace

std::uint64_t Placement::table_address(const WeightRef& weights, TableKind kind) const {
  const auto found = std::find_if(tables.begin(), tables.end(), [&](const TablePlacement& table) {
    return table.weights == weights && table.kind == kind;
  });
  return found == tables.end() ? 0 : found->address;
}

const GemvPlacement* Placement::gemv(std::uint32_t operator_index) const {
  const auto found = std::find_if(gemvs.begin(), gemvs.end(), [&](const GemvPlacement& gemv) {
    return gemv.operator_index == operator_index;
  });
  return found == gemvs.end() ? nullptr : &*found;
}

Placement place_model(const ModelConfig& config, const OperatorGraph& graph,
                      const MachineShape& machine, std::uint32_t positions, SlicingChoice qkv,
                      std::uint64_t activation_bytes, bool attention_in_hbm_pim) {
  return Placer(config, graph, machine, positions, qkv, activation_bytes, attention_in_hbm_pim)
      .place();
}

}  // namespace hpimvp::compiler
