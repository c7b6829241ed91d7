// How long the systolic array takes for C = A W, with A [rows x depth], W [depth x columns]: closed
// forms of filling, streaming and draining it. tests/unit/sram_pim/systolic_array_test.cpp holds
// them against an array that is simulated element by element and cycle by cycle.
//
// The array has `height` x `width` processing elements; values move one element a cycle, to the
// right (A) and down (W, partial sums), so row r and column c work r + c cycles after the corner.
//
// Weight stationary. An array full of W (up to height inner indices x width columns) is held; rows
// of A stream past it, one a cycle, and a partial sum leaves below after `height` elements, used or
// not. Registers behind the weights take the next part of W, one row a cycle, while the present one
// works; it is swapped in by the wave of the first row of A. Partial sums wait in accumulators
// below the array, one row of A each, and enter above again with the next part of the inner
// dimension, at the earliest `feedback` cycles after they have left. A with more rows than there
// are accumulators is worked off in blocks. Order: blocks of A, in them columns of W, in them the
// inner dimension.
//
// Output stationary. Each element keeps one element of C; A and W stream through it, an inner index
// a cycle. Finished elements move up through registers of their own, one row a cycle, and leave
// above: two cycles a row, as a row also finishes a cycle later than the one above. Accumulating,
// the old C is loaded down the registers behind the weights, one row a cycle. Order: rows, in them
// columns.
#pragma once

#include <cstdint>

namespace hpimvp::sram_pim {

struct ArrayShape {
  std::uint64_t height;        // elements in a column
  std::uint64_t width;         // elements in a row
  std::uint64_t accumulators;  // rows of partial sums, weight stationary
  std::uint64_t feedback;      // cycles, weight stationary
};

struct MatrixProduct {
  std::uint64_t rows;     // of A and C
  std::uint64_t depth;    // columns of A, rows of W
  std::uint64_t columns;  // of W and C
};

// From the first value that enters the array to the last that leaves it. No dimension is 0.
std::uint64_t weight_stationary_cycles(const ArrayShape& array, const MatrixProduct& product);
std::uint64_t output_stationary_cycles(const ArrayShape& array, const MatrixProduct& product,
                                       bool accumulate);

// How often A and W are read in all.
struct MatrixPasses {
  std::uint64_t a;
  std::uint64_t w;
};
MatrixPasses weight_stationary_passes(const ArrayShape& array, const MatrixProduct& product);
MatrixPasses output_stationary_passes(const ArrayShape& array, const MatrixProduct& product);

}  // namespace hpimvp::sram_pim
