// Model and tokenizer files from anywhere: whatever the bytes are, the loaders return a model that
// can be read, or throw ModelError.
//
// The first byte chooses the loader, the rest is the file. In a Hugging Face model a zero byte ends
// config.json and the safetensors file follows.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "platform/compiler/model_error.h"
#include "platform/compiler/model_weights.h"
#include "platform/compiler/tokenizer.h"

namespace {

using namespace hpimvp::compiler;

void read_ends(const Tensor& tensor) {
  if (!tensor.present()) return;
  std::vector<float> row(tensor.columns);
  tensor.read_row(0, row);
  tensor.read_row(tensor.rows - 1, row);
}

void use_model(const Model& model) {
  read_ends(model.weights.embedding);
  read_ends(model.weights.positions);
  read_ends(model.weights.classifier);
  for (const LayerWeights& layer : model.weights.layers) {
    for (const LinearWeights* linear : {&layer.query, &layer.key, &layer.value, &layer.output,
                                        &layer.gate, &layer.up, &layer.down}) {
      read_ends(linear->weight);
      read_ends(linear->bias);
    }
  }
}

void use_tokenizer(const Tokenizer& tokenizer, std::string_view text) {
  for (const std::uint32_t token : tokenizer.encode(text.substr(0, 256))) {
    tokenizer.piece_bytes(token);
  }
}

void load_hugging_face_model(std::span<const std::byte> file, std::string_view text) {
  const std::size_t end = std::min(text.find('\0'), text.size());
  const ModelConfig config = parse_hugging_face_config(text.substr(0, end), "config.json");
  const auto rest = file.subspan(std::min(end + 1, file.size()));
  use_model(assemble_hugging_face(config, parse_safetensors(rest, "model.safetensors"), "folder"));
}

void load(std::uint8_t choice, std::span<const std::byte> file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  switch (choice % 6) {
    case 0:
      return use_model(parse_llama2c(file, "model.bin"));
    case 1:
      return load_hugging_face_model(file, text);
    case 2:
      parse_safetensors(file, "model.safetensors");
      return;
    case 3:
      parse_model_preset(text, "preset.json");
      return;
    case 4:
      return use_tokenizer(*parse_json_tokenizer(text, "tokenizer.json"), text);
    case 5:
      return use_tokenizer(*parse_llama2c_tokenizer(file, choice / 6 + 1U, "tokenizer.bin"), text);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  try {
    load(data[0], {reinterpret_cast<const std::byte*>(data) + 1, size - 1});
  } catch (const ModelError&) {
  }
  return 0;
}
