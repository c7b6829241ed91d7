#include "platform/compiler/plan_image.h"

#include <fmt/format.h>

#include <cstring>
#include <span>

#include "generated/models/common/command_queue_registers.h"
#include "generated/models/dma/dma_engine_registers.h"
#include "generated/models/hbm_pim/hbm_pim_stack_registers.h"
#include "generated/models/sram_pim/sram_pim_dispatcher_registers.h"
#include "platform/compiler/model_error.h"

namespace hpimvp::compiler {
namespace {

using common::command_queue_registers::CommandHeader;
using dma::dma_engine_registers::CopyDescriptor;
using hbm_pim::hbm_pim_stack_registers::GemvDescriptor;
using sram_pim::sram_pim_dispatcher_registers::LoadProgramDescriptor;
using sram_pim::sram_pim_dispatcher_registers::RunDescriptor;

constexpr std::uint64_t kSectionAlignment = 64;

// Grows by sections; each gets the physical address at which it will stand.
class ImageWriter {
 public:
  explicit ImageWriter(std::uint64_t base) : base_(base) {}

  std::uint64_t reserve(std::uint64_t bytes) {
    image_.resize((image_.size() + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment);
    const std::uint64_t address = base_ + image_.size();
    image_.resize(image_.size() + bytes);
    return address;
  }

  template <typename T>
  std::uint64_t append(const std::vector<T>& items) {
    if (items.empty()) return 0;
    const std::uint64_t address = reserve(items.size() * sizeof(T));
    overwrite(address, std::as_bytes(std::span(items)));
    return address;
  }

  void overwrite(std::uint64_t address, std::span<const std::byte> bytes) {
    std::memcpy(image_.data() + (address - base_), bytes.data(), bytes.size());
  }

  std::vector<std::byte>& image() { return image_; }

 private:
  std::uint64_t base_;
  std::vector<std::byte> image_;
};

template <typename Descriptor>
plan::DescriptorTemplate make_template(std::uint32_t device, const Descriptor& descriptor) {
  static_assert(sizeof(Descriptor) == sizeof(plan::DescriptorTemplate::descriptor));
  plan::DescriptorTemplate result{};
  result.device = device;
  std::memcpy(result.descriptor, &descriptor, sizeof descriptor);
  return result;
}

void add_patch(plan::DescriptorTemplate& descriptor, plan::PatchSource source, std::size_t offset,
               std::uint32_t scale) {
  descriptor.patches[descriptor.patch_count++] = {source, static_cast<std::uint8_t>(offset), 0,
                                                  scale};
}

CommandHeader make_header(std::uint16_t opcode, std::uint32_t operation, std::uint16_t flags = 0) {
  return {opcode, static_cast<std::uint16_t>(CommandHeader::kFlagInterrupt | flags), operation};
}

class PlanImageBuilder {
 public:
  PlanImageBuilder(const CompiledPlan& plan, const CompileRequest& request)
      : plan_(plan),
        request_(request),
        writer_(plan.machine.plan_address),
        home_(plan.machine.tiles.memory_base +
              std::uint64_t{kHomeTile} * plan.machine.tiles.memory_stride) {}

  std::vector<std::byte> build() {
    writer_.reserve(sizeof(plan::PlanHeader));
    header_.magic = plan::kMagic;
    header_.version = plan::kVersion;
    write_shape();
    header_.logits_address = writer_.reserve(std::uint64_t{plan_.config.vocabulary} * 2);
    write_boot();
    write_operators();
    write_devices_and_regions();
    write_vocabulary();
    write_request();
    finish();
    return std::move(writer_.image());
  }

 private:
  void write_shape() {
    const ModelConfig& config = plan_.config;
    header_.model = {config.layers,
                     config.hidden,
                     config.heads,
                     config.kv_heads,
                     config.head_dim,
                     config.vocabulary,
                     plan_.attention.context,
                     config.end_token.value_or(0xFFFFFFFF)};
    header_.block_tokens = plan_.attention.block_tokens;
    header_.block_bytes =
        std::uint64_t{config.kv_heads} * 2 * plan_.attention.block_tokens * config.head_dim * 2;
  }

  // Programs into the control memories, constants into the activation memories.
  void write_boot() {
    const TileShape& tiles = plan_.machine.tiles;
    LoadProgramDescriptor load{};
    load.header = make_header(LoadProgramDescriptor::kOpcode, CommandHeader::kNoOperation);
    load.tile_mask = tiles.count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << tiles.count) - 1;
    load.source_address = writer_.append(plan_.programs.image);
    load.bytes = static_cast<std::uint32_t>(plan_.programs.image.size());
    descriptors_.push_back(make_template(plan_.machine.dispatcher_device, load));

    CopyDescriptor copy{};
    copy.header = make_header(CopyDescriptor::kOpcode, CommandHeader::kNoOperation);
    copy.source_address = writer_.append(std::vector<TileConstants>{plan_.tile_constants});
    copy.destination_address = tiles.memory_base + plan_.tile_memory.constants;
    copy.row_bytes = sizeof(TileConstants);
    copy.row_count = tiles.count;
    copy.source_stride = 0;  // the same constants for every tile
    copy.destination_stride = tiles.memory_stride;
    descriptors_.push_back(make_template(plan_.machine.dma_device, copy));
    if (plan_.attention.in_hbm_pim) clear_attention_weights(copy);
    header_.boot_descriptor_count = static_cast<std::uint32_t>(descriptors_.size());
  }

  // What lies behind the position is never written, and must be 0.
  void clear_attention_weights(CopyDescriptor copy) {
    const std::uint32_t bytes = pim_attention_heads_per_tile(plan_.config, plan_.machine) *
                                plan_.tile_memory.weight_row_bytes;
    copy.source_address = writer_.append(std::vector<std::uint8_t>(bytes));
    copy.destination_address = plan_.machine.tiles.memory_base + plan_.tile_memory.weights;
    copy.row_bytes = bytes;
    descriptors_.push_back(make_template(plan_.machine.dma_device, copy));
  }

  void write_operators() {
    std::vector<plan::Operator> operators;
    std::vector<char> strings;
    for (std::uint32_t i = 0; i < plan_.graph.operators.size(); ++i) {
      const GraphOperator& op = plan_.graph.operators[i];
      plan::Operator entry{};
      entry.engine = plan_.mappings[i].engine;
      entry.kind = op.kind;
      entry.flags = op.needs_logits ? plan::kFlagNeedsLogits : std::uint16_t{0};
      entry.layer = op.layer;
      if (op.predecessors.size() > plan::kMaxPredecessors) {
        throw std::logic_error("an operator has more predecessors than the plan format holds");
      }
      entry.predecessor_count = static_cast<std::uint16_t>(op.predecessors.size());
      std::copy(op.predecessors.begin(), op.predecessors.end(), entry.predecessors);
      entry.first_descriptor = static_cast<std::uint32_t>(descriptors_.size());
      add_descriptors(i, op);
      entry.descriptor_count =
          static_cast<std::uint32_t>(descriptors_.size()) - entry.first_descriptor;
      entry.name_offset = static_cast<std::uint32_t>(strings.size());
      strings.insert(strings.end(), op.name.begin(), op.name.end());
      strings.push_back('\0');
      operators.push_back(entry);
    }
    header_.operator_count = static_cast<std::uint32_t>(operators.size());
    add_chunk_operators(operators, strings);
    header_.descriptor_count = static_cast<std::uint32_t>(descriptors_.size());
    header_.operators_address = writer_.append(operators);
    header_.descriptors_address = writer_.append(descriptors_);
    header_.strings_address = writer_.append(strings);
  }

  // Those of a chunk of prompt tokens, one after the other.
  void add_chunk_operators(std::vector<plan::Operator>& operators, std::vector<char>& strings) {
    const Prefill& prefill = plan_.prefill;
    if (!prefill.on_tiles) return;
    header_.chunk_tokens = kChunkTokens;
    header_.chunk_least_tokens = prefill.least_tokens;
    header_.chunk_operator_count = static_cast<std::uint32_t>(prefill.operators.size());
    for (const PrefillList& list : prefill.lists) directories_.push_back(write_list(list));
    for (std::uint32_t i = 0; i < prefill.operators.size(); ++i) {
      const PrefillOperator& op = prefill.operators[i];
      plan::Operator entry{};
      entry.engine = plan::Engine::kSramPim;
      entry.kind = op.kind;
      entry.layer = op.layer;
      if (i > 0) {
        entry.predecessor_count = 1;
        entry.predecessors[0] = i - 1;
      }
      entry.first_descriptor = static_cast<std::uint32_t>(descriptors_.size());
      entry.descriptor_count = 1;
      descriptors_.push_back(make_chunk_run(static_cast<std::uint32_t>(operators.size()), op));
      entry.name_offset = static_cast<std::uint32_t>(strings.size());
      strings.insert(strings.end(), op.name.begin(), op.name.end());
      strings.push_back('\0');
      operators.push_back(entry);
    }
  }

  // Returns the address of the directory: address and length of each tile's steps.
  std::uint64_t write_list(const PrefillList& list) {
    std::vector<std::uint64_t> directory;
    for (const std::vector<MatrixStep>& steps : list.steps) {
      directory.push_back(writer_.append(steps));
      directory.push_back(steps.size());
    }
    return writer_.append(directory);
  }

  // Where the weights and the biases of a matrix begin in each stack.
  std::uint64_t write_bases(const GemvPlacement& matrix) {
    const hbm_pim::DeviceOrganisation& organisation = plan_.machine.device.organisation;
    const std::uint64_t row_bytes =
        organisation.row_bytes() * organisation.banks() * organisation.pseudo_channels();
    std::vector<std::uint64_t> bases(2 * plan_.machine.stacks.size());
    for (const GemvSlice& slice : matrix.slices) {
      bases[2 * std::size_t{slice.stack}] =
          plan_.machine.stacks[slice.stack].memory_base + slice.weight_row * row_bytes;
      bases[2 * std::size_t{slice.stack} + 1] = slice.bias_address;
    }
    return writer_.append(bases);
  }

  plan::DescriptorTemplate make_chunk_run(std::uint32_t index, const PrefillOperator& op) {
    constexpr std::size_t kArguments = offsetof(RunDescriptor, arguments);
    const GraphOperator& source = plan_.graph.operators[op.source];
    const ChunkActivations& activations = *plan_.prefill.activations;
    const std::uint32_t tiles = plan_.machine.tiles.count;
    RunDescriptor run{};
    run.header = make_header(RunDescriptor::kOpcode, index);
    run.tile_mask = tiles >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << tiles) - 1;
    run.entry = plan_.programs.entries.at(op.program);
    if (source.annotation == OperatorClass::kGemv) {
      run.arguments[0] = directories_[op.list];
      run.arguments[1] = write_bases(*plan_.placement.gemv(op.source));
      run.arguments[2] = activations.address(first_output(plan_.graph, source), 0);
    } else if (source.annotation == OperatorClass::kLookup) {
      run.arguments[0] = plan_.placement.table_address(source.weights, TableKind::kMatrix);
    } else if (source.annotation == OperatorClass::kAttention && plan_.config.has_rope()) {
      run.arguments[2] =
          plan_.placement.table_address({WeightRole::kRope, plan::kNoLayer}, TableKind::kRope);
    } else if (op.norm_part == PrefillNormPart::kApply) {
      run.arguments[0] = plan_.placement.table_address(source.weights, TableKind::kVector);
      run.arguments[1] = plan_.placement.table_address(source.weights, TableKind::kBias);
    }
    plan::DescriptorTemplate descriptor = make_template(plan_.machine.dispatcher_device, run);
    const auto patch = [&](plan::PatchSource value, std::size_t argument, std::uint32_t factor) {
      add_patch(descriptor, value, kArguments + 8 * argument, factor);
    };
    if (source.annotation == OperatorClass::kLookup) {
      const bool token = source.weights.role == WeightRole::kEmbedding;
      patch(token ? plan::PatchSource::kChunkTokensAddress : plan::PatchSource::kPosition, 1, 1);
      patch(plan::PatchSource::kChunkTokenCount, 2, 1);
    } else if (source.annotation == OperatorClass::kAttention) {
      patch(plan::PatchSource::kPosition, 0, 1);
      patch(plan::PatchSource::kBlockTableAddress, 1, 1);
      if (plan_.config.has_rope()) {
        patch(plan::PatchSource::kPosition, 2, plan_.config.head_dim * 4);
      }
      patch(plan::PatchSource::kChunkTokenCount, 3, 1);
    }
    return descriptor;
  }

  void add_descriptors(std::uint32_t index, const GraphOperator& op) {
    if (op.annotation == OperatorClass::kGemv) {
      add_gemv(index, op);
    } else if (op.annotation == OperatorClass::kLookup) {
      add_lookup(index, op);
    } else if (op.attention && plan_.attention.in_hbm_pim) {
      is_gemv(*op.attention) ? add_pim_gemvs(index, op) : add_pim_program(index, op);
    } else if (op.attention) {
      add_attention(index, *op.attention);
    } else {
      add_vector_program(index, op);
    }
  }

  std::uint64_t home_address(std::uint32_t value) const {
    return home_ + plan_.tile_memory.home_buffer(plan_.graph.values[value].kind);
  }

  void add_gemv(std::uint32_t index, const GraphOperator& op) {
    const GemvPlacement& placement = *plan_.placement.gemv(index);
    const bool logits = plan_.graph.values[op.writes[0]].kind == ValueKind::kLogits;
    const std::uint64_t output = logits ? header_.logits_address : home_address(op.writes[0]);
    for (const GemvSlice& slice : placement.slices) {
      GemvDescriptor gemv{};
      std::uint16_t flags = op.has_bias ? GemvDescriptor::kFlagBias : 0;
      if (slice.slicing == hbm_pim::Slicing::kColumns) flags |= GemvDescriptor::kFlagColumns;
      gemv.header = make_header(GemvDescriptor::kOpcode, index, flags);
      gemv.inputs = op.inputs;
      gemv.outputs = slice.outputs;
      gemv.input_address = home_address(op.reads[0]);
      gemv.output_address = output + std::uint64_t{slice.first_output} * 2;
      gemv.bias_address = slice.bias_address;
      gemv.weight_row = slice.weight_row;
      descriptors_.push_back(make_template(plan_.machine.stacks[slice.stack].device, gemv));
    }
  }

  void add_lookup(std::uint32_t index, const GraphOperator& op) {
    const bool token = op.weights.role == WeightRole::kEmbedding;
    const std::uint32_t row_bytes = (token ? plan_.config.embedding : plan_.config.hidden) * 2;
    CopyDescriptor copy{};
    copy.header = make_header(CopyDescriptor::kOpcode, index);
    copy.source_address = plan_.placement.table_address(op.weights, TableKind::kMatrix);
    copy.destination_address = home_address(op.writes[0]);
    copy.row_bytes = row_bytes;
    copy.row_count = 1;
    plan::DescriptorTemplate descriptor = make_template(plan_.machine.dma_device, copy);
    add_patch(descriptor, token ? plan::PatchSource::kToken : plan::PatchSource::kPosition,
              offsetof(CopyDescriptor, source_address), row_bytes);
    descriptors_.push_back(descriptor);
  }

  RunDescriptor make_run(std::uint32_t index) const {
    RunDescriptor run{};
    run.header = make_header(RunDescriptor::kOpcode, index);
    run.tile_mask = plan_.mappings[index].tile_mask;
    run.entry = plan_.programs.entries.at(program_name(plan_.graph.operators[index]));
    return run;
  }

  void add_attention(std::uint32_t index, AttentionPart part) {
    constexpr std::size_t kArguments = offsetof(RunDescriptor, arguments);
    RunDescriptor run = make_run(index);
    const bool cache = part != AttentionPart::kCombine;
    const bool rope = plan_.config.has_rope() && cache && part != AttentionPart::kValues;
    if (rope) {
      run.arguments[2] =
          plan_.placement.table_address({WeightRole::kRope, plan::kNoLayer}, TableKind::kRope);
    }
    plan::DescriptorTemplate descriptor = make_template(plan_.machine.dispatcher_device, run);
    add_patch(descriptor, plan::PatchSource::kPosition, kArguments, 1);
    if (cache) add_patch(descriptor, plan::PatchSource::kBlockTableAddress, kArguments + 8, 1);
    if (rope) {
      add_patch(descriptor, plan::PatchSource::kPosition, kArguments + 16,
                plan_.config.head_dim * 4);
    }
    descriptors_.push_back(descriptor);
  }

  // Its argument r2 is where the layer begins in a stack, r3 the position's RoPE angles, r4 where
  // the layer's latest values are in a stack.
  void add_pim_program(std::uint32_t index, const GraphOperator& op) {
    constexpr std::size_t kArguments = offsetof(RunDescriptor, arguments);
    const hbm_pim::DeviceOrganisation& organisation = plan_.machine.device.organisation;
    const std::uint64_t stripe =
        organisation.row_bytes() * organisation.banks() * organisation.pseudo_channels();
    const PimAttention& attention = *plan_.placement.attention;
    RunDescriptor run = make_run(index);
    run.arguments[1] = attention.row_of_keys(op.layer, 0) * stripe;
    run.arguments[3] = attention.row_of_latest() * stripe +
                       std::uint64_t{op.layer} * attention.heads_per_stack * attention.latest_bytes;
    const bool rope = plan_.config.has_rope() && (op.attention == AttentionPart::kPimKeys ||
                                                  op.attention == AttentionPart::kPimQueries);
    if (rope) {
      run.arguments[2] =
          plan_.placement.table_address({WeightRole::kRope, plan::kNoLayer}, TableKind::kRope);
    }
    plan::DescriptorTemplate descriptor = make_template(plan_.machine.dispatcher_device, run);
    add_patch(descriptor, plan::PatchSource::kPosition, kArguments, 1);
    if (rope) {
      add_patch(descriptor, plan::PatchSource::kPosition, kArguments + 16,
                plan_.config.head_dim * 4);
    }
    descriptors_.push_back(descriptor);
  }

  // A GEMV for each query head, round the stacks.
  void add_pim_gemvs(std::uint32_t index, const GraphOperator& op) {
    const PimAttention& attention = *plan_.placement.attention;
    const std::uint32_t group = plan_.config.heads_per_kv_head();
    for (std::uint32_t first = 0; first < plan_.config.kv_heads; first += attention.stacks) {
      const std::uint32_t end = std::min(first + attention.stacks, plan_.config.kv_heads);
      for (std::uint32_t query = 0; query < group; ++query) {
        for (std::uint32_t kv_head = first; kv_head < end; ++kv_head) {
          add_pim_gemv(index, op, kv_head, kv_head * group + query);
        }
      }
    }
  }

  void add_pim_gemv(std::uint32_t index, const GraphOperator& op, std::uint32_t kv_head,
                    std::uint32_t head) {
    const PimAttention& attention = *plan_.placement.attention;
    const TileMemory& memory = plan_.tile_memory;
    const TileShape& tiles = plan_.machine.tiles;
    const std::uint64_t tile = tiles.memory_base + head % tiles.count * tiles.memory_stride;
    const std::uint32_t in_tile = head / tiles.count;
    const std::uint32_t head_bytes = plan_.config.head_dim * 2;
    const std::uint64_t weights = tile + memory.weights + in_tile * memory.weight_row_bytes;
    const bool scores = op.attention == AttentionPart::kPimScores;
    const bool columns = !scores && attention.values.slicing == hbm_pim::Slicing::kColumns;
    GemvDescriptor gemv{};
    std::uint16_t flags = scores ? 0 : GemvDescriptor::kFlagBias;
    if (columns) flags |= GemvDescriptor::kFlagColumns;
    gemv.header = make_header(GemvDescriptor::kOpcode, index, flags);
    if (scores) {
      gemv.inputs = plan_.config.head_dim;
      gemv.outputs = 1;  // and the position
      gemv.input_address = plan_.config.has_rope()
                               ? tile + memory.local_query + std::uint64_t{in_tile} * head_bytes
                               : home_ + memory.query + std::uint64_t{head} * head_bytes;
      gemv.output_address = weights;
      gemv.weight_row = attention.row_of_keys(op.layer, kv_head);
    } else {
      gemv.inputs = attention.context;
      gemv.outputs = plan_.config.head_dim;
      gemv.input_address = weights;
      gemv.bias_address = tile + memory.latest_sums + std::uint64_t{in_tile} * head_bytes;
      gemv.output_address = home_ + memory.context + std::uint64_t{head} * head_bytes;
      gemv.weight_row = attention.row_of_values(op.layer, kv_head);
    }
    const std::uint32_t stack = attention.stack_of(kv_head);
    plan::DescriptorTemplate descriptor = make_template(plan_.machine.stacks[stack].device, gemv);
    static_assert(offsetof(GemvDescriptor, outputs) == offsetof(GemvDescriptor, inputs) + 4);
    if (scores) {
      add_patch(descriptor, plan::PatchSource::kPositionUpperHalf, offsetof(GemvDescriptor, inputs),
                1);
    }
    descriptors_.push_back(descriptor);
  }

  void add_vector_program(std::uint32_t index, const GraphOperator& op) {
    RunDescriptor run = make_run(index);
    if (op.norm && *op.norm != NormMode::kAdd) {
      run.arguments[0] = plan_.placement.table_address(op.weights, TableKind::kVector);
      run.arguments[1] = plan_.placement.table_address(op.weights, TableKind::kBias);
    }
    descriptors_.push_back(make_template(plan_.machine.dispatcher_device, run));
  }

  void write_devices_and_regions() {
    header_.device_count = static_cast<std::uint32_t>(plan_.machine.devices.size());
    header_.devices_address = writer_.append(plan_.machine.devices);
    header_.kv_region_count = static_cast<std::uint32_t>(plan_.placement.kv_regions.size());
    header_.kv_regions_address = writer_.append(plan_.placement.kv_regions);
  }

  void write_vocabulary() {
    if (request_.tokenizer == nullptr) return;
    std::vector<std::uint32_t> offsets{0};
    std::vector<char> pieces;
    for (std::uint32_t token = 0; token < plan_.config.vocabulary; ++token) {
      const std::string_view piece = request_.tokenizer->piece_bytes(token);
      pieces.insert(pieces.end(), piece.begin(), piece.end());
      offsets.push_back(static_cast<std::uint32_t>(pieces.size()));
    }
    pieces.push_back('\0');  // so that the area has an address even if nothing is ever printed
    header_.piece_offsets_address = writer_.append(offsets);
    header_.pieces_address = writer_.append(pieces);
  }

  void write_request() {
    plan::Request& request = header_.request;
    request.flags = request_.flags;
    if (!request_.replay.empty()) request.flags |= plan::kRequestReplay;
    if (request_.tokenizer != nullptr && request_.tokenizer->adds_leading_space()) {
      request.flags |= plan::kRequestDropFirstSpace;
    }
    request.prompt_count = static_cast<std::uint32_t>(request_.prompt.size());
    request.prompt_address = writer_.append(request_.prompt);
    request.output_tokens = request_.output_tokens;
    request.replay_count = static_cast<std::uint32_t>(request_.replay.size());
    request.replay_address = writer_.append(request_.replay);
    request.seed = request_.seed;
    request.temperature = request_.temperature;
    request.top_k = request_.top_k;
    request.top_p = request_.top_p;
    request.policy = request_.policy;
  }

  void finish() {
    const std::uint64_t start = plan_.machine.plan_address;
    const std::uint64_t end = writer_.reserve(0);  // aligned
    header_.total_bytes = end - start;
    if (end >= plan_.machine.free_memory_end) {
      throw ModelError(fmt::format("plan of model {}: needs {} bytes of host memory, {} are there",
                                   plan_.config.name, header_.total_bytes,
                                   plan_.machine.free_memory_end - start));
    }
    header_.free_memory_address = end;
    header_.free_memory_bytes = plan_.machine.free_memory_end - end;
    writer_.overwrite(start, std::as_bytes(std::span(&header_, 1)));
  }

  const CompiledPlan& plan_;
  const CompileRequest& request_;
  ImageWriter writer_;
  std::uint64_t home_;
  plan::PlanHeader header_{};
  std::vector<plan::DescriptorTemplate> descriptors_;
  std::vector<std::uint64_t> directories_;  // by list of steps
};

}  // namespace

std::vector<std::byte> write_plan_image(const CompiledPlan& plan, const CompileRequest& request) {
  return PlanImageBuilder(plan, request).build();
}

}  // namespace hpimvp::compiler
