#include "tests/conformance/test_settings.h"

#include <cstdlib>
#include <iostream>
#include <stdexcept>

namespace hpimvp::conformance {
namespace {

std::uint64_t number_from_environment(const char* name, std::uint64_t default_value) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return default_value;
  std::size_t used = 0;
  std::uint64_t value = 0;
  try {
    value = std::stoull(text, &used, 0);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used == 0 || text[used] != '\0') {
    throw std::invalid_argument(std::string(name) + " is not a number: " + text);
  }
  return value;
}

}  // namespace

std::uint64_t seed_from_environment() {
  constexpr std::uint64_t kDefaultSeed = 20191213;  // the date of the ISA specification
  const std::uint64_t seed = number_from_environment("HPIMVP_SEED", kDefaultSeed);
  std::cout << "seed " << seed << " (HPIMVP_SEED sets it)\n";
  return seed;
}

std::uint64_t instruction_count_from_environment(std::uint64_t default_count) {
  return number_from_environment("HPIMVP_CONFORMANCE_COUNT", default_count);
}

void skip_test(const std::string& reason) {
  constexpr int kSkipReturnCode = 77;  // SKIP_RETURN_CODE of cmake/helpers.cmake
  std::cout << "SKIPPED: " << reason << std::endl;
  std::exit(kSkipReturnCode);
}

}  // namespace hpimvp::conformance
