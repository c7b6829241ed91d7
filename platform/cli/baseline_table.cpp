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

Comparison compare_with(const std::vector<baselines::Baseline>& baselines,
                        const nlohmann::json& result, const std::string& result_name) {
  const std::size_t prompt = result.value("prompt_tokens", nlohmann::json::array()).size();
  const std::size_t output = result.value("tokens", nlohmann::json::array()).size();
  if (!result.contains("model") || prompt < 1 || output < 2) {
    throw config::ConfigError(result_name +
                              ": a comparison needs a run of a model with 2 tokens or more");
  }
  const compiler::ModelConfig model =
      compiler::parse_model_preset(result["model"].dump(), result_name + ": /model");
  const nlohmann::json time = result.value("time", nlohmann::json::object());
  Comparison comparison;
  comparison.result_name = result_name;
  comparison.result = {.first_token_s = time.value("first_token_s", 0.0),
                       .mean_token_s = time.value("mean_token_s", 0.0),
                       .tokens = output};
  for (const baselines::Baseline& baseline : baselines) {
    const auto parts = mean_decode_parts(baseline, model, static_cast<std::uint32_t>(prompt),
                                         static_cast<std::uint32_t>(output));
    comparison.baselines.push_back(
        {baseline.name,
         {.first_token_s = prefill_seconds(baseline, model, static_cast<std::uint32_t>(prompt)),
          .mean_token_s = parts.total_s(),
          .tokens = output},
         parts});
  }
  return comparison;
}

std::vector<std::vector<std::string>> to_rows(const Comparison& comparison) {
  const RequestTime& own = comparison.result;
  std::vector<std::vector<std::string>> rows = {
      {"machine", "first token ms", "ratio", "mean token ms", "ratio", "request ms", "ratio"},
      {comparison.result_name, milliseconds(own.first_token_s), "1", milliseconds(own.mean_token_s),
       "1", milliseconds(own.request_s()), "1"}};
  for (const ComparedBaseline& baseline : comparison.baselines) {
    const RequestTime& other = baseline.time;
    rows.push_back({baseline.name, milliseconds(other.first_token_s),
                    ratio(other.first_token_s, own.first_token_s), milliseconds(other.mean_token_s),
                    ratio(other.mean_token_s, own.mean_token_s), milliseconds(other.request_s()),
                    ratio(other.request_s(), own.request_s())});
  }
  return rows;
}

nlohmann::ordered_json to_json(const Comparison& comparison) {
  const auto times = [](const RequestTime& time) {
    return nlohmann::ordered_json{{"first_token_s", time.first_token_s},
                                  {"mean_token_s", time.mean_token_s},
                                  {"request_s", time.request_s()}};
  };
  nlohmann::ordered_json json = times(comparison.result);
  nlohmann::ordered_json& machines = json["baselines"] = nlohmann::ordered_json::object();
  for (const ComparedBaseline& baseline : comparison.baselines) {
    nlohmann::ordered_json& machine = machines[baseline.name] = times(baseline.time);
    machine["mean_token_parts_s"] = {{"qkv", baseline.parts.qkv_s},
                                     {"projection", baseline.parts.projection_s},
                                     {"feed_forward", baseline.parts.feed_forward_s},
                                     {"attention", baseline.parts.attention_s},
                                     {"other", baseline.parts.other_s},
                                     {"overhead", baseline.parts.overhead_s}};
  }
  return json;
}

}  // namespace hpimvp::cli
