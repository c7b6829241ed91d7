// A result beside published machines that serve the same request (docs/baselines.md).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "platform/baselines/baseline.h"

namespace hpimvp::cli {

// By names of files in `folder`; "all": every one. Throws ConfigError for a name that is not there,
// with the nearest.
std::vector<baselines::Baseline> load_baselines(const std::vector<std::string>& names,
                                                const std::string& folder);

// Rows for format_table(). Throws ConfigError naming `result_name` if the result does not say what
// model it ran, or has fewer than 2 tokens.
std::vector<std::vector<std::string>> compare_with(
    const std::vector<baselines::Baseline>& baselines, const nlohmann::json& result,
    const std::string& result_name);

}  // namespace hpimvp::cli
