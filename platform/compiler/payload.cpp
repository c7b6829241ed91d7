#include "platform/compiler/payload.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "models/hbm_pim/weight_layout.h"

namespace hpimvp::compiler {
namespace {

constexpr double kPi = 3.14159265358979323846;

const LinearWeights& linear_weights(const ModelWeights& weights, const WeightRef& ref) {
  if (ref.role == WeightRole::kEmbedIn) return weights.embed_in;
  if (ref.role == WeightRole::kEmbedOut) return weights.embed_out;
  const LayerWeights& layer = weights.layers.at(ref.layer);
  switch (ref.role) {
    case WeightRole::kQuery:
      return layer.query;
    case WeightRole::kKey:
      return layer.key;
    case WeightRole::kValue:
      return layer.value;
    case WeightRole::kOutput:
      return layer.output;
    case WeightRole::kGate:
      return layer.gate;
    case WeightRole::kUp:
      return layer.up;
    case WeightRole::kDown:
      return layer.down;
    default:
      throw std::logic_error("no matrix has the role of " + weight_name(ref));
  }
}

const NormWeights& norm_weights(const ModelWeights& weights, const WeightRef& ref) {
  if (ref.role == WeightRole::kFinalNorm) return weights.final_norm;
  const LayerWeights& layer = weights.layers.at(ref.layer);
  return ref.role == WeightRole::kAttentionNorm ? layer.attention_norm : layer.ffn_norm;
}

bool is_norm(WeightRole role) {
  return role == WeightRole::kAttentionNorm || role == WeightRole::kFfnNorm ||
         role == WeightRole::kFinalNorm;
}

const Tensor& table_tensor(const ModelWeights& weights, const TablePlacement& table) {
  switch (table.kind) {
    case TableKind::kMatrix:
      return table.weights.role == WeightRole::kEmbedding ? weights.embedding : weights.positions;
    case TableKind::kVector:
      return norm_weights(weights, table.weights).weight;
    case TableKind::kBias:
      return norm_weights(weights, table.weights).bias;
    case TableKind::kRope:
      break;
  }
  throw std::logic_error("this table has no tensor");
}

const Tensor& gemv_tensor(const ModelWeights& weights, const WeightRef& ref) {
  return ref.role == WeightRole::kClassifier ? weights.classifier
                                             : linear_weights(weights, ref).weight;
}

// A tensor that does not have the shape of its place would be written over its neighbours.
void check_shape(const Tensor& tensor, std::uint64_t rows, std::uint64_t columns,
                 const WeightRef& ref) {
  if (tensor.rows < rows || tensor.columns != columns) {
    throw std::invalid_argument("the weights do not belong to the plan's model: " +
                                weight_name(ref));
  }
}

void write_gemv(const CompiledPlan& plan, const hbm_pim::StackMap& map, const GemvPlacement& gemv,
                const Tensor& tensor, const PayloadSink& sink) {
  check_shape(tensor, gemv.outputs, gemv.inputs, gemv.weights);
  std::vector<std::uint16_t> row(gemv.inputs);
  for (const GemvSlice& slice : gemv.slices) {
    const hbm_pim::WeightLayout layout(
        map, {gemv.inputs, slice.outputs, slice.weight_row, slice.slicing});
    const std::uint64_t base = plan.machine.stacks[slice.stack].memory_base;
    for (std::uint32_t output = 0; output < slice.outputs; ++output) {
      tensor.read_row_fp16(slice.first_output + output, row);
      layout.pack_output(output, row.data(),
                         [&](std::uint64_t offset, const std::uint8_t* data, std::size_t size) {
                           sink(base + offset, {reinterpret_cast<const std::byte*>(data), size});
                         });
    }
  }
}

void write_gemv_bias(const GemvPlacement& gemv, const Tensor& tensor, const PayloadSink& sink) {
  check_shape(tensor, 1, gemv.outputs, gemv.weights);
  std::vector<std::uint16_t> row(gemv.outputs);
  tensor.read_row_fp16(0, row);
  for (const GemvSlice& slice : gemv.slices) {
    sink(slice.bias_address,
         std::as_bytes(std::span(row).subspan(slice.first_output, slice.outputs)));
  }
}

void write_table(const TablePlacement& table, const Tensor& tensor, const PayloadSink& sink) {
  check_shape(tensor, table.rows, table.row_bytes / 2, table.weights);
  std::vector<std::uint16_t> row(tensor.columns);
  for (std::uint64_t i = 0; i < table.rows; ++i) {
    tensor.read_row_fp16(i, row);
    sink(table.address + i * table.row_bytes, std::as_bytes(std::span(row)));
  }
}

// LLaMA-3.1: high frequencies stay, low ones are divided by the factor, those between are blended.
double scale_frequency(double frequency, const RopeScaling& scaling) {
  const double slow = frequency / scaling.factor;
  if (scaling.low_frequency_factor == scaling.high_frequency_factor) return slow;
  const double wavelength = 2 * kPi / frequency;
  const double ratio = scaling.original_positions / wavelength;
  const double blend = (ratio - scaling.low_frequency_factor) /
                       (scaling.high_frequency_factor - scaling.low_frequency_factor);
  const double smooth = std::clamp(blend, 0.0, 1.0);
  return (1 - smooth) * slow + smooth * frequency;
}

}  // namespace

std::vector<float> rope_row(const ModelConfig& config, std::uint32_t position) {
  std::vector<float> row;
  for (std::uint32_t i = 0; i < config.head_dim; i += 2) {
    double frequency = std::pow(config.rope_theta, -static_cast<double>(i) / config.head_dim);
    if (config.rope_scaling) frequency = scale_frequency(frequency, *config.rope_scaling);
    row.push_back(static_cast<float>(std::cos(position * frequency)));
    row.push_back(static_cast<float>(std::sin(position * frequency)));
  }
  return row;
}

void write_payload(const CompiledPlan& plan, const ModelWeights& weights, const PayloadSink& sink) {
  const hbm_pim::DeviceDescription& device = plan.machine.device;
  const hbm_pim::StackMap map(device,
                              hbm_pim::BitFieldMapping(device.organisation, plan.machine.mapping));
  for (const GemvPlacement& gemv : plan.placement.gemvs) {
    write_gemv(plan, map, gemv, gemv_tensor(weights, gemv.weights), sink);
    if (gemv.has_bias()) {
      write_gemv_bias(gemv, linear_weights(weights, gemv.weights).bias, sink);
    }
  }
  for (const TablePlacement& table : plan.placement.tables) {
    const bool with_matrix = table.kind == TableKind::kBias && !is_norm(table.weights.role);
    if (with_matrix) continue;
    if (table.kind != TableKind::kRope) {
      write_table(table, table_tensor(weights, table), sink);
      continue;
    }
    for (std::uint32_t position = 0; position < table.rows; ++position) {
      const std::vector<float> row = rope_row(plan.config, position);
      sink(table.address + std::uint64_t{position} * table.row_bytes,
           std::as_bytes(std::span(row)));
    }
  }
}

}  // namespace hpimvp::compiler
