#include <fmt/format.h>

#include "platform/cli/commands.h"
#include "platform/cli/plan_description.h"
#include "platform/cli/result_table.h"
#include "platform/cli/session.h"

namespace hpimvp::cli {

namespace {

using Json = nlohmann::ordered_json;

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
  if (options.plan || !options.stage.empty() || options.layer) {
    const Json stages = describe_plan_stages(session->plan, {options.stage, options.layer});
    fmt::print("{}", options.json ? stages.dump(2) + "\n" : plan_text(stages));
    return kDone;
  }
  Json description = hpim::describe(session->topology);
  description["plan"] = describe_plan(*session);
  if (options.json) {
    fmt::print("{}\n", description.dump(2));
    return kDone;
  }
  for (const auto& [title, section] : description.items()) {
    fmt::print("{}", section_text(title, section));
  }
  return kDone;
}

}  // namespace hpimvp::cli
