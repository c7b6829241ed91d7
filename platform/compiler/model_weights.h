// The tensors of a model by role, and the loaders that fill them from files.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "platform/compiler/model_config.h"
#include "platform/compiler/tensor.h"

namespace hpimvp::compiler {

struct LinearWeights {
  Tensor weight;  // outputs x inputs
  Tensor bias;    // absent: none
};

struct NormWeights {
  Tensor weight;
  Tensor bias;  // LayerNorm only
};

struct LayerWeights {
  NormWeights attention_norm;
  LinearWeights query;
  LinearWeights key;
  LinearWeights value;
  LinearWeights output;
  NormWeights ffn_norm;
  LinearWeights gate;  // SwiGLU only
  LinearWeights up;    // OPT: fc1
  LinearWeights down;  // OPT: fc2
};

struct ModelWeights {
  Tensor embedding;         // vocabulary x embedding width
  Tensor positions;         // learned positions: max_positions x hidden
  LinearWeights embed_in;   // hidden x embedding width, where the two differ
  LinearWeights embed_out;  // embedding width x hidden
  std::vector<LayerWeights> layers;
  NormWeights final_norm;
  Tensor classifier;  // vocabulary x embedding width; may be the embedding itself

  std::vector<std::shared_ptr<const void>> storage;  // keeps the viewed bytes alive
};

struct Model {
  ModelConfig config;
  ModelWeights weights;
};

// llama2.c's legacy checkpoint: seven int32 (dim, hidden dim, layers, heads, KV heads, vocabulary,
// positions; a negative vocabulary: the classifier has weights of its own), then FP32 tensors.
// The result views `bytes`. ModelError if anything is inconsistent; `file` is for messages.
Model parse_llama2c(std::span<const std::byte> bytes, std::string_view file);
Model load_llama2c(const std::filesystem::path& path);

// A safetensors file: a u64 header length, a JSON header, data.
std::vector<Tensor> parse_safetensors(std::span<const std::byte> bytes, std::string_view file);

// The model of `config` out of named tensors of Hugging Face's naming; missing, misshapen and
// unused tensors are errors.
Model assemble_hugging_face(const ModelConfig& config, std::vector<Tensor> tensors,
                            std::string_view folder);
// config.json with model.safetensors or model.safetensors.index.json and its shards.
Model load_hugging_face(const std::filesystem::path& folder);

// A folder is taken for Hugging Face's layout, a file for a llama2.c checkpoint.
Model load_model(const std::filesystem::path& path);

}  // namespace hpimvp::compiler
