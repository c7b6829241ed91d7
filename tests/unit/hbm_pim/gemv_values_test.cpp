// The values of GEMVs in both numerics, sliced both ways, bit for bit against plain scalar code
// that shares nothing with models/common: FP16 here is exact arithmetic in double, rounded by hand.
#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "models/common/pim_numerics.h"
#include "models/hbm_pim/gemv.h"
#include "tests/unit/common/random_seed.h"
#include "tests/unit/hbm_pim/device_presets.h"
#include "tests/unit/hbm_pim/random_gemvs.h"
#include "tests/unit/hbm_pim/random_mappings.h"

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the test
using hpimvp::common::SparseMemory;
using hpimvp::test_support::device_preset;
using hpimvp::test_support::random_mapping;
using hpimvp::test_support::random_size;
using hpimvp::test_support::random_variant;
using hpimvp::test_support::scaled_cases;

namespace {

using Random = std::mt19937_64;

// ------------------------------------------------------------------ the reference

double compute_value(std::uint16_t half) {
  const double sign = (half & 0x8000) != 0 ? -1.0 : 1.0;
  const int exponent = half >> 10 & 0x1F;
  const int fraction = half & 0x3FF;
  if (exponent == 31) {
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN()
                         : sign * std::numeric_limits<double>::infinity();
  }
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

// From a table: the reference looks at every weight.
double value_of(std::uint16_t half) {
  static const std::vector<double> kValues = [] {
    std::vector<double> values(65536);
    for (unsigned i = 0; i < 65536; ++i) values[i] = compute_value(static_cast<std::uint16_t>(i));
    return values;
  }();
  return kValues[half];
}

// Rounds an exact value to nearest even.
std::uint16_t half_of(double value) {
  if (std::isnan(value)) return 0x7E00;
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(value);
  if (magnitude == 0) return sign;
  int exponent = 0;
  std::frexp(magnitude, &exponent);                    // magnitude in [2^(e-1), 2^e)
  const int unit = std::max(exponent - 11, -24);       // of the last place
  const double scaled = std::ldexp(magnitude, -unit);  // exact
  double whole = std::floor(scaled);
  const double rest = scaled - whole;
  if (rest > 0.5 || (rest == 0.5 && std::fmod(whole, 2) == 1)) whole += 1;
  const double rounded = std::ldexp(whole, unit);
  if (rounded >= 65536) return sign | 0x7C00;
  if (rounded < std::ldexp(1, -14))
    return sign | static_cast<std::uint16_t>(std::ldexp(rounded, 24));
  std::frexp(rounded, &exponent);
  const auto fraction = static_cast<std::uint16_t>(std::ldexp(rounded, 11 - exponent));
  return sign | static_cast<std::uint16_t>((exponent + 14) << 10 | (fraction & 0x3FF));
}

struct Problem {
  StackGemv gemv;
  std::vector<std::uint16_t> matrix;  // outputs x inputs
  std::vector<std::uint16_t> x;
  std::vector<std::uint16_t> bias;  // may be empty

  // Padding is +0.
  double weight(std::uint32_t m, std::uint32_t k) const {
    return k < gemv.inputs ? value_of(matrix[std::size_t{m} * gemv.inputs + k]) : 0.0;
  }
  double input(std::uint32_t k) const { return k < gemv.inputs ? value_of(x[k]) : 0.0; }
  std::uint32_t chunks() const { return (gemv.inputs + 15) / 16; }
};

// An output's sum over some chunks, read out as FP16.
std::uint16_t fp32_tree_sum(const Problem& problem, std::uint32_t m, std::uint32_t first,
                            std::uint32_t end, std::uint16_t start) {
  auto accumulator = static_cast<float>(value_of(start));
  for (std::uint32_t chunk = first; chunk < end; ++chunk) {
    std::array<float, 16> level{};
    for (std::uint32_t i = 0; i < 16; ++i) {
      level[i] =
          static_cast<float>(problem.weight(m, chunk * 16 + i) * problem.input(chunk * 16 + i));
    }
    for (unsigned width = 8; width > 0; width /= 2) {
      for (unsigned i = 0; i < width; ++i) level[i] = level[i] + level[i + width];
    }
    accumulator = accumulator + level[0];
  }
  return half_of(accumulator);
}

std::uint16_t fp16_lane_sum(const Problem& problem, std::uint32_t m, std::uint32_t first,
                            std::uint32_t end, std::uint16_t start) {
  std::array<std::uint16_t, 16> lanes{};
  lanes[0] = start;
  for (std::uint32_t chunk = first; chunk < end; ++chunk) {
    for (std::uint32_t i = 0; i < 16; ++i) {
      const std::uint16_t product =
          half_of(problem.weight(m, chunk * 16 + i) * problem.input(chunk * 16 + i));
      lanes[i] = half_of(value_of(lanes[i]) + value_of(product));
    }
  }
  for (unsigned width = 8; width > 0; width /= 2) {
    for (unsigned i = 0; i < width; ++i) {
      lanes[i] = half_of(value_of(lanes[i]) + value_of(lanes[i + width]));
    }
  }
  return lanes[0];
}

std::uint16_t expected_output(const Problem& problem, std::uint32_t m, Numerics numerics,
                              std::uint32_t pseudo_channels) {
  const auto sum = numerics == Numerics::kFp32Tree ? fp32_tree_sum : fp16_lane_sum;
  const std::uint16_t bias = problem.bias.empty() ? 0 : problem.bias[m];
  if (problem.gemv.slicing == Slicing::kRows) return sum(problem, m, 0, problem.chunks(), bias);
  // Chunks dealt out to pseudo-channels, as equal as possible, the first ones with one more.
  std::vector<std::uint32_t> shares(pseudo_channels, 0);
  for (std::uint32_t chunk = 0; chunk < problem.chunks(); ++chunk) {
    ++shares[chunk % pseudo_channels];
  }
  float total = 0.0F;
  std::uint32_t first = 0;
  for (std::uint32_t i = 0; i < pseudo_channels && shares[i] > 0; ++i) {
    const std::uint16_t partial =
        sum(problem, m, first, first + shares[i], i == 0 ? bias : std::uint16_t{0});
    first += shares[i];
    const auto value = static_cast<float>(value_of(partial));
    total = i == 0 ? value : total + value;
  }
  return half_of(total);
}

// ------------------------------------------------------------------ random problems

DeviceDescription random_device(Random& random) {
  DeviceDescription device = random_variant(random);
  device.organisation.channels = 1 + random() % 4;
  device.organisation.pseudo_channels_per_channel = 1 + random() % 2;
  if (random() % 3 == 0) device.organisation.columns = 8 + random() % 40;
  device.organisation.rows = 4096;
  return device;
}

// Mostly moderate values, so that sums round; sometimes subnormal, huge, infinite or NaN ones.
std::uint16_t random_half(Random& random, bool wild) {
  if (wild && random() % 64 == 0) return static_cast<std::uint16_t>(random());
  const std::uint64_t exponent = wild ? 4 + random() % 20 : 11 + random() % 5;
  return static_cast<std::uint16_t>((random() & 0x83FF) | exponent << 10);
}

Problem random_problem(const DeviceDescription& device, Slicing slicing, Random& random) {
  Problem problem;
  StackGemv& gemv = problem.gemv;
  do {
    gemv.inputs = random_size(random, 800);
    gemv.outputs = random_size(random, 200);
    gemv.slicing = slicing;
  } while (!WeightLayout::fits(device, gemv));
  gemv.weight_row = static_cast<std::uint32_t>(
      random() % (device.organisation.rows - WeightLayout::rows_for(device, gemv) + 1));
  const bool wild = random() % 3 == 0;
  problem.matrix.resize(std::size_t{gemv.inputs} * gemv.outputs);
  for (std::uint16_t& weight : problem.matrix) weight = random_half(random, wild);
  for (std::uint32_t k = 0; k < gemv.inputs; ++k) problem.x.push_back(random_half(random, wild));
  if (random() % 2 == 0) {
    for (std::uint32_t m = 0; m < gemv.outputs; ++m) {
      problem.bias.push_back(random_half(random, wild));
    }
  }
  return problem;
}

void check_values(const DeviceDescription& device, const std::string& fields,
                  const Problem& problem) {
  INFO(device.name << ", " << fields << ": " << problem.gemv.inputs << " inputs, "
                   << problem.gemv.outputs << " outputs");
  const StackMap map(device, BitFieldMapping(device.organisation, fields));
  const WeightLayout layout(map, problem.gemv);
  SparseMemory memory(device.organisation.stack_bytes());
  for (std::uint32_t m = 0; m < problem.gemv.outputs; ++m) {
    layout.pack_output(m, &problem.matrix[std::size_t{m} * problem.gemv.inputs],
                       [&](std::uint64_t offset, const std::uint8_t* data, std::size_t bytes) {
                         memory.write(offset, data, bytes);
                       });
  }
  std::vector<std::uint16_t> y(problem.gemv.outputs);
  compute_gemv(layout, memory, problem.x, problem.bias, y);
  for (std::uint32_t m = 0; m < problem.gemv.outputs; ++m) {
    INFO("output " << m);
    REQUIRE(y[m] == expected_output(problem, m, device.pim.numerics,
                                    device.organisation.pseudo_channels()));
  }
}

// A test case for each numerics and slicing, so that each has its own limit of time.
void check_random_values(std::uint64_t first_seed, Numerics numerics, Slicing slicing) {
  const std::uint64_t seed = hpimvp::random_seed(first_seed);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (std::uint64_t i = 0; i < scaled_cases(200); ++i) {
    DeviceDescription device = random_device(random);
    device.pim.numerics = numerics;
    check_values(device, random_mapping(device, random), random_problem(device, slicing, random));
  }
}

}  // namespace

TEST_CASE("GEMV values are the numerics' to the bit: FP32 tree, by rows") {
  check_random_values(0x1A11, Numerics::kFp32Tree, Slicing::kRows);
}

TEST_CASE("GEMV values are the numerics' to the bit: FP32 tree, by columns") {
  check_random_values(0x1A15, Numerics::kFp32Tree, Slicing::kColumns);
}

TEST_CASE("GEMV values are the numerics' to the bit: FP16 lanes, by rows") {
  check_random_values(0x1A16, Numerics::kFp16Lanes, Slicing::kRows);
}

TEST_CASE("GEMV values are the numerics' to the bit: FP16 lanes, by columns") {
  check_random_values(0x1A17, Numerics::kFp16Lanes, Slicing::kColumns);
}

TEST_CASE("GEMV values on the presets' whole stacks and the default mapping") {
  const std::uint64_t seed = hpimvp::random_seed(0x1A12);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (const std::string& name : hpimvp::test_support::device_preset_names()) {
    const DeviceDescription device = device_preset(name);
    CHECK(device.pim.numerics ==
          (name == "hbm2_samsung_pim" ? Numerics::kFp16Lanes : Numerics::kFp32Tree));
    for (const Slicing slicing : {Slicing::kRows, Slicing::kColumns}) {
      Problem problem = random_problem(device, slicing, random);
      problem.gemv.inputs = 771;
      problem.gemv.outputs = 1500;
      problem.gemv.weight_row = 9000;
      problem.matrix.assign(std::size_t{771} * 1500, 0);
      for (std::uint16_t& weight : problem.matrix) weight = random_half(random, false);
      problem.x.assign(problem.matrix.begin(), problem.matrix.begin() + 771);
      problem.bias.clear();
      check_values(device, std::string(kDefaultMapping), problem);
    }
  }
}

TEST_CASE("The two numerics differ, and slicing by columns differs from slicing by rows") {
  Random random(3);
  DeviceDescription device = device_preset("hbm3_hpim");
  const Problem problem = [&] {
    Problem p;
    p.gemv = {2048, 64, 0, Slicing::kRows};
    for (int i = 0; i < 2048 * 64; ++i) p.matrix.push_back(random_half(random, false));
    for (int i = 0; i < 2048; ++i) p.x.push_back(random_half(random, false));
    return p;
  }();
  const auto outputs = [&](Numerics numerics, Slicing slicing) {
    Problem sliced = problem;
    sliced.gemv.slicing = slicing;
    std::vector<std::uint16_t> y;
    for (std::uint32_t m = 0; m < 64; ++m) y.push_back(expected_output(sliced, m, numerics, 32));
    return y;
  };
  const auto exact = outputs(Numerics::kFp32Tree, Slicing::kRows);
  CHECK(exact != outputs(Numerics::kFp16Lanes, Slicing::kRows));
  CHECK(exact != outputs(Numerics::kFp32Tree, Slicing::kColumns));
}

TEST_CASE("Unwritten weights are zeros, and infinities in x meet them as NaN") {
  for (const Numerics numerics : {Numerics::kFp32Tree, Numerics::kFp16Lanes}) {
    for (const Slicing slicing : {Slicing::kRows, Slicing::kColumns}) {
      DeviceDescription device = device_preset("hbm3_hpim");
      device.pim.numerics = numerics;
      const StackMap map(device, BitFieldMapping(device.organisation));
      const WeightLayout layout(map, {20, 3, 5, slicing});
      const SparseMemory memory(device.organisation.stack_bytes());
      std::vector<std::uint16_t> x(20, 0x3C00);
      std::vector<std::uint16_t> y(3, 0x1234);
      compute_gemv(layout, memory, x, {}, y);
      CHECK(y == std::vector<std::uint16_t>(3, 0));
      x[19] = 0x7C00;
      compute_gemv(layout, memory, x, {}, y);
      CHECK(y == std::vector<std::uint16_t>(3, 0x7E00));
    }
  }
}

TEST_CASE("Units side by side compute what the definition says") {
  namespace common = hpimvp::common;
  const std::uint64_t seed = hpimvp::random_seed(0x1A13);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  const auto is_nan = [](std::uint16_t half) { return (half & 0x7FFF) > 0x7C00; };
  for (int i = 0; i < 3000; ++i) {
    const std::size_t units = 1 + random() % 9;
    const std::size_t stride = random() % 2 == 0 ? 0 : 16;
    std::vector<std::uint16_t> weights(units * 16);
    std::vector<std::uint16_t> lanes(units * 16);
    std::vector<std::uint16_t> halves(units * 16);
    for (auto* values : {&weights, &lanes, &halves}) {
      for (std::uint16_t& value : *values) value = random_half(random, true);
    }
    std::vector<float> input(halves.size());
    common::fp16_to_float(halves.data(), input.data(), halves.size());
    std::vector<float> sums(units, 0.25F);
    std::vector<std::uint16_t> expected = lanes;
    common::pim_dot_units(sums.data(), weights.data(), input.data(), stride, units);
    common::lane_multiply_add_units(lanes.data(), weights.data(), input.data(), stride, units);
    for (std::size_t u = 0; u < units; ++u) {
      const std::uint16_t* x = &halves[u * stride];
      const float sum = common::pim_accumulate(0.25F, common::pim_dot16(&weights[u * 16], x));
      REQUIRE(std::bit_cast<std::uint32_t>(common::canonical(sums[u])) ==
              std::bit_cast<std::uint32_t>(common::canonical(sum)));
      common::lane_multiply_add(&expected[u * 16], &weights[u * 16], x);
      for (std::size_t lane = u * 16; lane < u * 16 + 16; ++lane) {
        REQUIRE((lanes[lane] == expected[lane] || (is_nan(lanes[lane]) && is_nan(expected[lane]))));
      }
    }
  }
}

TEST_CASE("FP16 sums and products are rounded once") {
  const std::uint64_t seed = hpimvp::random_seed(0x1A14);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 1'000'000; ++i) {
    const auto a = static_cast<std::uint16_t>(random());
    const auto b = static_cast<std::uint16_t>(random());
    REQUIRE(hpimvp::common::fp16_add(a, b) == half_of(value_of(a) + value_of(b)));
    REQUIRE(hpimvp::common::fp16_multiply(a, b) == half_of(value_of(a) * value_of(b)));
  }
}
