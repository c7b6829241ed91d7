// What the environment may change about a conformance test, and how a test says that it was
// skipped.
#pragma once

#include <cstdint>
#include <string>

namespace hpimvp::conformance {

// HPIMVP_SEED (decimal or 0x...), or a fixed default; prints it either way. Throws
// std::invalid_argument when the variable is not a number.
std::uint64_t seed_from_environment();

// HPIMVP_CONFORMANCE_COUNT: how many random instructions to execute at least. Throws
// std::invalid_argument when the variable is not a number.
std::uint64_t instruction_count_from_environment(std::uint64_t default_count);

// Prints "SKIPPED: reason" and ends the process with the exit code that CTest counts as skipped.
[[noreturn]] void skip_test(const std::string& reason);

}  // namespace hpimvp::conformance
