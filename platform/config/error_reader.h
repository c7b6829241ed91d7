// Reads the memory errors of a scenario: machine.hbm.errors (docs/hbm_errors.md).
#pragma once

#include <cstdint>

#include "models/hbm_pim/error_model.h"
#include "platform/config/object_reader.h"

namespace hpimvp::config {

// `hbm` is the object that may have a member "errors"; `errors` keeps what that leaves out. For a
// machine of `stacks` stacks of `stack_bytes` bytes. Throws ConfigError.
void read_errors(const Document& document, ObjectReader& hbm, std::uint32_t stacks,
                 std::uint64_t stack_bytes, hbm_pim::ErrorConfig& errors);

}  // namespace hpimvp::config
