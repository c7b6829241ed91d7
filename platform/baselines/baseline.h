// Machines to compare with, as rooflines: what a published configuration needs for a request, in
// closed form. A token takes the time in which its weights and its KV cache are read once at the
// sustained bandwidth, or that of its arithmetic if it is longer, plus a fixed time for each kernel
// that is launched.
//
// A baseline is a file in scenarios/presets/baselines, every number with its source; files say what
// they were calibrated on, and what the model gives for the measurements that are known.
#pragma once

#include <cstdint>
#include <string>

#include "platform/compiler/model_config.h"

namespace hpimvp::baselines {

struct Baseline {
  std::string name;
  std::string description;
  double devices = 1;                 // that share each layer's work evenly
  double memory_gb_per_s = 0;         // sustained, of a device, 10^9 bytes
  double tflops = 0;                  // sustained FP16, of a device
  double kernels_per_layer = 0;       // launched one after the other in decode
  double kernels_per_token = 0;       // besides those of the layers
  double kernel_overhead_us = 0;      // of each
  double layer_communication_us = 0;  // between devices, a layer
};

// Throws config::ConfigError with file, line and JSON pointer.
Baseline load_baseline(const std::string& path);

// Bytes in FP16 of all matrices that a decode step reads.
double weight_bytes(const compiler::ModelConfig& model);
// Bytes in FP16 of keys and values of `positions` positions.
double kv_bytes(const compiler::ModelConfig& model, double positions);

// A decode step by what it works on. Operators follow each other, so each takes the time of its own
// memory traffic or of its own arithmetic.
struct DecodeParts {
  double qkv_s = 0;           // matrices of queries, keys and values
  double projection_s = 0;    // of the attention's output
  double feed_forward_s = 0;  // two or three matrices
  double attention_s = 0;     // keys and values of the positions attended to
  double other_s = 0;         // classifier, and projections of embeddings
  double overhead_s = 0;      // of kernels, and between devices
  double total_s() const {
    return qkv_s + projection_s + feed_forward_s + attention_s + other_s + overhead_s;
  }
};
DecodeParts decode_parts(const Baseline& baseline, const compiler::ModelConfig& model,
                         double positions);
// Seconds of one decode step that attends to `positions` positions, its own among them.
double decode_seconds(const Baseline& baseline, const compiler::ModelConfig& model,
                      double positions);
// Seconds from the start of a request to its first token.
double prefill_seconds(const Baseline& baseline, const compiler::ModelConfig& model,
                       std::uint32_t prompt_tokens);
// Means over the tokens after the first. Precondition: output_tokens >= 2.
DecodeParts mean_decode_parts(const Baseline& baseline, const compiler::ModelConfig& model,
                              std::uint32_t prompt_tokens, std::uint32_t output_tokens);
double mean_token_seconds(const Baseline& baseline, const compiler::ModelConfig& model,
                          std::uint32_t prompt_tokens, std::uint32_t output_tokens);

}  // namespace hpimvp::baselines
