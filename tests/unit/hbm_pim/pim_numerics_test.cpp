// Holds the fast numerics against the definition, the definition against exact integer arithmetic,
// and the vector unit's functions against long double with their stated error bounds.
#include "models/common/pim_numerics.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "tests/unit/common/random_seed.h"

using namespace hpimvp::common;  // NOLINT: the subject of the test

namespace {

using Random = std::mt19937_64;

// FP16 bits of every kind: uniform, of similar exponents (where the order of additions shows),
// subnormal, infinite and NaN.
std::uint16_t random_half(Random& random) {
  const std::uint64_t kind = random() % 16;
  const auto bits = static_cast<std::uint16_t>(random());
  if (kind < 4) return bits;
  if (kind < 13) return static_cast<std::uint16_t>((bits & 0x87FF) | (13 + random() % 4) << 10);
  if (kind < 14) return bits & 0x83FF;
  if (kind < 15) return bits & 0x8000;
  return (bits & 63) == 0 ? static_cast<std::uint16_t>(bits | 0x7C00) : bits & 0xBFFF;
}

std::uint32_t bits(float value) {
  return std::bit_cast<std::uint32_t>(canonical(value));
}

// An FP32 addition by integers: exact sum of the two as a 320-bit fixed-point number would do, but
// doubles suffice: the sum of two floats rounded to double and then to float is the float sum
// (53 >= 2 * 24 + 2), a theorem that does not use the float adder.
float add_by_double(float a, float b) {
  return static_cast<float>(static_cast<double>(a) + static_cast<double>(b));
}

// Independent of pim_tree_sum: recursive halves, with add_by_double.
float reference_tree(const std::vector<float>& values) {
  if (values.size() == 1) return values[0];
  std::vector<float> half(values.size() / 2);
  for (std::size_t i = 0; i < half.size(); ++i) {
    half[i] = add_by_double(values[i], values[i + half.size()]);
  }
  return reference_tree(half);
}

float reference_dot(float accumulator, const std::uint16_t* a, const std::uint16_t* b,
                    std::size_t chunks) {
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    std::vector<float> products;
    for (std::size_t i = 0; i < 16; ++i) {
      const double product = static_cast<double>(fp16_to_float(a[chunk * 16 + i])) *
                             static_cast<double>(fp16_to_float(b[chunk * 16 + i]));
      products.push_back(static_cast<float>(product));
    }
    accumulator = add_by_double(accumulator, reference_tree(products));
  }
  return accumulator;
}

double unit_in_last_place(double value) {
  return std::ldexp(1.0, std::max(std::ilogb(value), -126) - 23);
}

}  // namespace

TEST_CASE("a product of two FP16 values is exact in FP32") {
  const std::uint64_t seed = hpimvp::random_seed(1);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 1'000'000; ++i) {
    const float a = fp16_to_float(static_cast<std::uint16_t>(random()));
    const float b = fp16_to_float(static_cast<std::uint16_t>(random()));
    if (!std::isfinite(a) || !std::isfinite(b)) continue;
    // As integers: both are multiples of 2^-24 below 2^16, so their product fits in 80 bits.
    const auto ia = static_cast<__int128>(std::ldexp(a, 24));
    const auto ib = static_cast<__int128>(std::ldexp(b, 24));
    const long double exact = std::ldexp(static_cast<long double>(ia * ib), -48);
    REQUIRE(static_cast<long double>(a * b) == exact);
  }
}

TEST_CASE("dot products agree with the definition and with an independent reference") {
  const std::uint64_t seed = hpimvp::random_seed(2);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const std::size_t chunks = 1 + random() % 9;
    std::vector<std::uint16_t> a(chunks * 16);
    std::vector<std::uint16_t> b(chunks * 16);
    std::vector<float> converted(chunks * 16);
    for (auto& value : a) value = random_half(random);
    for (auto& value : b) value = random_half(random);
    fp16_to_float(b.data(), converted.data(), b.size());
    const float start = fp16_to_float(random_half(random));

    float defined = start;
    for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
      defined = pim_accumulate(defined, pim_dot16(&a[chunk * 16], &b[chunk * 16]));
    }
    const float fast = pim_dot(start, a.data(), converted.data(), chunks);
    const float reference = reference_dot(start, a.data(), b.data(), chunks);
    REQUIRE(bits(fast) == bits(defined));
    REQUIRE(bits(reference) == bits(defined));
  }
}

TEST_CASE("the order of the tree is lane i with i + 8, then 4, 2 and 1") {
  // 2^24 + 1 rounds to 2^24, so where the ones meet the large values decides the sum.
  float products[16] = {};
  products[0] = 0x1p24F;
  products[8] = 1.0F;   // lost: added to 2^24 alone
  products[4] = 1.0F;   // meets lane 12 first
  products[12] = 1.0F;  // 1 + 1 = 2 survives
  CHECK(pim_tree_sum(products) == 0x1p24F + 2.0F);
}

TEST_CASE("weighted sums agree with dot products of the columns") {
  const std::uint64_t seed = hpimvp::random_seed(3);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 2'000; ++i) {
    const std::size_t rows = 1 + random() % 50;
    const std::size_t columns = 1 + random() % 40;
    const std::size_t stride = columns * 2 + random() % 3 * 2;
    std::vector<std::uint8_t> matrix(rows * stride);
    for (std::size_t at = 0; at < matrix.size(); at += 2) {
      const std::uint16_t value = random_half(random);
      std::memcpy(&matrix[at], &value, 2);
    }
    std::vector<std::uint16_t> factors((rows + 15) / 16 * 16, 0);
    for (std::size_t j = 0; j < rows; ++j) factors[j] = random_half(random);
    std::vector<float> converted(factors.size());
    fp16_to_float(factors.data(), converted.data(), factors.size());
    std::vector<float> sums(columns);
    for (float& sum : sums) sum = fp16_to_float(random_half(random));
    const std::vector<float> before = sums;
    pim_weighted_sum(sums.data(), converted.data(), matrix.data(), stride, rows, columns);
    for (std::size_t c = 0; c < columns; ++c) {
      std::vector<std::uint16_t> column(factors.size(), 0);
      for (std::size_t j = 0; j < rows; ++j)
        std::memcpy(&column[j], &matrix[j * stride + c * 2], 2);
      const float expected =
          reference_dot(before[c], factors.data(), column.data(), factors.size() / 16);
      REQUIRE(bits(sums[c]) == bits(expected));
    }
  }
}

TEST_CASE("array conversions agree with the scalar ones") {
  std::vector<std::uint16_t> halves(65536 + 5);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  std::vector<float> floats(halves.size());
  fp16_to_float(halves.data(), floats.data(), halves.size());
  for (std::size_t i = 0; i < halves.size(); ++i) {
    REQUIRE(std::bit_cast<std::uint32_t>(floats[i]) ==
            std::bit_cast<std::uint32_t>(fp16_to_float(halves[i])));
  }
  const std::uint64_t seed = hpimvp::random_seed(4);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  std::vector<float> values(1'000'003);
  for (float& value : values) {
    value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (random() % 2 == 0) {  // near a tie between two FP16 values
      const float half = fp16_to_float(static_cast<std::uint16_t>(random() & 0x7BFF));
      value = std::bit_cast<float>(std::bit_cast<std::uint32_t>(half) + 0x1000 - 1 +
                                   static_cast<std::uint32_t>(random() % 3));
    }
  }
  std::vector<std::uint16_t> rounded(values.size());
  float_to_fp16(values.data(), rounded.data(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    REQUIRE(rounded[i] == float_to_fp16(values[i]));
  }
}

TEST_CASE("exp is within two units in the last place") {
  double worst = 0;
  for (std::uint32_t word = 0; word < 0x42B17218; word += 97) {
    for (const std::uint32_t sign : {0U, 0x80000000U}) {
      const float x = std::bit_cast<float>(word | sign);
      const double exact = std::exp(static_cast<double>(x));
      if (exact > std::numeric_limits<float>::max()) continue;
      const double error = std::abs(vector_exp(x) - exact) / unit_in_last_place(exact);
      worst = std::max(worst, error);
      if (error > 2.0) FAIL("exp(" << x << ") is off by " << error);
    }
  }
  INFO("worst error " << worst);
  CHECK(worst < 2.0);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  CHECK(vector_exp(0.0F) == 1.0F);
  CHECK(vector_exp(-0.0F) == 1.0F);
  CHECK(vector_exp(kInfinity) == kInfinity);
  CHECK(vector_exp(88.73F) == kInfinity);
  CHECK(vector_exp(-kInfinity) == 0.0F);
  CHECK(vector_exp(-103.5F) == 0x1p-149F);
  CHECK(vector_exp(-110.0F) == 0.0F);
  CHECK(bits(vector_exp(std::bit_cast<float>(0xFFC12345U))) == kFloatNanBits);
}

TEST_CASE("silu and gelu keep their error bounds for every FP16 argument") {
  const long double tiny = std::ldexp(1.0L, -115);
  const long double root = std::sqrt(2.0L / std::acos(-1.0L));
  for (std::uint32_t half = 0; half < 65536; ++half) {
    const float x = fp16_to_float(static_cast<std::uint16_t>(half));
    if (!std::isfinite(x)) continue;
    const auto wide = static_cast<long double>(x);
    const long double silu = wide / (1 + std::exp(-wide));
    REQUIRE(std::abs(vector_silu(x) - silu) <= std::ldexp(std::abs(silu), -21) + tiny);
    const long double u = root * (wide + 0.044715L * wide * wide * wide);
    const long double gelu = wide / (1 + std::exp(-2 * u));
    REQUIRE(std::abs(vector_gelu(x) - gelu) <= std::ldexp(std::abs(gelu), -16) + tiny);
    REQUIRE(std::abs(vector_gelu(x) - gelu) <= std::ldexp(std::max(1.0L, std::abs(wide)), -22));
  }
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  CHECK(std::bit_cast<std::uint32_t>(vector_silu(-kInfinity)) == 0x80000000U);
  CHECK(std::bit_cast<std::uint32_t>(vector_gelu(-kInfinity)) == 0x80000000U);
  CHECK(vector_silu(kInfinity) == kInfinity);
  CHECK(vector_gelu(kInfinity) == kInfinity);
  CHECK(bits(vector_silu(std::nanf(""))) == kFloatNanBits);
}

TEST_CASE("reciprocal and square root have IEEE's special values") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  CHECK(vector_rsqrt(4.0F) == 0.5F);
  CHECK(vector_rsqrt(0.0F) == kInfinity);
  CHECK(vector_rsqrt(-0.0F) == -kInfinity);
  CHECK(std::bit_cast<std::uint32_t>(vector_rsqrt(-1.0F)) == kFloatNanBits);
  CHECK(vector_recip(-0.0F) == -kInfinity);
  CHECK(vector_recip(kInfinity) == 0.0F);
}

TEST_CASE("the maximum knows NaN and the sign of zero") {
  const float nan = std::nanf("");
  CHECK(bits(vector_max(nan, 1.0F)) == kFloatNanBits);
  CHECK(bits(vector_max(1.0F, nan)) == kFloatNanBits);
  CHECK(bits(vector_max(-0.0F, 0.0F)) == 0);
  CHECK(bits(vector_max(0.0F, -0.0F)) == 0);
  CHECK(bits(vector_max(-0.0F, -0.0F)) == 0x80000000U);
  CHECK(vector_max(-1.0F, 2.0F) == 2.0F);
}

TEST_CASE("reductions run over 16 lanes, then the tree") {
  const std::uint64_t seed = hpimvp::random_seed(5);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 3'000; ++i) {
    std::vector<float> values(1 + random() % 200);
    for (float& value : values) value = fp16_to_float(random_half(random));
    std::vector<float> sums(16, 0.0F);
    std::vector<float> squares(16, 0.0F);
    float largest = -std::numeric_limits<float>::infinity();
    bool nan = false;
    for (std::size_t k = 0; k < values.size(); ++k) {
      sums[k % 16] = add_by_double(sums[k % 16], values[k]);
      squares[k % 16] = add_by_double(squares[k % 16], values[k] * values[k]);
      largest = values[k] > largest ? values[k] : largest;
      nan = nan || std::isnan(values[k]);
    }
    REQUIRE(bits(vector_sum(values.data(), values.size())) == bits(reference_tree(sums)));
    REQUIRE(bits(vector_sum_of_squares(values.data(), values.size())) ==
            bits(reference_tree(squares)));
    const float maximum = vector_maximum(values.data(), values.size());
    if (nan) {
      REQUIRE(bits(maximum) == kFloatNanBits);
    } else {
      REQUIRE(maximum == largest);
    }
  }
}
