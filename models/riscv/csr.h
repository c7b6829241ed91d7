// CSR numbers, exception and interrupt causes, and mstatus fields (RISC-V privileged specification
// 20211203, tables 2.2 to 2.5, 3.6 and figure 3.7).
#pragma once

#include <cstdint>

namespace hpimvp::riscv {

namespace csr {
enum Number : std::uint16_t {
  kFflags = 0x001,
  kFrm = 0x002,
  kFcsr = 0x003,
  kMstatus = 0x300,
  kMisa = 0x301,
  kMie = 0x304,
  kMtvec = 0x305,
  kMcounteren = 0x306,
  kMenvcfg = 0x30a,
  kMcountinhibit = 0x320,
  kMhpmevent3 = 0x323,
  kMhpmevent31 = 0x33f,
  kMscratch = 0x340,
  kMepc = 0x341,
  kMcause = 0x342,
  kMtval = 0x343,
  kMip = 0x344,
  kPmpcfg0 = 0x3a0,
  kPmpcfg2 = 0x3a2,
  kPmpaddr0 = 0x3b0,
  kPmpaddr15 = 0x3bf,
  kMcycle = 0xb00,
  kMinstret = 0xb02,
  kMhpmcounter3 = 0xb03,
  kMhpmcounter31 = 0xb1f,
  kCycle = 0xc00,
  kTime = 0xc01,
  kInstret = 0xc02,
  kHpmcounter3 = 0xc03,
  kHpmcounter31 = 0xc1f,
  kMvendorid = 0xf11,
  kMarchid = 0xf12,
  kMimpid = 0xf13,
  kMhartid = 0xf14,
  kMconfigptr = 0xf15,
};
}  // namespace csr

enum class Privilege : std::uint8_t { kUser = 0, kMachine = 3 };

/// mcause values of exceptions.
enum class Cause : std::uint8_t {
  kFetchMisaligned = 0,
  kFetchAccess = 1,
  kIllegalInstruction = 2,
  kBreakpoint = 3,
  kLoadMisaligned = 4,
  kLoadAccess = 5,
  kStoreMisaligned = 6,
  kStoreAccess = 7,
  kCallFromUser = 8,
  kCallFromMachine = 11,
};

/// Interrupt inputs; the value is the bit in mip and mie and the cause number.
enum class Interrupt : std::uint8_t { kSoftware = 3, kTimer = 7, kExternal = 11 };

namespace mstatus {
inline constexpr std::uint64_t kMie = 1u << 3;
inline constexpr std::uint64_t kMpie = 1u << 7;
inline constexpr std::uint64_t kMpp = 3u << 11;
inline constexpr int kMppShift = 11;
inline constexpr std::uint64_t kFs = 3u << 13;
inline constexpr int kFsShift = 13;
inline constexpr std::uint64_t kMprv = 1u << 17;
inline constexpr std::uint64_t kTw = 1u << 21;
/// UXL = 2: user mode is 64 bits wide.
inline constexpr std::uint64_t kUxl64 = std::uint64_t{2} << 32;
inline constexpr std::uint64_t kSd = std::uint64_t{1} << 63;
}  // namespace mstatus

}  // namespace hpimvp::riscv
