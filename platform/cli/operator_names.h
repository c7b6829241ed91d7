// How operators, engines and policies are called in results and descriptions.
#pragma once

#include <string>

#include "firmware/abi/plan_format.h"

namespace hpimvp::cli {

const char* kind_name(plan::OperatorKind kind);
const char* engine_name(plan::Engine engine);
const char* policy_name(plan::SchedulePolicy policy);

// The operator's name without its layer: "query" of "layer3.query".
std::string operator_group(const std::string& name);

}  // namespace hpimvp::cli
