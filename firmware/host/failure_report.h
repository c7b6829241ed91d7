// Error messages for a run that could not be finished.
#pragma once

#include "firmware/host/engine_pool.h"
#include "firmware/host/plan_view.h"
#include "firmware/host/request_runner.h"
#include "firmware/host/text_output.h"

namespace hpimvp::firmware {

// "HBM-PIM stack 2" and so on.
void print_device(TextOutput& out, const plan::Device& device);

// Which device stopped, why, on which operator, and after how many retries; for a trapped tile
// program also where. If stacks have met memory errors that they could not correct, where these
// are.
void print_engine_failure(TextOutput& out, const PlanView& plan, const EnginePool& engines,
                          const EngineFailure& failure);

}  // namespace hpimvp::firmware
