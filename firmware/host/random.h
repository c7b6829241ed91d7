// Random numbers for sampling: PCG-XSH-RR 64/32 (M. O'Neill, "PCG: A Family of Simple Fast
// Space-Efficient Statistically Good Algorithms for Random Number Generation", HMC-CS-2014-0905,
// 2014), with the default increment of the paper's reference. The same seed gives the same sequence
// on every machine.
#pragma once

#include <bit>
#include <cstdint>

namespace hpimvp::firmware {

class Random {
 public:
  explicit Random(std::uint64_t seed) {
    advance();
    state_ += seed;
    advance();
  }

  std::uint32_t next() {
    const std::uint64_t old = state_;
    advance();
    const auto mixed = static_cast<std::uint32_t>(((old >> 18) ^ old) >> 27);
    return std::rotr(mixed, static_cast<int>(old >> 59));
  }

  // Uniform in [0, 1), a multiple of 2^-32.
  double next_unit() { return next() * 0x1p-32; }

 private:
  void advance() { state_ = state_ * 6364136223846793005u + 1442695040888963407u; }

  std::uint64_t state_ = 0;
};

}  // namespace hpimvp::firmware
