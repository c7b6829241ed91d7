#include "models/peripherals/clint_state.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "generated/models/peripherals/clint_registers.h"

namespace hpimvp::peripherals {
namespace {

namespace regs = clint_registers;
using common::AccessResult;
constexpr std::uint64_t kPicosecondsPerSecond = 1'000'000'000'000;

ClintConfig checked(const ClintConfig& config) {
  if (config.harts < 1 || config.harts > regs::kMsipCount) {
    throw std::invalid_argument("CLINT: the number of harts must be 1 to 16");
  }
  if (config.timer_hz < 1 || config.timer_hz > kPicosecondsPerSecond) {
    throw std::invalid_argument("CLINT: the timer frequency must be 1 Hz to 1 THz");
  }
  return config;
}

}  // namespace

ClintState::ClintState(const ClintConfig& config, Hooks hooks)
    : config_(checked(config)),
      hooks_(std::move(hooks)),
      block_(regs::kBlock),
      timer_levels_(config.harts),
      software_levels_(config.harts) {
  block_.limit_array(regs::kMsipOffset, config_.harts);
  block_.limit_array(regs::kMtimecmpOffset, config_.harts);
  const auto evaluate_after_write = [this](const auto&) {
    evaluate();
    return AccessResult::kOk;
  };
  block_.on_write(regs::kMsipOffset, evaluate_after_write);
  block_.on_write(regs::kMtimecmpOffset, evaluate_after_write);
  block_.on_read(regs::kMtimeOffset, [this](std::uint32_t) { return time(); });
  block_.on_write(regs::kMtimeOffset, [this](const common::RegisterBlock::Write& write) {
    written_offset_ = write.written - ticks_at(hooks_.now_ps());
    evaluate();
    return AccessResult::kOk;
  });
}

std::uint64_t ClintState::ticks_at(std::uint64_t time_ps) const {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(time_ps) * config_.timer_hz /
                                    kPicosecondsPerSecond);
}

std::uint64_t ClintState::start_of_tick(unsigned __int128 tick) const {
  if (tick > kNever) return kNever;  // at 1 THz at most, a tick is a picosecond or more
  const unsigned __int128 time_ps =
      (tick * kPicosecondsPerSecond + config_.timer_hz - 1) / config_.timer_hz;
  return time_ps < kNever ? static_cast<std::uint64_t>(time_ps) : kNever;
}

std::uint64_t ClintState::time() const {
  return ticks_at(hooks_.now_ps()) + written_offset_;
}

void ClintState::evaluate() {
  const std::uint64_t ticks = ticks_at(hooks_.now_ps());
  const std::uint64_t now = ticks + written_offset_;
  std::uint64_t next_ps = kNever;
  bool changed = false;
  for (unsigned hart = 0; hart < config_.harts; ++hart) {
    const std::uint64_t compare = block_.get(regs::kMtimecmpOffset + hart * regs::kMtimecmpStride);
    const bool timer = now >= compare;
    const bool software = block_.get(regs::kMsipOffset + hart * regs::kMsipStride) != 0;
    if (!timer) {
      const auto tick = static_cast<unsigned __int128>(ticks) + (compare - now);
      next_ps = std::min(next_ps, start_of_tick(tick));
    }
    changed = changed || timer != timer_levels_[hart] || software != software_levels_[hart];
    timer_levels_[hart] = timer;
    software_levels_[hart] = software;
  }
  hooks_.wake_at(next_ps);
  if (changed) hooks_.levels_changed();
}

void ClintState::reset() {
  block_.reset();
  written_offset_ = std::uint64_t{0} - ticks_at(hooks_.now_ps());
  evaluate();
}

}  // namespace hpimvp::peripherals
