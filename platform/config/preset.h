// Presets: JSON files in a folder, which scenarios name without ending.
#pragma once

#include <filesystem>
#include <string>

#include "platform/config/document.h"

namespace hpimvp::config {

// The file of a preset. Throws ConfigError for a name that is not there, with the nearest and all
// that are; `pointer` is where `document` names it.
std::string preset_file(const Document& document, const std::string& pointer,
                        const std::string& name, const std::filesystem::path& folder);

}  // namespace hpimvp::config
