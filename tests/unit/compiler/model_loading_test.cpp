// Model files, right and wrong.
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "platform/compiler/model_error.h"
#include "platform/compiler/model_weights.h"
#include "tests/unit/compiler/model_files.h"

using namespace hpimvp;
using Catch::Matchers::Contains;
using compiler::ModelError;

namespace {

using Json = nlohmann::json;

test::ReferenceShape small_llama() {
  test::ReferenceShape shape;
  shape.layers = 2;
  shape.hidden = shape.embedding = 12;
  shape.heads = 3;
  shape.kv_heads = 3;
  shape.head_dim = 4;
  shape.ffn = 10;
  shape.vocabulary = 9;
  shape.positions = 16;
  return shape;
}

std::vector<float> row_of(const compiler::Tensor& tensor, std::uint64_t row) {
  std::vector<float> values(tensor.columns);
  tensor.read_row(row, values);
  return values;
}

void check_matrix(const compiler::Tensor& tensor, const std::vector<float>& expected) {
  REQUIRE(tensor.rows * tensor.columns == expected.size());
  for (std::uint64_t row = 0; row < tensor.rows; ++row) {
    const auto begin = expected.begin() + static_cast<std::ptrdiff_t>(row * tensor.columns);
    CHECK(row_of(tensor, row) ==
          std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(tensor.columns)));
  }
}

// A folder that is removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::random_device random;
    path_ =
        std::filesystem::temp_directory_path() / ("hpimvp_model_test_" + std::to_string(random()));
    std::filesystem::create_directory(path_);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void write(const char* name, const void* data, std::size_t bytes) const {
    std::ofstream file(path_ / name, std::ios::binary);
    file.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  }
  void write(const char* name, const std::string& text) const {
    write(name, text.data(), text.size());
  }

 private:
  std::filesystem::path path_;
};

std::string config_with(const std::function<void(Json&)>& change,
                        const test::ReferenceShape& shape = small_llama()) {
  Json config = Json::parse(test::hugging_face_config(shape));
  change(config);
  return config.dump();
}

// A safetensors file with one header and no data.
std::vector<std::byte> with_header(const std::string& header) {
  std::vector<std::byte> file(8 + header.size());
  const std::uint64_t length = header.size();
  std::memcpy(file.data(), &length, 8);
  std::memcpy(file.data() + 8, header.data(), header.size());
  return file;
}

}  // namespace

TEST_CASE("a llama2.c checkpoint is read tensor by tensor") {
  test::ReferenceShape shape = small_llama();
  shape.kv_heads = 1;
  shape.tied = GENERATE(true, false);
  const test::ReferenceModel reference = test::random_reference_model(shape, 3);
  const std::vector<std::byte> file = test::llama2c_checkpoint(reference);
  const compiler::Model model = compiler::parse_llama2c(file, "model.bin");
  CHECK(model.config.layers == 2);
  CHECK(model.config.kv_heads == 1);
  CHECK(model.config.head_dim == 4);
  CHECK(model.config.tied_classifier == shape.tied);
  check_matrix(model.weights.embedding, reference.embedding);
  check_matrix(model.weights.classifier, shape.tied ? reference.embedding : reference.classifier);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& found = model.weights.layers[i];
    const auto& expected = reference.layers[i];
    check_matrix(found.attention_norm.weight, expected.norm1);
    check_matrix(found.query.weight, expected.wq);
    check_matrix(found.key.weight, expected.wk);
    check_matrix(found.value.weight, expected.wv);
    check_matrix(found.output.weight, expected.wo);
    check_matrix(found.ffn_norm.weight, expected.norm2);
    check_matrix(found.gate.weight, expected.w_gate);
    check_matrix(found.up.weight, expected.w_up);
    check_matrix(found.down.weight, expected.w_down);
  }
  check_matrix(model.weights.final_norm.weight, reference.final_norm);
}

TEST_CASE("a llama2.c checkpoint of any wrong length is refused") {
  std::vector<std::byte> file =
      test::llama2c_checkpoint(test::random_reference_model(small_llama(), 4));
  for (std::size_t length = 0; length < file.size(); length += length < 40 ? 1 : 97) {
    CHECK_THROWS_AS(compiler::parse_llama2c(std::span(file).first(length), "model.bin"),
                    ModelError);
  }
  file.push_back(std::byte{0});
  CHECK_THROWS_WITH(compiler::parse_llama2c(file, "model.bin"), Contains("model.bin: size"));
}

TEST_CASE("a llama2.c header with absurd fields is refused, naming the field") {
  const std::vector<std::byte> good =
      test::llama2c_checkpoint(test::random_reference_model(small_llama(), 5));
  static constexpr const char* kFields[] = {"dim",        "hidden_dim", "n_layers", "n_heads",
                                            "n_kv_heads", "vocab_size", "seq_len"};
  for (std::size_t field = 0; field < 7; ++field) {
    for (const std::int32_t value : {0, -1, std::numeric_limits<std::int32_t>::max(),
                                     std::numeric_limits<std::int32_t>::min(), 0x40000000}) {
      if (field == 5 && value == -1) continue;  // a vocabulary of one with its own classifier
      std::vector<std::byte> file = good;
      std::memcpy(file.data() + 4 * field, &value, 4);
      CAPTURE(kFields[field], value);
      CHECK_THROWS_AS(compiler::parse_llama2c(file, "model.bin"), ModelError);
      if (value == 0 && field != 5) {
        CHECK_THROWS_WITH(compiler::parse_llama2c(file, "model.bin"), Contains(kFields[field]));
      }
    }
  }
}

TEST_CASE("safetensors of each element type give the values") {
  test::ReferenceShape shape = small_llama();
  test::ReferenceModel reference = test::random_reference_model(shape, 6);
  std::vector<std::byte> storage;
  SECTION("F32") {
    const auto model =
        test::load_through_hugging_face(reference, compiler::ElementType::kF32, storage);
    check_matrix(model.weights.layers[1].down.weight, reference.layers[1].w_down);
  }
  SECTION("F16") {
    const auto model =
        test::load_through_hugging_face(reference, compiler::ElementType::kF16, storage);
    check_matrix(model.weights.layers[1].down.weight, reference.layers[1].w_down);
  }
  SECTION("BF16") {
    for (float& value : reference.layers[0].wo) value = 0.75F;  // exact in BF16
    const auto model =
        test::load_through_hugging_face(reference, compiler::ElementType::kBf16, storage);
    check_matrix(model.weights.layers[0].output.weight, reference.layers[0].wo);
  }
}

TEST_CASE("query and key rows are presented as interleaved pairs, other rows as they are") {
  test::ReferenceShape shape = small_llama();
  shape.qkv_bias = true;
  test::ReferenceModel reference = test::random_reference_model(shape, 7);
  // Row r of the file starts with r.
  for (std::size_t r = 0; r < 12; ++r) {
    reference.layers[0].wq[r * 12] = reference.layers[0].wv[r * 12] = static_cast<float>(r);
    reference.layers[0].bk[r] = static_cast<float>(r);
  }
  std::vector<std::byte> storage;
  const auto model =
      test::load_through_hugging_face(reference, compiler::ElementType::kF32, storage);
  const auto& layer = model.weights.layers[0];
  // A head of four: (0, 2), (1, 3) are the pairs of the file.
  const std::vector<float> expected{0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11};
  for (std::size_t r = 0; r < 12; ++r) {
    CHECK(row_of(layer.query.weight, r)[0] == expected[r]);
    CHECK(row_of(layer.value.weight, r)[0] == static_cast<float>(r));
  }
  CHECK(row_of(layer.key.bias, 0) == expected);
}

TEST_CASE("weights beyond FP16 are refused by name when they are rounded") {
  test::ReferenceModel reference = test::random_reference_model(small_llama(), 8);
  const float bad = GENERATE(65520.0F, -1e30F, std::numeric_limits<float>::infinity(),
                             std::numeric_limits<float>::quiet_NaN());
  reference.layers[1].w_up[5 * 12 + 3] = bad;
  reference.layers[1].w_up[4 * 12 + 3] = 65519.0F;  // rounds to 65504
  std::vector<std::byte> storage;
  const auto model =
      test::load_through_hugging_face(reference, compiler::ElementType::kF32, storage);
  const compiler::Tensor& tensor = model.weights.layers[1].up.weight;
  std::vector<std::uint16_t> row(12);
  CHECK_NOTHROW(tensor.read_row_fp16(4, row));
  CHECK(row[3] == 0x7BFF);
  CHECK_THROWS_WITH(tensor.read_row_fp16(5, row),
                    Contains("model.layers.1.mlp.up_proj.weight") && Contains("[5, 3]"));
}

TEST_CASE("a Hugging Face folder is loaded, in one file or in shards") {
  const TemporaryFolder folder;
  const test::ReferenceModel reference = test::random_reference_model(small_llama(), 9);
  folder.write("config.json", test::hugging_face_config(reference.shape));
  const auto file = test::safetensors_file(reference, compiler::ElementType::kF16);
  SECTION("one file") {
    folder.write("model.safetensors", file.data(), file.size());
  }
  SECTION("shards") {
    Json map;
    for (const auto& tensor : compiler::parse_safetensors(file, "f")) {
      map[tensor.name] = "model-00001-of-00001.safetensors";
    }
    folder.write("model-00001-of-00001.safetensors", file.data(), file.size());
    folder.write("model.safetensors.index.json", Json{{"weight_map", map}}.dump());
  }
  const compiler::Model model = compiler::load_model(folder.path());
  check_matrix(model.weights.layers[1].gate.weight, reference.layers[1].w_gate);
  CHECK(model.config.end_token == 2U);
}

TEST_CASE("an index that leads out of the folder is refused") {
  const TemporaryFolder folder;
  folder.write("config.json", test::hugging_face_config(small_llama()));
  folder.write("model.safetensors.index.json", R"({"weight_map": {"a": "../secret.safetensors"}})");
  CHECK_THROWS_WITH(compiler::load_model(folder.path()), Contains("/weight_map/a"));
}

TEST_CASE("missing, misshapen and superfluous tensors are refused by name") {
  const test::ReferenceModel reference = test::random_reference_model(small_llama(), 10);
  const auto file = test::safetensors_file(reference, compiler::ElementType::kF16);
  const auto config =
      compiler::parse_hugging_face_config(test::hugging_face_config(reference.shape), "c");
  std::vector<compiler::Tensor> tensors = compiler::parse_safetensors(file, "f");
  const auto find = [&](const char* name) {
    for (auto it = tensors.begin(); it != tensors.end(); ++it) {
      if (it->name == name) return it;
    }
    throw std::runtime_error("the test file lacks a tensor");
  };
  SECTION("missing") {
    tensors.erase(find("model.layers.1.self_attn.k_proj.weight"));
    CHECK_THROWS_WITH(compiler::assemble_hugging_face(config, tensors, "f"),
                      Contains("model.layers.1.self_attn.k_proj.weight") && Contains("missing") &&
                          Contains("12 x 12"));
  }
  SECTION("wrong shape") {
    std::swap(find("model.layers.0.mlp.up_proj.weight")->rows,
              find("model.layers.0.mlp.up_proj.weight")->columns);
    CHECK_THROWS_WITH(compiler::assemble_hugging_face(config, tensors, "f"),
                      Contains("mlp.up_proj.weight") && Contains("12 x 10") && Contains("10 x 12"));
  }
  SECTION("superfluous") {
    tensors.push_back(*find("model.norm.weight"));
    tensors.back().name = "model.layers.2.input_layernorm.weight";
    CHECK_THROWS_WITH(compiler::assemble_hugging_face(config, tensors, "f"),
                      Contains("model.layers.2.input_layernorm.weight"));
  }
}

TEST_CASE("malformed safetensors are refused") {
  const auto refuses = [](const std::string& header, const char* part) {
    CAPTURE(header);
    CHECK_THROWS_WITH(compiler::parse_safetensors(with_header(header), "file"), Contains(part));
  };
  refuses("[]", "expected an object");
  refuses("{", "not valid JSON");
  refuses(R"({"a": 1})", "/a");
  refuses(R"({"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}})", "/a/dtype");
  refuses(R"({"a": {"dtype": "F32", "shape": [], "data_offsets": [0, 0]}})", "/a/shape");
  refuses(R"({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 0]}})", "/a/shape");
  refuses(R"({"a": {"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 0]}})",
          "/a/shape");
  refuses(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})", "truncated");
  refuses(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}})", "tensor a");
  refuses(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 0]}})", "need 4");
  refuses(std::string(100, '['), "nested");
  std::vector<std::byte> huge(16, std::byte{0xFF});
  CHECK_THROWS_WITH(compiler::parse_safetensors(huge, "file"), Contains("header length"));
  CHECK_THROWS_WITH(compiler::parse_safetensors(std::span(huge).first(5), "file"),
                    Contains("truncated"));
}

TEST_CASE("Hugging Face configurations that the compiler cannot honour are refused") {
  const auto refuses = [](const std::string& config, const char* part) {
    CAPTURE(config);
    CHECK_THROWS_WITH(compiler::parse_hugging_face_config(config, "config.json"), Contains(part));
  };
  refuses(config_with([](Json& c) { c["architectures"] = {"GPT2LMHeadModel"}; }), "/architectures");
  refuses(config_with([](Json& c) { c.erase("hidden_size"); }), "/hidden_size");
  refuses(config_with([](Json& c) { c["hidden_size"] = "big"; }), "found \"big\"");
  refuses(config_with([](Json& c) { c["num_attention_heads"] = 0; }), "/num_attention_heads");
  refuses(config_with([](Json& c) { c["num_key_value_heads"] = 2; }), "does not divide");
  refuses(config_with([](Json& c) { c["num_key_value_heads"] = 0; }), "kv_heads");
  refuses(config_with([](Json& c) { c["head_dim"] = 5; }), "even");
  refuses(config_with([](Json& c) { c["num_hidden_layers"] = 4000000000U; }), "layers");
  refuses(config_with([](Json& c) { c["hidden_act"] = "gelu"; }), "/hidden_act");
  refuses(config_with([](Json& c) { c["rope_theta"] = 0; }), "rope_theta");
  refuses(config_with([](Json& c) { c["rms_norm_eps"] = -1; }), "norm_epsilon");
  refuses(config_with([](Json& c) {
            c["rope_scaling"] = {{"type", "yarn"}};
          }),
          "/rope_scaling/type");
  refuses(config_with([](Json& c) { c["eos_token_id"] = 100; }), "end_token");
  test::ReferenceShape opt = small_llama();
  opt.opt = true;
  refuses(config_with([](Json& c) { c["activation_function"] = "gelu"; }, opt),
          "/activation_function");
  refuses("{\"architectures\": 1e999}", "JSON");
}

TEST_CASE("a preset with an unknown key names the nearest one") {
  CHECK_THROWS_WITH(
      compiler::parse_model_preset(
          R"({"name": "x", "architecture": "llama", "layers": 1, "hidden": 8, "heads": 2,
              "ffn": 8, "vocabulary": 8, "max_positions": 8, "tied_clasifier": true})",
          "x.json"),
      Contains("/tied_clasifier") && Contains("tied_classifier'"));
}

TEST_CASE("a configuration survives the way through a preset") {
  for (const auto& entry : std::filesystem::directory_iterator(HPIMVP_PRESETS "/models")) {
    CAPTURE(entry.path().string());
    const compiler::ModelConfig config = compiler::load_model_preset(entry.path());
    const std::string text = compiler::to_preset(config);
    const compiler::ModelConfig again = compiler::parse_model_preset(text, "again");
    CHECK(compiler::to_preset(again) == text);
    CHECK(again.parameter_count() == config.parameter_count());
    CHECK(again.rope_scaling.has_value() == config.rope_scaling.has_value());
    CHECK(again.rope_theta == config.rope_theta);
    CHECK(again.activation == config.activation);
    CHECK(again.norm == config.norm);
    CHECK(again.post_norm == config.post_norm);
    CHECK(again.end_token == config.end_token);
  }
}

TEST_CASE("the presets have the parameters of the models that they name") {
  const std::filesystem::path folder = std::filesystem::path(HPIMVP_PRESETS) / "models";
  // Published counts, rounded as the names do; embeddings and position tables included.
  const std::pair<const char*, double> expected[] = {
      {"opt-350m", 0.331e9},     {"opt-1.3b", 1.316e9},    {"opt-2.7b", 2.652e9},
      {"opt-6.7b", 6.658e9},     {"opt-13b", 12.85e9},     {"opt-30b", 29.97e9},
      {"llama-2-7b", 6.738e9},   {"llama-2-13b", 13.02e9}, {"llama-2-70b", 68.98e9},
      {"llama-3.1-8b", 8.030e9}, {"qwen2.5-7b", 7.616e9}};
  for (const auto& [name, parameters] : expected) {
    const auto config = compiler::load_model_preset(folder / (std::string(name) + ".json"));
    CAPTURE(name);
    CHECK(static_cast<double>(config.parameter_count()) == Approx(parameters).epsilon(0.002));
  }
}
