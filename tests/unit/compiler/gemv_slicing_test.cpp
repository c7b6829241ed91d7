// Which slicing the compiler chooses.
#include "platform/compiler/gemv_slicing.h"

#include <catch2/catch.hpp>
#include <random>

#include "models/hbm_pim/gemv_command_engine.h"
#include "models/hbm_pim/pim_cursor.h"
#include "tests/unit/common/random_seed.h"
#include "tests/unit/hbm_pim/device_presets.h"

using namespace hpimvp;  // NOLINT
using compiler::GemvSlicing;
using hbm_pim::Slicing;
using hbm_pim::StackGemv;

namespace {

// Of the slowest pseudo-channel, command by command.
std::uint64_t slowest(const hbm_pim::DeviceDescription& device, const StackGemv& gemv, bool bias) {
  const hbm_pim::GemvCommandEngine engine(device);
  std::uint64_t most = 0;
  for (const auto& work : hbm_pim::WeightLayout::works(device, gemv, bias)) {
    if (work.outputs == 0) continue;
    hbm_pim::PseudoChannelState state(device, {false, 0});
    hbm_pim::GemvStream stream(device, work);
    const hbm_pim::GemvResult result = engine.run(state, stream.source());
    most = std::max(most, result.end - result.start);
  }
  return most;
}

}  // namespace

TEST_CASE("few outputs and many inputs are sliced by columns, many outputs by rows") {
  GemvSlicing slicing(test_support::device_preset("hbm3_hpim"));
  CHECK(slicing.choose(20480, 64, false) == Slicing::kColumns);
  CHECK(slicing.choose(5120, 5120, true) == Slicing::kRows);
  CHECK(slicing.choose(16, 1024, false) == Slicing::kRows);
}

TEST_CASE("the chosen slicing is the faster one, by an eighth at least where it is columns") {
  const std::uint64_t seed = random_seed(0x51C);
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (const std::string& name : test_support::device_preset_names()) {
    const auto device = test_support::device_preset(name);
    GemvSlicing slicing(device);
    for (int i = 0; i < 12; ++i) {
      const auto inputs = static_cast<std::uint32_t>(1 + random() % 3000);
      const auto outputs = static_cast<std::uint32_t>(1 + random() % 1500);
      const bool bias = random() % 2 == 0;
      const std::uint64_t rows = slowest(device, {inputs, outputs, 0, Slicing::kRows}, bias);
      const std::uint64_t columns = slowest(device, {inputs, outputs, 0, Slicing::kColumns}, bias);
      INFO(name << ": " << inputs << " x " << outputs << ": " << rows << ", " << columns);
      REQUIRE(slicing.cycles({inputs, outputs, 0, Slicing::kRows}, bias) == rows);
      REQUIRE(slicing.cycles({inputs, outputs, 0, Slicing::kColumns}, bias) == columns);
      REQUIRE((slicing.choose(inputs, outputs, bias) == Slicing::kColumns) ==
              (columns * 8 <= rows * 7));
    }
  }
}

TEST_CASE("a matrix that does not fit is no error of the slicing") {
  GemvSlicing slicing(test_support::device_preset("hbm3_hpim"));
  CHECK(slicing.choose(4'000'000'000, 4'000'000'000, false) == Slicing::kRows);
}
