// Random address mappings of a device, for tests.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "models/hbm_pim/device_description.h"

namespace hpimvp::test_support {

// All fields in any order, columns possibly in two parts.
inline std::string random_mapping(const hbm_pim::DeviceDescription& device,
                                  std::mt19937_64& random) {
  std::vector<std::string> fields = {"channel", "pseudo_channel", "stack_id", "bank_group", "bank",
                                     "row",     "column"};
  if (device.organisation.columns % 4 == 0 && random() % 2 == 0) fields.push_back("column[2]");
  std::shuffle(fields.begin(), fields.end(), random);
  std::string text;
  for (const std::string& field : fields) text += (text.empty() ? "" : ":") + field;
  return text;
}

}  // namespace hpimvp::test_support
