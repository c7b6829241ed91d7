#include "platform/cli/progress.h"

#include <fmt/format.h>

#include <cstdio>

namespace hpimvp::cli {

Progress::Progress(bool enabled, std::uint32_t positions)
    : enabled_(enabled), positions_(positions) {}

void Progress::show(std::uint64_t simulated_ps) {
  constexpr auto kInterval = std::chrono::milliseconds(200);
  const auto now = Clock::now();
  if (!enabled_ || now - shown_ < kInterval) return;
  shown_ = now;
  const double host_s = std::chrono::duration<double>(now - start_).count();
  const double simulated_s = static_cast<double>(simulated_ps) * 1e-12;
  std::string left = "?";
  if (done_ > 0 && done_ <= positions_) {
    left = fmt::format("{:.0f} s", host_s / done_ * (positions_ - done_));
  }
  fmt::print(stderr, "\r\033[K[token {}/{}, {:.3f} ms simulated, 1/{:.0f} of real time, {} left]",
             done_, positions_, simulated_s * 1e3, host_s / simulated_s, left);
  std::fflush(stderr);
  visible_ = true;
}

void Progress::clear() {
  if (!visible_) return;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
  visible_ = false;
}

}  // namespace hpimvp::cli
