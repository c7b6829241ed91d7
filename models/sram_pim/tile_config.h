// What a tile consists of and how long its units take. Times are tile clock cycles.
//
// HPIM (arXiv 2509.12993) gives the activation memory, the in-array unit's 16 macro groups of 8
// FP16 multipliers, and a 3-stage sequencer. It publishes no clock, lane count or latency: the
// clock is that of the same group's later machine of the same structure (SPIMOE, arXiv 2609.34612:
// 800 MHz), the rest is assumed and stated as such.
#pragma once

#include <cstdint>

namespace hpimvp::sram_pim {

// Energy of operations, in picojoules. HPIM publishes none; each value says where it is from.
// Static power is left out: none is published that could be divided among tiles and time.
struct TileEnergy {
  double tcu_mac_pj = 0.32;  // FP16 MAC (AttAcc)
  // Digital SRAM-PIM macros at 28 nm, BF16: 29 to 32 TFLOPS/W, so 2 operations take 1/15 pJ,
  // reading the matrix included.
  double pim_mac_pj = 0.067;
  double vector_operation_pj = 0.34;   // 7 nm FP16 multiplier
  double special_operation_pj = 3.4;   // assumed: exp, gelu, silu take ten multiplications or so
  double sram_read_pj_per_bit = 0.14;  // 7 nm: 0.12 (8 KB) to 0.22 (1 MB), a bank of 24 KB
  double sram_write_pj_per_bit = 0.14;
  double instruction_pj = 6;  // assumed: 32 bits from control memory, and as much for its registers
};

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

  // Tensor unit: a systolic array of 64 x 64 elements, a MAC each a cycle.
  std::uint32_t tcu_rows = 64;               // HPIM
  std::uint32_t tcu_columns = 64;            // HPIM
  std::uint32_t tcu_accumulator_rows = 256;  // assumed: 64 KiB of FP32 partial sums
  std::uint32_t tcu_feedback_cycles = 4;     // assumed: from below the array to above it
  std::uint32_t tcu_latency = 8;             // assumed: once an instruction, to set up and write

  // Transpose unit: a row of this many elements in and a column out a cycle. Assumed.
  std::uint32_t transpose_side = 64;
  std::uint32_t transpose_latency = 4;

  // Activation memory: equal banks, one after the other in the address space, each with a port to
  // read and one to write for the units. HPIM publishes neither; 16 banks are one for each macro
  // group, and 256 bytes a cycle what the in-array unit's multipliers take. The interconnect has a
  // port of its own, see port_bytes_per_cycle.
  std::uint32_t banks = 16;
  std::uint32_t bank_port_bytes = 256;

  // Transfer unit: from the instruction to the request on the interconnect. Assumed.
  std::uint32_t transfer_setup_cycles = 8;

  // The memory port towards the interconnect (256-bit flits, SPIMOE).
  std::uint32_t port_bytes_per_cycle = 32;

  // A program that has executed this many instructions traps (WATCHDOG).
  std::uint64_t max_instructions = 50'000'000;
  // And one that has taken this many cycles: 1 s by default, far beyond any operator.
  std::uint64_t max_cycles = 800'000'000;

  TileEnergy energy;
};

// Throws std::invalid_argument naming the first value that makes no sense.
void check(const TileConfig& config);

}  // namespace hpimvp::sram_pim
