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

// Seconds of one decode step that attends to `positions` positions, its own among them.
double decode_seconds(const Baseline& baseline, const compiler::ModelConfig& model,
                      double positions);
// Seconds from the start of a request to its first token.
double prefill_seconds(const Baseline& baseline, const compiler::ModelConfig& model,
                       std::uint32_t prompt_tokens);
// Mean seconds of the tokens after the first. Precondition: output_tokens >= 2.
double mean_token_seconds(const Baseline& baseline, const compiler::ModelConfig& model,
                          std::uint32_t prompt_tokens, std::uint32_t output_tokens);

}  // namespace hpimvp::baselines
