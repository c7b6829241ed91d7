// Loader of Hugging Face model folders: config.json and safetensors files.
#include <fmt/format.h>

#include <map>
#include <set>
#include <unordered_map>

#include "platform/compiler/byte_reader.h"
#include "platform/compiler/json_reader.h"
#include "platform/compiler/mapped_file.h"
#include "platform/compiler/model_weights.h"

namespace hpimvp::compiler {
namespace {

// Far above any real header (405 B parameters: about 150 KiB), far below what hurts.
constexpr std::uint64_t kMaxHeaderBytes = 64U << 20;

ElementType parse_element_type(JsonObject& entry) {
  const std::string name = entry.string("dtype");
  if (name == "F32") return ElementType::kF32;
  if (name == "F16") return ElementType::kF16;
  if (name == "BF16") return ElementType::kBf16;
  entry.fail("dtype", R"("F32", "F16" or "BF16")");
}

// Sizes of one or two dimensions; each is bounded so that products cannot overflow.
void parse_shape(JsonObject& entry, Tensor& tensor) {
  const nlohmann::json& shape = entry.at("shape");
  const auto dimension = [&](std::size_t i) -> std::uint64_t {
    if (!shape[i].is_number_unsigned() || shape[i].get<std::uint64_t>() == 0 ||
        shape[i].get<std::uint64_t>() > (1U << 30)) {
      entry.fail("shape", "dimensions from 1 to 2^30");
    }
    return shape[i].get<std::uint64_t>();
  };
  if (!shape.is_array() || shape.empty() || shape.size() > 2) {
    entry.fail("shape", "one or two dimensions");
  }
  tensor.rows = shape.size() == 2 ? dimension(0) : 1;
  tensor.columns = dimension(shape.size() - 1);
}

Tensor parse_entry(const std::string& name, JsonObject& entry, std::span<const std::byte> data,
                   std::string_view file) {
  Tensor tensor;
  tensor.name = name;
  tensor.type = parse_element_type(entry);
  parse_shape(entry, tensor);
  const nlohmann::json& offsets = entry.at("data_offsets");
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned()) {
    entry.fail("data_offsets", "two byte offsets");
  }
  const auto begin = offsets[0].get<std::uint64_t>();
  const auto end = offsets[1].get<std::uint64_t>();
  if (begin > end || end > data.size()) {
    throw ModelError(file, fmt::format("tensor {}", name),
                     fmt::format("lies at bytes {} to {} of the data, which has {} (truncated?)",
                                 begin, end, data.size()));
  }
  const std::uint64_t expected = tensor.rows * tensor.columns * element_bytes(tensor.type);
  if (end - begin != expected) {
    throw ModelError(
        file, fmt::format("tensor {}", name),
        fmt::format("has {} bytes, but {} x {} elements of {} need {}", end - begin, tensor.rows,
                    tensor.columns, element_type_name(tensor.type), expected));
  }
  tensor.data = data.subspan(begin, end - begin);
  return tensor;
}

// Gives out tensors by name with a check of their shape, and finds what nobody wanted.
class TensorTable {
 public:
  TensorTable(std::vector<Tensor> tensors, std::string_view folder) : folder_(folder) {
    for (Tensor& tensor : tensors) {
      const std::string name = tensor.name;
      if (!tensors_.emplace(name, std::move(tensor)).second) {
        throw ModelError(folder_, "tensor " + name, "occurs twice");
      }
    }
  }

  bool has(const std::string& name) const { return tensors_.contains(name); }

  Tensor take(const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) {
      throw ModelError(folder_, "tensor " + name,
                       fmt::format("is missing, expected {} x {}", rows, columns));
    }
    const Tensor& tensor = found->second;
    if (tensor.rows != rows || tensor.columns != columns) {
      throw ModelError(folder_, "tensor " + name,
                       fmt::format("is {} x {}, expected {} x {} by config.json", tensor.rows,
                                   tensor.columns, rows, columns));
    }
    taken_.insert(name);
    return tensor;
  }

  LinearWeights linear(const std::string& name, std::uint64_t outputs, std::uint64_t inputs,
                       bool bias) {
    LinearWeights weights;
    weights.weight = take(name + ".weight", outputs, inputs);
    if (bias) weights.bias = take(name + ".bias", 1, outputs);
    return weights;
  }

  NormWeights norm(const std::string& name, std::uint64_t width, bool bias) {
    NormWeights weights;
    weights.weight = take(name + ".weight", 1, width);
    if (bias) weights.bias = take(name + ".bias", 1, width);
    return weights;
  }

  void ignore(const std::string& name) { taken_.insert(name); }

  void reject_unused() const {
    for (const auto& [name, tensor] : tensors_) {
      // Older checkpoints store RoPE's frequencies, which config.json determines.
      if (taken_.contains(name) || name.ends_with(".rotary_emb.inv_freq")) continue;
      throw ModelError(folder_, "tensor " + name,
                       "has no place in the model that config.json describes");
    }
  }

 private:
  std::string folder_;
  std::map<std::string, Tensor> tensors_;
  std::set<std::string> taken_;
};

void present_interleaved(LinearWeights& weights, std::uint32_t head_dim) {
  weights.weight.rotate_half_head_dim = head_dim;
  weights.bias.rotate_half_head_dim = head_dim;
}

LayerWeights llama_layer(const ModelConfig& config, TensorTable& tensors, std::uint32_t index) {
  const std::string prefix = fmt::format("model.layers.{}.", index);
  const std::uint64_t hidden = config.hidden;
  LayerWeights layer;
  layer.attention_norm = tensors.norm(prefix + "input_layernorm", hidden, false);
  layer.query =
      tensors.linear(prefix + "self_attn.q_proj", config.query_width(), hidden, config.qkv_bias);
  layer.key =
      tensors.linear(prefix + "self_attn.k_proj", config.kv_width(), hidden, config.qkv_bias);
  layer.value =
      tensors.linear(prefix + "self_attn.v_proj", config.kv_width(), hidden, config.qkv_bias);
  present_interleaved(layer.query, config.head_dim);
  present_interleaved(layer.key, config.head_dim);
  layer.output =
      tensors.linear(prefix + "self_attn.o_proj", hidden, config.query_width(), config.output_bias);
  layer.ffn_norm = tensors.norm(prefix + "post_attention_layernorm", hidden, false);
  layer.gate = tensors.linear(prefix + "mlp.gate_proj", config.ffn, hidden, config.ffn_bias);
  layer.up = tensors.linear(prefix + "mlp.up_proj", config.ffn, hidden, config.ffn_bias);
  layer.down = tensors.linear(prefix + "mlp.down_proj", hidden, config.ffn, config.ffn_bias);
  return layer;
}

void assemble_llama(const ModelConfig& config, TensorTable& tensors, ModelWeights& weights) {
  weights.embedding = tensors.take("model.embed_tokens.weight", config.vocabulary, config.hidden);
  for (std::uint32_t i = 0; i < config.layers; ++i) {
    weights.layers.push_back(llama_layer(config, tensors, i));
  }
  weights.final_norm = tensors.norm("model.norm", config.hidden, false);
}

LayerWeights opt_layer(const ModelConfig& config, TensorTable& tensors, const std::string& prefix) {
  const std::uint64_t hidden = config.hidden;
  const bool qkv_bias = config.qkv_bias;
  LayerWeights layer;
  layer.attention_norm = tensors.norm(prefix + "self_attn_layer_norm", hidden, true);
  layer.query = tensors.linear(prefix + "self_attn.q_proj", hidden, hidden, qkv_bias);
  layer.key = tensors.linear(prefix + "self_attn.k_proj", hidden, hidden, qkv_bias);
  layer.value = tensors.linear(prefix + "self_attn.v_proj", hidden, hidden, qkv_bias);
  layer.output = tensors.linear(prefix + "self_attn.out_proj", hidden, hidden, config.output_bias);
  layer.ffn_norm = tensors.norm(prefix + "final_layer_norm", hidden, true);
  layer.up = tensors.linear(prefix + "fc1", config.ffn, hidden, config.ffn_bias);
  layer.down = tensors.linear(prefix + "fc2", hidden, config.ffn, config.ffn_bias);
  return layer;
}

void assemble_opt(const ModelConfig& config, TensorTable& tensors, ModelWeights& weights) {
  const std::string root =
      tensors.has("decoder.embed_tokens.weight") ? "decoder." : "model.decoder.";
  weights.embedding =
      tensors.take(root + "embed_tokens.weight", config.vocabulary, config.embedding);
  // OPT counts positions from 2; the first two rows belong to padding.
  constexpr std::uint32_t kFirstPosition = 2;
  weights.positions =
      tensors.take(root + "embed_positions.weight",
                   std::uint64_t{config.max_positions} + kFirstPosition, config.hidden);
  weights.positions.data = weights.positions.data.subspan(
      std::size_t{kFirstPosition} * config.hidden * element_bytes(weights.positions.type));
  weights.positions.rows = config.max_positions;
  if (config.has_embedding_projection()) {
    weights.embed_in = tensors.linear(root + "project_in", config.hidden, config.embedding, false);
    weights.embed_out =
        tensors.linear(root + "project_out", config.embedding, config.hidden, false);
  }
  for (std::uint32_t i = 0; i < config.layers; ++i) {
    weights.layers.push_back(opt_layer(config, tensors, fmt::format("{}layers.{}.", root, i)));
  }
  if (config.has_final_norm()) {
    weights.final_norm = tensors.norm(root + "final_layer_norm", config.hidden, true);
  }
}

// The shards that an index names, as plain file names.
std::set<std::string> shard_names(const std::filesystem::path& index_path) {
  const auto index = MappedFile::open(index_path);
  const nlohmann::json document = parse_json(index->text(), index_path.string());
  JsonObject object(document, index_path.string(), "");
  const nlohmann::json& map = object.at("weight_map");
  if (!map.is_object() || map.empty()) object.fail("weight_map", "tensor names with file names");
  std::set<std::string> names;
  for (const auto& [tensor, file] : map.items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    // A name with a folder in it could lead out of the model's folder.
    if (!name.ends_with(".safetensors") || name.find('/') != std::string::npos) {
      throw ModelError(index_path.string(), "/weight_map/" + tensor,
                       "found " + describe(file) + ", expected a .safetensors file name");
    }
    names.insert(name);
  }
  return names;
}

}  // namespace

std::vector<Tensor> parse_safetensors(std::span<const std::byte> bytes, std::string_view file) {
  ByteReader reader(bytes, file);
  const auto header_bytes = reader.read<std::uint64_t>("header length");
  if (header_bytes > kMaxHeaderBytes) {
    throw ModelError(file, "header length",
                     fmt::format("is {} bytes, expected at most {} (is this a safetensors file?)",
                                 header_bytes, kMaxHeaderBytes));
  }
  const auto header = reader.take(header_bytes, "header");
  const auto data = bytes.subspan(reader.position());
  const nlohmann::json document =
      parse_json({reinterpret_cast<const char*>(header.data()), header.size()}, file);
  JsonObject check(document, file, "");
  std::vector<Tensor> tensors;
  for (const auto& [name, value] : document.items()) {
    if (name == "__metadata__") continue;
    JsonObject entry(value, file, "/" + name);
    tensors.push_back(parse_entry(name, entry, data, file));
    entry.reject_unknown();
  }
  return tensors;
}

Model assemble_hugging_face(const ModelConfig& config, std::vector<Tensor> tensors,
                            std::string_view folder) {
  Model model;
  model.config = config;
  TensorTable table(std::move(tensors), folder);
  if (config.architecture == Architecture::kLlama) {
    assemble_llama(config, table, model.weights);
  } else {
    assemble_opt(config, table, model.weights);
  }
  if (config.tied_classifier) {
    model.weights.classifier = model.weights.embedding;
    table.ignore("lm_head.weight");
  } else {
    model.weights.classifier = table.take("lm_head.weight", config.vocabulary, config.embedding);
  }
  table.reject_unused();
  return model;
}

Model load_hugging_face(const std::filesystem::path& folder) {
  const std::filesystem::path config_path = folder / "config.json";
  ModelConfig config =
      parse_hugging_face_config(MappedFile::open(config_path)->text(), config_path.string());
  config.name = folder.filename().empty() ? folder.parent_path().filename().string()
                                          : folder.filename().string();
  const std::filesystem::path index = folder / "model.safetensors.index.json";
  const std::set<std::string> names = std::filesystem::exists(index)
                                          ? shard_names(index)
                                          : std::set<std::string>{"model.safetensors"};
  std::vector<Tensor> tensors;
  std::vector<std::shared_ptr<const void>> storage;
  for (const std::string& name : names) {
    const auto file = MappedFile::open(folder / name);
    for (Tensor& tensor : parse_safetensors(file->bytes(), (folder / name).string())) {
      tensors.push_back(std::move(tensor));
    }
    storage.push_back(file);
  }
  Model model = assemble_hugging_face(config, std::move(tensors), folder.string());
  model.weights.storage = std::move(storage);
  return model;
}

}  // namespace hpimvp::compiler
