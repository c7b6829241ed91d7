// What the time of an engine's command went to: so that a report can say what bounds an operator.
#pragma once

#include <array>
#include <cstdint>

namespace hpimvp::common {

// Engines divide the duration of each command among these, so that the sum is the duration.
enum class Resource : std::uint8_t {
  kTransfer,    // moving data over the NoC to or from the engine, the other end's time included
  kColumns,     // HBM-PIM: columns streaming through the bank units
  kActivation,  // HBM-PIM: opening and closing rows (tRCD, tRP, tRRD, tFAW)
  kBroadcast,   // HBM-PIM: inputs and bias over the channel to the units
  kReadOut,     // HBM-PIM: results over the channel to the stack's port
  kRefresh,     // HBM-PIM
  kModeChange,  // HBM-PIM: in and out of PIM mode
  kAccesses,    // HBM-PIM: waiting while normal accesses have the pseudo-channel
  kInArray,     // SRAM-PIM: the in-array matrix-vector unit
  kVector,      // SRAM-PIM: the vector unit
  kMatrix,      // SRAM-PIM: the systolic array (TCU)
  kTranspose,   // SRAM-PIM: the transpose unit
  kSequencer,   // SRAM-PIM: scalar instructions, and latencies that no unit's busy time covers
  kCount,
};
inline constexpr unsigned kResources = static_cast<unsigned>(Resource::kCount);

inline constexpr std::array<const char*, kResources> kResourceNames = {
    "transfer", "columns",  "activation", "broadcast", "read_out",  "refresh",  "mode",
    "accesses", "in_array", "vector",     "matrix",    "transpose", "sequencer"};

// Picoseconds by resource.
class ResourceUsage {
 public:
  std::uint64_t& operator[](Resource resource) { return ps_[static_cast<unsigned>(resource)]; }
  std::uint64_t operator[](Resource resource) const { return ps_[static_cast<unsigned>(resource)]; }
  const std::array<std::uint64_t, kResources>& values() const { return ps_; }

  void add(const ResourceUsage& other) {
    for (unsigned i = 0; i < kResources; ++i) ps_[i] += other.ps_[i];
  }
  std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t value : ps_) sum += value;
    return sum;
  }

 private:
  std::array<std::uint64_t, kResources> ps_{};
};

// `part` of `whole`, as a share of `ps`: 0 if `whole` is 0. Exact for sizes that simulations reach
// (128-bit product).
constexpr std::uint64_t share_of(std::uint64_t ps, std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return 0;
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(ps) * part / whole);
}

}  // namespace hpimvp::common
