// What a core needs from the machine around it. Only accesses that do not hit directly mapped
// memory come here, so that virtual calls stay off the hot path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace hpimvp::riscv {

enum class AccessKind : std::uint8_t { kFetch, kLoad, kStore };

struct BusResponse {
  /// False when nothing answered or the target refused: the core raises an access fault.
  bool ok = false;
  /// Core cycles that the access took beyond the instruction's own cost.
  std::uint64_t latency_cycles = 0;
};

class Bus {
 public:
  virtual ~Bus() = default;

  /// `now_cycles` is the core's cycle count at the access. Data is little endian. The bus may map
  /// or unmap memory and change interrupt lines of the calling core from inside these calls.
  virtual BusResponse read(std::uint64_t address, std::span<std::byte> data, AccessKind kind,
                           std::uint64_t now_cycles) = 0;
  virtual BusResponse write(std::uint64_t address, std::span<const std::byte> data,
                            std::uint64_t now_cycles) = 0;

  /// The value of the `time` CSR. Without a machine timer, time counts core cycles.
  virtual std::uint64_t read_time(std::uint64_t now_cycles) { return now_cycles; }
};

/// Memory that the core reaches through a host pointer, without the bus.
struct MemoryRegion {
  std::uint64_t base = 0;
  std::uint64_t size_bytes = 0;
  std::byte* host = nullptr;
  bool readable = true;
  bool writable = true;
  bool executable = true;
  /// Average stall per access, e.g. of a memory behind a cache that is not modelled line by line.
  std::uint32_t extra_cycles_per_load = 0;
  std::uint32_t extra_cycles_per_store = 0;

  bool operator==(const MemoryRegion&) const = default;
};

}  // namespace hpimvp::riscv
