#include "platform/compiler/prefill_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace hpimvp::compiler {
namespace {

constexpr std::uint32_t kAlignment = 64;
// HPIM has 32 tiles: as many pieces keep them all busy.
constexpr std::uint32_t kPieces = 32;
constexpr std::uint32_t kLeastPiece = 16;  // a transfer of 2 KiB
constexpr std::uint32_t kWeightBytes = 64 * 1024;

std::uint32_t round_up(std::uint32_t value, std::uint32_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

FeaturePieces pieces(std::uint32_t features, std::uint32_t most) {
  const std::uint32_t even = (features + kPieces - 1) / kPieces;
  return {features, std::clamp(even, kLeastPiece, most)};
}

// Hands out activation memory from 0 up, around the constants.
class Space {
 public:
  explicit Space(std::uint32_t constants)
      : constants_(constants),
        constants_end_(round_up(constants + sizeof(TileConstants), kAlignment)) {}

  std::uint32_t take(std::uint64_t bytes) {
    bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    if (next_ < constants_end_ && next_ + bytes > constants_) next_ = constants_end_;
    const std::uint64_t address = next_;
    next_ += bytes;
    return static_cast<std::uint32_t>(address);
  }
  std::uint64_t used() const { return std::max<std::uint64_t>(next_, constants_end_); }

 private:
  std::uint32_t constants_;
  std::uint32_t constants_end_;
  std::uint64_t next_ = 0;
};

}  // namespace

FeaturePieces norm_pieces(const ModelConfig& config) {
  return pieces(config.hidden, 384);
}
FeaturePieces activation_pieces(const ModelConfig& config) {
  return pieces(config.ffn, 1024);
}
FeaturePieces lookup_pieces(std::uint32_t features) {
  return pieces(features, 512);
}

ChunkActivations::ChunkActivations(const ModelConfig& config, const MachineShape& machine)
    : stacks_(static_cast<std::uint32_t>(machine.stacks.size())) {
  add(ValueKind::kHidden, config.hidden, config.post_norm);
  if (!config.post_norm) add(ValueKind::kNormed, config.hidden, true);
  add(ValueKind::kDelta, config.hidden, false);
  if (config.has_embedding_projection()) add(ValueKind::kEmbedding, config.embedding, true);
  add(ValueKind::kQuery, config.query_width(), false);
  add(ValueKind::kKey, config.kv_width(), false);
  add(ValueKind::kValue, config.kv_width(), false);
  add(ValueKind::kContext, config.query_width(), true);
  if (config.has_gate()) add(ValueKind::kGate, config.ffn, false);
  add(ValueKind::kUp, config.ffn, false);
  add(ValueKind::kInner, config.ffn, true);
  for (std::uint64_t& offset : statistics_) {
    offset = bytes_;
    bytes_ += std::uint64_t{norm_pieces(config).count()} * kStatisticBytes;
  }
}

void ChunkActivations::add(ValueKind kind, std::uint32_t features, bool everywhere) {
  buffers_.push_back({kind, bytes_, everywhere});
  bytes_ += std::uint64_t{features} * kFeatureBytes;
}

const ChunkActivations::Buffer& ChunkActivations::buffer(ValueKind kind) const {
  const auto found = std::find_if(buffers_.begin(), buffers_.end(),
                                  [kind](const Buffer& buffer) { return buffer.kind == kind; });
  if (found == buffers_.end()) throw std::logic_error("a chunk has no such value");
  return *found;
}

std::uint64_t ChunkActivations::address(ValueKind kind, std::uint32_t replica) const {
  const Buffer& found = buffer(kind);
  const auto place = static_cast<std::uint32_t>(&found - buffers_.data());
  return bases_.at((found.everywhere ? replica : place) % stacks_) + found.offset;
}

std::uint32_t ChunkActivations::replicas(ValueKind kind) const {
  return buffer(kind).everywhere ? stacks_ : 1;
}

std::uint64_t ChunkActivations::statistics_address(std::uint32_t which,
                                                   std::uint32_t replica) const {
  return bases_.at(replica % stacks_) + statistics_[which];
}

std::string allocate_prefill_memory(const ModelConfig& config, const MachineShape& machine,
                                    const TileMemory& tile_memory, std::uint32_t positions,
                                    PrefillMemory& memory) {
  const std::uint32_t available = machine.tiles.activation_bytes;
  std::uint64_t needed = 0;
  const auto finish = [&](const Space& space) { needed = std::max(needed, space.used()); };

  Space matrices(tile_memory.constants);
  for (std::uint32_t& buffer : memory.weights) buffer = matrices.take(kWeightBytes);
  // As many inputs as a DRAM row holds, times 64 tokens: 64 KiB with rows of 1 KiB.
  const std::uint64_t input_bytes =
      std::uint64_t{machine.device.organisation.row_bytes()} / 2 * kFeatureBytes;
  for (std::uint32_t& buffer : memory.inputs) buffer = matrices.take(input_bytes);
  memory.results = matrices.take(std::uint64_t{kUnitOutputs} * kFeatureBytes);
  const std::uint64_t unit_bytes = std::uint64_t{kUnitOutputs} * kChunkTokens * 4;
  const std::uint64_t left =
      available > matrices.used() ? (available - matrices.used()) / unit_bytes : 0;
  const std::uint64_t units = std::clamp<std::uint64_t>(left, 1, 4);
  memory.outputs_held = static_cast<std::uint32_t>(units) * kUnitOutputs;
  memory.sums = matrices.take(units * unit_bytes);
  finish(matrices);

  Space norms(tile_memory.constants);
  const FeaturePieces norm = norm_pieces(config);
  memory.features = norms.take(std::uint64_t{norm.piece} * kFeatureBytes);
  memory.addend = norms.take(std::uint64_t{norm.piece} * kFeatureBytes);
  memory.singles = norms.take(std::uint64_t{norm.piece} * kStatisticBytes);
  memory.totals = norms.take(kStatisticBytes);
  memory.mean = norms.take(kStatisticBytes);
  memory.deviation = norms.take(kStatisticBytes);
  memory.partials = norms.take(std::uint64_t{norm.count()} * kStatisticBytes);
  memory.weight = norms.take(std::uint64_t{norm.piece} * 2);
  memory.bias = norms.take(std::uint64_t{norm.piece} * 2);
  memory.weight_single = norms.take(std::uint64_t{norm.piece} * 4);
  memory.bias_single = norms.take(std::uint64_t{norm.piece} * 4);
  finish(norms);

  Space activations(tile_memory.constants);
  const FeaturePieces activation = activation_pieces(config);
  memory.activation = activations.take(std::uint64_t{activation.piece} * kFeatureBytes);
  if (config.has_gate()) {
    memory.activation_gate = activations.take(std::uint64_t{activation.piece} * kFeatureBytes);
  }
  finish(activations);

  Space lookups(tile_memory.constants);
  const std::uint32_t widest = lookup_pieces(std::max(config.hidden, config.embedding)).piece;
  memory.by_tokens = lookups.take(std::uint64_t{widest} * kFeatureBytes);
  memory.by_features = lookups.take(std::uint64_t{widest} * kFeatureBytes);
  finish(lookups);

  const std::uint64_t head_bytes = std::uint64_t{config.head_dim} * kFeatureBytes;
  memory.context_rows = round_up(positions, kChunkTokens);
  for (memory.query_rows = kChunkTokens;; memory.query_rows /= 2) {
    Space attention(tile_memory.constants);
    memory.raw = attention.take(head_bytes);
    memory.query = attention.take(head_bytes);
    memory.key = attention.take(head_bytes);
    memory.value = attention.take(head_bytes);
    memory.head = attention.take(head_bytes);
    for (std::uint32_t& buffer : memory.stream) buffer = attention.take(head_bytes);
    if (config.has_rope()) memory.rope = attention.take(head_bytes * 2);
    memory.head_sums = attention.take(std::uint64_t{memory.query_rows} * config.head_dim * 4);
    memory.scalars = attention.take(std::uint64_t{memory.query_rows} * 8);
    memory.scores = attention.take(std::uint64_t{memory.query_rows} * memory.context_rows * 4);
    memory.softmax = attention.take(std::uint64_t{memory.query_rows} * memory.context_rows * 2);
    if (attention.used() > available && memory.query_rows > 8) continue;
    finish(attention);
    break;
  }
  memory.bytes_used = static_cast<std::uint32_t>(std::min<std::uint64_t>(needed, 0xFFFFFFFF));
  if (needed <= available) return {};
  return fmt::format("a tile's activation memory has {} bytes, {} are needed", available, needed);
}

}  // namespace hpimvp::compiler
