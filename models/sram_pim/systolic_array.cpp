#include "models/sram_pim/systolic_array.h"

#include <algorithm>

#include "models/common/divide.h"

namespace hpimvp::sram_pim {
namespace {

using common::divide_up;

// What is left for the last of the parts of `size` elements each: 1 to `size`.
std::uint64_t last_part(std::uint64_t value, std::uint64_t size) {
  return (value - 1) % size + 1;
}

}  // namespace

// start: when the corner takes the first row of A of the last part of W. The part before it with
// more columns may still be under way when the last is done.
std::uint64_t weight_stationary_cycles(const ArrayShape& array, const MatrixProduct& product) {
  const std::uint64_t inner_parts = divide_up(product.depth, array.height);
  const std::uint64_t column_parts = divide_up(product.columns, array.width);
  const std::uint64_t blocks = divide_up(product.rows, array.accumulators);
  const std::uint64_t first_load = std::min(product.depth, array.height);
  const auto inner_step = [&](std::uint64_t rows) {
    return std::max(rows, array.height + array.feedback);
  };
  const auto block_cycles = [&](std::uint64_t rows) {  // from its start to its last part's
    return column_parts * (inner_parts - 1) * inner_step(rows) +
           (column_parts - 1) * std::max(rows, first_load);
  };
  const std::uint64_t rows = last_part(product.rows, array.accumulators);
  const std::uint64_t full_block =
      block_cycles(array.accumulators) + std::max(array.accumulators, first_load);
  const std::uint64_t start = first_load + (blocks - 1) * full_block + block_cycles(rows);
  const std::uint64_t tail = rows + array.height - 2;
  const std::uint64_t end = start + tail + last_part(product.columns, array.width);
  if (column_parts == 1) return end;
  const std::uint64_t before =
      start - (inner_parts - 1) * inner_step(rows) - std::max(rows, first_load);
  return std::max(end, before + tail + array.width);
}

std::uint64_t output_stationary_cycles(const ArrayShape& array, const MatrixProduct& product,
                                       bool accumulate) {
  const std::uint64_t row_parts = divide_up(product.rows, array.height);
  const std::uint64_t column_parts = divide_up(product.columns, array.width);
  const auto step = [&](std::uint64_t rows) { return std::max(product.depth, 2 * rows - 1); };
  const std::uint64_t rows = last_part(product.rows, array.height);
  const std::uint64_t load = accumulate ? std::min(product.rows, array.height) : 0;
  const std::uint64_t start =
      load + (row_parts - 1) * column_parts * step(array.height) + (column_parts - 1) * step(rows);
  const std::uint64_t tail = product.depth + 2 * rows - 2;
  const std::uint64_t end = start + tail + last_part(product.columns, array.width);
  if (column_parts == 1) return end;
  return std::max(end, start - step(rows) + tail + array.width);
}

MatrixPasses weight_stationary_passes(const ArrayShape& array, const MatrixProduct& product) {
  return {divide_up(product.columns, array.width), divide_up(product.rows, array.accumulators)};
}

MatrixPasses output_stationary_passes(const ArrayShape& array, const MatrixProduct& product) {
  return {divide_up(product.columns, array.width), divide_up(product.rows, array.height)};
}

}  // namespace hpimvp::sram_pim
