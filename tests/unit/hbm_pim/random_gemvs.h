// Random GEMVs of a pseudo-channel, and devices that differ from the presets where GEMVs care.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <string>

#include "models/hbm_pim/gemv_stream.h"
#include "tests/unit/hbm_pim/device_presets.h"

namespace hpimvp::test_support {

// Cases of a random test: HPIMVP_GEMV_CASES times the given number.
inline std::uint64_t scaled_cases(std::uint64_t cases) {
  const char* text = std::getenv("HPIMVP_GEMV_CASES");
  return text != nullptr ? cases * std::stoull(text) : cases;
}

// Small sizes are as likely as large ones.
inline std::uint32_t random_size(std::mt19937_64& random, double most) {
  const double unit = static_cast<double>(random() >> 11) / 9007199254740992.0;
  return static_cast<std::uint32_t>(std::exp(unit * std::log(most)));
}

inline hbm_pim::PseudoChannelGemv random_gemv(const hbm_pim::DeviceDescription& device,
                                              std::mt19937_64& random) {
  hbm_pim::PseudoChannelGemv gemv;
  gemv.inputs = random_size(random, 5000);
  gemv.outputs = random() % 16 == 0 ? 0 : random_size(random, 300);
  if (random() % 2 == 0) gemv.inputs = (gemv.inputs + 511) / 512 * 512;
  gemv.bias = random() % 2 == 0;
  gemv.weight_row = static_cast<std::uint32_t>(
      random() % (device.organisation.rows - hbm_pim::weight_rows(device, gemv) + 1));
  return gemv;
}

inline hbm_pim::DeviceDescription random_variant(std::mt19937_64& random) {
  const auto pick = [&random](auto... values) {
    const std::array options{static_cast<std::uint32_t>(values)...};
    return options[random() % options.size()];
  };
  for (;;) {
    hbm_pim::DeviceDescription device =
        device_preset(device_preset_names()[random() % device_preset_names().size()]);
    hbm_pim::PimDescription& pim = device.pim;
    pim.buffer_bytes = pick(32, 64, 256, 2048, 65536);
    pim.accumulators = pick(1, 2, 3, 8, 16);
    pim.result_bytes = pick(2, 4, 32);
    pim.banks_per_unit = pick(1, 2, 4);
    pim.banks_per_activate_group = pick(1, 2, 4, 8);
    pim.programming_model = random() % 2 == 0 ? hbm_pim::ProgrammingModel::kNative
                                              : hbm_pim::ProgrammingModel::kSamsung;
    try {
      hbm_pim::check(device);
    } catch (const std::invalid_argument&) {
      continue;
    }
    return device;
  }
}

}  // namespace hpimvp::test_support
