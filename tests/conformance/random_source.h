// A deterministic random source for generated tests: the same seed gives the same program on every
// machine (the distributions of <random> do not promise that).
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

namespace hpimvp::conformance {

class RandomSource {
 public:
  explicit RandomSource(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t bits() { return engine_(); }
  // Uniform in 0..bound-1 up to a bias below 2^-32 for the small bounds used here; bound > 0.
  std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
  // Uniform in low..high, both included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
  }
  bool chance(unsigned percent) { return below(100) < percent; }

  template <typename Container>
  const auto& pick(const Container& choices) {
    return choices[below(std::size(choices))];
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace hpimvp::conformance
