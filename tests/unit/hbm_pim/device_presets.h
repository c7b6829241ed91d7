// The shipped presets of HBM devices, for tests.
#pragma once

#include <string>
#include <vector>

#include "platform/config/device_reader.h"

namespace hpimvp::test_support {

inline const std::vector<std::string>& device_preset_names() {
  static const std::vector<std::string> kNames = {"hbm3_hpim", "hbm3_6400", "hbm3_attacc",
                                                  "hbm3_attacc_power", "hbm2_samsung_pim"};
  return kNames;
}

inline hbm_pim::DeviceDescription device_preset(const std::string& name) {
  return config::load_device(std::string(HPIMVP_SOURCE_DIR) + "/scenarios/presets/hbm/" + name +
                             ".json");
}

}  // namespace hpimvp::test_support
