// Presets of HBM and HBM-PIM devices: JSON to DeviceDescription (docs/hbm_devices.md).
#pragma once

#include <map>
#include <string>

#include "models/hbm_pim/device_description.h"
#include "platform/config/document.h"

namespace hpimvp::config {

// The device of a preset file. Rule files that it names are looked up from its folder. Throws
// ConfigError with file, line and JSON pointer.
hbm_pim::DeviceDescription load_device(const std::string& path);

// The same from a document; `folder` is what the names of rule files start from.
hbm_pim::DeviceDescription read_device(const Document& document, const std::string& folder);

// The value of an expression over named whole numbers: + - * /, parentheses, min(a, b), max(a, b);
// division rounds up. Throws std::invalid_argument saying what is wrong and where.
std::int64_t evaluate_expression(std::string_view text,
                                 const std::map<std::string, std::int64_t, std::less<>>& values);

}  // namespace hpimvp::config
