// The nearest valid name for a misspelt one, for error messages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hpimvp::config {

// The candidate with the smallest edit distance to `name`, or "" if none is close (more than a
// third of the characters, and more than 2, would have to change).
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);

// "a, b, c"
std::string join(const std::vector<std::string>& names);

// "; did you mean 'x'?" or "".
std::string suggestion(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace hpimvp::config
