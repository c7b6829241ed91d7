// What a tile consists of and how long its units take. Times are tile clock cycles.
//
// HPIM (arXiv 2509.12993) gives the activation memory, the in-array unit's 16 macro groups of 8
// FP16 multipliers, and a 3-stage sequencer. It publishes no clock, lane count or latency: the
// clock is that of the same group's later machine of the same structure (SPIMOE, arXiv 2609.34612:
// 800 MHz), the rest is assumed and stated as such.
#pragma once

#include <cstdint>

namespace hpimvp::sram_pim {

struct TileConfig {
  std::uint64_t clock_period_ps = 1250;         // SPIMOE: 800 MHz
  std::uint32_t tiles = 32;                     // HPIM; what `tiles` reads
  std::uint32_t activation_bytes = 384 * 1024;  // HPIM
  std::uint32_t control_bytes = 32 * 1024;      // assumed

  // Sequencer: an instruction a cycle; HPIM's three stages (fetch, decode, execute) lose two on a
  // taken branch or jump.
  std::uint32_t branch_penalty = 2;
  std::uint32_t divide_cycles = 32;  // assumed: a bit of the 64-bit quotient takes half a cycle

  // Vector unit, assumed: an instruction takes ceil(elements / lanes) passes, and its latency once.
  std::uint32_t vector_lanes = 64;
  std::uint32_t special_lanes = 16;  // exp, silu, gelu
  std::uint32_t vector_latency = 4;
  std::uint32_t special_latency = 16;    // exp, silu, gelu, reciprocal, square root
  std::uint32_t reduction_latency = 12;  // six additions over 64 lanes, two cycles each

  // In-array unit. qk: a macro group takes a row, its multipliers 8 columns a cycle; sv: a macro
  // group takes a column, its multipliers 8 rows a cycle.
  std::uint32_t macro_groups = 16;        // HPIM
  std::uint32_t multipliers_a_group = 8;  // HPIM
  std::uint32_t pim_fill_cycles = 8;      // assumed

  // Transfer unit: from the instruction to the request on the interconnect. Assumed.
  std::uint32_t transfer_setup_cycles = 8;

  // The memory port towards the interconnect (256-bit flits, SPIMOE).
  std::uint32_t port_bytes_per_cycle = 32;

  // A program that has executed this many instructions traps (WATCHDOG).
  std::uint64_t max_instructions = 50'000'000;
};

// Throws std::invalid_argument naming the first value that makes no sense.
void check(const TileConfig& config);

}  // namespace hpimvp::sram_pim
