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

struct RequestTime {
  double first_token_s = 0;
  double mean_token_s = 0;  // of the tokens after the first
  std::size_t tokens = 0;   // generated
  double request_s() const {
    return first_token_s + mean_token_s * static_cast<double>(tokens - 1);
  }
};

struct ComparedBaseline {
  std::string name;
  RequestTime time;
  baselines::DecodeParts parts;  // of mean_token_s
};

// What a run took, and what published machines take for its model, prompt and number of tokens.
struct Comparison {
  std::string result_name;
  RequestTime result;
  std::vector<ComparedBaseline> baselines;
};

// Throws ConfigError naming `result_name` if the result does not say what model it ran, or has
// fewer than 2 tokens.
Comparison compare_with(const std::vector<baselines::Baseline>& baselines,
                        const nlohmann::json& result, const std::string& result_name);

// For format_table().
std::vector<std::vector<std::string>> to_rows(const Comparison& comparison);
// { "first_token_s", "mean_token_s", "request_s", "baselines": { name: the same,
// "mean_token_parts_s" } }
nlohmann::ordered_json to_json(const Comparison& comparison);

}  // namespace hpimvp::cli
