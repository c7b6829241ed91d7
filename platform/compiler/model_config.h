// The shape of a decoder-only language model: what the compiler needs to know apart from weights.
//
// Two families are understood. Llama: RMSNorm, RoPE, SwiGLU, grouped queries; LLaMA-2, LLaMA-3 and
// Qwen2 are members. OPT: LayerNorm with biases, learned positions, two-matrix feed-forward
// network.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace hpimvp::compiler {

enum class Architecture : std::uint8_t { kLlama, kOpt };
enum class NormKind : std::uint8_t { kRms, kLayer };
enum class Activation : std::uint8_t { kSiluGate, kRelu, kGelu };

// Stretching of RoPE's low frequencies for long contexts, as LLaMA-3.1 does it.
struct RopeScaling {
  double factor = 1;
  double low_frequency_factor = 1;
  double high_frequency_factor = 1;  // equal to the low one: every frequency is divided by `factor`
  std::uint32_t original_positions = 0;
};

struct ModelConfig {
  std::string name;
  Architecture architecture = Architecture::kLlama;
  std::uint32_t layers = 0;
  std::uint32_t hidden = 0;
  std::uint32_t heads = 0;
  std::uint32_t kv_heads = 0;  // divides heads
  std::uint32_t head_dim = 0;
  std::uint32_t ffn = 0;
  std::uint32_t vocabulary = 0;
  std::uint32_t max_positions = 0;

  NormKind norm = NormKind::kRms;
  float norm_epsilon = 1e-5F;
  Activation activation = Activation::kSiluGate;
  bool tied_classifier = false;  // the classifier's weights are the embedding's

  bool qkv_bias = false;
  bool output_bias = false;  // of the attention's projection
  bool ffn_bias = false;

  // Llama only.
  double rope_theta = 10000;
  std::optional<RopeScaling> rope_scaling;

  // OPT only. Width of an embedding row; where it differs from `hidden`, matrices project into the
  // network and out of it (OPT-350M).
  std::uint32_t embedding = 0;
  bool post_norm = false;  // norms after the residual additions, no final norm (OPT-350M)

  std::optional<std::uint32_t> begin_token;
  std::optional<std::uint32_t> end_token;

  bool has_rope() const { return architecture == Architecture::kLlama; }
  bool has_gate() const { return activation == Activation::kSiluGate; }
  bool has_norm_bias() const { return norm == NormKind::kLayer; }
  bool has_final_norm() const { return !post_norm; }
  bool has_embedding_projection() const { return embedding != hidden; }
  std::uint32_t query_width() const { return heads * head_dim; }
  std::uint32_t kv_width() const { return kv_heads * head_dim; }
  std::uint32_t heads_per_kv_head() const { return heads / kv_heads; }
  // Parameters of all tensors, in elements.
  std::uint64_t parameter_count() const;
};

// ModelError naming `file` and the field unless every field is in its range and consistent with the
// others. The ranges keep all products of sizes far inside 64 bits.
void check_config(const ModelConfig& config, std::string_view file);

// A preset, scenarios/presets/models/*.json: the fields above by name. Unknown keys are errors.
ModelConfig parse_model_preset(std::string_view json, std::string_view file);
ModelConfig load_model_preset(const std::filesystem::path& path);
// The text of a preset that gives the same configuration. (A preset's OPT always has biases.)
std::string to_preset(const ModelConfig& config);

// A Hugging Face config.json of LlamaForCausalLM, Qwen2ForCausalLM or OPTForCausalLM.
ModelConfig parse_hugging_face_config(std::string_view json, std::string_view file);

}  // namespace hpimvp::compiler
