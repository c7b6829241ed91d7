// How the dispatcher starts and watches a tile.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "models/sram_pim/trap.h"

namespace hpimvp::sram_pim {

class TileControl {
 public:
  // How a run ended.
  struct RunEnd {
    bool abandoned = false;
    Trap trap;  // cause kNone: halted
  };

  virtual ~TileControl() = default;

  // True from start() until just before the run's end is reported.
  virtual bool busy() const = 0;
  // Precondition: not busy. Runs the program at `entry`; `ended` is called, in a process of the
  // tile, when it has halted or trapped.
  virtual void start(std::uint32_t entry, std::span<const std::uint64_t> arguments,
                     std::uint32_t operation, std::function<void(const RunEnd&)> ended) = 0;
  // Ends the run in progress, if any, after the transfer in progress.
  virtual void abandon() = 0;
  // The last run ended with a trap.
  virtual bool trapped() const = 0;
  // What stopped the last run: "tile 3 stopped at 0x24 (vh.add r1, r2, r3, r4): HAZARD 0x1000".
  virtual std::string trap_message() const = 0;
  // False: outside control memory.
  virtual bool load_control(std::uint32_t address, const std::uint8_t* data, std::size_t bytes) = 0;
};

}  // namespace hpimvp::sram_pim
