// How long a GEMV took on a pseudo-channel, its commands, and where the time went.
#pragma once

#include <array>
#include <cstdint>

#include "models/hbm_pim/device_description.h"

namespace hpimvp::hbm_pim {

// What cycles go to; each to exactly one.
enum class GemvPart : std::uint8_t {
  kActivate,    // opening and closing rows: tRCD, tRP, tFAW, what remains of tRAS
  kCompute,     // columns streaming through the units
  kBroadcast,   // inputs and bias over the data bus
  kReadOut,     // results, waiting for the units' pipeline included
  kRefresh,     // REFab
  kModeChange,  // in and out of PIM mode, and closing what was open before
  kCount,
};
inline constexpr unsigned kGemvParts = static_cast<unsigned>(GemvPart::kCount);

// "activate", ...
const char* part_name(GemvPart part);

struct GemvResult {
  std::uint64_t start = 0;
  // The first cycle at which the pseudo-channel may go on with something else: results have passed
  // the data bus, PIM mode is left.
  std::uint64_t end = 0;
  std::array<std::uint64_t, kDramCommands> commands{};
  std::array<std::uint64_t, kGemvParts> cycles{};  // their sum is end - start

  std::uint64_t operator[](DramCommand command) const {
    return commands[static_cast<unsigned>(command)];
  }
  std::uint64_t operator[](GemvPart part) const { return cycles[static_cast<unsigned>(part)]; }
  std::uint64_t all_commands() const;

  friend bool operator==(const GemvResult&, const GemvResult&) = default;
};

// Divides the cycles between two commands that follow each other: the earlier takes what it
// occupies (a MAC its column period, a write its burst, REFab tRFC, ...), and the rest goes to what
// the later one waited for.
class GapAttribution {
 public:
  static constexpr DramCommand kNothing = DramCommand::kCount;  // before the first command

  explicit GapAttribution(const DeviceDescription& device);

  void add(DramCommand earlier, DramCommand later, std::uint64_t cycles,
           std::array<std::uint64_t, kGemvParts>& parts) const {
    const Own& own = own_[static_cast<unsigned>(earlier)];
    const std::uint64_t occupied = cycles < own.cycles ? cycles : own.cycles;
    parts[own.part] += occupied;
    parts[rest_[static_cast<unsigned>(earlier)][static_cast<unsigned>(later)]] += cycles - occupied;
  }

 private:
  struct Own {
    std::uint32_t cycles = 0;
    std::uint8_t part = 0;
  };

  std::array<Own, kDramCommands + 1> own_{};
  std::array<std::array<std::uint8_t, kDramCommands>, kDramCommands + 1> rest_{};
};

}  // namespace hpimvp::hbm_pim
