// A plain FP32 forward pass of Llama and OPT models: the oracle for compiler, machine and firmware.
// It shares no code with them: weights are vectors of float in the order of the papers' formulas,
// and nothing is fast.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace hpimvp::test {

struct ReferenceShape {
  bool opt = false;  // LayerNorm, learned positions, two-matrix FFN; else Llama
  std::uint32_t layers = 0;
  std::uint32_t hidden = 0;
  std::uint32_t heads = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t ffn = 0;
  std::uint32_t vocabulary = 0;
  std::uint32_t positions = 0;
  std::uint32_t embedding = 0;  // OPT: width of an embedding row
  float epsilon = 1e-5F;
  double rope_theta = 10000;
  bool rotate_half =
      false;          // RoPE pairs element i with i + head_dim / 2 (Hugging Face), else 2i, 2i+1
  bool tied = false;  // classifier = token embedding
  bool qkv_bias = false;   // Llama: Qwen's biases
  bool post_norm = false;  // OPT-350M
  bool gelu = false;       // OPT: tanh-form GELU instead of ReLU
};

// Matrices are outputs x inputs, row-major. Empty: absent.
struct ReferenceLayer {
  std::vector<float> norm1, norm1_bias, wq, bq, wk, bk, wv, bv, wo, bo;
  std::vector<float> norm2, norm2_bias, w_gate, w_up, b_up, w_down, b_down;
};

struct ReferenceModel {
  ReferenceShape shape;
  std::vector<float> embedding, positions, project_in, project_out;
  std::vector<ReferenceLayer> layers;
  std::vector<float> final_norm, final_norm_bias, classifier;
};

// Reads a legacy llama2.c checkpoint without checking anything: for trusted test data.
ReferenceModel read_reference_llama2c(const std::filesystem::path& path);

// A model with random weights of plausible size, rounded to FP16 so that the machine's weights are
// the same numbers.
ReferenceModel random_reference_model(const ReferenceShape& shape, std::uint32_t seed);

class ReferenceLlm {
 public:
  explicit ReferenceLlm(ReferenceModel model) : model_(std::move(model)) { reset(); }

  const ReferenceModel& model() const { return model_; }
  void reset();
  // Processes the token at the next position, and returns the logits after it.
  std::vector<float> forward(std::uint32_t token);

 private:
  void attention(const ReferenceLayer& layer, std::size_t index, const std::vector<float>& x,
                 std::vector<float>& out);
  void feed_forward(const ReferenceLayer& layer, const std::vector<float>& x,
                    std::vector<float>& out) const;
  std::vector<float> norm(const std::vector<float>& x, const std::vector<float>& weight,
                          const std::vector<float>& bias) const;
  void rotate(float* head, std::uint32_t position) const;

  ReferenceModel model_;
  std::uint32_t position_ = 0;
  std::vector<std::vector<float>> keys_, values_;  // per layer, positions x kv_heads * head_dim
};

std::uint32_t argmax(const std::vector<float>& values);

}  // namespace hpimvp::test
