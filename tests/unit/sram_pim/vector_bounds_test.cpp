// The error bounds that docs/tile_isa.md states of the vector unit's functions, over every FP16
// argument.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <string>

#include "models/common/pim_numerics.h"

using namespace hpimvp::common;  // NOLINT: the subject of the test

namespace {

using Wide = long double;

Wide single_unit(Wide value) {  // in the last place
  return std::ldexp(1.0L, std::max(std::ilogb(value), -126) - 23);
}
Wide half_unit(Wide value) {
  return std::ldexp(1.0L, std::max(std::ilogb(value), -14) - 10);
}

// The largest error over all finite FP16 arguments in [low, high], in units in the last place of
// the exact value, of results that are FP32 or rounded to FP16.
template <typename Function, typename Exact>
Wide worst(bool half, Wide low, Wide high, Function function, Exact exact) {
  Wide result = 0;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float x = fp16_to_float(static_cast<std::uint16_t>(bits));
    if (!std::isfinite(x) || x < low || x > high) continue;
    const Wide wanted = exact(static_cast<Wide>(x));
    if (half && std::abs(wanted) > 65504) continue;
    if (wanted == 0) continue;
    const float found =
        half ? fp16_to_float(float_to_fp16(function(x))) : static_cast<float>(function(x));
    const Wide unit = half ? half_unit(wanted) : single_unit(wanted);
    result = std::max(result, std::abs(static_cast<Wide>(found) - wanted) / unit);
  }
  return result;
}

Wide exact_silu(Wide x) {
  return x / (1 + std::exp(-x));
}
Wide exact_gelu(Wide x) {
  const Wide root = std::sqrt(2.0L / std::acos(-1.0L));
  return x / (1 + std::exp(-2 * root * (x + 0.044715L * x * x * x)));
}

// The bound is kept, and is no more than twice what is needed.
void check_bound(const std::string& what, Wide found, Wide bound) {
  INFO(what << ": worst error " << static_cast<double>(found) << " units in the last place");
  CHECK(found <= bound);
  CHECK(found * 2 > bound);
}

}  // namespace

TEST_CASE("vector functions keep their error bounds for every FP16 argument") {
  const Wide all = 70'000;
  const auto exact_exp = [](Wide x) { return std::exp(x); };
  check_bound("exp", worst(false, -87, 88.7L, vector_exp, exact_exp), 1.5L);
  const auto exact_recip = [](Wide x) { return 1 / x; };
  check_bound("recip", worst(false, -all, all, vector_recip, exact_recip), 0.5L);
  const auto exact_rsqrt = [](Wide x) { return 1 / std::sqrt(x); };
  check_bound("rsqrt", worst(false, 0x1p-24L, all, vector_rsqrt, exact_rsqrt), 1.5L);
  check_bound("vh.silu", worst(true, -all, all, vector_silu, exact_silu), 0.501L);
  check_bound("vh.gelu", worst(true, -all, all, vector_gelu, exact_gelu), 0.51L);
  check_bound("vh.relu",
              worst(
                  true, -all, all, [](float x) { return vector_max(x, 0.0F); },
                  [](Wide x) { return std::max(x, 0.0L); }) +
                  1e-9L,
              1e-9L);
}
