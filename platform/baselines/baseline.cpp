#include "platform/baselines/baseline.h"

#include <algorithm>

#include "platform/config/sourced_reader.h"

namespace hpimvp::baselines {
namespace {

constexpr double kBytes = 2;  // of an FP16 number

// Elements of the matrices of a layer.
double qkv_elements(const compiler::ModelConfig& model) {
  return model.hidden * (model.query_width() + 2.0 * model.kv_width());
}
double projection_elements(const compiler::ModelConfig& model) {
  return static_cast<double>(model.query_width()) * model.hidden;
}
double feed_forward_elements(const compiler::ModelConfig& model) {
  return static_cast<double>(model.hidden) * model.ffn * (model.has_gate() ? 3 : 2);
}
double matrix_elements_of_layer(const compiler::ModelConfig& model) {
  return qkv_elements(model) + projection_elements(model) + feed_forward_elements(model);
}

// Of the matrices that no layer has.
double other_elements(const compiler::ModelConfig& model) {
  const double width = model.embedding != 0 ? model.embedding : model.hidden;
  const double projections = model.has_embedding_projection() ? 2.0 * width * model.hidden : 0;
  return width * model.vocabulary + projections;
}

double overhead_seconds(const Baseline& baseline, const compiler::ModelConfig& model) {
  const double kernels = model.layers * baseline.kernels_per_layer + baseline.kernels_per_token;
  return (kernels * baseline.kernel_overhead_us + model.layers * baseline.layer_communication_us) *
         1e-6;
}

// Of work that moves `bytes` and does `operations`.
double roofline_seconds(const Baseline& baseline, double bytes, double operations) {
  return std::max(bytes / (baseline.memory_gb_per_s * 1e9), operations / (baseline.tflops * 1e12)) /
         baseline.devices;
}

// Of a product of matrices of so many elements with a vector.
double product_seconds(const Baseline& baseline, double elements) {
  return roofline_seconds(baseline, kBytes * elements, 2 * elements);
}

}  // namespace

Baseline load_baseline(const std::string& path) {
  const config::Document document = config::Document::load(path);
  Baseline baseline;
  config::SourcedReader reader(document, "", true);
  reader.reader().read_string("name", baseline.name);
  reader.reader().read_string("description", baseline.description);
  reader.reader().find("sources");
  reader.reader().find("calibration");
  reader.number("devices", baseline.devices);
  reader.number("memory_gb_per_s", baseline.memory_gb_per_s);
  reader.number("tflops", baseline.tflops);
  reader.number("kernels_per_layer", baseline.kernels_per_layer);
  reader.number("kernels_per_token", baseline.kernels_per_token);
  reader.number("kernel_overhead_us", baseline.kernel_overhead_us);
  reader.number("layer_communication_us", baseline.layer_communication_us);
  reader.finish();
  const auto require_positive = [&reader](const char* key, double value) {
    if (value <= 0) reader.reader().fail(key, "expected a number above 0");
  };
  require_positive("devices", baseline.devices);
  require_positive("memory_gb_per_s", baseline.memory_gb_per_s);
  require_positive("tflops", baseline.tflops);
  return baseline;
}

double weight_bytes(const compiler::ModelConfig& model) {
  return kBytes * (model.layers * matrix_elements_of_layer(model) + other_elements(model));
}

double kv_bytes(const compiler::ModelConfig& model, double positions) {
  return kBytes * 2 * model.layers * model.kv_width() * positions;
}

DecodeParts decode_parts(const Baseline& baseline, const compiler::ModelConfig& model,
                         double positions) {
  const double layers = model.layers;
  DecodeParts parts;
  parts.qkv_s = product_seconds(baseline, layers * qkv_elements(model));
  parts.projection_s = product_seconds(baseline, layers * projection_elements(model));
  parts.feed_forward_s = product_seconds(baseline, layers * feed_forward_elements(model));
  parts.attention_s = roofline_seconds(baseline, kv_bytes(model, positions),
                                       2.0 * 2 * layers * model.query_width() * positions);
  parts.other_s = product_seconds(baseline, other_elements(model));
  parts.overhead_s = overhead_seconds(baseline, model);
  return parts;
}

double decode_seconds(const Baseline& baseline, const compiler::ModelConfig& model,
                      double positions) {
  return decode_parts(baseline, model, positions).total_s();
}

// All prompt positions at once; logits of the last one only.
double prefill_seconds(const Baseline& baseline, const compiler::ModelConfig& model,
                       std::uint32_t prompt_tokens) {
  const double positions = prompt_tokens;
  const double matrices = 2.0 * model.layers * matrix_elements_of_layer(model) * positions +
                          2.0 * model.hidden * model.vocabulary;
  const double attention =
      2.0 * 2 * model.layers * model.query_width() * positions * (positions + 1) / 2;
  return roofline_seconds(baseline, weight_bytes(model) + kv_bytes(model, positions),
                          matrices + attention) +
         overhead_seconds(baseline, model);
}

// Linear in the positions as long as decode is bound by memory; so the sum is made one by one.
DecodeParts mean_decode_parts(const Baseline& baseline, const compiler::ModelConfig& model,
                              std::uint32_t prompt_tokens, std::uint32_t output_tokens) {
  DecodeParts mean;
  const double share = 1.0 / (output_tokens - 1);
  for (std::uint32_t token = 1; token < output_tokens; ++token) {
    const DecodeParts parts = decode_parts(baseline, model, prompt_tokens + token);
    mean.qkv_s += share * parts.qkv_s;
    mean.projection_s += share * parts.projection_s;
    mean.feed_forward_s += share * parts.feed_forward_s;
    mean.attention_s += share * parts.attention_s;
    mean.other_s += share * parts.other_s;
    mean.overhead_s += share * parts.overhead_s;
  }
  return mean;
}

double mean_token_seconds(const Baseline& baseline, const compiler::ModelConfig& model,
                          std::uint32_t prompt_tokens, std::uint32_t output_tokens) {
  return mean_decode_parts(baseline, model, prompt_tokens, output_tokens).total_s();
}

}  // namespace hpimvp::baselines
