#include <fmt/format.h>

#include "platform/cli/commands.h"
#include "platform/cli/result_table.h"
#include "platform/cli/session.h"

namespace hpimvp::cli {

namespace {

using Json = nlohmann::ordered_json;

std::string cell(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// An array of objects as a table, anything else as name and value.
void print_section(const std::string& title, const Json& section) {
  fmt::print("{}\n", title);
  std::vector<std::vector<std::string>> rows;
  if (section.is_array() && !section.empty() && section.front().is_object()) {
    std::vector<std::string> columns;
    for (const Json& entry : section) {
      for (const auto& [key, value] : entry.items()) {
        if (std::find(columns.begin(), columns.end(), key) == columns.end()) columns.push_back(key);
      }
    }
    rows.push_back(columns);
    for (const Json& entry : section) {
      rows.emplace_back();
      for (const std::string& key : columns) {
        rows.back().push_back(entry.contains(key) ? cell(entry[key]) : "");
      }
    }
  } else if (section.is_object()) {
    for (const auto& [key, value] : section.items()) rows.push_back({key, cell(value)});
  } else {
    rows.push_back({cell(section)});
  }
  fmt::print("{}\n", format_table(rows));
}

Json describe_plan(const Session& session) {
  const compiler::PlanStatistics& statistics = session.plan.statistics;
  return {{"model", session.model.name},
          {"parameters", statistics.parameters},
          {"operators_per_token", session.plan.graph.operators.size()},
          {"weight_bytes", statistics.weight_bytes},
          {"table_bytes", statistics.table_bytes},
          {"kv_blocks_needed", statistics.kv_blocks_needed},
          {"kv_blocks_available", statistics.kv_blocks_available},
          {"tile_activation_bytes_used", statistics.tile_activation_bytes},
          {"tile_control_bytes_used", statistics.tile_control_bytes},
          {"plan_bytes", session.plan.image.size()}};
}

}  // namespace

int validate_command(const ScenarioOptions& options) {
  const auto session =
      prepare(config::load_scenario(options.scenario, options.overrides, preset_folder()));
  // Weights that do not fit FP16 are found here as in a run.
  if (session->scenario.machine.data_mode == hpim::DataMode::kFunctional) {
    write_weights(*session, [](std::uint64_t, std::span<const std::byte>) {});
  }
  fmt::print("{}: valid\n", options.scenario);
  return kDone;
}

int describe_command(const DescribeOptions& options) {
  const auto session =
      prepare(config::load_scenario(options.scenario, options.overrides, preset_folder()));
  Json description = hpim::describe(session->topology);
  description["plan"] = describe_plan(*session);
  if (options.json) {
    fmt::print("{}\n", description.dump(2));
    return kDone;
  }
  for (const auto& [title, section] : description.items()) print_section(title, section);
  return kDone;
}

}  // namespace hpimvp::cli
