// Address mapping, weight layout, and the values of GEMVs against a plain matrix product.
#include "models/hbm_pim/gemv.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "models/common/pim_numerics.h"
#include "tests/unit/common/random_seed.h"

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the test
using hpimvp::common::SparseMemory;

namespace {

using Random = std::mt19937_64;

Organisation random_organisation(Random& random) {
  Organisation organisation;
  organisation.channels = 1 + random() % 3;
  organisation.pseudo_channels_per_channel = 1 + random() % 2;
  organisation.bank_groups = 1 + random() % 4;
  organisation.banks_per_group = 1 + random() % 4;
  organisation.rows = 300 + random() % 100;
  organisation.row_bytes = 32 * (1 + random() % 40);
  return organisation;
}

// By the text of the contract: decompose the offset from its low end.
Coordinates by_contract(const Organisation& o, std::uint64_t offset) {
  Coordinates at;
  at.byte = static_cast<std::uint32_t>(offset % o.row_bytes);
  const std::uint64_t row_number = offset / o.row_bytes;
  at.pseudo_channel = static_cast<std::uint32_t>(row_number % o.pseudo_channels());
  at.bank = static_cast<std::uint32_t>(row_number / o.pseudo_channels() % o.banks());
  at.row = static_cast<std::uint32_t>(row_number / o.pseudo_channels() / o.banks());
  return at;
}

struct Problem {
  std::uint32_t inputs;
  std::uint32_t outputs;
  std::vector<std::uint16_t> matrix;  // outputs x inputs
  std::vector<std::uint16_t> x;
  std::vector<std::uint16_t> bias;  // may be empty
};

Problem random_problem(Random& random, std::uint32_t inputs, std::uint32_t outputs) {
  Problem problem{inputs, outputs, {}, {}, {}};
  const auto value = [&] {
    return static_cast<std::uint16_t>((random() & 0x83FF) | (8 + random() % 8) << 10);
  };
  for (std::size_t i = 0; i < std::size_t{inputs} * outputs; ++i) problem.matrix.push_back(value());
  for (std::uint32_t i = 0; i < inputs; ++i) problem.x.push_back(value());
  if (random() % 2 == 0) {
    for (std::uint32_t i = 0; i < outputs; ++i) problem.bias.push_back(value());
  }
  return problem;
}

// The contract's arithmetic, straight from the matrix.
std::uint16_t plain_output(const Problem& problem, std::uint32_t m) {
  namespace common = hpimvp::common;
  float accumulator = problem.bias.empty() ? 0.0F : common::fp16_to_float(problem.bias[m]);
  for (std::uint32_t first = 0; first < problem.inputs; first += 16) {
    float level[16] = {};
    for (std::uint32_t i = 0; i < 16 && first + i < problem.inputs; ++i) {
      const std::size_t at = std::size_t{m} * problem.inputs + first + i;
      level[i] =
          common::fp16_to_float(problem.matrix[at]) * common::fp16_to_float(problem.x[first + i]);
    }
    for (int width = 8; width > 0; width /= 2) {
      for (int i = 0; i < width; ++i) level[i] += level[i + width];
    }
    accumulator += level[0];
  }
  return common::float_to_fp16(accumulator);
}

void pack(const GemvLayout& layout, const Problem& problem, SparseMemory& memory) {
  for (std::uint32_t m = 0; m < problem.outputs; ++m) {
    layout.pack_output(m, &problem.matrix[std::size_t{m} * problem.inputs],
                       [&](std::uint64_t offset, const std::uint8_t* data, std::size_t bytes) {
                         memory.write(offset, data, bytes);
                       });
  }
}

}  // namespace

TEST_CASE("address mapping follows the contract and is its own inverse") {
  const std::uint64_t seed = hpimvp::random_seed(11);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 200; ++i) {
    const Organisation organisation = i == 0 ? Organisation{} : random_organisation(random);
    const AddressMapping mapping(organisation);
    for (int k = 0; k < 200; ++k) {
      const std::uint64_t offset = random() % organisation.stack_bytes();
      const Coordinates at = mapping.decode(offset);
      REQUIRE(at == by_contract(organisation, offset));
      REQUIRE(mapping.encode(at) == offset);
    }
  }
}

TEST_CASE("the default stack is HPIM's 24 GiB") {
  const Organisation organisation;
  CHECK(organisation.stack_bytes() == 24ULL << 30);
  CHECK(organisation.pseudo_channels() == 32);
  CHECK(organisation.banks() == 32);
  // A sequential stream changes the pseudo-channel every KiB, and a row of everything is a MiB.
  const AddressMapping mapping(organisation);
  CHECK(mapping.decode(1024).pseudo_channel == 1);
  CHECK(mapping.decode(32 * 1024).bank == 1);
  CHECK(mapping.decode(1 << 20).row == 1);
}

TEST_CASE("weights go where GemvDescriptor says") {
  const std::uint64_t seed = hpimvp::random_seed(12);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 100; ++i) {
    const Organisation o = random_organisation(random);
    const std::uint32_t inputs = 1 + random() % 300;
    const std::uint32_t outputs = 1 + random() % 200;
    const auto weight_row = static_cast<std::uint32_t>(random() % 50);
    const GemvLayout layout(o, inputs, outputs, weight_row);
    const std::uint64_t slot_bytes = (inputs + 15) / 16 * 32;
    std::map<std::uint32_t, std::uint32_t> slots;
    std::uint64_t last_byte = 0;
    for (std::uint32_t m = 0; m < outputs; ++m) {
      const std::uint32_t bank = m % o.banks();
      const std::uint32_t pseudo_channel = m / o.banks() % o.pseudo_channels();
      const std::uint64_t slot = m / (o.banks() * o.pseudo_channels());
      slots[pseudo_channel] = static_cast<std::uint32_t>(slot + 1);
      for (const std::uint32_t k : {0U, inputs / 2, inputs - 1}) {
        const std::uint64_t byte = slot * slot_bytes + 2ULL * k;
        const Coordinates expected{pseudo_channel, bank,
                                   weight_row + static_cast<std::uint32_t>(byte / o.row_bytes),
                                   static_cast<std::uint32_t>(byte % o.row_bytes)};
        REQUIRE(layout.locate(m, k) == expected);
        REQUIRE(by_contract(o, layout.offset(m, k)) == expected);
      }
      last_byte = std::max(last_byte, (slot + 1) * slot_bytes);
    }
    REQUIRE(layout.rows() == (last_byte + o.row_bytes - 1) / o.row_bytes);
    REQUIRE(layout.slots() == slots[0]);
    for (std::uint32_t p = 0; p < o.pseudo_channels(); ++p) {
      REQUIRE(layout.slots_in(p) == (slots.contains(p) ? slots[p] : 0));
    }
  }
}

TEST_CASE("a layout fits exactly up to the last row") {
  Organisation organisation;
  organisation.rows = 10;
  // 512 inputs: one output a bank fills a row of 1 KiB.
  const std::uint32_t outputs = organisation.banks() * organisation.pseudo_channels() * 4;
  CHECK(GemvLayout(organisation, 512, outputs, 6).fits());
  CHECK_FALSE(GemvLayout(organisation, 512, outputs, 7).fits());
  CHECK_FALSE(GemvLayout(organisation, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF).fits());
}

TEST_CASE("GEMV values equal the plain product for random shapes") {
  const std::uint64_t seed = hpimvp::random_seed(13);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 200; ++i) {
    const Organisation organisation = random_organisation(random);
    const std::uint32_t inputs = 1 + random() % 700;
    const std::uint32_t outputs = 1 + random() % 150;
    const GemvLayout layout(organisation, inputs, outputs,
                            static_cast<std::uint32_t>(random() % 50));
    if (!layout.fits()) continue;
    SparseMemory memory(organisation.stack_bytes());
    const Problem problem = random_problem(random, inputs, outputs);
    pack(layout, problem, memory);
    std::vector<std::uint16_t> y(outputs);
    compute_gemv(layout, memory, problem.x, problem.bias, y);
    for (std::uint32_t m = 0; m < outputs; ++m) REQUIRE(y[m] == plain_output(problem, m));
  }
}

TEST_CASE("GEMV values equal the plain product on the full stack") {
  const std::uint64_t seed = hpimvp::random_seed(14);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  const Organisation organisation;
  const GemvLayout layout(organisation, 771, 1500, 20000);
  SparseMemory memory(organisation.stack_bytes());
  const Problem problem = random_problem(random, 771, 1500);
  pack(layout, problem, memory);
  std::vector<std::uint16_t> y(1500);
  compute_gemv(layout, memory, problem.x, problem.bias, y);
  for (std::uint32_t m = 0; m < 1500; ++m) REQUIRE(y[m] == plain_output(problem, m));
}

TEST_CASE("unwritten weights are zeros, and infinities in x meet them as NaN") {
  const Organisation organisation;
  const GemvLayout layout(organisation, 20, 3, 5);
  const SparseMemory memory(organisation.stack_bytes());
  std::vector<std::uint16_t> x(20, 0x3C00);
  std::vector<std::uint16_t> y(3, 0x1234);
  compute_gemv(layout, memory, x, {}, y);
  CHECK(y == std::vector<std::uint16_t>(3, 0));
  x[19] = 0x7C00;
  compute_gemv(layout, memory, x, {}, y);
  CHECK(y == std::vector<std::uint16_t>(3, hpimvp::common::kFp16Nan));
}
