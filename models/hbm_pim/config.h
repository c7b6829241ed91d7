// What an HBM-PIM stack consists of, and how long its DRAM commands take.
//
// Defaults: HPIM's organisation (arXiv 2509.12993: 4 HBM3 stacks of 8 dies x 24 Gb, 2 channels x 2
// pseudo-channels x 8 bank groups x 4 banks a die, one PIM unit of 16 FP16 multipliers a bank) with
// the timing of HBM3 at 5.2 Gb/s that AttAcc (ASPLOS 2024) simulates. HPIM publishes no timing.
// Where that set says nothing, the value is taken from the HBM3-6400 set of Ramulator 2 and scaled
// by 0.625 / 0.769 in clock periods; such values are marked [scaled].
#pragma once

#include <cstdint>

namespace hpimvp::hbm_pim {

struct Organisation {
  std::uint32_t channels = 16;
  std::uint32_t pseudo_channels_per_channel = 2;
  // HPIM counts 8 bank groups; in JEDEC's terms (JESD238) they are 2 stack IDs x 4 bank groups.
  std::uint32_t bank_groups = 8;
  std::uint32_t banks_per_group = 4;
  // 24 Gb a die / (4 pseudo-channels x 32 banks) / 1 KiB.
  std::uint32_t rows = 24576;
  std::uint32_t row_bytes = 1024;  // of a pseudo-channel's bank (JESD238)
  std::uint32_t burst_bytes = 32;  // 32 data pins x burst length 8

  std::uint32_t pseudo_channels() const { return channels * pseudo_channels_per_channel; }
  std::uint32_t banks() const { return bank_groups * banks_per_group; }  // of a pseudo-channel
  std::uint32_t bursts_per_row() const { return row_bytes / burst_bytes; }
  std::uint64_t bank_bytes() const { return std::uint64_t{rows} * row_bytes; }
  std::uint64_t stack_bytes() const { return bank_bytes() * banks() * pseudo_channels(); }
};

// In clock periods (names as in JESD238), except the period itself.
struct Timing {
  std::uint64_t clock_period_ps = 769;  // AttAcc, HBM3 at 5.2 Gb/s: 0.769 ns
  std::uint32_t rcd_read = 19;          // AttAcc tRCDRD
  std::uint32_t rcd_write = 12;         // tRCDWR [scaled from 15]
  std::uint32_t precharge = 19;         // AttAcc tRP
  std::uint32_t row_active = 45;        // AttAcc tRAS
  std::uint32_t ccd_short = 2;          // AttAcc tCCD_S: a burst takes 2 periods on the data bus
  std::uint32_t ccd_long = 4;           // AttAcc tCCD_L
  std::uint32_t read_latency = 19;      // AttAcc CL
  std::uint32_t write_latency = 8;      // tWL [scaled from 10]
  std::uint32_t burst = 2;              // 8 beats at 4 beats a period
  std::uint32_t write_recovery = 27;    // tWR [scaled from 33]
  std::uint32_t write_to_read = 8;      // tWTR_L [scaled from 10]
  std::uint32_t read_to_precharge =
      5;  // tRTP [JESD238 gives 4 ns: rounded down to AttAcc's tCCD_L + 1]
  std::uint32_t four_activates = 39;       // AttAcc tFAW
  std::uint32_t activate_to_activate = 4;  // tRRD_S [scaled from 4, rounded up]
  std::uint32_t refresh = 456;             // tRFC: AttAcc's 350 ns
  std::uint32_t refresh_interval = 5070;   // AttAcc tREFI
};

struct PimUnits {
  std::uint32_t lanes = 16;  // HPIM: FP16 multipliers a bank
  // Periods from one all-bank MAC column command to the next. AttAcc: 6 where power allows no more
  // (its bandwidth is then 9 times the external one), 4 (tCCD_L) without that limit.
  std::uint32_t mac_period = 6;
  // How many banks may be activated in a window of tFAW by an all-bank activate. 4 is JESD238's
  // limit, which holds unless the part has charge reservoirs for more (SK hynix's AiM activates 16
  // banks at once); then all-bank activation is a staggered sequence of banks() / 4 windows, and
  // is what bounds a GEMV.
  std::uint32_t activates_per_window = 4;
  // Latency of a processing unit from a column command to the accumulator. Multiplier, four tree
  // levels and accumulator, each a stage of a 400 MHz unit (SPIMOE, arXiv 2609.34612): 15 ns.
  std::uint32_t mac_latency = 20;
  // Of the buffer in each pseudo-channel that holds x while the banks compute. The default takes x
  // of every layer of the published models (28672 elements), so that x is sent once a command. A
  // smaller buffer (AiM: 2 KiB) is filled anew for every piece of x and every slot.
  std::uint32_t global_buffer_bytes = 64 * 1024;
  // Between normal and compute mode, each way. Samsung's HBM2-PIM changes mode by activating and
  // precharging a reserved row: tRAS + tRP.
  std::uint32_t mode_switch = 64;
  // Normal accesses may break into a GEMV between two DRAM rows. When they have held a
  // pseudo-channel for this long, the GEMV gets one row before the next of them.
  std::uint32_t normal_window = 512;
};

struct HbmPimConfig {
  Organisation organisation;
  Timing timing;
  PimUnits pim;
  // From the stack's port to the command bus and back: queue, decode, PHY. Assumed.
  std::uint32_t controller_latency = 13;  // clock periods, 10 ns
};

// Throws std::invalid_argument naming the first value that makes no sense (zero sizes, rows that
// are no whole number of bursts, lanes other than 16, a burst that is not 16 FP16 values).
void check(const HbmPimConfig& config);

}  // namespace hpimvp::hbm_pim
