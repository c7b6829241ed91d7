#include "platform/baselines/baseline.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "platform/config/document.h"

namespace {

using namespace hpimvp::baselines;  // NOLINT: the subject of the tests
using hpimvp::compiler::Activation;
using hpimvp::compiler::Architecture;
using hpimvp::compiler::ModelConfig;

const std::string kPresets = std::string(HPIMVP_SOURCE_DIR) + "/scenarios/presets/";

Baseline preset(const std::string& name) {
  return load_baseline(kPresets + "baselines/" + name + ".json");
}
ModelConfig model(const std::string& name) {
  return hpimvp::compiler::load_model_preset(kPresets + "models/" + name + ".json");
}

// GPT-2 has OPT's shape as far as sizes go.
ModelConfig gpt2(std::uint32_t layers, std::uint32_t hidden) {
  ModelConfig config;
  config.architecture = Architecture::kOpt;
  config.activation = Activation::kGelu;
  config.layers = layers;
  config.hidden = hidden;
  config.embedding = hidden;
  config.heads = hidden / 80;
  config.kv_heads = config.heads;
  config.head_dim = 80;
  config.ffn = 4 * hidden;
  config.vocabulary = 50257;
  return config;
}

Baseline round_numbers() {
  Baseline baseline;
  baseline.memory_gb_per_s = 1000;
  baseline.tflops = 100;
  return baseline;
}

}  // namespace

TEST_CASE("a decode step reads every matrix once") {
  // OPT-13B: 40 x (4 x 5120^2 + 2 x 5120 x 20480) + 50272 x 5120 elements.
  CHECK(weight_bytes(model("opt-13b")) == 2.0 * (40 * 314572800.0 + 257392640.0));
  // LLaMA-3.1 8B: 8 of 32 heads have keys, and a gate.
  const double layer = 4096.0 * (2 * 4096 + 2 * 1024) + 3 * 4096.0 * 14336;
  CHECK(weight_bytes(model("llama-3.1-8b")) == 2.0 * (32 * layer + 128256.0 * 4096));
  // OPT-350M embeds at 512 and projects in and out.
  const double narrow = 24 * 12.0 * 1024 * 1024 + 50272.0 * 512 + 2 * 512.0 * 1024;
  CHECK(weight_bytes(model("opt-350m")) == 2.0 * narrow);
  CHECK(kv_bytes(model("llama-3.1-8b"), 10) == 2.0 * 2 * 32 * 1024 * 10);
}

TEST_CASE("the slower of memory and arithmetic counts, and every launch") {
  Baseline baseline = round_numbers();
  const ModelConfig opt = model("opt-13b");
  const double bytes = weight_bytes(opt) + kv_bytes(opt, 100);
  CHECK(decode_seconds(baseline, opt, 100) == Approx(bytes / 1e12));
  baseline.devices = 4;
  CHECK(decode_seconds(baseline, opt, 100) == Approx(bytes / 4e12));
  baseline.kernels_per_layer = 10;
  baseline.kernels_per_token = 20;
  baseline.kernel_overhead_us = 3;
  baseline.layer_communication_us = 7;
  CHECK(decode_seconds(baseline, opt, 100) ==
        Approx(bytes / 4e12 + (40 * 10 + 20) * 3e-6 + 40 * 7e-6));
  baseline.tflops = 0.001;
  const double operations = weight_bytes(opt) + 4.0 * 40 * 5120 * 100;
  CHECK(decode_seconds(baseline, opt, 100) ==
        Approx(operations / 4e9 + (40 * 10 + 20) * 3e-6 + 40 * 7e-6));
}

TEST_CASE("the parts of a decode step are its matrices, its keys and values, and launches") {
  Baseline baseline = round_numbers();
  baseline.kernels_per_layer = 10;
  baseline.kernel_overhead_us = 3;
  const DecodeParts parts = decode_parts(baseline, model("llama-3.1-8b"), 100);
  CHECK(parts.qkv_s == Approx(2.0 * 32 * 4096 * (4096 + 2 * 1024) / 1e12));
  CHECK(parts.projection_s == Approx(2.0 * 32 * 4096 * 4096 / 1e12));
  CHECK(parts.feed_forward_s == Approx(2.0 * 32 * 3 * 4096 * 14336 / 1e12));
  CHECK(parts.attention_s == Approx(2.0 * 2 * 32 * 1024 * 100 / 1e12));
  CHECK(parts.other_s == Approx(2.0 * 128256 * 4096 / 1e12));
  CHECK(parts.overhead_s == Approx(32 * 10 * 3e-6));
}

TEST_CASE("a mean is that of the tokens after the first") {
  const Baseline baseline = round_numbers();
  const ModelConfig opt = model("opt-1.3b");
  const double sum = decode_seconds(baseline, opt, 17) + decode_seconds(baseline, opt, 18) +
                     decode_seconds(baseline, opt, 19);
  CHECK(mean_token_seconds(baseline, opt, 16, 4) == Approx(sum / 3));
}

TEST_CASE("prefill of a long prompt is bound by arithmetic") {
  const Baseline baseline = round_numbers();
  const ModelConfig opt = model("opt-13b");
  const double matrices = 2.0 * 40 * 314572800.0 * 1000 + 2.0 * 5120 * 50272;
  const double attention = 4.0 * 40 * 5120 * 1000 * 1001 / 2;
  CHECK(prefill_seconds(baseline, opt, 1000) == Approx((matrices + attention) / 1e14));
  CHECK(prefill_seconds(baseline, opt, 1) == Approx(decode_seconds(baseline, opt, 1)));
}

TEST_CASE("presets give the measurements that they were calibrated on, as far as they say") {
  CHECK(mean_token_seconds(preset("a100_hugging_face"), gpt2(54, 1920), 32, 32) ==
        Approx(29.9e-3).epsilon(0.02));
  CHECK(mean_token_seconds(preset("ianus"), gpt2(48, 1600), 32, 32) ==
        Approx(3.8e-3).epsilon(0.03));
  CHECK(mean_token_seconds(preset("ianus"), gpt2(54, 1920), 32, 32) ==
        Approx(5.7e-3).epsilon(0.03));
  const Baseline vllm = preset("a100_vllm");
  CHECK(mean_token_seconds(vllm, model("llama-2-7b"), 512, 3584) == Approx(9.8e-3).epsilon(0.02));
  CHECK(mean_token_seconds(vllm, model("llama-2-13b"), 512, 3584) == Approx(17.5e-3).epsilon(0.02));
  CHECK(mean_token_seconds(preset("cxl_pnm"), model("opt-13b"), 256, 768) > 23e-3);
}

TEST_CASE("a file that makes no sense is refused with the place") {
  const std::string path = (std::filesystem::temp_directory_path() / "bad_baseline.json").string();
  const auto refused = [&path](const std::string& text, const std::string& message) {
    std::ofstream(path) << text;
    CHECK_THROWS_WITH(load_baseline(path), Catch::Contains(message) && Catch::Contains(path));
  };
  refused("{}", "devices");
  refused(R"({"devices": 1})", "/devices: expected [value, \"source\"], found 1");
  const auto with = [](const std::string& devices, const std::string& more) {
    return R"({"devices": [)" + devices +
           R"(, "s"], "memory_gb_per_s": [1, "s"], "tflops": [1, "s"], "kernels_per_layer": [0, "s"],
               "kernels_per_token": [0, "s"], "kernel_overhead_us": [0, "s"],
               "layer_communication_us": [0, "s"])" +
           more + "}";
  };
  refused(with("0", ""), "/devices: expected a number above 0");
  refused(with("1", R"(, "tflop": [1, "s"])"), "tflop");
  std::filesystem::remove(path);
}
