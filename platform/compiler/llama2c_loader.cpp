// Loader of llama2.c's legacy checkpoints.
#include <fmt/format.h>

#include "platform/compiler/byte_reader.h"
#include "platform/compiler/mapped_file.h"
#include "platform/compiler/model_weights.h"

namespace hpimvp::compiler {
namespace {

std::uint32_t read_positive(ByteReader& reader, std::string_view file, std::string_view field) {
  const auto value = reader.read<std::int32_t>(field);
  if (value <= 0) {
    throw ModelError(file, fmt::format("header field {}", field),
                     fmt::format("is {}, expected a positive number (is this a legacy llama2.c "
                                 "checkpoint?)",
                                 value));
  }
  return static_cast<std::uint32_t>(value);
}

ModelConfig read_header(ByteReader& reader, std::string_view file) {
  ModelConfig config;
  config.name = "llama2.c";
  config.hidden = read_positive(reader, file, "dim");
  config.ffn = read_positive(reader, file, "hidden_dim");
  config.layers = read_positive(reader, file, "n_layers");
  config.heads = read_positive(reader, file, "n_heads");
  config.kv_heads = read_positive(reader, file, "n_kv_heads");
  const auto vocabulary = reader.read<std::int32_t>("vocab_size");
  config.tied_classifier = vocabulary > 0;
  const std::int64_t magnitude = vocabulary < 0 ? -std::int64_t{vocabulary} : vocabulary;
  config.vocabulary = static_cast<std::uint32_t>(magnitude);
  config.max_positions = read_positive(reader, file, "seq_len");
  if (config.hidden % config.heads != 0) {
    throw ModelError(
        file, "header field dim",
        fmt::format("is {}, expected a multiple of the {} heads", config.hidden, config.heads));
  }
  config.head_dim = config.hidden / config.heads;
  config.embedding = config.hidden;
  // The format has no tokenizer data. Training texts are joined by token 1, which therefore ends
  // one as well as it begins one.
  if (config.vocabulary > 2) config.begin_token = config.end_token = 1;
  check_config(config, file);
  return config;
}

// Tensors of one kind follow each other over all layers.
class TensorReader {
 public:
  explicit TensorReader(ByteReader& reader) : reader_(reader) {}

  Tensor read(std::string name, std::uint64_t rows, std::uint64_t columns) {
    Tensor tensor;
    tensor.data = reader_.take(rows * columns * sizeof(float), name);
    tensor.name = std::move(name);
    tensor.rows = rows;
    tensor.columns = columns;
    return tensor;
  }

  template <typename Select>
  void read_layers(ModelWeights& weights, const char* kind, std::uint64_t rows,
                   std::uint64_t columns, Select select) {
    for (std::size_t i = 0; i < weights.layers.size(); ++i) {
      select(weights.layers[i]) = read(fmt::format("layers[{}].{}", i, kind), rows, columns);
    }
  }

 private:
  ByteReader& reader_;
};

// Before anything is allocated by the header's counts, the file must be large enough for them.
void check_size(const ModelConfig& config, std::size_t found, std::string_view file) {
  const std::uint64_t rope = std::uint64_t{config.max_positions} * config.head_dim;
  const std::uint64_t expected =
      7 * sizeof(std::int32_t) + (config.parameter_count() + rope) * sizeof(float);
  if (found != expected) {
    throw ModelError(
        file, "size",
        fmt::format("is {} bytes, but the header (dim {}, hidden_dim {}, {} layers, "
                    "{} heads, {} KV heads, vocabulary {}{}, {} positions) needs {}",
                    found, config.hidden, config.ffn, config.layers, config.heads, config.kv_heads,
                    config.vocabulary, config.tied_classifier ? "" : " with its own classifier",
                    config.max_positions, expected));
  }
}

}  // namespace

Model parse_llama2c(std::span<const std::byte> bytes, std::string_view file) {
  ByteReader reader(bytes, file);
  Model model;
  model.config = read_header(reader, file);
  const ModelConfig& config = model.config;
  check_size(config, bytes.size(), file);

  ModelWeights& weights = model.weights;
  weights.layers.resize(config.layers);
  TensorReader tensors(reader);
  const std::uint64_t hidden = config.hidden;
  const std::uint64_t kv = config.kv_width();
  using Layer = LayerWeights;
  weights.embedding = tensors.read("token_embedding", config.vocabulary, hidden);
  tensors.read_layers(weights, "rms_att", 1, hidden,
                      [](Layer& l) -> Tensor& { return l.attention_norm.weight; });
  tensors.read_layers(weights, "wq", hidden, hidden,
                      [](Layer& l) -> Tensor& { return l.query.weight; });
  tensors.read_layers(weights, "wk", kv, hidden, [](Layer& l) -> Tensor& { return l.key.weight; });
  tensors.read_layers(weights, "wv", kv, hidden,
                      [](Layer& l) -> Tensor& { return l.value.weight; });
  tensors.read_layers(weights, "wo", hidden, hidden,
                      [](Layer& l) -> Tensor& { return l.output.weight; });
  tensors.read_layers(weights, "rms_ffn", 1, hidden,
                      [](Layer& l) -> Tensor& { return l.ffn_norm.weight; });
  tensors.read_layers(weights, "w1", config.ffn, hidden,
                      [](Layer& l) -> Tensor& { return l.gate.weight; });
  tensors.read_layers(weights, "w2", hidden, config.ffn,
                      [](Layer& l) -> Tensor& { return l.down.weight; });
  tensors.read_layers(weights, "w3", config.ffn, hidden,
                      [](Layer& l) -> Tensor& { return l.up.weight; });
  weights.final_norm.weight = tensors.read("rms_final", 1, hidden);
  // RoPE tables, which the compiler computes itself.
  tensors.read("freq_cis_real", config.max_positions, config.head_dim / 2);
  tensors.read("freq_cis_imag", config.max_positions, config.head_dim / 2);
  weights.classifier = config.tied_classifier
                           ? weights.embedding
                           : tensors.read("classifier", config.vocabulary, hidden);
  return model;
}

Model load_llama2c(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  Model model = parse_llama2c(file->bytes(), path.string());
  model.config.name = path.stem().string();
  model.weights.storage.push_back(file);
  return model;
}

Model load_model(const std::filesystem::path& path) {
  return std::filesystem::is_directory(path) ? load_hugging_face(path) : load_llama2c(path);
}

}  // namespace hpimvp::compiler
