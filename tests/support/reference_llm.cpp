#include "tests/support/reference_llm.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <random>
#include <stdexcept>

namespace hpimvp::test {
namespace {

using Vector = std::vector<float>;

Vector multiply(const Vector& matrix, const Vector& bias, const Vector& x) {
  const std::size_t rows = matrix.size() / x.size();
  Vector y(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    float sum = 0;
    for (std::size_t c = 0; c < x.size(); ++c) sum += matrix[r * x.size() + c] * x[c];
    y[r] = sum + (bias.empty() ? 0.0F : bias[r]);
  }
  return y;
}

void add(Vector& x, const Vector& y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

Vector row(const Vector& matrix, std::size_t index, std::size_t width) {
  return Vector(matrix.begin() + static_cast<std::ptrdiff_t>(index * width),
                matrix.begin() + static_cast<std::ptrdiff_t>((index + 1) * width));
}

void softmax(Vector& x) {
  const float maximum = *std::max_element(x.begin(), x.end());
  float sum = 0;
  for (float& value : x) sum += value = std::exp(value - maximum);
  for (float& value : x) value /= sum;
}

Vector read_floats(std::ifstream& file, std::size_t count) {
  Vector values(count);
  file.read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(count * sizeof(float)));
  if (!file) throw std::runtime_error("reference model: file too short");
  return values;
}

// Rounded to FP16's 11 significant bits and least exponent; models/common/fp16.h is not trusted
// here.
float through_fp16(float value) {
  int exponent = 0;
  std::frexp(value, &exponent);
  const float unit = std::ldexp(1.0F, std::max(exponent - 11, -24));
  return std::nearbyint(value / unit) * unit;
}

}  // namespace

ReferenceModel read_reference_llama2c(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::int32_t header[7];
  file.read(reinterpret_cast<char*>(header), sizeof header);
  if (!file) throw std::runtime_error("reference model: cannot read " + path.string());
  ReferenceModel model;
  ReferenceShape& shape = model.shape;
  shape.hidden = shape.embedding = static_cast<std::uint32_t>(header[0]);
  shape.ffn = static_cast<std::uint32_t>(header[1]);
  shape.layers = static_cast<std::uint32_t>(header[2]);
  shape.heads = static_cast<std::uint32_t>(header[3]);
  shape.kv_heads = static_cast<std::uint32_t>(header[4]);
  shape.tied = header[5] > 0;
  shape.vocabulary = static_cast<std::uint32_t>(std::abs(header[5]));
  shape.positions = static_cast<std::uint32_t>(header[6]);
  shape.head_dim = shape.hidden / shape.heads;
  const std::size_t hidden = shape.hidden;
  const std::size_t kv = std::size_t{shape.kv_heads} * shape.head_dim;
  model.layers.resize(shape.layers);
  model.embedding = read_floats(file, shape.vocabulary * hidden);
  for (auto& layer : model.layers) layer.norm1 = read_floats(file, hidden);
  for (auto& layer : model.layers) layer.wq = read_floats(file, hidden * hidden);
  for (auto& layer : model.layers) layer.wk = read_floats(file, kv * hidden);
  for (auto& layer : model.layers) layer.wv = read_floats(file, kv * hidden);
  for (auto& layer : model.layers) layer.wo = read_floats(file, hidden * hidden);
  for (auto& layer : model.layers) layer.norm2 = read_floats(file, hidden);
  for (auto& layer : model.layers) layer.w_gate = read_floats(file, hidden * shape.ffn);
  for (auto& layer : model.layers) layer.w_down = read_floats(file, hidden * shape.ffn);
  for (auto& layer : model.layers) layer.w_up = read_floats(file, hidden * shape.ffn);
  model.final_norm = read_floats(file, hidden);
  read_floats(file, std::size_t{shape.positions} * shape.head_dim);
  if (!shape.tied) model.classifier = read_floats(file, shape.vocabulary * hidden);
  return model;
}

ReferenceModel random_reference_model(const ReferenceShape& shape, std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto values = [&](std::size_t count, float mean, float deviation) {
    std::normal_distribution<float> distribution(mean, deviation);
    Vector result(count);
    for (float& value : result) value = through_fp16(distribution(random));
    return result;
  };
  const auto matrix = [&](std::size_t rows, std::size_t columns) {
    return values(rows * columns, 0, 1.0F / std::sqrt(static_cast<float>(columns)));
  };
  const auto bias = [&](bool present, std::size_t count) {
    return present ? values(count, 0, 0.2F) : Vector();
  };
  const std::size_t hidden = shape.hidden;
  const std::size_t q = std::size_t{shape.heads} * shape.head_dim;
  const std::size_t kv = std::size_t{shape.kv_heads} * shape.head_dim;
  ReferenceModel model;
  model.shape = shape;
  model.embedding = values(std::size_t{shape.vocabulary} * shape.embedding, 0, 1);
  if (shape.opt) model.positions = values(std::size_t{shape.positions} * hidden, 0, 0.5F);
  if (shape.embedding != shape.hidden) {
    model.project_in = matrix(hidden, shape.embedding);
    model.project_out = matrix(shape.embedding, hidden);
  }
  for (std::uint32_t i = 0; i < shape.layers; ++i) {
    ReferenceLayer layer;
    layer.norm1 = values(hidden, 1, 0.2F);
    layer.norm1_bias = bias(shape.opt, hidden);
    layer.wq = matrix(q, hidden);
    layer.wk = matrix(kv, hidden);
    layer.wv = matrix(kv, hidden);
    layer.wo = matrix(hidden, q);
    const bool qkv_bias = shape.opt || shape.qkv_bias;
    layer.bq = bias(qkv_bias, q);
    layer.bk = bias(qkv_bias, kv);
    layer.bv = bias(qkv_bias, kv);
    layer.bo = bias(shape.opt, hidden);
    layer.norm2 = values(hidden, 1, 0.2F);
    layer.norm2_bias = bias(shape.opt, hidden);
    if (!shape.opt) layer.w_gate = matrix(shape.ffn, hidden);
    layer.w_up = matrix(shape.ffn, hidden);
    layer.b_up = bias(shape.opt, shape.ffn);
    layer.w_down = matrix(hidden, shape.ffn);
    layer.b_down = bias(shape.opt, hidden);
    model.layers.push_back(std::move(layer));
  }
  if (!shape.post_norm) {
    model.final_norm = values(hidden, 1, 0.2F);
    model.final_norm_bias = bias(shape.opt, hidden);
  }
  if (!shape.tied) model.classifier = matrix(shape.vocabulary, shape.embedding);
  return model;
}

void ReferenceLlm::reset() {
  position_ = 0;
  keys_.assign(model_.shape.layers, {});
  values_.assign(model_.shape.layers, {});
}

Vector ReferenceLlm::norm(const Vector& x, const Vector& weight, const Vector& bias) const {
  const auto count = static_cast<float>(x.size());
  float mean = 0;
  if (model_.shape.opt) {
    for (const float value : x) mean += value;
    mean /= count;
  }
  float squares = 0;
  for (const float value : x) squares += (value - mean) * (value - mean);
  const float scale = 1.0F / std::sqrt(squares / count + model_.shape.epsilon);
  Vector y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    y[i] = (x[i] - mean) * scale * weight[i] + (bias.empty() ? 0.0F : bias[i]);
  }
  return y;
}

void ReferenceLlm::rotate(float* head, std::uint32_t position) const {
  const std::uint32_t half = model_.shape.head_dim / 2;
  for (std::uint32_t i = 0; i < half; ++i) {
    const double frequency =
        std::pow(model_.shape.rope_theta, -2.0 * i / static_cast<double>(model_.shape.head_dim));
    const double angle = position * frequency;
    const auto cosine = static_cast<float>(std::cos(angle));
    const auto sine = static_cast<float>(std::sin(angle));
    float& a = head[model_.shape.rotate_half ? i : 2 * i];
    float& b = head[model_.shape.rotate_half ? i + half : 2 * i + 1];
    const float rotated = a * cosine - b * sine;
    b = a * sine + b * cosine;
    a = rotated;
  }
}

void ReferenceLlm::attention(const ReferenceLayer& layer, std::size_t index, const Vector& x,
                             Vector& out) {
  const ReferenceShape& shape = model_.shape;
  const std::size_t dim = shape.head_dim;
  Vector query = multiply(layer.wq, layer.bq, x);
  Vector key = multiply(layer.wk, layer.bk, x);
  const Vector value = multiply(layer.wv, layer.bv, x);
  if (!shape.opt) {
    for (std::size_t h = 0; h < shape.heads; ++h) rotate(&query[h * dim], position_);
    for (std::size_t h = 0; h < shape.kv_heads; ++h) rotate(&key[h * dim], position_);
  }
  keys_[index].insert(keys_[index].end(), key.begin(), key.end());
  values_[index].insert(values_[index].end(), value.begin(), value.end());
  const std::size_t width = key.size();
  Vector heads(query.size(), 0.0F);
  for (std::size_t h = 0; h < shape.heads; ++h) {
    const std::size_t kv_offset = h / (shape.heads / shape.kv_heads) * dim;
    Vector scores(position_ + 1, 0.0F);
    for (std::size_t t = 0; t <= position_; ++t) {
      for (std::size_t i = 0; i < dim; ++i) {
        scores[t] += query[h * dim + i] * keys_[index][t * width + kv_offset + i];
      }
      scores[t] /= std::sqrt(static_cast<float>(dim));
    }
    softmax(scores);
    for (std::size_t t = 0; t <= position_; ++t) {
      for (std::size_t i = 0; i < dim; ++i) {
        heads[h * dim + i] += scores[t] * values_[index][t * width + kv_offset + i];
      }
    }
  }
  out = multiply(layer.wo, layer.bo, heads);
}

void ReferenceLlm::feed_forward(const ReferenceLayer& layer, const Vector& x, Vector& out) const {
  Vector inner = multiply(layer.w_up, layer.b_up, x);
  if (!model_.shape.opt) {
    const Vector gate = multiply(layer.w_gate, {}, x);
    for (std::size_t i = 0; i < inner.size(); ++i) {
      inner[i] *= gate[i] / (1.0F + std::exp(-gate[i]));
    }
  } else {
    for (float& v : inner) {
      v = model_.shape.gelu
              ? 0.5F * v * (1.0F + std::tanh(0.7978845608F * (v + 0.044715F * v * v * v)))
              : std::max(v, 0.0F);
    }
  }
  out = multiply(layer.w_down, layer.b_down, inner);
}

std::vector<float> ReferenceLlm::forward(std::uint32_t token) {
  const ReferenceShape& shape = model_.shape;
  if (position_ >= shape.positions) throw std::runtime_error("reference model: context is full");
  Vector x = row(model_.embedding, token, shape.embedding);
  if (!model_.project_in.empty()) x = multiply(model_.project_in, {}, x);
  if (shape.opt) add(x, row(model_.positions, position_, shape.hidden));
  Vector out;
  for (std::size_t i = 0; i < model_.layers.size(); ++i) {
    const ReferenceLayer& layer = model_.layers[i];
    attention(layer, i, shape.post_norm ? x : norm(x, layer.norm1, layer.norm1_bias), out);
    add(x, out);
    if (shape.post_norm) x = norm(x, layer.norm1, layer.norm1_bias);
    feed_forward(layer, shape.post_norm ? x : norm(x, layer.norm2, layer.norm2_bias), out);
    add(x, out);
    if (shape.post_norm) x = norm(x, layer.norm2, layer.norm2_bias);
  }
  if (!shape.post_norm) x = norm(x, model_.final_norm, model_.final_norm_bias);
  if (!model_.project_out.empty()) x = multiply(model_.project_out, {}, x);
  ++position_;
  return multiply(shape.tied ? model_.embedding : model_.classifier, {}, x);
}

std::uint32_t argmax(const std::vector<float>& values) {
  return static_cast<std::uint32_t>(std::max_element(values.begin(), values.end()) -
                                    values.begin());
}

}  // namespace hpimvp::test
