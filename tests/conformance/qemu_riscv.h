// Runs a bare-metal RV64 memory image on QEMU's `virt` machine and gives back what the RAM then
// holds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hpimvp::conformance {

// What both machines offer to the images: RAM, the test finisher and the CLINT at the addresses of
// QEMU's hw/riscv/virt.c memory map.
inline constexpr std::uint64_t kRamBase = 0x80000000;
inline constexpr std::uint64_t kRamBytes = std::uint64_t{32} << 20;
// QEMU puts its device tree near the end of RAM; comparisons stop below it.
inline constexpr std::uint64_t kComparedRamBytes = std::uint64_t{28} << 20;
inline constexpr std::uint64_t kFinisherAddress = 0x100000;
inline constexpr std::uint32_t kFinisherPass = 0x5555;
inline constexpr std::uint64_t kClintBase = 0x2000000;

// False when the emulator is not installed; the tests then skip.
bool qemu_is_available();

// One line that names the emulator's version, for the test's log.
std::string qemu_version();

// Writes `image` to the start of RAM, runs from kRamBase until the program writes kFinisherPass to
// the finisher, and returns the RAM. Throws std::runtime_error with QEMU's own words when it fails
// or does not end within `timeout_seconds`.
std::vector<std::uint8_t> run_on_qemu(const std::vector<std::uint8_t>& image,
                                      int timeout_seconds = 120);

}  // namespace hpimvp::conformance
