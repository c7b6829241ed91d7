#include "models/riscv/pmp.h"

#include <algorithm>
#include <bit>

namespace hpimvp::riscv {
namespace {

constexpr std::uint8_t kRead = 1;
constexpr std::uint8_t kWrite = 2;
constexpr std::uint8_t kExecute = 4;
constexpr std::uint8_t kLock = 0x80;
constexpr std::uint8_t kWritableBits = 0x9f;
/// pmpaddr holds bits 55 to 2 of an address.
constexpr std::uint64_t kAddressMask = (std::uint64_t{1} << 54) - 1;

enum class Matching { kOff = 0, kTopOfRange = 1, kFourBytes = 2, kPowerOfTwo = 3 };

Matching matching(std::uint8_t config) {
  return static_cast<Matching>((config >> 3) & 3);
}

std::uint8_t permission(AccessKind kind) {
  switch (kind) {
    case AccessKind::kFetch:
      return kExecute;
    case AccessKind::kLoad:
      return kRead;
    case AccessKind::kStore:
      return kWrite;
  }
  return 0;
}

/// Write without read is reserved; the write permission is dropped (WARL).
std::uint8_t legal_config(std::uint8_t config) {
  config &= kWritableBits;
  return (config & (kRead | kWrite)) == kWrite ? config & ~kWrite : config;
}

}  // namespace

bool Pmp::locked(unsigned entry) const {
  if (entries_[entry].config & kLock) return true;
  // The address below a locked top-of-range entry is that range's lower bound.
  return entry + 1 < kEntries && (entries_[entry + 1].config & kLock) &&
         matching(entries_[entry + 1].config) == Matching::kTopOfRange;
}

std::uint64_t Pmp::read_config(unsigned bank) const {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < 8; ++i) value |= std::uint64_t{entries_[bank * 8 + i].config} << (8 * i);
  return value;
}

void Pmp::write_config(unsigned bank, std::uint64_t value) {
  for (unsigned i = 0; i < 8; ++i) {
    Entry& entry = entries_[bank * 8 + i];
    if (!(entry.config & kLock)) {
      entry.config = legal_config(static_cast<std::uint8_t>(value >> (8 * i)));
    }
  }
  update();
}

void Pmp::write_address(unsigned entry, std::uint64_t value) {
  if (locked(entry)) return;
  entries_[entry].address = value & kAddressMask;
  update();
}

void Pmp::update() {
  any_active_ = false;
  std::uint64_t previous = 0;
  for (Entry& entry : entries_) {
    const std::uint64_t base = entry.address << 2;
    entry.first = 1;
    entry.last = 0;
    switch (matching(entry.config)) {
      case Matching::kOff:
        break;
      case Matching::kTopOfRange:
        if (previous < base) {
          entry.first = previous;
          entry.last = base - 1;
        }
        break;
      case Matching::kFourBytes:
        entry.first = base;
        entry.last = base + 3;
        break;
      case Matching::kPowerOfTwo: {
        const int ones = std::countr_one(entry.address);
        const std::uint64_t mask = (std::uint64_t{8} << ones) - 1;
        entry.first = base & ~mask;
        entry.last = entry.first | mask;
        break;
      }
    }
    if (entry.first <= entry.last) any_active_ = true;
    previous = base;
  }
}

bool Pmp::allows(std::uint64_t address, unsigned size, AccessKind kind, bool machine_mode) const {
  const std::uint64_t last = address + size - 1;
  for (const Entry& entry : entries_) {
    if (entry.first > entry.last || last < entry.first || address > entry.last) continue;
    if (address < entry.first || last > entry.last) return false;
    if (machine_mode && !(entry.config & kLock)) return true;
    return (entry.config & permission(kind)) != 0;
  }
  return machine_mode;
}

void Pmp::clip_to_uniform(std::uint64_t address, std::uint64_t& first, std::uint64_t& last) const {
  for (const Entry& entry : entries_) {
    if (entry.first > entry.last) continue;
    if (address < entry.first) {
      last = std::min(last, entry.first - 1);
    } else if (address > entry.last) {
      first = std::max(first, entry.last + 1);
    } else {
      first = std::max(first, entry.first);
      last = std::min(last, entry.last);
    }
  }
}

}  // namespace hpimvp::riscv
