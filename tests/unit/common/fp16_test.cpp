// Half-float conversions against two references that share nothing with them: the definition of the
// formats (values by ldexp, nearest by search), and the CPU's F16C unit where there is one.
#include "models/common/fp16.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "tests/unit/common/random_seed.h"

namespace hpimvp::common {
namespace {

struct Format {
  int exponent_bits;
  int fraction_bits;
  int infinity() const { return ((1 << exponent_bits) - 1) << fraction_bits; }
  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
};
constexpr Format kFp16{5, 10};
constexpr Format kBf16{8, 7};

// IEEE 754-2019, 3.4: the value of a finite pattern without its sign.
double defined_value(Format format, int magnitude) {
  const int exponent = magnitude >> format.fraction_bits;
  const int fraction = magnitude & ((1 << format.fraction_bits) - 1);
  if (exponent == 0) return std::ldexp(fraction, 1 - format.bias() - format.fraction_bits);
  return std::ldexp((1 << format.fraction_bits) + fraction,
                    exponent - format.bias() - format.fraction_bits);
}

// The finite non-negative values in ascending order, then the one that overflow is measured by.
std::vector<double> values_of(Format format) {
  std::vector<double> values;
  for (int i = 0; i <= format.infinity(); ++i) values.push_back(defined_value(format, i));
  return values;
}

// Nearest pattern, ties to even, by search: exact, as doubles hold all midpoints.
int nearest(const std::vector<double>& values, double magnitude) {
  if (magnitude >= values.back()) return static_cast<int>(values.size()) - 1;
  const auto above = std::upper_bound(values.begin(), values.end(), magnitude);
  const int low = static_cast<int>(above - values.begin()) - 1;
  const double middle = (values[low] + values[low + 1]) / 2;
  if (magnitude < middle) return low;
  if (magnitude > middle) return low + 1;
  return low % 2 == 0 ? low : low + 1;
}

int expected_pattern(Format format, const std::vector<double>& values, float value) {
  return nearest(values, std::fabs(static_cast<double>(value))) |
         (std::signbit(value) ? 1 << (format.exponent_bits + format.fraction_bits) : 0);
}

// Every value and every midpoint of the format with their neighbouring floats, and random floats.
std::vector<float> interesting_floats(const std::vector<double>& values, std::uint64_t seed) {
  std::vector<float> result;
  const auto add = [&result](double value) {
    const float middle = static_cast<float>(value);
    for (const float one : {std::nextafterf(middle, -1.0F), middle,
                            std::nextafterf(middle, std::numeric_limits<float>::infinity())}) {
      result.push_back(one);
      result.push_back(-one);
    }
  };
  for (std::size_t i = 0; i + 1 < values.size(); ++i) {
    add(values[i]);
    add((values[i] + values[i + 1]) / 2);
  }
  std::mt19937_64 random(seed);
  for (int i = 0; i < 1'000'000; ++i) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (!std::isnan(value)) result.push_back(value);
  }
  result.push_back(std::numeric_limits<float>::infinity());
  result.push_back(-std::numeric_limits<float>::infinity());
  return result;
}

template <typename ToFloat>
int count_wrong_values(Format format, ToFloat to_float) {
  int wrong = 0;
  for (int pattern = 0; pattern < 65536; ++pattern) {
    const int magnitude = pattern & 0x7FFF;
    const float got = to_float(static_cast<std::uint16_t>(pattern));
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(got);
    if (magnitude > format.infinity()) {
      wrong += bits != 0x7FC00000;
      continue;
    }
    double expected = magnitude == format.infinity() ? std::numeric_limits<double>::infinity()
                                                     : defined_value(format, magnitude);
    if (pattern & 0x8000) expected = -expected;
    wrong += std::bit_cast<std::uint64_t>(static_cast<double>(got)) !=
             std::bit_cast<std::uint64_t>(expected);
  }
  return wrong;
}

#if defined(__x86_64__)
__attribute__((target("f16c"))) std::uint16_t f16c_from_float(float value) {
  return static_cast<std::uint16_t>(
      _mm_cvtsi128_si32(_mm_cvtps_ph(_mm_set_ss(value), _MM_FROUND_TO_NEAREST_INT)));
}
__attribute__((target("f16c"))) float f16c_to_float(std::uint16_t value) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(value)));
}
bool has_f16c() {
  return __builtin_cpu_supports("f16c") != 0;
}
#else
std::uint16_t f16c_from_float(float) {
  return 0;
}
float f16c_to_float(std::uint16_t) {
  return 0;
}
bool has_f16c() {
  return false;
}
#endif

TEST_CASE("every FP16 pattern converts to the float that the format defines") {
  CHECK(count_wrong_values(kFp16, fp16_to_float) == 0);
}

TEST_CASE("every BF16 pattern converts to the float that the format defines") {
  CHECK(count_wrong_values(kBf16, bf16_to_float) == 0);
}

TEST_CASE("floats convert to the nearest FP16, ties to even") {
  const std::uint64_t seed = random_seed(0xF16);
  INFO("seed " << seed);
  const std::vector<double> values = values_of(kFp16);
  int wrong = 0;
  for (const float value : interesting_floats(values, seed)) {
    wrong += float_to_fp16(value) != expected_pattern(kFp16, values, value);
  }
  CHECK(wrong == 0);
}

TEST_CASE("floats convert to the nearest BF16, ties to even") {
  const std::uint64_t seed = random_seed(0xBF16);
  INFO("seed " << seed);
  const std::vector<double> values = values_of(kBf16);
  int wrong = 0;
  for (const float value : interesting_floats(values, seed)) {
    wrong += float_to_bf16(value) != expected_pattern(kBf16, values, value);
  }
  CHECK(wrong == 0);
}

TEST_CASE("NaN becomes the canonical NaN, whatever its sign and payload") {
  for (const std::uint32_t bits :
       {0x7FC00000U, 0xFFC00000U, 0x7F800001U, 0xFF812345U, 0x7FFFFFFFU}) {
    CHECK(float_to_fp16(std::bit_cast<float>(bits)) == 0x7E00);
    CHECK(float_to_bf16(std::bit_cast<float>(bits)) == 0x7FC0);
  }
}

TEST_CASE("conversions are constant expressions") {
  static_assert(fp16_to_float(0x3C00) == 1.0F);
  static_assert(fp16_to_float(0x0001) == 0x1p-24F);
  static_assert(float_to_fp16(65519.0F) == 0x7BFF);
  static_assert(float_to_fp16(65520.0F) == kFp16Infinity);
  static_assert(float_to_bf16(1.0F) == 0x3F80);
  SUCCEED();
}

TEST_CASE("FP16 conversions agree with the CPU's F16C unit") {
  if (!has_f16c()) {
    std::puts("SKIPPED: this CPU has no F16C");
    std::exit(77);  // what CTest counts as skipped
  }
  int wrong = 0;
  for (std::uint32_t pattern = 0; pattern < 65536; ++pattern) {
    const float expected = f16c_to_float(static_cast<std::uint16_t>(pattern));
    if (std::isnan(expected)) continue;  // NaN is canonical here, and keeps its payload there
    wrong += std::bit_cast<std::uint32_t>(fp16_to_float(static_cast<std::uint16_t>(pattern))) !=
             std::bit_cast<std::uint32_t>(expected);
  }
  CHECK(wrong == 0);
  wrong = 0;
  // Every 61st of all 2^32 floats, 61 being prime to the formats' powers of two.
  for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += 61) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (!std::isnan(value)) wrong += float_to_fp16(value) != f16c_from_float(value);
  }
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace hpimvp::common
