// Which bytes of activation memory a unit instruction reads and writes: for range checks, and for
// the detection of hazards between units.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "models/sram_pim/encoding.h"
#include "models/sram_pim/trap.h"

namespace hpimvp::sram_pim {

using ScalarRegisters = std::array<std::uint64_t, kScalarRegisters>;

// Half-open; empty if begin == end.
struct MemoryRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  bool overlaps(const MemoryRange& other) const { return begin < other.end && other.begin < end; }
};

// Collects the operands of one instruction. The first thing wrong with them stays in trap(): the
// length before the addresses, an operand's alignment before its range.
class OperandRanges {
 public:
  explicit OperandRanges(std::uint64_t memory_bytes) : memory_bytes_(memory_bytes) {}

  void read(std::uint64_t address, std::uint64_t bytes, std::uint64_t alignment) {
    read(address, bytes, alignment, bytes);
  }
  // `traffic`: bytes that are read in all, where that is not every byte of the range once.
  void read(std::uint64_t address, std::uint64_t bytes, std::uint64_t alignment,
            std::uint64_t traffic) {
    if (!check(address, bytes, alignment)) return;
    read_traffic_[read_count_] = traffic;
    reads_[read_count_++] = {address, address + bytes};
  }
  void write(std::uint64_t address, std::uint64_t bytes, std::uint64_t alignment) {
    write(address, bytes, alignment, bytes);
  }
  void write(std::uint64_t address, std::uint64_t bytes, std::uint64_t alignment,
             std::uint64_t traffic) {
    if (!check(address, bytes, alignment)) return;
    write_traffic_ = traffic;
    write_ = {address, address + bytes};
  }
  void bad_length(std::uint64_t value) { fail(TrapCause::kBadLength, value); }
  // A matrix whose rows overlap.
  void rows_apart(std::uint64_t rows, std::uint64_t row_bytes, std::uint64_t distance) {
    if (rows > 1 && distance < row_bytes) fail(TrapCause::kBadLength, distance);
  }
  // A row distance.
  void aligned(std::uint64_t value, std::uint64_t alignment) {
    if (value % alignment != 0) fail(TrapCause::kMisaligned, value);
  }
  // The operands so far must not overlap the destination: the result would depend on the order in
  // which the unit reads and writes.
  void apart() {
    for (const MemoryRange& range : reads()) {
      if (range.overlaps(write_)) fail(TrapCause::kHazard, write_.begin);
    }
  }

  std::span<const MemoryRange> reads() const { return {reads_.data(), read_count_}; }
  const MemoryRange& written() const { return write_; }
  std::uint64_t read_traffic(std::size_t index) const { return read_traffic_[index]; }
  std::uint64_t read_traffic() const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < read_count_; ++i) sum += read_traffic_[i];
    return sum;
  }
  std::uint64_t write_traffic() const { return write_traffic_; }
  const Trap& trap() const { return trap_; }
  bool good() const { return trap_.cause == TrapCause::kNone; }
  std::uint64_t memory_bytes() const { return memory_bytes_; }

 private:
  bool check(std::uint64_t address, std::uint64_t bytes, std::uint64_t alignment) {
    if (address % alignment != 0) {
      fail(TrapCause::kMisaligned, address);
    } else if (address > memory_bytes_ || bytes > memory_bytes_ - address) {
      fail(TrapCause::kBadAddress, address);
    }
    return good();
  }
  void fail(TrapCause cause, std::uint64_t value) {
    if (good()) trap_ = {cause, value};
  }

  std::uint64_t memory_bytes_;
  std::array<MemoryRange, 4> reads_{};
  std::array<std::uint64_t, 4> read_traffic_{};
  std::size_t read_count_ = 0;
  MemoryRange write_{};
  std::uint64_t write_traffic_ = 0;
  Trap trap_{};
};

}  // namespace hpimvp::sram_pim
