#include "models/common/pim_numerics.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#define HPIMVP_HAS_X86 1
#else
#define HPIMVP_HAS_X86 0
#endif

namespace hpimvp::common {
namespace {

std::uint16_t load_half(const void* base, std::size_t index) {
  std::uint16_t value;
  std::memcpy(&value, static_cast<const std::uint8_t*>(base) + 2 * index, sizeof value);
  return value;
}

float portable_dot(float accumulator, const void* weights, const float* input, std::size_t chunks) {
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    float products[kPimLanes];
    for (std::size_t i = 0; i < kPimLanes; ++i) {
      const std::size_t at = chunk * kPimLanes + i;
      products[i] = fp16_to_float(load_half(weights, at)) * input[at];
    }
    accumulator = pim_accumulate(accumulator, pim_tree_sum(products));
  }
  return accumulator;
}

void portable_dot_units(float* accumulators, const std::uint8_t* weights, const float* input,
                        std::size_t input_stride, std::size_t units) {
  for (std::size_t u = 0; u < units; ++u) {
    accumulators[u] =
        portable_dot(accumulators[u], weights + 2 * kPimLanes * u, input + input_stride * u, 1);
  }
}

void portable_lane_units(std::uint16_t* lanes, const std::uint8_t* weights, const float* input,
                         std::size_t input_stride, std::size_t units) {
  for (std::size_t u = 0; u < units; ++u) {
    for (std::size_t i = 0; i < kPimLanes; ++i) {
      const std::size_t at = u * kPimLanes + i;
      const float product = fp16_to_float(load_half(weights, at)) * input[u * input_stride + i];
      lanes[at] = fp16_add(lanes[at], float_to_fp16(product));
    }
  }
}

// One chunk of at most 16 rows; missing rows count as +0.
void portable_weighted_chunk(float* accumulators, const float* factors, const std::uint8_t* matrix,
                             std::size_t stride_bytes, std::size_t rows, std::size_t first_column,
                             std::size_t columns) {
  for (std::size_t c = first_column; c < columns; ++c) {
    float products[kPimLanes] = {};
    for (std::size_t j = 0; j < rows; ++j) {
      products[j] = factors[j] * fp16_to_float(load_half(matrix + j * stride_bytes, c));
    }
    accumulators[c] = pim_accumulate(accumulators[c], pim_tree_sum(products));
  }
}

// Columns from `first_column` on.
void portable_systolic(float* sums, const float* a, const float* w, std::size_t rows,
                       std::size_t depth, std::size_t columns, std::size_t first_column) {
  for (std::size_t i = 0; i < rows; ++i) {
    float* const row = sums + i * columns;
    for (std::size_t l = 0; l < depth; ++l) {
      const float factor = a[i * depth + l];
      for (std::size_t j = first_column; j < columns; ++j) row[j] += factor * w[l * columns + j];
    }
  }
}

#if HPIMVP_HAS_X86

// AVX2 and F16C do exactly the definition's operations on several lanes at once. (F16C converts
// subnormals exactly whatever the mode bits say.) Chosen at run time.
#define HPIMVP_AVX2 __attribute__((target("avx2,f16c")))

bool detect_avx2_f16c() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0 &&
         __builtin_cpu_supports("avx2");
}

bool has_avx2_f16c() {
  static const bool result = detect_avx2_f16c();
  return result;
}

HPIMVP_AVX2 inline __m256 eight_products(const std::uint8_t* weights, const float* input) {
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(weights));
  return _mm256_mul_ps(_mm256_cvtph_ps(halves), _mm256_loadu_ps(input));
}

// The first two levels of the tree: lanes i + 8, then i + 4.
HPIMVP_AVX2 inline __m128 four_lanes(const std::uint8_t* weights, const float* input) {
  const __m256 low = eight_products(weights, input);
  const __m256 high = eight_products(weights + 16, input + 8);
  const __m256 eight = _mm256_add_ps(low, high);
  return _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
}

// The tree of one chunk.
HPIMVP_AVX2 inline float chunk_sum(const std::uint8_t* weights, const float* input) {
  const __m128 four = four_lanes(weights, input);
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

HPIMVP_AVX2 float avx2_dot(float accumulator, const std::uint8_t* weights, const float* input,
                           std::size_t chunks) {
  std::size_t chunk = 0;
  // Four chunks at once: transposed, the last two levels of their trees are vertical additions.
  for (; chunk + 4 <= chunks; chunk += 4, weights += 128, input += 64) {
    __m128 a = four_lanes(weights, input);
    __m128 b = four_lanes(weights + 32, input + 16);
    __m128 c = four_lanes(weights + 64, input + 32);
    __m128 d = four_lanes(weights + 96, input + 48);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    alignas(16) float sums[4];
    _mm_store_ps(sums, _mm_add_ps(_mm_add_ps(a, c), _mm_add_ps(b, d)));
    for (const float sum : sums) accumulator += sum;
  }
  for (; chunk < chunks; ++chunk, weights += 32, input += 16) {
    accumulator += chunk_sum(weights, input);
  }
  return accumulator;
}

// `kRows` rows of 16 columns: all their sums stay in registers.
template <std::size_t kRows>
HPIMVP_AVX2 inline void avx2_systolic_block(float* sums, const float* a, const float* w,
                                            std::size_t depth, std::size_t columns) {
  __m256 low[kRows];
  __m256 high[kRows];
  for (std::size_t i = 0; i < kRows; ++i) {
    low[i] = _mm256_loadu_ps(sums + i * columns);
    high[i] = _mm256_loadu_ps(sums + i * columns + 8);
  }
  for (std::size_t l = 0; l < depth; ++l, w += columns) {
    const __m256 w_low = _mm256_loadu_ps(w);
    const __m256 w_high = _mm256_loadu_ps(w + 8);
    for (std::size_t i = 0; i < kRows; ++i) {
      const __m256 factor = _mm256_set1_ps(a[i * depth + l]);
      low[i] = _mm256_add_ps(low[i], _mm256_mul_ps(factor, w_low));
      high[i] = _mm256_add_ps(high[i], _mm256_mul_ps(factor, w_high));
    }
  }
  for (std::size_t i = 0; i < kRows; ++i) {
    _mm256_storeu_ps(sums + i * columns, low[i]);
    _mm256_storeu_ps(sums + i * columns + 8, high[i]);
  }
}

// Returns the columns done: a multiple of 16.
HPIMVP_AVX2 std::size_t avx2_systolic(float* sums, const float* a, const float* w, std::size_t rows,
                                      std::size_t depth, std::size_t columns) {
  constexpr std::size_t kRows = 4;
  std::size_t j = 0;
  for (; j + 16 <= columns; j += 16) {
    std::size_t i = 0;
    for (; i + kRows <= rows; i += kRows) {
      avx2_systolic_block<kRows>(sums + i * columns + j, a + i * depth, w + j, depth, columns);
    }
    for (; i < rows; ++i) {
      avx2_systolic_block<1>(sums + i * columns + j, a + i * depth, w + j, depth, columns);
    }
  }
  return j;
}

HPIMVP_AVX2 void avx2_dot_units(float* accumulators, const std::uint8_t* weights,
                                const float* input, std::size_t stride, std::size_t units) {
  std::size_t u = 0;
  for (; u + 4 <= units; u += 4, weights += 128, input += 4 * stride) {
    __m128 a = four_lanes(weights, input);
    __m128 b = four_lanes(weights + 32, input + stride);
    __m128 c = four_lanes(weights + 64, input + 2 * stride);
    __m128 d = four_lanes(weights + 96, input + 3 * stride);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    const __m128 sums = _mm_add_ps(_mm_add_ps(a, c), _mm_add_ps(b, d));
    _mm_storeu_ps(accumulators + u, _mm_add_ps(_mm_loadu_ps(accumulators + u), sums));
  }
  for (; u < units; ++u, weights += 32, input += stride) {
    accumulators[u] += chunk_sum(weights, input);
  }
}

HPIMVP_AVX2 inline void eight_lane_multiply_add(std::uint16_t* lanes, const std::uint8_t* weights,
                                                const float* input) {
  auto* at = reinterpret_cast<__m128i*>(lanes);
  const __m128i product =
      _mm256_cvtps_ph(eight_products(weights, input), _MM_FROUND_TO_NEAREST_INT);
  const __m256 sum = _mm256_add_ps(_mm256_cvtph_ps(_mm_loadu_si128(at)), _mm256_cvtph_ps(product));
  _mm_storeu_si128(at, _mm256_cvtps_ph(sum, _MM_FROUND_TO_NEAREST_INT));
}

HPIMVP_AVX2 void avx2_lane_units(std::uint16_t* lanes, const std::uint8_t* weights,
                                 const float* input, std::size_t stride, std::size_t units) {
  for (std::size_t u = 0; u < units; ++u, lanes += 16, weights += 32, input += stride) {
    eight_lane_multiply_add(lanes, weights, input);
    eight_lane_multiply_add(lanes + 8, weights + 16, input + 8);
  }
}

// Columns in steps of eight; returns the first column that is left over.
HPIMVP_AVX2 std::size_t avx2_weighted_chunk(float* accumulators, const float* factors,
                                            const std::uint8_t* matrix, std::size_t stride_bytes,
                                            std::size_t rows, std::size_t columns) {
  std::size_t c = 0;
  for (; c + 8 <= columns; c += 8) {
    __m256 lane[kPimLanes];
    for (std::size_t j = 0; j < kPimLanes; ++j) lane[j] = _mm256_setzero_ps();
    for (std::size_t j = 0; j < rows; ++j) {
      const auto* at = reinterpret_cast<const __m128i*>(matrix + j * stride_bytes + 2 * c);
      lane[j] = _mm256_mul_ps(_mm256_set1_ps(factors[j]), _mm256_cvtph_ps(_mm_loadu_si128(at)));
    }
    for (std::size_t width = kPimLanes / 2; width >= 1; width /= 2) {
      for (std::size_t j = 0; j < width; ++j) lane[j] = _mm256_add_ps(lane[j], lane[j + width]);
    }
    _mm256_storeu_ps(accumulators + c, _mm256_add_ps(_mm256_loadu_ps(accumulators + c), lane[0]));
  }
  return c;
}

HPIMVP_AVX2 std::size_t avx2_to_float(const std::uint16_t* source, float* destination,
                                      std::size_t count) {
  std::size_t i = 0;
  const __m256 nan = _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(kFloatNanBits)));
  for (; i + 8 <= count; i += 8) {
    const __m256 value =
        _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source + i)));
    const __m256 is_nan = _mm256_cmp_ps(value, value, _CMP_UNORD_Q);
    _mm256_storeu_ps(destination + i, _mm256_blendv_ps(value, nan, is_nan));
  }
  return i;
}

HPIMVP_AVX2 std::size_t avx2_to_fp16(const float* source, std::uint16_t* destination,
                                     std::size_t count) {
  std::size_t i = 0;
  const __m256 nan = _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(kFloatNanBits)));
  for (; i + 8 <= count; i += 8) {
    const __m256 value = _mm256_loadu_ps(source + i);
    const __m256 is_nan = _mm256_cmp_ps(value, value, _CMP_UNORD_Q);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(destination + i),
                     _mm256_cvtps_ph(_mm256_blendv_ps(value, nan, is_nan),
                                     _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  return i;
}

#endif  // HPIMVP_HAS_X86

template <typename Combine>
float reduce(const float* values, std::size_t count, float start, Combine combine) {
  float lanes[kPimLanes];
  std::fill_n(lanes, kPimLanes, start);
  for (std::size_t first = 0; first < count; first += kPimLanes) {
    const std::size_t width = std::min<std::size_t>(kPimLanes, count - first);
    for (std::size_t i = 0; i < width; ++i) lanes[i] = combine(lanes[i], values[first + i], true);
  }
  for (std::size_t width = kPimLanes / 2; width >= 1; width /= 2) {
    for (std::size_t i = 0; i < width; ++i) lanes[i] = combine(lanes[i], lanes[i + width], false);
  }
  return canonical(lanes[0]);
}

}  // namespace

float vector_rsqrt(float x) {
  return canonical(1.0F / std::sqrt(x));
}

void fp16_to_float(const std::uint16_t* source, float* destination, std::size_t count) {
  std::size_t i = 0;
#if HPIMVP_HAS_X86
  if (has_avx2_f16c()) i = avx2_to_float(source, destination, count);
#endif
  for (; i < count; ++i) destination[i] = fp16_to_float(source[i]);
}

void float_to_fp16(const float* source, std::uint16_t* destination, std::size_t count) {
  std::size_t i = 0;
#if HPIMVP_HAS_X86
  if (has_avx2_f16c()) i = avx2_to_fp16(source, destination, count);
#endif
  for (; i < count; ++i) destination[i] = float_to_fp16(source[i]);
}

float pim_dot(float accumulator, const void* weights, const float* input, std::size_t chunks) {
#if HPIMVP_HAS_X86
  if (has_avx2_f16c()) {
    return avx2_dot(accumulator, static_cast<const std::uint8_t*>(weights), input, chunks);
  }
#endif
  return portable_dot(accumulator, weights, input, chunks);
}

void pim_dot_units(float* accumulators, const void* weights, const float* input,
                   std::size_t input_stride, std::size_t units) {
  const auto* bytes = static_cast<const std::uint8_t*>(weights);
#if HPIMVP_HAS_X86
  if (has_avx2_f16c()) return avx2_dot_units(accumulators, bytes, input, input_stride, units);
#endif
  portable_dot_units(accumulators, bytes, input, input_stride, units);
}

void lane_multiply_add_units(std::uint16_t* lanes, const void* weights, const float* input,
                             std::size_t input_stride, std::size_t units) {
  const auto* bytes = static_cast<const std::uint8_t*>(weights);
#if HPIMVP_HAS_X86
  if (has_avx2_f16c()) return avx2_lane_units(lanes, bytes, input, input_stride, units);
#endif
  portable_lane_units(lanes, bytes, input, input_stride, units);
}

void pim_weighted_sum(float* accumulators, const float* factors, const void* matrix,
                      std::size_t stride_bytes, std::size_t rows, std::size_t columns) {
  const auto* bytes = static_cast<const std::uint8_t*>(matrix);
  for (std::size_t row = 0; row < rows; row += kPimLanes) {
    const std::size_t height = std::min<std::size_t>(kPimLanes, rows - row);
    const std::uint8_t* chunk = bytes + row * stride_bytes;
    std::size_t first_column = 0;
#if HPIMVP_HAS_X86
    if (has_avx2_f16c()) {
      first_column =
          avx2_weighted_chunk(accumulators, factors + row, chunk, stride_bytes, height, columns);
    }
#endif
    portable_weighted_chunk(accumulators, factors + row, chunk, stride_bytes, height, first_column,
                            columns);
  }
}

void systolic_multiply(float* sums, const float* a, const float* w, std::size_t rows,
                       std::size_t depth, std::size_t columns) {
  std::size_t first_column = 0;
#if HPIMVP_HAS_X86
  if (has_avx2_f16c()) first_column = avx2_systolic(sums, a, w, rows, depth, columns);
#endif
  portable_systolic(sums, a, w, rows, depth, columns, first_column);
}

float vector_sum(const float* values, std::size_t count) {
  return reduce(values, count, 0.0F, [](float a, float b, bool) { return a + b; });
}

float vector_sum_of_squares(const float* values, std::size_t count) {
  return reduce(values, count, 0.0F,
                [](float a, float b, bool element) { return a + (element ? b * b : b); });
}

float vector_maximum(const float* values, std::size_t count) {
  return reduce(values, count, -std::numeric_limits<float>::infinity(),
                [](float a, float b, bool) { return vector_max(a, b); });
}

}  // namespace hpimvp::common
