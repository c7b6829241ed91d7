// Counters that a model reports at the end of a run, in the order in which it adds them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace hpimvp::common {

// Names carry their unit: "read_bytes", "busy_ps", "row_activations".
using Statistics = std::vector<std::pair<std::string, std::uint64_t>>;

// Energy by what it was used for, in picojoules.
using Energies = std::vector<std::pair<std::string, double>>;

}  // namespace hpimvp::common
