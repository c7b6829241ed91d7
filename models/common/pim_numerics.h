// The arithmetic of the processing-in-memory units, bit for bit: HBM-PIM's bank units, the SRAM-PIM
// tiles' in-array unit, and the tiles' vector unit. The models use it, and every result is the same
// on every machine.
//
// Sums of products (docs/machine.md, numerics). Operands are FP16. A product of two of them is
// exact in FP32 (22 significant bits, exponents from -48 to 31). 16 products are summed in FP32 by
// a balanced tree, each addition rounded to nearest even: lane i with i + 8, then i + 4, i + 2, i
// + 1. The tree's sum is added to an FP32 accumulator; reading out to FP16 rounds once. Vectors
// that are no multiple of 16 long are padded with +0 on both sides. Subnormals are kept. A NaN that
// leaves a unit is canonical (0x7E00, 0x7FC00000).
//
// Units that round each product and each sum (Samsung's HBM2-PIM: FP16 multiplier, FP16 adder,
// 16 lanes of FP16 in a register of GRF_B) have their own rules: see lane_multiply_add() and
// lane_tree_sum(). Vectors are padded and NaNs are canonical in the same way.
//
// The inline functions at the top are the definition. The functions on arrays below compute the
// same bits faster; tests/unit/hbm_pim/pim_numerics_test.cpp holds them against the definition.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "models/common/fp16.h"

namespace hpimvp::common {

inline constexpr unsigned kPimLanes = 16;

// ------------------------------------------------------------------ the definition

constexpr float canonical(float value) {
  return value != value ? std::bit_cast<float>(kFloatNanBits) : value;
}

constexpr float pim_tree_sum(const float (&products)[kPimLanes]) {
  float partial[kPimLanes / 2] = {};
  for (unsigned i = 0; i < 8; ++i) partial[i] = products[i] + products[i + 8];
  for (unsigned i = 0; i < 4; ++i) partial[i] = partial[i] + partial[i + 4];
  for (unsigned i = 0; i < 2; ++i) partial[i] = partial[i] + partial[i + 2];
  return partial[0] + partial[1];
}

// One column command of a processing unit: a and b hold 16 FP16 values each.
constexpr float pim_dot16(const std::uint16_t* a, const std::uint16_t* b) {
  float products[kPimLanes] = {};
  for (unsigned i = 0; i < kPimLanes; ++i) products[i] = fp16_to_float(a[i]) * fp16_to_float(b[i]);
  return pim_tree_sum(products);
}

// The accumulator after another column command, and what it reads out as.
constexpr float pim_accumulate(float accumulator, float sum) {
  return accumulator + sum;
}
constexpr std::uint16_t pim_read_out(float accumulator) {
  return float_to_fp16(accumulator);
}

// FP16 operations rounded once, to nearest even. Products are exact in FP32; sums of two FP16
// values are correctly rounded from FP32, since 24 significant bits are 2 * 11 + 2 (Figueroa, "When
// is double rounding innocuous?", 1995).
constexpr std::uint16_t fp16_multiply(std::uint16_t a, std::uint16_t b) {
  return float_to_fp16(fp16_to_float(a) * fp16_to_float(b));
}
constexpr std::uint16_t fp16_add(std::uint16_t a, std::uint16_t b) {
  return float_to_fp16(fp16_to_float(a) + fp16_to_float(b));
}

// One column command of a unit that rounds twice a MAC: lane i of the register becomes
// round(lane i + round(a[i] * b[i])). The register starts from +0 in all lanes, or with the bias in
// lane 0.
constexpr void lane_multiply_add(std::uint16_t* lanes, const std::uint16_t* a,
                                 const std::uint16_t* b) {
  for (unsigned i = 0; i < kPimLanes; ++i) lanes[i] = fp16_add(lanes[i], fp16_multiply(a[i], b[i]));
}

// The sum of a register's lanes: a tree as pim_tree_sum's, each addition rounded to FP16.
constexpr std::uint16_t lane_tree_sum(const std::uint16_t* lanes) {
  std::uint16_t partial[kPimLanes] = {};
  for (unsigned i = 0; i < kPimLanes; ++i) partial[i] = lanes[i];
  for (unsigned width = kPimLanes / 2; width > 0; width /= 2) {
    for (unsigned i = 0; i < width; ++i) partial[i] = fp16_add(partial[i], partial[i + width]);
  }
  return partial[0];
}

// A processing element of a systolic array: an exact product added to the partial sum that it
// holds (output stationary) or that the element above hands down (weight stationary), rounded to
// nearest even. An element of a product of matrices is the chain of these in ascending order of the
// inner index l, from +0 or from what is accumulated to: so neither the dataflow, nor the size of
// the array, nor splitting the inner dimension with an FP32 result between the parts shows in a
// bit.
constexpr float systolic_multiply_add(float sum, std::uint16_t a, std::uint16_t w) {
  return sum + fp16_to_float(a) * fp16_to_float(w);
}

// The vector unit's functions. Every operation is an FP32 operation of IEEE 754 rounded to nearest
// even, in the order written; no library function is involved except square root, which IEEE 754
// defines. Error bounds are against the exact function, over all FP16 arguments, and for exp over a
// dense sampling of FP32; the test checks them.

// The larger; NaN if either is; +0 is larger than -0.
constexpr float vector_max(float a, float b) {
  if (a != a || b != b) return std::bit_cast<float>(kFloatNanBits);
  if (a > b) return a;
  if (b > a) return b;
  return std::bit_cast<std::uint32_t>(a) >> 31 != 0 ? b : a;
}

// e^x within 2 units in the last place (of the smallest subnormal where the result is subnormal).
// Reduced to |r| <= ln(2)/2 by x = n ln(2) + r with ln(2) split in two constants, so that n times
// the first is exact; then the Taylor polynomial of degree 7, whose truncation error is 6e-9.
constexpr float vector_exp(float x) {
  constexpr float kLog2E = 0x1.715476p0F;
  constexpr float kLn2High = 0x1.63p-1F;  // 9 bits
  constexpr float kLn2Low = -0x1.bd0106p-13F;
  constexpr float kRound = 0x1.8p23F;  // adding it leaves no fraction bits: rounds to an integer
  const bool is_nan = x != x;
  float clamped = x < -105.0F ? -105.0F : x;    // below, the result rounds to 0
  clamped = clamped > 89.0F ? 89.0F : clamped;  // above, to infinity
  clamped = is_nan ? 0.0F : clamped;
  const float shifted = clamped * kLog2E + kRound;
  const float n = shifted - kRound;
  const float r = (clamped - n * kLn2High) - n * kLn2Low;
  float p = 1.0F / 5040.0F;
  p = p * r + 1.0F / 720.0F;
  p = p * r + 1.0F / 120.0F;
  p = p * r + 1.0F / 24.0F;
  p = p * r + 1.0F / 6.0F;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  // 2^n as a product of two powers that are normal numbers for every n here (-152 to 128).
  const std::int32_t power = static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(shifted) -
                                                       std::bit_cast<std::uint32_t>(kRound));
  const std::int32_t half = power >> 1;
  const float scale1 = std::bit_cast<float>(static_cast<std::uint32_t>(half + 127) << 23);
  const float scale2 = std::bit_cast<float>(static_cast<std::uint32_t>(power - half + 127) << 23);
  const float result = p * scale1 * scale2;
  return is_nan ? std::bit_cast<float>(kFloatNanBits) : result;
}

// x * logistic(z), where `negated` is -z: x / (1 + e^-z). -0 where e^-z overflows.
constexpr float vector_gate(float x, float negated) {
  const float divisor = 1.0F + vector_exp(negated);
  const float quotient = x / divisor;
  return canonical(divisor > 0x1.fffffep127F && x == x ? -0.0F : quotient);
}

// silu(x) = x / (1 + e^-x). Error below 2^-21 of the result, plus 2^-115.
constexpr float vector_silu(float x) {
  return vector_gate(x, -x);
}

// gelu(x), tanh form: x/2 (1 + tanh(u)) = x / (1 + e^-2u), u = sqrt(2/pi) (x + 0.044715 x^3).
// Error below 2^-16 of the result, plus 2^-115; and below 2^-22 max(1, |x|).
constexpr float vector_gelu(float x) {
  constexpr float kMinusTwiceRootTwoOverPi = -0x1.988454p+0F;
  const float cube = (x * x) * x;
  return vector_gate(x, kMinusTwiceRootTwoOverPi * (x + 0.044715F * cube));
}

constexpr float vector_recip(float x) {
  return canonical(1.0F / x);
}
// 1 / sqrt(x): square root, then reciprocal, each correctly rounded. NaN for x < 0.
float vector_rsqrt(float x);

// Reductions: lane i of 16 takes elements i, i + 16, ... in ascending order, starting from +0
// (sums) or -infinity (maxima); then the tree of pim_tree_sum (for maxima with vector_max).

// ------------------------------------------------------------------ the same on arrays

void fp16_to_float(const std::uint16_t* source, float* destination, std::size_t count);
// Rounds; NaN becomes canonical.
void float_to_fp16(const float* source, std::uint16_t* destination, std::size_t count);

// accumulator + dot16 of every chunk, in order. `weights`: 16 * chunks FP16 values at any byte
// address, little endian; `input`: as many values that were FP16 before they were converted.
float pim_dot(float accumulator, const void* weights, const float* input, std::size_t chunks);

// A column command of several units side by side: accumulators[u] + dot16 of chunk u of `weights`
// and the 16 values at input + u * input_stride.
void pim_dot_units(float* accumulators, const void* weights, const float* input,
                   std::size_t input_stride, std::size_t units);

// The same for units that round twice: lane_multiply_add of the 16 lanes at lanes + 16 * u. NaNs
// in lanes may have any sign and payload.
void lane_multiply_add_units(std::uint16_t* lanes, const void* weights, const float* input,
                             std::size_t input_stride, std::size_t units);

// accumulators[c] += sum over j of factors[j] * matrix[j][c], for `columns` columns, by chunks of
// 16 rows: products of rows 16k to 16k + 15 are summed by the tree, and the sum is added. Rows are
// `stride_bytes` apart. `factors` were FP16 before they were converted.
void pim_weighted_sum(float* accumulators, const float* factors, const void* matrix,
                      std::size_t stride_bytes, std::size_t rows, std::size_t columns);

// sums[i][j] = systolic chain over l from sums[i][j] on, of a[i][l] * w[l][j]; dense, row-major;
// `a` and `w` were FP16 before they were converted.
void systolic_multiply(float* sums, const float* a, const float* w, std::size_t rows,
                       std::size_t depth, std::size_t columns);

float vector_sum(const float* values, std::size_t count);
float vector_sum_of_squares(const float* values, std::size_t count);
float vector_maximum(const float* values, std::size_t count);

}  // namespace hpimvp::common
