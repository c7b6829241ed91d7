// The timing of a whole stack: normal accesses by address, and GEMVs over all pseudo-channels.
// Times at this interface are absolute simulated picoseconds; inside they are DRAM clock cycles.
#pragma once

#include <cstdint>
#include <vector>

#include "models/hbm_pim/address_mapping.h"
#include "models/hbm_pim/gemv_layout.h"
#include "models/hbm_pim/pseudo_channel.h"

namespace hpimvp::hbm_pim {

class StackTiming {
 public:
  // `config` has passed check().
  explicit StackTiming(const HbmPimConfig& config);

  // A normal read or write of `length` bytes at `offset`, which lie in the stack. Returns when the
  // last byte has been transferred, at the stack's port. Whole bursts are moved, whatever the
  // length. Accesses should come in the order of their times; a late one is served after those
  // before it.
  std::uint64_t access(std::uint64_t time_ps, bool write, std::uint64_t offset,
                       std::uint64_t length);

  // Starts a GEMV whose layout fits. Precondition: none is active.
  void start_gemv(std::uint64_t time_ps, const GemvLayout& layout, bool bias);
  // When the active GEMV ends if no further normal access breaks in.
  std::uint64_t gemv_end_ps() const;
  // Brings the active GEMV up to `time_ps`. True if it has ended by then.
  bool advance_gemv(std::uint64_t time_ps);

  // Sums over all pseudo-channels.
  PseudoChannelCounters counters(std::uint64_t time_ps) const;
  const PseudoChannel& pseudo_channel(std::uint32_t index) const { return pseudo_channels_[index]; }

 private:
  Cycle to_cycle(std::uint64_t time_ps) const;  // the first clock edge from then on
  std::uint64_t to_ps(Cycle cycle) const { return cycle * clock_period_ps_; }
  Cycle access_pseudo_channel(std::uint64_t first_row, std::uint64_t last_row, Cycle arrival,
                              bool write, std::uint64_t offset, std::uint64_t length);

  AddressMapping mapping_;
  std::uint64_t clock_period_ps_;
  Timing timing_;
  std::uint32_t controller_latency_;
  std::vector<PseudoChannel> pseudo_channels_;
};

}  // namespace hpimvp::hbm_pim
