#include "models/hbm_pim/pseudo_channel.h"

#include <algorithm>
#include <limits>

namespace hpimvp::hbm_pim {
namespace {

constexpr Cycle kNever = std::numeric_limits<Cycle>::max();

std::uint64_t divide_up(std::uint64_t value, std::uint64_t by) {
  return (value + by - 1) / by;
}

}  // namespace

PseudoChannel::PseudoChannel(const HbmPimConfig& config)
    : organisation_(config.organisation),
      timing_(config.timing),
      pim_(config.pim),
      activation_span_(static_cast<std::uint32_t>(
          (divide_up(organisation_.banks(), pim_.activates_per_window) - 1) *
          timing_.four_activates)),
      buffer_columns_(pim_.global_buffer_bytes / organisation_.burst_bytes),
      banks_(organisation_.banks()) {
  gemv_.next_refresh = timing_.refresh_interval == 0 ? kNever : timing_.refresh_interval;
}

// ------------------------------------------------------------------ normal accesses

void PseudoChannel::begin_access(Cycle arrival, bool write) {
  access_write_ = write;
  access_arrival_ = arrival;
  if (gemv_.active) break_in(arrival);
}

// Lets the GEMV pass up to the row boundary at or after `arrival`, and takes the channel from it.
void PseudoChannel::break_in(Cycle arrival) {
  advance(arrival);
  const bool held_too_long =
      normal_mode_ && std::max(arrival, last_data_end_) > normal_since_ + pim_.normal_window;
  if (gemv_.active && held_too_long) run_step();
  if (!gemv_.active || normal_mode_) return;
  normal_mode_ = true;
  normal_since_ = gemv_.now;
  blocked_until_ = std::max(blocked_until_, gemv_.now + pim_.mode_switch);
  counters_.mode_switches += 1;
}

Cycle PseudoChannel::row_access(std::uint32_t bank_index, std::uint32_t row, std::uint32_t bursts,
                                std::uint32_t column_period) {
  catch_up_refreshes(std::max({access_arrival_, blocked_until_, bus_ready_}));
  const Cycle now = std::max(access_arrival_, blocked_until_);
  Bank& bank = banks_[bank_index];
  if (bank.row == row) {
    counters_.row_hits += 1;
  } else {
    counters_.row_misses += 1;
    counters_.activates += 1;
    Cycle activate = std::max(now, bank.activate_ready);
    if (bank.row != kNoRow) {
      activate = std::max(activate, std::max(now, bank.precharge_ready) + timing_.precharge);
    }
    const Cycle newest = last_activates_[(next_activate_ + 3) % 4];
    const Cycle oldest = last_activates_[next_activate_];
    if (newest != 0) activate = std::max(activate, newest - 1 + timing_.activate_to_activate);
    if (oldest != 0) activate = std::max(activate, oldest - 1 + timing_.four_activates);
    last_activates_[next_activate_] = activate + 1;
    next_activate_ = (next_activate_ + 1) % 4;
    bank.row = row;
    bank.column_ready = activate + (access_write_ ? timing_.rcd_write : timing_.rcd_read);
    bank.precharge_ready = activate + timing_.row_active;
    bank.activate_ready = activate + timing_.row_active + timing_.precharge;
  }
  const Cycle first = bus_start(access_write_, std::max(now, bank.column_ready));
  const Cycle last = first + std::uint64_t{bursts - 1} * column_period;
  const Cycle data_end =
      last + (access_write_ ? timing_.write_latency : timing_.read_latency) + timing_.burst;
  bank.column_ready = last + timing_.ccd_long;
  bank.precharge_ready =
      std::max(bank.precharge_ready, access_write_ ? data_end + timing_.write_recovery
                                                   : last + timing_.read_to_precharge);
  bus_ready_ = last + timing_.ccd_short;
  last_data_end_ = std::max(last_data_end_, data_end);
  last_was_write_ = access_write_;
  (access_write_ ? counters_.write_bursts : counters_.read_bursts) += bursts;
  return data_end;
}

// When the first column command may be given: a change of direction waits for the data bus.
Cycle PseudoChannel::bus_start(bool write, Cycle earliest) const {
  Cycle start = std::max(earliest, bus_ready_);
  if (last_was_write_ && !write) start = std::max(start, last_data_end_ + timing_.write_to_read);
  if (!last_was_write_ && write && last_data_end_ + 1 > timing_.write_latency) {
    start = std::max(start, last_data_end_ + 1 - timing_.write_latency);
  }
  return start;
}

// ------------------------------------------------------------------ refresh

void PseudoChannel::close_all_rows(Cycle ready) {
  for (Bank& bank : banks_) {
    bank.row = kNoRow;
    bank.activate_ready = std::max(bank.activate_ready, ready);
  }
}

// When every bank can have been precharged.
Cycle PseudoChannel::normal_idle() const {
  Cycle ready = std::max(last_data_end_, blocked_until_);
  bool open = false;
  for (const Bank& bank : banks_) {
    if (bank.row == kNoRow) continue;
    open = true;
    ready = std::max(ready, bank.precharge_ready);
  }
  return open ? ready + timing_.precharge : ready;
}

// Executes the refreshes that have fallen due by `now`, in normal mode. In idle time they passed
// unnoticed; only the last can still be in progress.
void PseudoChannel::catch_up_refreshes(Cycle now) {
  if (gemv_.next_refresh > now) return;
  const std::uint64_t passed = (now - gemv_.next_refresh) / timing_.refresh_interval;
  counters_.refreshes += passed + 1;
  const Cycle due = gemv_.next_refresh + passed * timing_.refresh_interval;
  gemv_.next_refresh = due + timing_.refresh_interval;
  blocked_until_ = std::max(due, normal_idle()) + timing_.refresh;
  close_all_rows(blocked_until_);
}

PseudoChannelCounters PseudoChannel::counters(Cycle now) const {
  PseudoChannelCounters result = counters_;
  if (gemv_.next_refresh <= now) {
    result.refreshes += (now - gemv_.next_refresh) / timing_.refresh_interval + 1;
  }
  return result;
}

// ------------------------------------------------------------------ GEMV

void PseudoChannel::start_gemv(Cycle at, const GemvWork& work) {
  if (work.slots == 0 || work.chunks_per_slot == 0) {
    gemv_.now = at;
    return;
  }
  catch_up_refreshes(std::max(at, bus_ready_));
  gemv_.active = true;
  gemv_.entered = false;
  gemv_.work = work;
  gemv_.column = 0;
  gemv_.now = std::max(at, normal_idle());
  counters_.gemv_activate_cycles += gemv_.now - at;
  close_all_rows(gemv_.now);
  normal_mode_ = false;
}

// In normal mode: when the next row of the GEMV could begin.
Cycle PseudoChannel::resume_time() const {
  return normal_idle() + pim_.mode_switch;
}

Cycle PseudoChannel::gemv_end() const {
  GemvState ahead = gemv_;
  if (ahead.active && normal_mode_) ahead.now = std::max(ahead.now, resume_time());
  while (ahead.active) step(ahead, nullptr);
  return ahead.now;
}

void PseudoChannel::advance(Cycle until) {
  while (gemv_.active && (normal_mode_ ? resume_time() : gemv_.now) < until) run_step();
}

void PseudoChannel::run_step() {
  if (normal_mode_) {
    const Cycle resume = resume_time();
    counters_.mode_switches += 1;
    counters_.gemv_normal_cycles += resume - gemv_.now;
    gemv_.now = resume;
    normal_mode_ = false;
    close_all_rows(resume);
  }
  step(gemv_, &counters_);
  if (!gemv_.active) {
    normal_mode_ = true;
    blocked_until_ = std::max(blocked_until_, gemv_.now);
  }
}

// Bursts of x that must be sent before or during the next `columns` column commands.
std::uint64_t PseudoChannel::broadcast_bursts_in(const GemvState& state,
                                                 std::uint64_t columns) const {
  const std::uint64_t chunks = state.work.chunks_per_slot;
  if (chunks <= buffer_columns_) return 0;  // sent at the start of the command
  std::uint64_t bursts = 0;
  const std::uint64_t end = state.column + columns;
  for (std::uint64_t at = state.column; at < end;) {
    const std::uint64_t in_slot = at % chunks;
    const std::uint64_t piece = in_slot / buffer_columns_ * buffer_columns_;
    const std::uint64_t length = std::min<std::uint64_t>(buffer_columns_, chunks - piece);
    if (in_slot == piece) bursts += length;
    at += piece + length - in_slot;
  }
  return bursts;
}

void PseudoChannel::step(GemvState& state, PseudoChannelCounters* counters) const {
  if (state.next_refresh <= state.now) {
    state.now += timing_.refresh;
    state.next_refresh += timing_.refresh_interval;
    if (counters != nullptr) {
      counters->refreshes += 1;
      counters->gemv_refresh_cycles += timing_.refresh;
    }
    return;
  }
  if (!state.entered) {
    state.entered = true;
    const bool fits = state.work.chunks_per_slot <= buffer_columns_;
    const std::uint64_t bursts = fits ? state.work.chunks_per_slot : 0;
    const std::uint64_t broadcast =
        bursts == 0 ? 0 : bursts * timing_.ccd_short + timing_.write_latency;
    state.now += pim_.mode_switch + broadcast;
    if (counters != nullptr) {
      counters->mode_switches += 1;
      counters->gemv_mode_cycles += pim_.mode_switch;
      counters->broadcast_bursts += bursts;
      counters->gemv_broadcast_cycles += broadcast;
    }
    return;
  }
  step_row(state, counters);
}

void PseudoChannel::step_row(GemvState& state, PseudoChannelCounters* counters) const {
  const GemvWork& work = state.work;
  const std::uint64_t total = std::uint64_t{work.slots} * work.chunks_per_slot;
  const std::uint64_t columns =
      std::min<std::uint64_t>(organisation_.bursts_per_row(), total - state.column);
  const std::uint64_t end = state.column + columns;
  const std::uint64_t slots_begun =
      divide_up(end, work.chunks_per_slot) - divide_up(state.column, work.chunks_per_slot);
  const std::uint64_t slots_ended =
      end / work.chunks_per_slot - state.column / work.chunks_per_slot;
  // One FP16 value a bank, in bursts.
  const std::uint64_t value_bursts =
      divide_up(std::uint64_t{organisation_.banks()} * 2, organisation_.burst_bytes);

  const std::uint64_t input_bursts = broadcast_bursts_in(state, columns);
  const std::uint64_t bias_bursts = work.bias ? slots_begun * value_bursts : 0;
  const std::uint64_t mac = columns * pim_.mac_period;
  const std::uint64_t broadcast = (input_bursts + bias_bursts) * timing_.ccd_short +
                                  (input_bursts != 0 ? timing_.write_latency : 0) +
                                  (work.bias ? slots_begun * timing_.write_latency : 0);
  const std::uint64_t read_out =
      slots_ended * (pim_.mac_latency + value_bursts * timing_.ccd_short);
  const std::uint64_t open =
      timing_.rcd_read + broadcast + mac + read_out + timing_.read_to_precharge;
  const std::uint64_t row =
      std::max<std::uint64_t>(std::max<std::uint64_t>(open, timing_.row_active) + timing_.precharge,
                              timing_.four_activates);
  state.now += activation_span_ + row;
  state.column = end;

  const bool last = end == total;
  const std::uint64_t drain = last ? timing_.read_latency + timing_.burst : 0;
  if (last) {
    state.now += drain + pim_.mode_switch;
    state.active = false;
  }
  if (counters == nullptr) return;
  counters->all_bank_activates += 1;
  counters->mac_commands += columns;
  counters->broadcast_bursts += input_bursts + bias_bursts;
  counters->read_out_bursts += slots_ended * value_bursts;
  counters->gemv_activate_cycles += activation_span_ + row - broadcast - mac - read_out;
  counters->gemv_mac_cycles += mac;
  counters->gemv_broadcast_cycles += broadcast;
  counters->gemv_read_out_cycles += read_out + drain;
  if (last) {
    counters->mode_switches += 1;
    counters->gemv_mode_cycles += pim_.mode_switch;
  }
}

}  // namespace hpimvp::hbm_pim
