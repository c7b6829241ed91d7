// What the files of directed experiments share: numbers of the privileged architecture and verbs
// over a DirectedProgram.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/conformance/qemu_riscv.h"
#include "tests/conformance/riscv_directed_program.h"

namespace hpimvp::conformance {

// CSR numbers, Privileged ISA tables 2.2 to 2.6.
inline constexpr int kFflags = 0x001;
inline constexpr int kFrm = 0x002;
inline constexpr int kFcsr = 0x003;
inline constexpr int kMstatus = 0x300;
inline constexpr int kMisa = 0x301;
inline constexpr int kMie = 0x304;
inline constexpr int kMtvec = 0x305;
inline constexpr int kMcounteren = 0x306;
inline constexpr int kMcountinhibit = 0x320;
inline constexpr int kMscratch = 0x340;
inline constexpr int kMepc = 0x341;
inline constexpr int kMcause = 0x342;
inline constexpr int kMtval = 0x343;
inline constexpr int kMip = 0x344;
inline constexpr int kPmpcfg0 = 0x3a0;
inline constexpr int kPmpaddr0 = 0x3b0;
inline constexpr int kMcycle = 0xb00;
inline constexpr int kMinstret = 0xb02;
inline constexpr int kCycle = 0xc00;
inline constexpr int kTime = 0xc01;
inline constexpr int kInstret = 0xc02;
inline constexpr int kMhartid = 0xf14;

// Fields of mstatus, section 3.1.6.
inline constexpr std::uint64_t kMieBit = 0x8;
inline constexpr std::uint64_t kMpp = 0x1800;
inline constexpr std::uint64_t kFs = 0x6000;
inline constexpr std::uint64_t kFsInitial = 0x2000;
inline constexpr std::uint64_t kFsClean = 0x4000;
inline constexpr std::uint64_t kMprv = 0x20000;
inline constexpr std::uint64_t kTw = 0x200000;

// Exception codes, table 3.6.
inline constexpr std::uint64_t kInstructionAccessFault = 1;
inline constexpr std::uint64_t kIllegalInstruction = 2;
inline constexpr std::uint64_t kLoadMisaligned = 4;
inline constexpr std::uint64_t kStoreMisaligned = 6;
inline constexpr std::uint64_t kLoadFault = 5;
inline constexpr std::uint64_t kStoreFault = 7;
inline constexpr std::uint64_t kUserCall = 8;
inline constexpr std::uint64_t kInterrupt = std::uint64_t{1} << 63;
inline constexpr std::uint64_t kSoftwareInterrupt = kInterrupt | 3;
inline constexpr std::uint64_t kTimerInterrupt = kInterrupt | 7;

// No device answers here on either machine.
inline constexpr std::uint64_t kUnmapped = 0x200000;

inline constexpr std::uint64_t kClintMsip = kClintBase;
inline constexpr std::uint64_t kClintMtimecmp = kClintBase + 0x4000;

// A thin layer of verbs over a program.
class Script {
 public:
  explicit Script(DirectedProgram& program) : program_(program), code_(program.code()) {}

  void set(int csr, std::uint64_t value) { write("csrrw", csr, value); }
  void set_bits(int csr, std::uint64_t value) { write("csrrs", csr, value); }
  void clear_bits(int csr, std::uint64_t value) { write("csrrc", csr, value); }
  // Writes a value, then logs what reads back.
  void set_and_log(const std::string& name, int csr, std::uint64_t value) {
    set(csr, value);
    program_.log_csr(name, csr);
  }
  void store_word(std::uint64_t address, std::uint64_t value) { store("sw", address, value); }
  void store_double(std::uint64_t address, std::uint64_t value) { store("sd", address, value); }
  void float_state(std::uint64_t fs) {
    clear_bits(kMstatus, kFs);
    if (fs != 0) set_bits(kMstatus, fs);
  }

  DirectedProgram& program() { return program_; }
  ImageBuilder& code() { return code_; }

 private:
  static constexpr int kValue = 21;
  static constexpr int kAddress = 20;

  void write(std::string_view mnemonic, int csr, std::uint64_t value) {
    code_.load_constant(kValue, value);
    code_.csr(mnemonic, 0, csr, kValue);
  }
  void store(std::string_view mnemonic, std::uint64_t address, std::uint64_t value) {
    code_.load_constant(kValue, value);
    code_.load_constant(kAddress, address);
    code_.store(mnemonic, kValue, 0, kAddress);
  }

  DirectedProgram& program_;
  ImageBuilder& code_;
};

// Entry 15: everything is allowed in user mode unless an earlier entry says otherwise.
inline void allow_everything_last(Script& s) {
  constexpr std::uint64_t kNapotAllPermissions = 0x1f;
  s.set(kPmpaddr0 + 15, 0x3fffffffffffff);
  s.set(kPmpcfg0 + 2, kNapotAllPermissions << 56);
}

}  // namespace hpimvp::conformance
