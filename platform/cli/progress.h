// The line on a terminal that tells how far a run is: tokens, simulated time, simulated against
// host time, and an estimate of what is left.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace hpimvp::cli {

class Progress {
 public:
  // Shows nothing unless `enabled`.
  Progress(bool enabled, std::uint32_t positions);

  void position_done() { ++done_; }
  // Redraws the line, at most five times a second.
  void show(std::uint64_t simulated_ps);
  // Removes the line, so that other output can take its place.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  bool enabled_;
  std::uint32_t positions_;
  std::uint32_t done_ = 0;
  bool visible_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point shown_ = start_;
};

}  // namespace hpimvp::cli
