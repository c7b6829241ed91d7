// Stage 4 of the compiler, second half: the plan in host memory (firmware/abi/plan_format.h).
#pragma once

#include <cstddef>
#include <vector>

#include "platform/compiler/compiler.h"

namespace hpimvp::compiler {

// The image of a plan whose other parts are complete. ModelError if it does not fit between
// plan_address and free_memory_end.
std::vector<std::byte> write_plan_image(const CompiledPlan& plan, const CompileRequest& request);

}  // namespace hpimvp::compiler
