// Platform-level interrupt controller (plic.registers.json), without SystemC. Chapter names in
// comments are those of the RISC-V PLIC specification 1.0.0.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "models/common/register_block.h"
#include "models/peripherals/plic_config.h"

namespace hpimvp::peripherals {

class PlicState {
 public:
  // `levels_changed` is called when the interrupt of a context rises or falls. Throws
  // std::invalid_argument if the configuration is out of range.
  PlicState(const PlicConfig& config, std::function<void()> levels_changed);
  PlicState(const PlicState&) = delete;
  PlicState& operator=(const PlicState&) = delete;

  // The level of an interrupt source, 1 to sources().
  void set_source(unsigned source, bool level);

  common::AccessResult read(std::uint64_t offset, unsigned width_bytes, std::uint64_t& value);
  common::AccessResult peek(std::uint64_t offset, unsigned width_bytes,
                            std::uint64_t& value) const {
    return block_.peek(offset, width_bytes, value);
  }
  common::AccessResult write(std::uint64_t offset, unsigned width_bytes, std::uint64_t value) {
    return block_.write(offset, width_bytes, value);
  }
  // Registers to their reset values; the sources' levels stay.
  void reset();

  unsigned sources() const { return config_.sources; }
  unsigned contexts() const { return config_.contexts; }
  bool interrupt(unsigned context) const { return levels_[context]; }

 private:
  static constexpr unsigned kWords = 4;
  using Bits = std::array<std::uint32_t, kWords>;  // one bit a source

  void install_hooks();
  std::uint32_t enabled(unsigned context, unsigned word) const;
  // The pending, enabled source of the highest priority above `threshold`, 0 if there is none.
  unsigned best(unsigned context, std::uint64_t threshold) const;
  void claim(unsigned source);
  void complete(unsigned context, std::uint64_t source);
  void open_gateways();
  void update();

  PlicConfig config_;
  std::function<void()> levels_changed_;
  common::RegisterBlock block_;
  Bits implemented_{};
  Bits source_levels_{};
  Bits pending_{};
  Bits in_service_{};  // claimed and not completed: the gateway forwards nothing
  std::vector<bool> levels_;
};

}  // namespace hpimvp::peripherals
