// The timing of one pseudo-channel: 32 banks, a column bus, normal accesses and the GEMVs of its
// processing units. Times are DRAM clock cycles from the start of the simulation.
//
// Normal accesses are computed access by access from the state of banks and bus, with an open-page
// policy. A GEMV is a sequence of steps, one per DRAM row, each of which has a closed form; it is
// computed lazily: advance() executes the rows that begin before a given time, so that a normal
// access can break in at the next row boundary. All-bank refresh falls due every refresh interval,
// counted from time 0, and is executed at the first access or row boundary from then on.
//
// Simplifications of this version: one burst sequence is not interleaved with another one's,
// command bus slots are not counted, an all-bank activate is ceil(banks / activates_per_window)
// commands tFAW apart.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/hbm_pim/config.h"

namespace hpimvp::hbm_pim {

using Cycle = std::uint64_t;

// What one pseudo-channel has to do for a GEMV.
struct GemvWork {
  std::uint32_t slots = 0;            // outputs a bank
  std::uint32_t chunks_per_slot = 0;  // column commands an output
  bool bias = false;

  friend bool operator==(const GemvWork&, const GemvWork&) = default;
};

struct PseudoChannelCounters {
  std::uint64_t read_bursts = 0;
  std::uint64_t write_bursts = 0;
  std::uint64_t row_hits = 0;
  std::uint64_t row_misses = 0;
  std::uint64_t activates = 0;           // of single banks
  std::uint64_t all_bank_activates = 0;  // rows opened in all banks
  std::uint64_t mac_commands = 0;
  std::uint64_t broadcast_bursts = 0;
  std::uint64_t read_out_bursts = 0;
  std::uint64_t refreshes = 0;
  std::uint64_t mode_switches = 0;
  // Where the cycles of GEMVs went. Their sum is the time in compute mode.
  std::uint64_t gemv_activate_cycles = 0;  // precharge and staggered activation
  std::uint64_t gemv_mac_cycles = 0;
  std::uint64_t gemv_broadcast_cycles = 0;  // x and bias
  std::uint64_t gemv_read_out_cycles = 0;
  std::uint64_t gemv_refresh_cycles = 0;
  std::uint64_t gemv_mode_cycles = 0;
  std::uint64_t gemv_normal_cycles = 0;  // waited for normal accesses that broke in
};

class PseudoChannel {
 public:
  explicit PseudoChannel(const HbmPimConfig& config);

  // One normal access: begin_access() with its arrival, row_access() for each run of bursts in a
  // row in ascending order. Arrivals that lie before what was already computed are served later.
  void begin_access(Cycle arrival, bool write);
  // `column_period`: cycles from one column command to the next, tCCD_S if the access alternates
  // between bank groups. Returns the cycle in which the last data has passed the data bus.
  Cycle row_access(std::uint32_t bank, std::uint32_t row, std::uint32_t bursts,
                   std::uint32_t column_period);

  // Precondition: no GEMV is active. `work.slots` may be 0: nothing happens.
  void start_gemv(Cycle at, const GemvWork& work);
  bool gemv_active() const { return gemv_.active; }
  // When the active or last GEMV ends if no further normal access breaks in.
  Cycle gemv_end() const;
  // gemv_end() is that of `other` too, because they stand at the same point of the same work.
  bool same_gemv(const PseudoChannel& other) const {
    return !normal_mode_ && !other.normal_mode_ && gemv_ == other.gemv_;
  }
  // Executes the rows of the active GEMV that begin before `until`.
  void advance(Cycle until);

  // Counters as of `now`, the refreshes of idle time included.
  PseudoChannelCounters counters(Cycle now) const;

 private:
  struct Bank {
    std::uint32_t row = kNoRow;
    Cycle activate_ready = 0;
    Cycle column_ready = 0;
    Cycle precharge_ready = 0;
  };
  static constexpr std::uint32_t kNoRow = 0xFFFFFFFF;

  // The part of the state that a GEMV's steps change: copied to look ahead.
  struct GemvState {
    bool active = false;
    bool entered = false;  // mode entry and broadcast are done
    Cycle now = 0;         // next row boundary
    Cycle next_refresh = 0;
    GemvWork work;
    std::uint64_t column = 0;  // column commands done

    friend bool operator==(const GemvState&, const GemvState&) = default;
  };

  Cycle bus_start(bool write, Cycle earliest) const;
  Cycle normal_idle() const;
  Cycle resume_time() const;
  void catch_up_refreshes(Cycle now);
  void close_all_rows(Cycle ready);
  void break_in(Cycle arrival);
  // Adds one step to `state`; counts into `counters` unless it is null.
  void step(GemvState& state, PseudoChannelCounters* counters) const;
  void step_row(GemvState& state, PseudoChannelCounters* counters) const;
  std::uint64_t broadcast_bursts_in(const GemvState& state, std::uint64_t columns) const;
  void run_step();

  Organisation organisation_;
  Timing timing_;
  PimUnits pim_;
  std::uint32_t activation_span_;  // from the first to the last command of an all-bank activate
  std::uint32_t buffer_columns_;   // columns of x that the global buffer holds

  std::vector<Bank> banks_;
  std::array<Cycle, 4> last_activates_{};  // plus 1, so that 0 means none; oldest at next_activate_
  unsigned next_activate_ = 0;
  Cycle bus_ready_ = 0;      // next column command
  Cycle last_data_end_ = 0;  // of normal accesses
  bool last_was_write_ = false;
  Cycle blocked_until_ = 0;  // by refresh or mode
  Cycle access_arrival_ = 0;
  bool access_write_ = false;

  GemvState gemv_;
  bool normal_mode_ = true;
  Cycle normal_since_ = 0;  // when normal accesses broke into the active GEMV
  PseudoChannelCounters counters_;
};

}  // namespace hpimvp::hbm_pim
