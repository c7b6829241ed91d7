#include "platform/compiler/tensor.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "models/common/fp16.h"
#include "platform/compiler/model_error.h"

namespace hpimvp::compiler {
namespace {

// Where the file keeps what belongs at `index` of the interleaved order.
std::uint64_t rotate_half_index(std::uint64_t index, std::uint32_t head_dim) {
  const std::uint64_t head = index / head_dim;
  const std::uint64_t in_head = index % head_dim;
  return head * head_dim + in_head / 2 + (in_head % 2) * (head_dim / 2);
}

}  // namespace

std::string_view element_type_name(ElementType type) {
  switch (type) {
    case ElementType::kF32:
      return "F32";
    case ElementType::kF16:
      return "F16";
    case ElementType::kBf16:
      return "BF16";
  }
  return "?";
}

float Tensor::element(std::uint64_t index) const {
  const std::byte* at = data.data() + index * element_bytes(type);
  if (type == ElementType::kF32) {
    float value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  std::uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return type == ElementType::kF16 ? common::fp16_to_float(bits) : common::bf16_to_float(bits);
}

void Tensor::read_row(std::uint64_t row, std::span<float> values) const {
  const bool vector = rows == 1;
  const std::uint64_t stored_row =
      rotate_half_head_dim != 0 && !vector ? rotate_half_index(row, rotate_half_head_dim) : row;
  const std::uint64_t start = stored_row * columns;
  if (rotate_half_head_dim != 0 && vector) {
    for (std::uint64_t i = 0; i < columns; ++i) {
      values[i] = element(start + rotate_half_index(i, rotate_half_head_dim));
    }
    return;
  }
  for (std::uint64_t i = 0; i < columns; ++i) values[i] = element(start + i);
}

void Tensor::read_row_fp16(std::uint64_t row, std::span<std::uint16_t> values) const {
  std::vector<float> floats(columns);
  read_row(row, floats);
  for (std::uint64_t i = 0; i < columns; ++i) {
    values[i] = common::float_to_fp16(floats[i]);
    if ((values[i] & 0x7C00) == 0x7C00) {
      throw ModelError(fmt::format(
          "tensor {}: element [{}, {}] is {}, expected a finite value of at most 65504 (FP16)",
          name, row, i, floats[i]));
    }
  }
}

}  // namespace hpimvp::compiler
