#include "platform/compiler/model_config.h"

#include <fmt/format.h>

#include <cmath>

#include "platform/compiler/json_reader.h"
#include "platform/compiler/mapped_file.h"
#include "platform/compiler/model_error.h"

namespace hpimvp::compiler {
namespace {

constexpr std::uint32_t kMaxLayers = 1024;
constexpr std::uint32_t kMaxWidth = 1U << 20;
constexpr std::uint32_t kMaxHeads = 1U << 12;
constexpr std::uint32_t kMaxHeadDim = 1U << 12;
constexpr std::uint32_t kMaxVocabulary = 1U << 22;
constexpr std::uint32_t kMaxPositions = 1U << 24;

void check_range(std::string_view file, std::string_view field, std::uint32_t value,
                 std::uint32_t least, std::uint32_t most) {
  if (value < least || value > most) {
    throw ModelError(file, field, fmt::format("is {}, expected {} to {}", value, least, most));
  }
}

void check_sizes(const ModelConfig& config, std::string_view file) {
  check_range(file, "layers", config.layers, 1, kMaxLayers);
  check_range(file, "hidden", config.hidden, 1, kMaxWidth);
  check_range(file, "heads", config.heads, 1, kMaxHeads);
  check_range(file, "kv_heads", config.kv_heads, 1, kMaxHeads);
  check_range(file, "head_dim", config.head_dim, 1, kMaxHeadDim);
  check_range(file, "ffn", config.ffn, 1, kMaxWidth);
  check_range(file, "embedding", config.embedding, 1, kMaxWidth);
  check_range(file, "vocabulary", config.vocabulary, 1, kMaxVocabulary);
  check_range(file, "max_positions", config.max_positions, 1, kMaxPositions);
  check_range(file, "heads * head_dim", config.query_width(), 1, kMaxWidth);
  if (config.heads % config.kv_heads != 0) {
    throw ModelError(
        file, "kv_heads",
        fmt::format("is {}, which does not divide the {} heads", config.kv_heads, config.heads));
  }
}

void check_token(std::string_view file, std::string_view field,
                 const std::optional<std::uint32_t>& token, std::uint32_t vocabulary) {
  if (token && *token >= vocabulary) {
    throw ModelError(file, field,
                     fmt::format("is {}, but the vocabulary has {} tokens", *token, vocabulary));
  }
}

void check_rope(const ModelConfig& config, std::string_view file) {
  if (config.head_dim % 2 != 0) {
    throw ModelError(
        file, "head_dim",
        fmt::format("is {}, but RoPE rotates pairs: it must be even", config.head_dim));
  }
  if (!(config.rope_theta > 1 && config.rope_theta < 1e12)) {
    throw ModelError(
        file, "rope_theta",
        fmt::format("is {}, expected more than 1 and less than 1e12", config.rope_theta));
  }
  if (!config.rope_scaling) return;
  const RopeScaling& scaling = *config.rope_scaling;
  if (!(scaling.factor >= 1 && scaling.factor < 1e6)) {
    throw ModelError(file, "rope_scaling factor",
                     fmt::format("is {}, expected 1 to 1e6", scaling.factor));
  }
  if (!(scaling.low_frequency_factor > 0 && scaling.high_frequency_factor < 1e6 &&
        scaling.low_frequency_factor <= scaling.high_frequency_factor)) {
    throw ModelError(file, "rope_scaling low and high frequency factors",
                     fmt::format("are {} and {}, expected 0 < low <= high < 1e6",
                                 scaling.low_frequency_factor, scaling.high_frequency_factor));
  }
}

Activation parse_activation(JsonObject& object, const std::string& key) {
  const std::string name = object.string(key);
  if (name == "relu") return Activation::kRelu;
  // HF's "gelu" is the erf form, which the vector unit does not have.
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_tanh") {
    return Activation::kGelu;
  }
  if (name == "silu_gate") return Activation::kSiluGate;
  object.fail(key, R"("silu_gate", "relu" or "gelu_tanh" (tanh form))");
}

// An end-of-sequence entry may be a list of alternatives; the first one counts.
std::optional<std::uint32_t> parse_token(JsonObject& object, const std::string& key) {
  if (!object.has(key)) return std::nullopt;
  const nlohmann::json& value = object.at(key);
  const nlohmann::json& first = value.is_array() && !value.empty() ? value[0] : value;
  if (!first.is_number_unsigned() || first.get<std::uint64_t>() > 0xFFFFFFFEU) {
    object.fail(key, "a token number or a list of them");
  }
  return first.get<std::uint32_t>();
}

RopeScaling parse_llama3_scaling(JsonObject& object) {
  RopeScaling scaling;
  scaling.factor = object.number("factor");
  scaling.low_frequency_factor = object.number("low_freq_factor");
  scaling.high_frequency_factor = object.number("high_freq_factor");
  scaling.original_positions = object.u32("original_max_position_embeddings");
  return scaling;
}

std::optional<RopeScaling> parse_rope_scaling(JsonObject& parent, const std::string& key) {
  if (!parent.has(key)) return std::nullopt;
  JsonObject object = parent.object(key);
  const std::string type_key = object.has("rope_type") ? "rope_type" : "type";
  const std::string type = object.string(type_key);
  if (type == "default") return std::nullopt;
  if (type == "llama3") return parse_llama3_scaling(object);
  if (type == "linear") {
    RopeScaling scaling;
    scaling.factor = object.number("factor");
    return scaling;
  }
  object.fail(type_key, R"("default", "linear" or "llama3")");
}

void parse_hugging_face_common(JsonObject& object, ModelConfig& config) {
  config.layers = object.u32("num_hidden_layers");
  config.hidden = object.u32("hidden_size");
  config.heads = object.u32("num_attention_heads");
  config.kv_heads = config.heads;
  config.vocabulary = object.u32("vocab_size");
  config.max_positions = object.u32("max_position_embeddings");
  config.begin_token = parse_token(object, "bos_token_id");
  config.end_token = parse_token(object, "eos_token_id");
  if (config.heads == 0) object.fail("num_attention_heads", "at least 1");
}

void split_hidden(JsonObject& object, ModelConfig& config) {
  if (config.hidden % config.heads != 0) {
    object.fail("hidden_size", fmt::format("a multiple of the {} heads", config.heads));
  }
  config.head_dim = config.hidden / config.heads;
}

nlohmann::ordered_json rope_scaling_json(const RopeScaling& scaling) {
  if (scaling.low_frequency_factor == scaling.high_frequency_factor) {
    return {{"type", "linear"}, {"factor", scaling.factor}};
  }
  return {{"type", "llama3"},
          {"factor", scaling.factor},
          {"low_freq_factor", scaling.low_frequency_factor},
          {"high_freq_factor", scaling.high_frequency_factor},
          {"original_max_position_embeddings", scaling.original_positions}};
}

ModelConfig parse_hugging_face_llama(JsonObject& object, bool qwen) {
  ModelConfig config;
  config.name = qwen ? "qwen2" : "llama";
  parse_hugging_face_common(object, config);
  config.kv_heads = object.u32_or("num_key_value_heads", config.heads);
  if (object.has("head_dim")) {
    config.head_dim = object.u32("head_dim");
  } else {
    split_hidden(object, config);
  }
  config.embedding = config.hidden;
  config.ffn = object.u32("intermediate_size");
  config.norm_epsilon = static_cast<float>(object.number("rms_norm_eps"));
  if (object.string_or("hidden_act", "silu") != "silu") object.fail("hidden_act", R"("silu")");
  config.tied_classifier = object.boolean_or("tie_word_embeddings", false);
  config.rope_theta = object.number_or("rope_theta", 10000);
  config.rope_scaling = parse_rope_scaling(object, "rope_scaling");
  if (qwen) {
    config.qkv_bias = true;
    if (object.boolean_or("use_sliding_window", false)) object.fail("use_sliding_window", "false");
  } else {
    config.qkv_bias = config.output_bias = object.boolean_or("attention_bias", false);
    if (object.boolean_or("mlp_bias", false)) {
      config.ffn_bias = true;
    }
  }
  return config;
}

ModelConfig parse_hugging_face_opt(JsonObject& object) {
  ModelConfig config;
  config.name = "opt";
  config.architecture = Architecture::kOpt;
  parse_hugging_face_common(object, config);
  split_hidden(object, config);
  config.ffn = object.u32("ffn_dim");
  config.norm = NormKind::kLayer;
  config.norm_epsilon = 1e-5F;  // torch.nn.LayerNorm's default; the file does not say
  config.activation = parse_activation(object, "activation_function");
  if (config.has_gate()) object.fail("activation_function", R"("relu" or "gelu_new")");
  config.tied_classifier = object.boolean_or("tie_word_embeddings", true);
  config.embedding = object.u32_or("word_embed_proj_dim", config.hidden);
  config.post_norm = !object.boolean_or("do_layer_norm_before", true);
  config.qkv_bias = config.output_bias = config.ffn_bias = object.boolean_or("enable_bias", true);
  if (!object.boolean_or("layer_norm_elementwise_affine", true)) {
    object.fail("layer_norm_elementwise_affine", "true");
  }
  if (!config.post_norm && object.boolean_or("_remove_final_layer_norm", false)) {
    object.fail("_remove_final_layer_norm", "false");
  }
  return config;
}

void parse_preset_family(JsonObject& object, ModelConfig& config) {
  const std::string architecture = object.string("architecture");
  if (architecture == "llama") {
    config.rope_theta = object.number_or("rope_theta", 10000);
    config.rope_scaling = parse_rope_scaling(object, "rope_scaling");
    config.qkv_bias = object.boolean_or("qkv_bias", false);
  } else if (architecture == "opt") {
    config.architecture = Architecture::kOpt;
    config.norm = NormKind::kLayer;
    config.activation =
        object.has("activation") ? parse_activation(object, "activation") : Activation::kRelu;
    config.qkv_bias = config.output_bias = config.ffn_bias = true;
    config.embedding = object.u32_or("embedding", config.hidden);
    config.post_norm = object.boolean_or("post_norm", false);
  } else {
    object.fail("architecture", R"("llama" or "opt")");
  }
}

}  // namespace

std::uint64_t ModelConfig::parameter_count() const {
  const std::uint64_t h = hidden;
  const std::uint64_t norm_width = has_norm_bias() ? 2 * h : h;
  std::uint64_t layer = 2 * h * query_width() + 2 * h * kv_width();
  layer += (has_gate() ? 3 : 2) * h * ffn + 2 * norm_width;
  if (qkv_bias) layer += query_width() + 2 * std::uint64_t{kv_width()};
  if (output_bias) layer += h;
  if (ffn_bias) layer += h + (has_gate() ? 2 : 1) * std::uint64_t{ffn};
  std::uint64_t total = layers * layer + std::uint64_t{vocabulary} * embedding;
  if (!tied_classifier) total += std::uint64_t{vocabulary} * embedding;
  if (has_final_norm()) total += norm_width;
  if (!has_rope()) total += std::uint64_t{max_positions} * h;
  if (has_embedding_projection()) total += 2 * h * embedding;
  return total;
}

void check_config(const ModelConfig& config, std::string_view file) {
  check_sizes(config, file);
  if (!(config.norm_epsilon > 0 && config.norm_epsilon < 1)) {
    throw ModelError(
        file, "norm_epsilon",
        fmt::format("is {}, expected more than 0 and less than 1", config.norm_epsilon));
  }
  if (config.has_rope()) check_rope(config, file);
  if (config.architecture == Architecture::kLlama && config.has_embedding_projection()) {
    throw ModelError(file, "embedding",
                     fmt::format("is {}, but a Llama model embeds at its hidden size {}",
                                 config.embedding, config.hidden));
  }
  check_token(file, "begin_token", config.begin_token, config.vocabulary);
  check_token(file, "end_token", config.end_token, config.vocabulary);
}

ModelConfig parse_model_preset(std::string_view json, std::string_view file) {
  const nlohmann::json document = parse_json(json, file);
  JsonObject object(document, file, "");
  ModelConfig config;
  config.name = object.string("name");
  config.layers = object.u32("layers");
  config.hidden = object.u32("hidden");
  config.heads = object.u32("heads");
  config.kv_heads = object.u32_or("kv_heads", config.heads);
  if (config.heads == 0) object.fail("heads", "at least 1");
  config.head_dim = object.u32_or("head_dim", config.hidden / config.heads);
  config.ffn = object.u32("ffn");
  config.vocabulary = object.u32("vocabulary");
  config.max_positions = object.u32("max_positions");
  config.norm_epsilon = static_cast<float>(object.number_or("norm_epsilon", 1e-5));
  config.tied_classifier = object.boolean_or("tied_classifier", false);
  config.begin_token = parse_token(object, "begin_token");
  config.end_token = parse_token(object, "end_token");
  config.embedding = config.hidden;
  object.has("description");
  parse_preset_family(object, config);
  object.reject_unknown();
  check_config(config, file);
  return config;
}

ModelConfig load_model_preset(const std::filesystem::path& path) {
  return parse_model_preset(MappedFile::open(path)->text(), path.string());
}

std::string to_preset(const ModelConfig& config) {
  nlohmann::ordered_json json = {{"name", config.name},
                                 {"architecture", config.has_rope() ? "llama" : "opt"},
                                 {"layers", config.layers},
                                 {"hidden", config.hidden},
                                 {"heads", config.heads},
                                 {"kv_heads", config.kv_heads},
                                 {"head_dim", config.head_dim},
                                 {"ffn", config.ffn},
                                 {"vocabulary", config.vocabulary},
                                 {"max_positions", config.max_positions},
                                 {"norm_epsilon", config.norm_epsilon},
                                 {"tied_classifier", config.tied_classifier}};
  if (config.begin_token) json["begin_token"] = *config.begin_token;
  if (config.end_token) json["end_token"] = *config.end_token;
  if (config.has_rope()) {
    json["rope_theta"] = config.rope_theta;
    json["qkv_bias"] = config.qkv_bias;
    if (config.rope_scaling) json["rope_scaling"] = rope_scaling_json(*config.rope_scaling);
  } else {
    json["activation"] = config.has_gate()                        ? "silu_gate"
                         : config.activation == Activation::kGelu ? "gelu_tanh"
                                                                  : "relu";
    json["embedding"] = config.embedding;
    json["post_norm"] = config.post_norm;
  }
  return json.dump();
}

ModelConfig parse_hugging_face_config(std::string_view json, std::string_view file) {
  const nlohmann::json document = parse_json(json, file);
  JsonObject object(document, file, "");
  const nlohmann::json& architectures = object.at("architectures");
  const std::string architecture =
      architectures.is_array() && architectures.size() == 1 && architectures[0].is_string()
          ? architectures[0].get<std::string>()
          : "";
  ModelConfig config;
  if (architecture == "LlamaForCausalLM" || architecture == "Qwen2ForCausalLM") {
    config = parse_hugging_face_llama(object, architecture == "Qwen2ForCausalLM");
  } else if (architecture == "OPTForCausalLM") {
    config = parse_hugging_face_opt(object);
  } else {
    object.fail("architectures",
                R"(one of ["LlamaForCausalLM"], ["Qwen2ForCausalLM"], ["OPTForCausalLM"])" +
                    std::string(architecture.empty() ? "" : ", not \"" + architecture + "\""));
  }
  check_config(config, file);
  return config;
}

}  // namespace hpimvp::compiler
