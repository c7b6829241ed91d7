#include "platform/compiler/tile_memory.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/hbm_pim/gemv_stream.h"
#include "models/hbm_pim/gemv_tiling.h"
#include "platform/compiler/engine_mapping.h"
#include "platform/compiler/model_error.h"

namespace hpimvp::compiler {
namespace {

constexpr std::uint32_t kAlignment = 64;
// A KV head is shared by several tiles when each gets at least this many positions: below, one more
// operator costs more than the shorter streams save.
constexpr std::uint32_t kLeastPositionsPerTile = 512;
constexpr std::uint32_t kHalf = 2;    // bytes of FP16
constexpr std::uint32_t kSingle = 4;  // bytes of FP32

// The phases of a decode step in the order of execution; every operator of one depends on all those
// of the phase before, directly or not. The norms before attention and before the feed-forward
// network come around again in every layer.
enum Phase : std::uint32_t {
  kEmbed = 1U << 0,
  kNorm = 1U << 1,
  kAttend = 1U << 2,  // K, Q, V and attention
  kProject = 1U << 3,
  kExpand = 1U << 4,  // gate and up
  kActivate = 1U << 5,
  kContract = 1U << 6,  // down
  kOutput = 1U << 7,
  kAlways = 0xFF,
};

constexpr std::uint32_t align_up(std::uint32_t value) {
  return (value + kAlignment - 1) / kAlignment * kAlignment;
}

// Of the blocks that a tile takes, when the context is full.
std::uint32_t positions_per_tile(const AttentionShape& attention) {
  if (attention.tiles_per_kv_head == 1) return attention.context;
  const std::uint32_t blocks =
      (attention.context + attention.block_tokens - 1) / attention.block_tokens;
  return (blocks + attention.tiles_per_kv_head - 1) / attention.tiles_per_kv_head *
         attention.block_tokens;
}

// add(name, bytes, phases, address)
template <typename Add>
void list_attention_buffers(const ModelConfig& config, const MachineShape& machine,
                            const AttentionShape& attention, TileMemory& memory, Add add) {
  // Pipelined, the softmax results of all heads of a tile wait for the values.
  const std::uint64_t group = config.heads_per_kv_head();
  const std::uint64_t kv_heads_per_tile =
      (config.kv_heads + machine.tiles.count - 1) / machine.tiles.count;
  const std::uint64_t kept_heads =
      attention.pipelined ? kv_heads_per_tile * group : attention.heads_per_pass;
  const std::uint64_t head_bytes = std::uint64_t{config.head_dim} * kHalf;
  memory.stream_bytes = align_up(static_cast<std::uint32_t>(attention.block_tokens * head_bytes));
  const std::uint32_t positions = positions_per_tile(attention);
  memory.score_row_bytes = align_up(positions * kSingle);
  memory.weight_row_bytes = align_up(positions * kHalf);
  memory.record_bytes = (config.head_dim + 2) * kSingle;
  add("query heads of a tile", group * head_bytes, kAttend, memory.local_query);
  add("key head", head_bytes, kAttend, memory.local_key);
  add("value head", head_bytes, kAttend, memory.local_value);
  if (config.has_rope()) {
    add("RoPE row", std::uint64_t{config.head_dim} * kSingle, kAttend, memory.rope_row);
  }
  add("KV stream", 2ULL * memory.stream_bytes, kAttend, memory.stream);
  add("attention scores", std::uint64_t{attention.heads_per_pass} * memory.score_row_bytes, kAttend,
      memory.scores);
  add("attention weights", kept_heads * memory.weight_row_bytes, kAttend, memory.weights);
  add("attention records", kept_heads * memory.record_bytes, kAttend, memory.records);
  if (attention.tiles_per_kv_head > 1) {
    add("gathered records", group * attention.tiles_per_kv_head * memory.record_bytes, kAttend,
        memory.gathered);
    add("combined sums", head_bytes * 2, kAttend, memory.combined);
    add("combination scratch", head_bytes * 2, kAttend, memory.combine_scratch);
    add("combination scalars", 4ULL * kSingle, kAttend, memory.combine_scalars);
  }
  add("attention output of a tile", group * head_bytes, kAttend, memory.local_context);
}

// A tile has the query heads tile, tile + tiles, ...
template <typename Add>
void list_pim_attention_buffers(const ModelConfig& config, const MachineShape& machine,
                                const AttentionShape& attention, TileMemory& memory, Add add) {
  const std::uint64_t heads = pim_attention_heads_per_tile(config, machine);
  const std::uint64_t head_bytes = std::uint64_t{config.head_dim} * kHalf;
  memory.score_row_bytes = align_up(attention.context * kSingle);
  memory.weight_row_bytes = align_up(attention.context * kHalf);
  if (config.has_rope()) {
    add("query heads of a tile", heads * head_bytes, kAttend, memory.local_query);
    add("RoPE row", std::uint64_t{config.head_dim} * kSingle, kAttend, memory.rope_row);
  }
  add("key head", head_bytes, kAttend, memory.local_key);
  add("value head", head_bytes, kAttend, memory.local_value);
  add("attention scores", memory.score_row_bytes, kAttend, memory.scores);
  add("softmax scalar", kSingle, kAttend, memory.records);
  const std::uint64_t tokens = hbm_pim::elements_per_chunk(machine.device);
  add("latest values", tokens * head_bytes, kAttend, memory.latest_values);
  add("latest values transposed",
      std::uint64_t{hbm_pim::outputs_per_slot(machine.device)} * tokens * kHalf, kAttend,
      memory.latest_bursts);
  add("latest values' sum", head_bytes * 2, kAttend, memory.latest_scratch);
  add("latest values' sums", heads * head_bytes, kAttend, memory.latest_sums);
  // Always: what lies behind the position stays 0 from the start on.
  add("attention weights", heads * memory.weight_row_bytes, kAlways, memory.weights);
}

std::vector<TileBuffer> list_buffers(const ModelConfig& config, const MachineShape& machine,
                                     const AttentionShape& attention, TileMemory& memory) {
  std::vector<TileBuffer> buffers;
  const auto add = [&](const char* name, std::uint64_t bytes, std::uint32_t phases,
                       std::uint32_t& address) {
    // No machine has this much; the cap keeps sums inside 32 bits.
    const std::uint64_t capped = std::min<std::uint64_t>(bytes, 1U << 27);
    buffers.push_back({name, align_up(static_cast<std::uint32_t>(capped)), phases, &address});
  };
  const std::uint64_t hidden = config.hidden;
  add("constants", sizeof(TileConstants), kAlways, memory.constants);
  add("hidden state", hidden * kHalf, kAlways, memory.hidden);
  if (!config.post_norm) add("normed state", hidden * kHalf, kAlways, memory.normed);
  add("residual addend", hidden * kHalf, kAlways, memory.delta);
  if (config.has_embedding_projection()) {
    add("embedding row", std::uint64_t{config.embedding} * kHalf, kEmbed | kOutput,
        memory.embedding);
  }
  add("norm weight", hidden * kHalf, kNorm, memory.norm_weight);
  if (config.has_norm_bias()) add("norm bias", hidden * kHalf, kNorm, memory.norm_bias);
  add("norm scalars", 2 * kSingle, kNorm, memory.norm_scalar);
  add("queries", std::uint64_t{config.query_width()} * kHalf, kAttend, memory.query);
  add("keys", std::uint64_t{config.kv_width()} * kHalf, kAttend, memory.key);
  add("values", std::uint64_t{config.kv_width()} * kHalf, kAttend, memory.value);
  add("attention output", std::uint64_t{config.query_width()} * kHalf, kAttend | kProject,
      memory.context);
  if (config.has_gate()) {
    add("gate", std::uint64_t{config.ffn} * kHalf, kExpand | kActivate, memory.gate);
  }
  add("up", std::uint64_t{config.ffn} * kHalf, kExpand | kActivate, memory.up);
  add("activated", std::uint64_t{config.ffn} * kHalf, kActivate | kContract, memory.inner);
  const std::uint64_t slice = activation_slice(config.ffn, machine.tiles.count);
  if (config.has_gate()) add("gate slice", slice * kHalf, kActivate, memory.slice_gate);
  add("up slice", slice * kHalf, kActivate, memory.slice_up);

  attention.in_hbm_pim ? list_pim_attention_buffers(config, machine, attention, memory, add)
                       : list_attention_buffers(config, machine, attention, memory, add);
  return buffers;
}

TileMemory try_allocate(const ModelConfig& config, const MachineShape& machine,
                        const AttentionShape& attention, std::vector<TileBuffer>& buffers) {
  TileMemory memory;
  buffers = list_buffers(config, machine, attention, memory);
  memory.bytes_used = allocate_buffers(buffers);
  for (TileBuffer& buffer : buffers) buffer.address = nullptr;  // they point into a local variable
  return memory;
}

std::string phase_names(std::uint32_t phases) {
  static constexpr const char* kNames[] = {"embedding", "norm",       "attention", "projection",
                                           "gate/up",   "activation", "down",      "output"};
  if (phases == kAlways) return "always";
  std::string text;
  for (std::uint32_t phase = 0; phase < std::size(kNames); ++phase) {
    if ((phases >> phase & 1) == 0) continue;
    text += std::string(text.empty() ? "" : ", ") + kNames[phase];
  }
  return text;
}

std::string largest_buffers(std::vector<TileBuffer> buffers) {
  std::stable_sort(buffers.begin(), buffers.end(),
                   [](const TileBuffer& a, const TileBuffer& b) { return a.bytes > b.bytes; });
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(3, buffers.size()); ++i) {
    text += fmt::format("{}{} {} bytes", i == 0 ? "" : ", ", buffers[i].name, buffers[i].bytes);
  }
  return text;
}

}  // namespace

std::uint32_t TileMemory::home_buffer(ValueKind kind) const {
  switch (kind) {
    case ValueKind::kHidden:
      return hidden;
    case ValueKind::kNormed:
      return normed;
    case ValueKind::kDelta:
      return delta;
    case ValueKind::kEmbedding:
      return embedding;
    case ValueKind::kQuery:
      return query;
    case ValueKind::kKey:
      return key;
    case ValueKind::kValue:
      return value;
    case ValueKind::kContext:
      return context;
    case ValueKind::kGate:
      return gate;
    case ValueKind::kUp:
      return up;
    case ValueKind::kInner:
      return inner;
    case ValueKind::kLogits:
    case ValueKind::kKeysStored:
    case ValueKind::kScores:
    case ValueKind::kPartials:
    case ValueKind::kQueriesRotated:
    case ValueKind::kProbabilities:
    case ValueKind::kValuesStored:
      break;
  }
  throw std::logic_error("this value has no buffer in the home tile");
}

std::uint32_t pim_attention_heads_per_tile(const ModelConfig& config, const MachineShape& machine) {
  return (config.heads + machine.tiles.count - 1) / machine.tiles.count;
}

std::uint32_t allocate_buffers(std::vector<TileBuffer>& buffers) {
  std::vector<TileBuffer*> by_size;
  for (TileBuffer& buffer : buffers) by_size.push_back(&buffer);
  std::stable_sort(by_size.begin(), by_size.end(),
                   [](const TileBuffer* a, const TileBuffer* b) { return a->bytes > b->bytes; });
  std::vector<const TileBuffer*> placed;  // by address
  std::uint32_t end = 0;
  for (TileBuffer* buffer : by_size) {
    std::uint32_t address = 0;
    for (const TileBuffer* other : placed) {
      if ((other->phases & buffer->phases) == 0) continue;
      if (address + buffer->bytes <= *other->address) break;
      address = std::max(address, *other->address + other->bytes);
    }
    *buffer->address = address;
    const auto behind = std::find_if(placed.begin(), placed.end(), [&](const TileBuffer* other) {
      return *other->address > address;
    });
    placed.insert(behind, buffer);
    end = std::max(end, address + buffer->bytes);
  }
  return end;
}

TileMemory allocate_tile_memory(const ModelConfig& config, const MachineShape& machine,
                                const AttentionShape& attention) {
  std::vector<TileBuffer> buffers;
  const TileMemory memory = try_allocate(config, machine, attention, buffers);
  if (memory.bytes_used > machine.tiles.activation_bytes) {
    throw ModelError(fmt::format(
        "model {} with {} positions: a tile's activation memory has {} bytes, but {} are needed, "
        "{} "
        "too many (largest: {})",
        config.name, attention.context, machine.tiles.activation_bytes, memory.bytes_used,
        memory.bytes_used - machine.tiles.activation_bytes, largest_buffers(buffers)));
  }
  return memory;
}

std::vector<TileBufferPlace> tile_memory_map(const ModelConfig& config, const MachineShape& machine,
                                             const AttentionShape& attention) {
  TileMemory memory;
  std::vector<TileBuffer> buffers = list_buffers(config, machine, attention, memory);
  allocate_buffers(buffers);
  std::vector<TileBufferPlace> places;
  for (const TileBuffer& buffer : buffers) {
    places.push_back({buffer.name, *buffer.address, buffer.bytes, phase_names(buffer.phases)});
  }
  std::stable_sort(places.begin(), places.end(),
                   [](const auto& a, const auto& b) { return a.address < b.address; });
  return places;
}

AttentionShape choose_attention_shape(const ModelConfig& config, const MachineShape& machine,
                                      std::uint32_t context, const AttentionWishes& wishes) {
  const std::uint32_t group = config.heads_per_kv_head();
  const std::uint32_t most_tiles = std::max(1U, machine.tiles.count / config.kv_heads);
  AttentionShape shape;
  shape.context = context;
  if (wishes.engine == AttentionChoice::kHbmPim) {
    shape.in_hbm_pim = true;
    shape.block_tokens = 0;
    allocate_tile_memory(config, machine, shape);  // throws if it does not fit
    return shape;
  }
  shape.tiles_per_kv_head = wishes.tiles_per_kv_head != 0
                                ? std::min(wishes.tiles_per_kv_head, most_tiles)
                                : std::clamp(context / kLeastPositionsPerTile, 1U, most_tiles);
  for (const std::uint32_t tokens : {64U, 32U, 16U}) {
    shape.block_tokens = wishes.block_tokens != 0 ? wishes.block_tokens : tokens;
    for (std::uint32_t heads = group; heads >= 1; --heads) {
      if (group % heads != 0) continue;
      shape.heads_per_pass = heads;
      for (const bool pipelined : {true, false}) {
        if (pipelined && !wishes.allow_pipelined) continue;
        shape.pipelined = pipelined;
        std::vector<TileBuffer> buffers;
        if (try_allocate(config, machine, shape, buffers).bytes_used <=
            machine.tiles.activation_bytes) {
          return shape;
        }
      }
    }
  }
  allocate_tile_memory(config, machine, shape);  // throws: the least demanding shape does not fit
  return shape;
}

}  // namespace hpimvp::compiler
