// Presets of HBM and HBM-PIM devices: JSON to DeviceDescription (docs/hbm_devices.md).
#pragma once

#include <map>
#include <string>

#include "models/hbm_pim/device_description.h"
#include "platform/config/document.h"

namespace hpimvp::config {

// The device of a preset file. Throws ConfigError with file, line and JSON pointer, as all of
// these.
hbm_pim::DeviceDescription load_device(const std::string& path);

// The same from a document; `folder` is where files that it names are, and other presets.
hbm_pim::DeviceDescription read_device(Document preset, const std::string& folder);

// A device in a scenario, in two steps: below the object at `pointer` its "base" is merged (a
// preset in `preset_folder`, or a file), and that one's base; then it is read. Numbers need no
// source there. `folder` is the document's.
void merge_device_bases(Document& document, const std::string& pointer, const std::string& folder,
                        const std::string& preset_folder);
hbm_pim::DeviceDescription read_device_at(const Document& document, const std::string& pointer,
                                          const std::string& folder);

// The value of an expression over named whole numbers: + - * /, parentheses, min(a, b), max(a, b);
// division rounds up. Throws std::invalid_argument saying what is wrong and where.
std::int64_t evaluate_expression(std::string_view text,
                                 const std::map<std::string, std::int64_t, std::less<>>& values);

}  // namespace hpimvp::config
