// Where the devices of the machine are by default (docs/machine.md, "Blocks").
//
// Only for a start without a plan, and for the programs in firmware/tests: with a plan the firmware
// takes every address from its device table.
#pragma once

#include <cstdint>

namespace hpimvp::firmware::default_addresses {

inline constexpr std::uint64_t kClint = 0x0200'0000;
inline constexpr std::uint64_t kPlic = 0x0C00'0000;
inline constexpr std::uint64_t kUart = 0x1000'0000;
inline constexpr std::uint64_t kSystemController = 0x1000'1000;
inline constexpr std::uint64_t kDma = 0x1001'0000;
inline constexpr std::uint64_t kHbmPimStack = 0x1020'0000;      // registers of stack 0
inline constexpr std::uint64_t kHbmPimMemory = 0x10'0000'0000;  // memory of stack 0
inline constexpr std::uint32_t kHbmPimInterrupt = 16;           // of stack 0

}  // namespace hpimvp::firmware::default_addresses
