// How long an instruction takes where it competes for the ports of activation memory's banks.
//
// Rule. An instruction spreads its accesses evenly over its work, and an operand's over the
// operand's range. A port serves `bank_port_bytes` a cycle; older instructions first, the younger
// one takes what they leave: with D bytes to move through a port in the c cycles that it would take
// alone, it advances at most at (1 - share of the older) * port * c / D of its pace, the least over
// its ports. So an instruction that alone wants more than a port gives is slowed by itself, two
// that want a third each of the same port are not slowed, and operands in different banks, or a
// read and a write, never meet. The older instruction is not slowed, and a duration is known when
// the instruction is handed over: nothing is computed cycle by cycle, only from one change of
// somebody's pace to the next. tests/unit/sram_pim/bank_ports_test.cpp holds it against a
// simulation of every cycle: they differ by what rounding to whole cycles does.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "models/sram_pim/operands.h"
#include "models/sram_pim/tile_config.h"

namespace hpimvp::sram_pim {

class BankPorts {
 public:
  static constexpr unsigned kMaxBanks = 64;
  static constexpr unsigned kMaxUnits = 5;

  explicit BankPorts(const TileConfig& config);

  // Nothing in flight.
  void reset();
  // Unit `unit`, idle by then, begins an instruction at cycle `start` that needs `cycles` where
  // memory does not hold it up. Returns the cycles that it takes, at least `cycles`. `start` never
  // decreases from call to call.
  std::uint64_t begin(unsigned unit, std::uint64_t start, std::uint64_t cycles,
                      const OperandRanges& ranges);

 private:
  // Read ports first, then write ports.
  using PortBytes = std::array<double, 2 * kMaxBanks>;

  // Until cycle `end` the instruction advances at `speed` of its pace.
  struct Segment {
    double end;
    double speed;
  };
  // Beyond these the rest of an instruction counts as even, which takes pieces of four others that
  // themselves consist of four each.
  static constexpr std::size_t kSegments = 16;

  struct Load {
    std::uint64_t end = 0;
    double alone = 0;  // cycles without the others
    std::array<Segment, kSegments> segments{};
    std::size_t segment_count = 0;
    std::array<MemoryRange, 4> reads{};
    std::array<std::uint64_t, 4> read_traffic{};
    std::size_t read_count = 0;
    MemoryRange write{};
    std::uint64_t write_traffic = 0;
    bool known = false;  // `bytes` is made of the ranges when it is first needed
    PortBytes bytes{};
  };

  const PortBytes& port_bytes(Load& load) const;
  void spread(const MemoryRange& range, std::uint64_t traffic, double* banks) const;
  double largest(const PortBytes& bytes) const;
  std::uint64_t slowed(unsigned unit, std::uint64_t start);
  double speed_at(unsigned unit, double time, double& until);
  static const Segment* segment_at(const Load& load, double time);

  std::uint32_t banks_;
  double bank_bytes_;
  double port_;
  std::array<Load, kMaxUnits> loads_{};
};

}  // namespace hpimvp::sram_pim
