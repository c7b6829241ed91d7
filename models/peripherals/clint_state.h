// Core-local interruptor (clint.registers.json): machine timer and software interrupts, without
// SystemC. Time is what the hook `now_ps` says.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "models/common/register_block.h"
#include "models/peripherals/clint_config.h"

namespace hpimvp::peripherals {

class ClintState {
 public:
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};

  struct Hooks {
    std::function<std::uint64_t()> now_ps;
    std::function<void(std::uint64_t at_ps)>
        wake_at;  // call wake() then; replaces the last request
    std::function<void()> levels_changed;
  };

  // Throws std::invalid_argument if the configuration is out of range.
  ClintState(const ClintConfig& config, Hooks hooks);
  ClintState(const ClintState&) = delete;
  ClintState& operator=(const ClintState&) = delete;

  common::AccessResult read(std::uint64_t offset, unsigned width_bytes,
                            std::uint64_t& value) const {
    return block_.read(offset, width_bytes, value);
  }
  common::AccessResult peek(std::uint64_t offset, unsigned width_bytes,
                            std::uint64_t& value) const {
    return block_.peek(offset, width_bytes, value);
  }
  common::AccessResult write(std::uint64_t offset, unsigned width_bytes, std::uint64_t value) {
    return block_.write(offset, width_bytes, value);
  }

  void wake() { evaluate(); }
  void reset();

  unsigned harts() const { return config_.harts; }
  std::uint64_t time() const;  // MTIME now; what a hart's `time` CSR shows
  bool timer_interrupt(unsigned hart) const { return timer_levels_[hart]; }
  bool software_interrupt(unsigned hart) const { return software_levels_[hart]; }

 private:
  std::uint64_t ticks_at(std::uint64_t time_ps) const;
  // The first picosecond of a tick; kNever if it lies beyond what 64 bits hold.
  std::uint64_t start_of_tick(unsigned __int128 tick) const;
  void evaluate();

  ClintConfig config_;
  Hooks hooks_;
  common::RegisterBlock block_;
  std::uint64_t written_offset_ = 0;  // MTIME minus the ticks since time 0
  std::vector<bool> timer_levels_;
  std::vector<bool> software_levels_;
};

}  // namespace hpimvp::peripherals
