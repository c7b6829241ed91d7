// A view of a weight tensor in a file, converted row by row as it is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace hpimvp::compiler {

enum class ElementType : std::uint8_t { kF32, kF16, kBf16 };

constexpr std::uint32_t element_bytes(ElementType type) {
  return type == ElementType::kF32 ? 4 : 2;
}
std::string_view element_type_name(ElementType type);

// A matrix of rows x columns, or a vector (one row). A default-constructed tensor is absent.
struct Tensor {
  std::string name;
  std::span<const std::byte> data;  // rows * columns elements, row-major, not necessarily aligned
  ElementType type = ElementType::kF32;
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;

  // Not 0: the file holds each head of this many rows (of a vector: columns) in RoPE's rotate-half
  // order (all first elements of the pairs, then all second ones), and the view presents them as
  // interleaved pairs, which is what the tiles' v.rope rotates.
  std::uint32_t rotate_half_head_dim = 0;

  bool present() const { return rows != 0; }

  // Row `row` in logical order; `values` has `columns` elements.
  void read_row(std::uint64_t row, std::span<float> values) const;
  // The same, rounded to FP16. ModelError naming the tensor and the element if one is not finite or
  // beyond FP16's range.
  void read_row_fp16(std::uint64_t row, std::span<std::uint16_t> values) const;

 private:
  float element(std::uint64_t index) const;
};

}  // namespace hpimvp::compiler
