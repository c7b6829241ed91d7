#include "tests/unit/compiler/plan_executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "generated/models/dma/dma_engine_registers.h"
#include "generated/models/hbm_pim/hbm_pim_stack_registers.h"
#include "generated/models/sram_pim/sram_pim_dispatcher_registers.h"
#include "models/common/fp16.h"
#include "models/hbm_pim/gemv.h"
#include "platform/compiler/payload.h"

namespace hpimvp::test {
namespace {

using compiler::MachineShape;
using dma::dma_engine_registers::CopyDescriptor;
using hbm_pim::hbm_pim_stack_registers::GemvDescriptor;
using sram_pim::sram_pim_dispatcher_registers::LoadProgramDescriptor;
using sram_pim::sram_pim_dispatcher_registers::RunDescriptor;

template <typename Descriptor>
Descriptor as(const std::uint8_t* bytes) {
  Descriptor descriptor;
  std::memcpy(&descriptor, bytes, sizeof descriptor);
  return descriptor;
}

void require(bool condition, const std::string& message) {
  if (!condition) throw std::runtime_error("plan executor: " + message);
}

}  // namespace

FlatMemory::FlatMemory(const MachineShape& machine)
    : machine_(machine), host_(machine.free_memory_end - machine.plan_address) {
  for (std::size_t i = 0; i < machine.stacks.size(); ++i) {
    stacks_.emplace_back(machine.device.organisation.stack_bytes());
  }
}

void FlatMemory::read(std::uint64_t address, void* data, std::size_t bytes) {
  auto* out = static_cast<std::uint8_t*>(data);
  if (address >= machine_.plan_address && address < machine_.free_memory_end) {
    return host_.read(address - machine_.plan_address, out, bytes);
  }
  for (std::size_t i = 0; i < stacks_.size(); ++i) {
    const std::uint64_t base = machine_.stacks[i].memory_base;
    if (address >= base && address - base < stacks_[i].size()) {
      return stacks_[i].read(address - base, out, bytes);
    }
  }
  const std::uint64_t tile = (address - machine_.tiles.memory_base) / machine_.tiles.memory_stride;
  require(
      address >= machine_.tiles.memory_base && tile < tiles_.size() &&
          tiles_[tile]->read_activation(
              (address - machine_.tiles.memory_base) % machine_.tiles.memory_stride, out, bytes),
      fmt::format("read of {} bytes at {:#x}", bytes, address));
}

void FlatMemory::write(std::uint64_t address, const void* data, std::size_t bytes) {
  const auto* in = static_cast<const std::uint8_t*>(data);
  if (address >= machine_.plan_address && address < machine_.free_memory_end) {
    return host_.write(address - machine_.plan_address, in, bytes);
  }
  for (std::size_t i = 0; i < stacks_.size(); ++i) {
    const std::uint64_t base = machine_.stacks[i].memory_base;
    if (address >= base && address - base < stacks_[i].size()) {
      return stacks_[i].write(address - base, in, bytes);
    }
  }
  const std::uint64_t tile = (address - machine_.tiles.memory_base) / machine_.tiles.memory_stride;
  require(address >= machine_.tiles.memory_base && tile < tiles_.size() &&
              tiles_[tile]->write_activation(
                  (address - machine_.tiles.memory_base) % machine_.tiles.memory_stride, in, bytes),
          fmt::format("write of {} bytes at {:#x}", bytes, address));
}

// The copy happens as late as it may: a program that does not wait for it sees old data.
sram_pim::TransferPort::Result PlanExecutor::Port::finish(std::uint64_t) {
  if (request_.write) {
    memory_.write(request_.address, request_.data, request_.bytes);
  } else {
    memory_.read(request_.address, request_.data, request_.bytes);
  }
  return {Status::kDone, request_.start_cycle + 100 + request_.bytes / 32};
}

PlanExecutor::PlanExecutor(const compiler::CompiledPlan& plan, std::uint32_t seed)
    : plan_(plan),
      map_(plan.machine.device,
           hbm_pim::BitFieldMapping(plan.machine.device.organisation, plan.machine.mapping)),
      memory_(plan.machine),
      random_(seed) {
  sram_pim::TileConfig config;
  config.tiles = plan.machine.tiles.count;
  config.activation_bytes = plan.machine.tiles.activation_bytes;
  config.control_bytes = plan.machine.tiles.control_bytes;
  for (std::uint32_t i = 0; i < config.tiles; ++i) {
    ports_.push_back(std::make_unique<Port>(memory_));
    tiles_.push_back(std::make_unique<sram_pim::TileExecutor>(config, i, true, *ports_.back()));
    memory_.attach_tile(tiles_.back().get());
  }
  memory_.write(plan.address, plan.image.data(), plan.image.size());
  memory_.read(plan.address, &header_, sizeof header_);
  require(header_.magic == plan::kMagic && header_.version == plan::kVersion, "no plan");
  operators_ = memory_.read_array<plan::Operator>(
      header_.operators_address, header_.operator_count + header_.chunk_operator_count);
  descriptors_ = memory_.read_array<plan::DescriptorTemplate>(header_.descriptors_address,
                                                              header_.descriptor_count);
  if (header_.block_tokens != 0) find_blocks();
}

void PlanExecutor::find_blocks() {
  const auto regions =
      memory_.read_array<plan::MemoryRegion>(header_.kv_regions_address, header_.kv_region_count);
  blocks_per_layer_ =
      (header_.model.max_positions + header_.block_tokens - 1) / header_.block_tokens;
  const std::size_t needed = std::size_t{blocks_per_layer_} * header_.model.layers;
  for (std::uint64_t i = 0; free_blocks_.size() < needed; ++i) {  // regions in turn
    bool any = false;
    for (const plan::MemoryRegion& region : regions) {
      if ((i + 1) * header_.block_bytes > region.bytes) continue;
      free_blocks_.push_back(region.address + i * header_.block_bytes);
      any = true;
    }
    require(any, "too few KV blocks");
  }
  std::shuffle(free_blocks_.begin(), free_blocks_.end(), random_);
  block_tables_ = header_.free_memory_address;
}

void PlanExecutor::load(const compiler::ModelWeights& weights) {
  compiler::write_payload(plan_, weights,
                          [&](std::uint64_t address, std::span<const std::byte> bytes) {
                            memory_.write(address, bytes.data(), bytes.size());
                          });
}

void PlanExecutor::boot() {
  for (std::uint32_t i = 0; i < header_.boot_descriptor_count; ++i) {
    run_descriptor(descriptors_[i], plan::kNoLayer, {});
  }
}

void PlanExecutor::grow_block_tables() {
  if (header_.block_tokens == 0 || position_ % header_.block_tokens != 0) return;
  const std::uint32_t block = position_ / header_.block_tokens;
  for (std::uint32_t layer = 0; layer < header_.model.layers; ++layer) {
    require(!free_blocks_.empty(), "out of KV blocks");
    const std::uint64_t entry = (std::uint64_t{layer} * blocks_per_layer_ + block) * 8;
    memory_.write(block_tables_ + entry, &free_blocks_.back(), 8);
    free_blocks_.pop_back();
  }
}

std::vector<float> PlanExecutor::forward(std::uint32_t token, bool logits) {
  require(position_ < header_.model.max_positions, "context is full");
  grow_block_tables();
  run_operators(std::span(operators_).first(header_.operator_count), {token, 0, 0}, logits);
  ++position_;
  std::vector<float> result;
  if (!logits) return result;
  for (const std::uint16_t half :
       memory_.read_array<std::uint16_t>(header_.logits_address, header_.model.vocabulary)) {
    result.push_back(common::fp16_to_float(half));
  }
  return result;
}

void PlanExecutor::forward_chunk(std::uint32_t tokens) {
  require(header_.chunk_operator_count != 0, "the plan has no chunks");
  require(position_ % header_.chunk_tokens == 0 && header_.chunk_tokens == header_.block_tokens,
          "not at the start of a chunk");
  require(tokens >= 1 && tokens <= header_.chunk_tokens &&
              position_ + tokens <= header_.request.prompt_count,
          "tokens of a chunk");
  grow_block_tables();
  run_operators(std::span(operators_).subspan(header_.operator_count),
                {0, header_.request.prompt_address + std::uint64_t{position_} * 4, tokens}, false);
  position_ += tokens;
}

std::vector<float> PlanExecutor::cached(std::uint32_t layer, std::uint32_t position,
                                        std::uint32_t kv_head, bool values) {
  const std::uint32_t head_dim = header_.model.head_dim;
  const std::uint64_t section = std::uint64_t{header_.block_tokens} * head_dim * 2;
  const std::uint64_t entry =
      (std::uint64_t{layer} * blocks_per_layer_ + position / header_.block_tokens) * 8;
  std::uint64_t block = 0;
  memory_.read(block_tables_ + entry, &block, sizeof block);
  const std::uint64_t address = block + kv_head * 2 * section + (values ? section : 0) +
                                std::uint64_t{position % header_.block_tokens} * head_dim * 2;
  std::vector<float> result;
  for (const std::uint16_t half : memory_.read_array<std::uint16_t>(address, head_dim)) {
    result.push_back(common::fp16_to_float(half));
  }
  return result;
}

void PlanExecutor::run_operators(std::span<const plan::Operator> operators, const Inputs& inputs,
                                 bool logits) {
  std::vector<bool> done(operators.size(), false);
  std::vector<std::size_t> ready;
  std::size_t remaining = operators.size();
  while (remaining > 0) {
    ready.clear();
    for (std::size_t i = 0; i < operators.size(); ++i) {
      const plan::Operator& op = operators[i];
      if (!done[i] && std::all_of(op.predecessors, op.predecessors + op.predecessor_count,
                                  [&](std::uint32_t p) { return p < i && done[p]; })) {
        ready.push_back(i);
      }
    }
    require(!ready.empty(), "no operator is ready");
    const std::size_t next = ready[random_() % ready.size()];
    const bool skip = !logits && (operators[next].flags & plan::kFlagNeedsLogits) != 0;
    if (!skip) run_operator(operators[next], inputs);
    done[next] = true;
    --remaining;
  }
}

void PlanExecutor::run_operator(const plan::Operator& op, const Inputs& inputs) {
  std::vector<std::uint32_t> order(op.descriptor_count);
  for (std::uint32_t i = 0; i < op.descriptor_count; ++i) order[i] = op.first_descriptor + i;
  std::shuffle(order.begin(), order.end(), random_);
  for (const std::uint32_t index : order) run_descriptor(descriptors_.at(index), op.layer, inputs);
}

void PlanExecutor::run_descriptor(const plan::DescriptorTemplate& descriptor_template,
                                  std::uint16_t layer, const Inputs& inputs) {
  plan::DescriptorTemplate copy_of = descriptor_template;
  for (std::uint32_t i = 0; i < copy_of.patch_count; ++i) {
    const plan::Patch& patch = copy_of.patches[i];
    std::uint64_t value = 0;
    switch (patch.source) {
      case plan::PatchSource::kToken:
        value = inputs.token;
        break;
      case plan::PatchSource::kPosition:
        value = position_;
        break;
      case plan::PatchSource::kPositionUpperHalf:
        value = std::uint64_t{position_} << 32;
        break;
      case plan::PatchSource::kBlockTableAddress:
        value = block_tables_ + std::uint64_t{layer} * blocks_per_layer_ * 8;
        break;
      case plan::PatchSource::kChunkTokensAddress:
        value = inputs.chunk_tokens_address;
        break;
      case plan::PatchSource::kChunkTokenCount:
        value = inputs.chunk_token_count;
        break;
    }
    std::uint64_t field;
    std::memcpy(&field, copy_of.descriptor + patch.field_offset, sizeof field);
    field += value * patch.scale;
    std::memcpy(copy_of.descriptor + patch.field_offset, &field, sizeof field);
  }
  const auto header = as<common::command_queue_registers::CommandHeader>(copy_of.descriptor);
  switch (plan_.machine.devices.at(copy_of.device).kind) {
    case plan::DeviceKind::kHbmPimStack:
      return run_gemv(copy_of.device, copy_of.descriptor);
    case plan::DeviceKind::kDma:
      return copy(copy_of.descriptor);
    case plan::DeviceKind::kSramPimDispatcher:
      return header.opcode == RunDescriptor::kOpcode ? run_tiles(copy_of.descriptor)
                                                     : load_program(copy_of.descriptor);
    default:
      require(false, "descriptor for a device that takes none");
  }
}

void PlanExecutor::run_gemv(std::uint32_t device, const std::uint8_t* descriptor) {
  const auto gemv = as<GemvDescriptor>(descriptor);
  std::size_t stack = 0;
  while (plan_.machine.stacks.at(stack).device != device) ++stack;
  const bool by_columns = (gemv.header.flags & GemvDescriptor::kFlagColumns) != 0;
  const hbm_pim::WeightLayout layout(
      map_, {gemv.inputs, gemv.outputs, gemv.weight_row,
             by_columns ? hbm_pim::Slicing::kColumns : hbm_pim::Slicing::kRows});
  require(layout.fits(), "weights beyond the stack");
  const auto input = memory_.read_array<std::uint16_t>(gemv.input_address, gemv.inputs);
  const bool has_bias = (gemv.header.flags & GemvDescriptor::kFlagBias) != 0;
  const auto bias =
      memory_.read_array<std::uint16_t>(gemv.bias_address, has_bias ? gemv.outputs : 0);
  std::vector<std::uint16_t> output(gemv.outputs);
  hbm_pim::compute_gemv(layout, memory_.stack(stack), input, bias, output);
  memory_.write(gemv.output_address, output.data(), output.size() * 2);
}

void PlanExecutor::run_tiles(const std::uint8_t* descriptor) {
  const auto run = as<RunDescriptor>(descriptor);
  require(run.tile_mask != 0 && (run.tile_mask >> (tiles_.size() - 1)) <= 1, "tile mask");
  for (std::size_t i = 0; i < tiles_.size(); ++i) {
    if (((run.tile_mask >> i) & 1) == 0) continue;
    const auto result = tiles_[i]->run(run.entry, run.arguments);
    require(result.trap.cause == sram_pim::TrapCause::kNone,
            fmt::format("tile {} trapped with {} at {:#x}: {}", i,
                        sram_pim::trap_cause_name(result.trap.cause), tiles_[i]->program_counter(),
                        sram_pim::disassemble(tiles_[i]->word_at(tiles_[i]->program_counter()),
                                              tiles_[i]->program_counter())));
  }
}

void PlanExecutor::load_program(const std::uint8_t* descriptor) {
  const auto load = as<LoadProgramDescriptor>(descriptor);
  const auto bytes = memory_.read_array<std::uint8_t>(load.source_address, load.bytes);
  for (std::size_t i = 0; i < tiles_.size(); ++i) {
    if (((load.tile_mask >> i) & 1) == 0) continue;
    require(tiles_[i]->write_control(load.destination, bytes.data(), bytes.size()),
            "program does not fit");
  }
}

void PlanExecutor::copy(const std::uint8_t* descriptor) {
  const auto copy = as<CopyDescriptor>(descriptor);
  for (std::uint32_t row = 0; row < copy.row_count; ++row) {
    const auto bytes = memory_.read_array<std::uint8_t>(
        copy.source_address + row * copy.source_stride, copy.row_bytes);
    memory_.write(copy.destination_address + row * copy.destination_stride, bytes.data(),
                  bytes.size());
  }
}

std::uint64_t PlanExecutor::tile_instructions() const {
  std::uint64_t sum = 0;
  for (const auto& tile : tiles_) sum += tile->counters().instructions;
  return sum;
}

}  // namespace hpimvp::test
