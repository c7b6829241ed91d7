// Physical memory protection: sixteen entries with OFF, TOR, NA4 and NAPOT matching and locking
// (privileged specification 20211203, section 3.7), four-byte granularity.
#pragma once

#include <array>
#include <cstdint>

#include "models/riscv/bus.h"

namespace hpimvp::riscv {

class Pmp {
 public:
  static constexpr unsigned kEntries = 16;

  /// pmpcfg0 and pmpcfg2 hold entries 0 to 7 and 8 to 15; `bank` is 0 or 1.
  std::uint64_t read_config(unsigned bank) const;
  void write_config(unsigned bank, std::uint64_t value);
  std::uint64_t read_address(unsigned entry) const { return entries_[entry].address; }
  void write_address(unsigned entry, std::uint64_t value);

  /// Whether any access of this mode needs a check at all. Machine mode is bound by entries that
  /// are not locked too: an access that such an entry matches in part fails.
  bool restricts(bool machine_mode) const { return !machine_mode || any_active_; }

  /// Whether every byte of the access may be accessed. The lowest-numbered entry that matches any
  /// byte decides and has to match all of them.
  bool allows(std::uint64_t address, unsigned size, AccessKind kind, bool machine_mode) const;

  /// Shrinks [first, last], which contains `address`, so that no entry begins or ends inside it.
  void clip_to_uniform(std::uint64_t address, std::uint64_t& first, std::uint64_t& last) const;

 private:
  struct Entry {
    std::uint8_t config = 0;
    std::uint64_t address = 0;
    /// The bytes that the entry matches; empty when `last` is below `first`.
    std::uint64_t first = 1;
    std::uint64_t last = 0;
  };

  bool locked(unsigned entry) const;
  void update();

  std::array<Entry, kEntries> entries_;
  bool any_active_ = false;
};

}  // namespace hpimvp::riscv
