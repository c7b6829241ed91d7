// What the compiler's four stages have decided, for people (`hpim-vp describe --plan`) and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "platform/compiler/compiler.h"

namespace hpimvp::cli {

// "annotation", "mapping", "tiling", "code"
const std::vector<std::string>& plan_stages();

struct PlanDescriptionOptions {
  std::string stage;                   // one of plan_stages(); empty: all
  std::optional<std::uint32_t> layer;  // absent: of layers that are alike, the first
};

// An object by stage. Of the operators, and of what belongs to them, it has those outside the
// layers and those of the chosen layers; "layers" says which layers are like which. Throws
// ConfigError for a stage or layer that does not exist.
nlohmann::ordered_json describe_plan_stages(const compiler::CompiledPlan& plan,
                                            const PlanDescriptionOptions& options);

// The same as text, with a heading for each stage.
std::string plan_text(const nlohmann::ordered_json& description);

}  // namespace hpimvp::cli
