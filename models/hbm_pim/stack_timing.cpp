#include "models/hbm_pim/stack_timing.h"

#include <algorithm>

namespace hpimvp::hbm_pim {
namespace {

void add(PseudoChannelCounters& sum, const PseudoChannelCounters& other) {
  sum.read_bursts += other.read_bursts;
  sum.write_bursts += other.write_bursts;
  sum.row_hits += other.row_hits;
  sum.row_misses += other.row_misses;
  sum.activates += other.activates;
  sum.all_bank_activates += other.all_bank_activates;
  sum.mac_commands += other.mac_commands;
  sum.broadcast_bursts += other.broadcast_bursts;
  sum.read_out_bursts += other.read_out_bursts;
  sum.refreshes += other.refreshes;
  sum.mode_switches += other.mode_switches;
  sum.gemv_activate_cycles += other.gemv_activate_cycles;
  sum.gemv_mac_cycles += other.gemv_mac_cycles;
  sum.gemv_broadcast_cycles += other.gemv_broadcast_cycles;
  sum.gemv_read_out_cycles += other.gemv_read_out_cycles;
  sum.gemv_refresh_cycles += other.gemv_refresh_cycles;
  sum.gemv_mode_cycles += other.gemv_mode_cycles;
  sum.gemv_normal_cycles += other.gemv_normal_cycles;
}

}  // namespace

StackTiming::StackTiming(const HbmPimConfig& config)
    : mapping_(config.organisation),
      clock_period_ps_(config.timing.clock_period_ps),
      timing_(config.timing),
      controller_latency_(config.controller_latency),
      pseudo_channels_(config.organisation.pseudo_channels(), PseudoChannel(config)) {}

Cycle StackTiming::to_cycle(std::uint64_t time_ps) const {
  return (time_ps + clock_period_ps_ - 1) / clock_period_ps_;
}

std::uint64_t StackTiming::access(std::uint64_t time_ps, bool write, std::uint64_t offset,
                                  std::uint64_t length) {
  if (length == 0) return time_ps;
  const Organisation& organisation = mapping_.organisation();
  const Cycle arrival = to_cycle(time_ps);
  // Rows in the order of addresses; every pseudo_channels()-th belongs to the same pseudo-channel.
  const std::uint64_t first = offset / organisation.row_bytes;
  const std::uint64_t last = (offset + length - 1) / organisation.row_bytes;
  const std::uint64_t channels =
      std::min<std::uint64_t>(organisation.pseudo_channels(), last - first + 1);
  Cycle done = arrival;
  for (std::uint64_t i = 0; i < channels; ++i) {
    done = std::max(done, access_pseudo_channel(first + i, last, arrival, write, offset, length));
  }
  return to_ps(done + controller_latency_);
}

Cycle StackTiming::access_pseudo_channel(std::uint64_t first_row, std::uint64_t last_row,
                                         Cycle arrival, bool write, std::uint64_t offset,
                                         std::uint64_t length) {
  const Organisation& organisation = mapping_.organisation();
  const std::uint64_t stride = organisation.pseudo_channels();
  const bool alternates = first_row + stride <= last_row && organisation.bank_groups > 1;
  const std::uint32_t column_period = alternates ? timing_.ccd_short : timing_.ccd_long;
  Cycle done = arrival;
  PseudoChannel* channel = nullptr;
  for (std::uint64_t index = first_row; index <= last_row; index += stride) {
    const std::uint64_t row_begin = index * organisation.row_bytes;
    const std::uint64_t begin = std::max(offset, row_begin);
    const std::uint64_t end = std::min(offset + length, row_begin + organisation.row_bytes);
    const std::uint64_t bursts =
        (end - 1) / organisation.burst_bytes - begin / organisation.burst_bytes + 1;
    const Coordinates at = mapping_.decode(begin);
    if (channel == nullptr) {
      channel = &pseudo_channels_[at.pseudo_channel];
      channel->begin_access(arrival, write);
    }
    done = std::max(done, channel->row_access(at.bank, at.row, static_cast<std::uint32_t>(bursts),
                                              column_period));
  }
  return done;
}

void StackTiming::start_gemv(std::uint64_t time_ps, const GemvLayout& layout, bool bias) {
  const Cycle start = to_cycle(time_ps) + controller_latency_;
  for (std::uint32_t i = 0; i < pseudo_channels_.size(); ++i) {
    pseudo_channels_[i].start_gemv(start, {layout.slots_in(i), layout.chunks_per_slot(), bias});
  }
}

std::uint64_t StackTiming::gemv_end_ps() const {
  Cycle end = 0;
  const PseudoChannel* previous = nullptr;
  for (const PseudoChannel& channel : pseudo_channels_) {
    // Most pseudo-channels do the same work in step.
    if (previous == nullptr || !channel.same_gemv(*previous)) {
      end = std::max(end, channel.gemv_end());
    }
    previous = &channel;
  }
  return to_ps(end + controller_latency_);
}

bool StackTiming::advance_gemv(std::uint64_t time_ps) {
  bool active = false;
  for (PseudoChannel& channel : pseudo_channels_) {
    channel.advance(to_cycle(time_ps));
    active = active || channel.gemv_active();
  }
  return !active && gemv_end_ps() <= time_ps;
}

PseudoChannelCounters StackTiming::counters(std::uint64_t time_ps) const {
  PseudoChannelCounters sum;
  for (const PseudoChannel& channel : pseudo_channels_) {
    add(sum, channel.counters(time_ps / clock_period_ps_));
  }
  return sum;
}

}  // namespace hpimvp::hbm_pim
