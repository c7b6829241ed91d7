#include "tests/unit/compiler/model_files.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>

namespace hpimvp::test {
namespace {

using Json = nlohmann::json;

void append(std::vector<std::byte>& bytes, const void* data, std::size_t size) {
  const auto* begin = static_cast<const std::byte*>(data);
  bytes.insert(bytes.end(), begin, begin + size);
}

void append(std::vector<std::byte>& bytes, const std::vector<float>& values) {
  append(bytes, values.data(), values.size() * sizeof(float));
}

// The bits of a value that FP16 represents, by its definition: sign, exponent plus 15, fraction;
// below 2^-14 multiples of 2^-24.
std::uint16_t exact_fp16_bits(float value) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const float magnitude = std::fabs(value);
  if (magnitude < 0x1p-14F)
    return static_cast<std::uint16_t>(sign | std::lrint(magnitude * 0x1p24F));
  int exponent = 0;
  const float significand = std::frexp(magnitude, &exponent);  // in [0.5, 1)
  const long fraction = std::lrint(significand * 2048) - 1024;
  return static_cast<std::uint16_t>(sign | ((exponent + 14) << 10) | fraction);
}

class SafetensorsWriter {
 public:
  explicit SafetensorsWriter(compiler::ElementType type) : type_(type) {}

  void add(const std::string& name, const std::vector<float>& values, std::size_t rows = 0) {
    if (values.empty()) return;
    Json& entry = header_[name];
    entry["dtype"] = compiler::element_type_name(type_);
    entry["shape"] = rows == 0 ? Json{values.size()} : Json{rows, values.size() / rows};
    const std::size_t begin = data_.size();
    for (const float value : values) add_element(value);
    entry["data_offsets"] = {begin, data_.size()};
  }

  std::vector<std::byte> finish() const {
    const std::string header = header_.dump();
    const std::uint64_t length = header.size();
    std::vector<std::byte> file;
    append(file, &length, sizeof length);
    append(file, header.data(), header.size());
    file.insert(file.end(), data_.begin(), data_.end());
    return file;
  }

 private:
  void add_element(float value) {
    if (type_ == compiler::ElementType::kF32) {
      append(data_, &value, sizeof value);
    } else if (type_ == compiler::ElementType::kF16) {
      const std::uint16_t half = exact_fp16_bits(value);
      append(data_, &half, sizeof half);
    } else {
      const auto bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
      append(data_, &bits, sizeof bits);
    }
  }

  compiler::ElementType type_;
  Json header_ = Json::object();
  std::vector<std::byte> data_;
};

void add_llama(SafetensorsWriter& writer, const ReferenceModel& model) {
  const ReferenceShape& shape = model.shape;
  const std::size_t q = std::size_t{shape.heads} * shape.head_dim;
  const std::size_t kv = std::size_t{shape.kv_heads} * shape.head_dim;
  writer.add("model.embed_tokens.weight", model.embedding, shape.vocabulary);
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const ReferenceLayer& layer = model.layers[i];
    const std::string prefix = "model.layers." + std::to_string(i) + ".";
    writer.add(prefix + "input_layernorm.weight", layer.norm1);
    writer.add(prefix + "self_attn.q_proj.weight", layer.wq, q);
    writer.add(prefix + "self_attn.q_proj.bias", layer.bq);
    writer.add(prefix + "self_attn.k_proj.weight", layer.wk, kv);
    writer.add(prefix + "self_attn.k_proj.bias", layer.bk);
    writer.add(prefix + "self_attn.v_proj.weight", layer.wv, kv);
    writer.add(prefix + "self_attn.v_proj.bias", layer.bv);
    writer.add(prefix + "self_attn.o_proj.weight", layer.wo, shape.hidden);
    writer.add(prefix + "post_attention_layernorm.weight", layer.norm2);
    writer.add(prefix + "mlp.gate_proj.weight", layer.w_gate, shape.ffn);
    writer.add(prefix + "mlp.up_proj.weight", layer.w_up, shape.ffn);
    writer.add(prefix + "mlp.down_proj.weight", layer.w_down, shape.hidden);
  }
  writer.add("model.norm.weight", model.final_norm);
}

void add_opt(SafetensorsWriter& writer, const ReferenceModel& model) {
  const ReferenceShape& shape = model.shape;
  const std::string root = "model.decoder.";
  writer.add(root + "embed_tokens.weight", model.embedding, shape.vocabulary);
  std::vector<float> positions(2 * std::size_t{shape.hidden}, 77.0F);  // OPT's two padding rows
  positions.insert(positions.end(), model.positions.begin(), model.positions.end());
  writer.add(root + "embed_positions.weight", positions, shape.positions + 2);
  writer.add(root + "project_in.weight", model.project_in, shape.hidden);
  writer.add(root + "project_out.weight", model.project_out, shape.embedding);
  for (std::size_t i = 0; i < model.layers.size(); ++i) {
    const ReferenceLayer& layer = model.layers[i];
    const std::string prefix = root + "layers." + std::to_string(i) + ".";
    const auto linear = [&](const char* name, const std::vector<float>& weight,
                            const std::vector<float>& bias, std::size_t rows) {
      writer.add(prefix + name + ".weight", weight, rows);
      writer.add(prefix + name + ".bias", bias);
    };
    linear("self_attn.q_proj", layer.wq, layer.bq, shape.hidden);
    linear("self_attn.k_proj", layer.wk, layer.bk, shape.hidden);
    linear("self_attn.v_proj", layer.wv, layer.bv, shape.hidden);
    linear("self_attn.out_proj", layer.wo, layer.bo, shape.hidden);
    linear("self_attn_layer_norm", layer.norm1, layer.norm1_bias, 0);
    linear("fc1", layer.w_up, layer.b_up, shape.ffn);
    linear("fc2", layer.w_down, layer.b_down, shape.hidden);
    linear("final_layer_norm", layer.norm2, layer.norm2_bias, 0);
  }
  writer.add(root + "final_layer_norm.weight", model.final_norm);
  writer.add(root + "final_layer_norm.bias", model.final_norm_bias);
}

Json llama_config(const ReferenceShape& shape) {
  Json config;
  config["architectures"] = {shape.qkv_bias ? "Qwen2ForCausalLM" : "LlamaForCausalLM"};
  config["num_key_value_heads"] = shape.kv_heads;
  config["head_dim"] = shape.head_dim;
  config["intermediate_size"] = shape.ffn;
  config["rms_norm_eps"] = shape.epsilon;
  config["rope_theta"] = shape.rope_theta;
  config["hidden_act"] = "silu";
  return config;
}

Json opt_config(const ReferenceShape& shape) {
  Json config;
  config["architectures"] = {"OPTForCausalLM"};
  config["ffn_dim"] = shape.ffn;
  config["activation_function"] = shape.gelu ? "gelu_new" : "relu";
  config["word_embed_proj_dim"] = shape.embedding;
  config["do_layer_norm_before"] = !shape.post_norm;
  return config;
}

}  // namespace

std::vector<std::byte> llama2c_checkpoint(const ReferenceModel& model) {
  const ReferenceShape& shape = model.shape;
  const auto number = [](std::uint32_t value) { return static_cast<std::int32_t>(value); };
  const std::int32_t header[7] = {
      number(shape.hidden),   number(shape.ffn),
      number(shape.layers),   number(shape.heads),
      number(shape.kv_heads), shape.tied ? number(shape.vocabulary) : -number(shape.vocabulary),
      number(shape.positions)};
  std::vector<std::byte> file;
  append(file, header, sizeof header);
  append(file, model.embedding);
  for (const auto& layer : model.layers) append(file, layer.norm1);
  for (const auto& layer : model.layers) append(file, layer.wq);
  for (const auto& layer : model.layers) append(file, layer.wk);
  for (const auto& layer : model.layers) append(file, layer.wv);
  for (const auto& layer : model.layers) append(file, layer.wo);
  for (const auto& layer : model.layers) append(file, layer.norm2);
  for (const auto& layer : model.layers) append(file, layer.w_gate);
  for (const auto& layer : model.layers) append(file, layer.w_down);
  for (const auto& layer : model.layers) append(file, layer.w_up);
  append(file, model.final_norm);
  append(file, std::vector<float>(std::size_t{shape.positions} * shape.head_dim, 0.0F));
  append(file, model.classifier);
  return file;
}

std::string hugging_face_config(const ReferenceShape& shape) {
  Json config = shape.opt ? opt_config(shape) : llama_config(shape);
  config["num_hidden_layers"] = shape.layers;
  config["hidden_size"] = shape.hidden;
  config["num_attention_heads"] = shape.heads;
  config["vocab_size"] = shape.vocabulary;
  config["max_position_embeddings"] = shape.positions;
  config["tie_word_embeddings"] = shape.tied;
  config["bos_token_id"] = 1;
  config["eos_token_id"] = {2, 3};
  return config.dump();
}

std::vector<std::byte> safetensors_file(const ReferenceModel& model, compiler::ElementType type) {
  SafetensorsWriter writer(type);
  model.shape.opt ? add_opt(writer, model) : add_llama(writer, model);
  writer.add("lm_head.weight", model.classifier, model.shape.vocabulary);
  return writer.finish();
}

compiler::Model load_through_hugging_face(const ReferenceModel& model, compiler::ElementType type,
                                          std::vector<std::byte>& storage) {
  storage = safetensors_file(model, type);
  return compiler::assemble_hugging_face(
      compiler::parse_hugging_face_config(hugging_face_config(model.shape), "config.json"),
      compiler::parse_safetensors(storage, "model.safetensors"), "test model");
}

}  // namespace hpimvp::test
