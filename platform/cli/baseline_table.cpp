#include "platform/cli/baseline_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "platform/config/document.h"
#include "platform/config/nearest.h"

namespace hpimvp::cli {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string milliseconds(double seconds) {
  return fmt::format("{:.3f}", seconds * 1e3);
}

std::string ratio(double baseline, double platform) {
  return platform > 0 ? fmt::format("{:.2f}", baseline / platform) : "-";
}

}  // namespace

std::vector<baselines::Baseline> load_baselines(const std::vector<std::string>& names,
                                                const std::string& folder) {
  const std::vector<std::string> known = names_in(folder);
  std::vector<std::string> wanted = names;
  if (std::find(names.begin(), names.end(), "all") != names.end()) wanted = known;
  std::vector<baselines::Baseline> loaded;
  for (const std::string& name : wanted) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw config::ConfigError(fmt::format("--baseline: there is no '{}'{}; there are {}, and all",
                                            name, config::suggestion(name, known),
                                            fmt::join(known, ", ")));
    }
    loaded.push_back(baselines::load_baseline(fmt::format("{}/{}.json", folder, name)));
  }
  return loaded;
}

std::vector<std::vector<std::string>> compare_with(
    const std::vector<baselines::Baseline>& baselines, const nlohmann::json& result,
    const std::string& result_name) {
  const std::size_t prompt = result.value("prompt_tokens", nlohmann::json::array()).size();
  const std::size_t output = result.value("tokens", nlohmann::json::array()).size();
  if (!result.contains("model") || prompt < 1 || output < 2) {
    throw config::ConfigError(result_name +
                              ": a comparison needs a run of a model with 2 tokens or more");
  }
  const compiler::ModelConfig model =
      compiler::parse_model_preset(result["model"].dump(), result_name + ": /model");
  const nlohmann::json time = result.value("time", nlohmann::json::object());
  const double first_s = time.value("first_token_s", 0.0);
  const double mean_s = time.value("mean_token_s", 0.0);
  const double total_s = first_s + mean_s * static_cast<double>(output - 1);

  std::vector<std::vector<std::string>> rows = {
      {"machine", "first token ms", "ratio", "mean token ms", "ratio", "request ms", "ratio"},
      {result_name, milliseconds(first_s), "1", milliseconds(mean_s), "1", milliseconds(total_s),
       "1"}};
  for (const baselines::Baseline& baseline : baselines) {
    const double first = prefill_seconds(baseline, model, static_cast<std::uint32_t>(prompt));
    const double mean = mean_token_seconds(baseline, model, static_cast<std::uint32_t>(prompt),
                                           static_cast<std::uint32_t>(output));
    const double total = first + mean * static_cast<double>(output - 1);
    rows.push_back({baseline.name, milliseconds(first), ratio(first, first_s), milliseconds(mean),
                    ratio(mean, mean_s), milliseconds(total), ratio(total, total_s)});
  }
  return rows;
}

}  // namespace hpimvp::cli
