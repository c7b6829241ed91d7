// A plan with something of everything, and what the firmware does with a plan before it believes
// it: for tests that damage plans.
#pragma once

#include <cstdint>
#include <optional>

#include "firmware/host/plan_view.h"
#include "tests/unit/firmware/plan_builder.h"

namespace hpimvp::firmware {

PlanBuilder complete_builder();

// All checks that need no memory beside the plan's.
std::optional<PlanProblem> check_everything(const PlanView& plan);

// Boots a plan that has passed the checks, runs a position and a chunk of it on engines that
// complete everything in an order that `seed` decides, and reads every name and piece. False if an
// engine stopped.
bool runs_to_its_end(const PlanView& plan, std::uint32_t seed);

}  // namespace hpimvp::firmware
