// The words of a GEMV's weights against the pieces that its layout is written by.
#include "models/hbm_pim/layout_words.h"

#include <catch2/catch.hpp>
#include <random>
#include <set>

#include "tests/unit/common/random_seed.h"
#include "tests/unit/hbm_pim/device_presets.h"

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the test

TEST_CASE("the words of a layout are those that its outputs are written to", "[error]") {
  const std::uint64_t seed = hpimvp::random_seed(84);
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (const std::string& name : hpimvp::test_support::device_preset_names()) {
    const DeviceDescription device = hpimvp::test_support::device_preset(name);
    const BitFieldMapping mapping(device.organisation);
    const StackMap map(device, mapping);
    for (int round = 0; round < 12; ++round) {
      StackGemv gemv;
      gemv.inputs = 1 + random() % 700;
      gemv.outputs = 1 + random() % 3000;
      gemv.weight_row = random() % 50;
      gemv.slicing = random() % 2 == 0 ? Slicing::kRows : Slicing::kColumns;
      CAPTURE(name, gemv.inputs, gemv.outputs, gemv.weight_row, static_cast<int>(gemv.slicing));
      const WeightLayout layout(map, gemv);
      const LayoutWords words(layout, mapping);
      std::set<std::uint64_t> expected;
      for (std::uint32_t output = 0; output < gemv.outputs; ++output) {
        layout.for_each_piece(output, [&](std::uint64_t offset, std::uint32_t, std::uint32_t n) {
          const std::uint64_t end = offset + std::uint64_t{n} * device.organisation.burst_bytes;
          for (; offset < end; offset += kEccWordBytes) expected.insert(offset);
        });
      }
      REQUIRE(words.count() == expected.size());
      for (int i = 0; i < 400; ++i) {
        REQUIRE(expected.count(words.offset(random() % words.count())) == 1);
      }
      std::uint64_t index = 0;
      std::set<std::uint64_t> all;
      while (index < words.count() && index < 5000) all.insert(words.offset(index++));
      REQUIRE(all.size() == index);  // no word twice
      // Near the weights, so that both answers come often.
      const std::uint64_t first = *expected.begin();
      const std::uint64_t span = *expected.rbegin() - first + 64 * kEccWordBytes;
      for (int i = 0; i < 4000; ++i) {
        const std::uint64_t offset = first + random() % span / kEccWordBytes * kEccWordBytes;
        REQUIRE(words.contains(offset) == (expected.count(offset) == 1));
      }
    }
  }
}
