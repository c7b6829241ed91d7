#include "platform/config/preset.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "platform/config/nearest.h"
#include "platform/config/object_reader.h"

namespace hpimvp::config {

namespace {

std::vector<std::string> preset_names(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::string preset_file(const Document& document, const std::string& pointer,
                        const std::string& name, const std::filesystem::path& folder) {
  const std::vector<std::string> names = preset_names(folder);
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    fail_at(document, pointer,
            fmt::format("unknown preset '{}'; allowed: {}{}", name, join(names),
                        suggestion(name, names)));
  }
  return (folder / (name + ".json")).string();
}

}  // namespace hpimvp::config
