#include <fmt/format.h>

#include "tests/conformance/riscv_directed_experiments.h"
#include "tests/conformance/riscv_experiment_script.h"

namespace hpimvp::conformance {
namespace {

void add_mstatus_read_back_experiments(Script& s) {
  DirectedProgram& program = s.program();
  constexpr std::uint64_t kUserLength64 = std::uint64_t{2} << 32;  // UXL
  const std::string mpp = "section 3.1.6.1: MPP holds implemented modes only; QEMU 7.2 keeps any";
  s.set_and_log("mstatus of zero", kMstatus, 0);
  program.specify("mstatus of zero", kUserLength64);
  // A write of a mode that does not exist leaves the field as it is, here at user mode.
  s.set_and_log("mstatus with MPP supervisor", kMstatus, 0x800);
  program.specify("mstatus with MPP supervisor", kUserLength64, mpp);
  s.set_and_log("mstatus with MPP reserved", kMstatus, 0x1000);
  program.specify("mstatus with MPP reserved", kUserLength64, mpp);

  const std::string absent =
      "section 3.1.6: fields of supervisor mode, hypervisor and UXL are read-only here";
  for (int bit = 0; bit < 64; ++bit) {
    const std::uint64_t mask = std::uint64_t{1} << bit;
    constexpr std::uint64_t kSxl = std::uint64_t{3} << 34;
    if (mask == kMieBit || mask == kMprv || (mask & (kMpp | kSxl)) != 0) continue;
    const std::string name = fmt::format("mstatus with bit {}", bit);
    s.set_and_log(name, kMstatus, kMpp | mask);
    constexpr std::uint64_t kWritable = 0x80 | kFs | kTw;
    program.specify(name, kUserLength64 | kMpp | (mask & kWritable),
                    (mask & kWritable) != 0 ? "" : absent);
  }
  s.set(kMstatus, kMpp | kMprv);
  program.log_csr("mstatus with MPRV", kMstatus);
  s.set(kMstatus, kMpp);
  ImageBuilder& code = s.code();
  code.csr("csrrs", 5, kMstatus, 0);
  code.op_immediate("srli", 5, 5, 34);
  code.op_immediate("andi", 5, 5, 3);
  program.log("mstatus.SXL", 5);
  program.specify("mstatus.SXL", 0, "section 3.1.6.2: SXL is zero without supervisor mode");
}

}  // namespace

void add_csr_read_back_experiments(DirectedProgram& program) {
  Script s(program);
  ImageBuilder& code = program.code();
  constexpr std::uint64_t kOnes = ~std::uint64_t{0};

  s.set_and_log("mscratch of all ones", kMscratch, kOnes);
  s.set_and_log("mscratch of a pattern", kMscratch, 0x123456789abcdef0);
  s.set_and_log("mtval of all ones", kMtval, kOnes);
  s.set_and_log("mcause of an exception", kMcause, 7);
  s.set_and_log("mcause of an interrupt", kMcause, kTimerInterrupt);
  s.set_and_log("mepc of an odd address", kMepc, 0x80001235);
  program.specify("mepc of an odd address", 0x80001234,
                  "section 3.1.14: mepc[0] is always zero; QEMU 7.2 keeps it");
  s.set_and_log("mepc of a halfword address", kMepc, 0x80001236);
  s.set_and_log("mepc of a high address", kMepc, 0xffffffff80001234);

  s.set_and_log("mtvec direct", kMtvec, 0x80000100);
  s.set_and_log("mtvec vectored", kMtvec, 0x80000101);
  code.load_address(1, program.direct_handler());
  code.csr("csrrw", 0, kMtvec, 1);

  program.log_csr("misa", kMisa);
  // A C D F I M U, MXL = 64 bits; section 3.1.1.
  program.specify("misa", 0x800000000010112d);
  s.set_and_log("misa after writing zero", kMisa, 0);
  s.set_and_log("misa after writing all ones", kMisa, kOnes);
  program.log_csr("mhartid", kMhartid);

  s.set_and_log("mie of all ones", kMie, kOnes);
  program.specify("mie of all ones", 0x888,
                  "section 3.1.9: without supervisor mode SEIE, STIE and SSIE read as zero");
  s.set_and_log("mie of zero", kMie, 0);
  s.set_and_log("mip of all ones", kMip, kOnes);
  program.specify("mip of all ones", 0,
                  "section 3.1.9: MSIP, MTIP, MEIP are read-only and supervisor bits absent");
  s.set_and_log("mip of zero", kMip, 0);

  add_mstatus_read_back_experiments(s);
  s.set(kMstatus, kMpp);
  s.set_and_log("mcounteren of zero", kMcounteren, 0);
  s.set_and_log("mcounteren of seven", kMcounteren, 7);
  s.set_and_log("mcountinhibit of five", kMcountinhibit, 5);
  s.set_and_log("mcountinhibit of two", kMcountinhibit, 2);
  program.specify("mcountinhibit of two", 0,
                  "section 3.1.12: bit 1 reads as zero, time cannot be inhibited");
  s.set_and_log("mcountinhibit of zero", kMcountinhibit, 0);

  for (const int entry : {0, 1, 7, 15}) {
    const int csr = kPmpaddr0 + entry;
    s.set_and_log(fmt::format("pmpaddr{} of all ones", entry), csr, kOnes);
    program.specify(fmt::format("pmpaddr{} of all ones", entry), 0x3fffffffffffff,
                    "section 3.7.1: 54 address bits");
    s.set_and_log(fmt::format("pmpaddr{} of a pattern", entry), csr, 0x2000a5);
  }
}

namespace {

void specify_csr_existence(DirectedProgram& program) {
  const auto specify = [&](int csr, std::uint64_t value, const char* reason) {
    program.specify(fmt::format("reading CSR {:#05x}", csr), value, reason);
  };
  for (const int csr : {0x302, 0x303}) {
    specify(csr, kIllegalInstruction,
            "section 3.1.8: medeleg and mideleg should not exist without supervisor mode");
  }
  for (int csr = 0x7a0; csr <= 0x7a4; ++csr) {
    specify(csr, kIllegalInstruction, "the debug specification's triggers are optional");
  }
  constexpr int kFirstThatQemuLacks = 0x13;
  for (int counter = kFirstThatQemuLacks; counter < 32; ++counter) {
    for (const int base : {kMcycle, kCycle}) {
      specify(base + counter, DirectedProgram::kNoTrap,
              "section 3.1.10: all 29 counters exist; QEMU has 16");
    }
  }
}

}  // namespace

void add_csr_existence_experiments(DirectedProgram& program) {
  constexpr int kCsrCount = 4096;
  for (int csr = 0; csr < kCsrCount; ++csr) {
    program.probe_cause(fmt::format("reading CSR {:#05x}", csr),
                        [&] { program.code().csr("csrrs", 6, csr, 0); });
  }
  // Writing a read-only register traps; CSRRS and CSRRC of x0 or of zero do not write (Zicsr,
  // table 9.1).
  ImageBuilder& code = program.code();
  specify_csr_existence(program);
  for (const int csr : {kCycle, kMhartid}) {
    const auto one = [&](const char* name, const std::function<void()>& body) {
      program.probe(fmt::format("{} of read-only CSR {:#x}", name, csr), body);
    };
    one("csrrw", [&] { code.csr("csrrw", 6, csr, 0); });
    one("csrrs with x1", [&] { code.csr("csrrs", 6, csr, 1); });
    one("csrrc with x1", [&] { code.csr("csrrc", 6, csr, 1); });
    one("csrrc with x0", [&] { code.csr("csrrc", 6, csr, 0); });
    one("csrrwi", [&] { code.csr("csrrwi", 6, csr, 0); });
    one("csrrsi 0", [&] { code.csr("csrrsi", 6, csr, 0); });
    one("csrrsi 1", [&] { code.csr("csrrsi", 6, csr, 1); });
    one("csrrci 0", [&] { code.csr("csrrci", 6, csr, 0); });
  }
}
void add_user_mode_experiments(DirectedProgram& program) {
  Script s(program);
  ImageBuilder& code = program.code();

  // Section 3.7.1: with no entry that matches, user mode may access nothing.
  program.user_probe("user mode without PMP entries", [] {});
  program.specify_trap("user mode without PMP entries", kInstructionAccessFault,
                       "section 3.7.1; QEMU 7.2 raises an exception at the MRET itself");

  allow_everything_last(s);
  program.user_probe("user mode call", [] {});
  program.specify("user mode call cause", kUserCall);
  program.user_probe("user mode ebreak", [&] { code.op("ebreak"); });
  program.user_probe("user mode mret", [&] { code.op("mret"); });
  program.specify("user mode mret cause", kIllegalInstruction);
  program.user_probe("user mode illegal", [&] { code.emit_raw({0xffffffff, 4}); });
  program.user_probe("user mode load of nothing", [&] {
    code.load_constant(5, kUnmapped);
    code.load("lw", 6, 0, 5);
  });
  program.user_probe("user mode jump to nothing", [&] {
    code.load_constant(5, kUnmapped);
    code.op_immediate("jalr", 0, 5, 0);
  });
  for (const int csr : {kMstatus, kMscratch, kMepc, kMhartid, kPmpcfg0, kMcycle}) {
    program.user_probe(fmt::format("user mode read of CSR {:#x}", csr),
                       [&] { code.csr("csrrs", 6, csr, 0); });
    program.specify(fmt::format("user mode read of CSR {:#x} cause", csr), kIllegalInstruction);
  }

  s.float_state(0);
  program.user_probe("user mode fcsr with the unit off", [&] { code.csr("csrrs", 6, kFcsr, 0); });
  s.float_state(kFsInitial);
  program.user_probe("user mode fcsr", [&] { code.csr("csrrwi", 6, kFcsr, 1); });
  program.user_probe("user mode fadd.s", [&] { code.emit({&find_form("fadd.s"), 1, 2, 3}); });

  // WFI in user mode: legal unless mstatus.TW (section 3.1.6.5). An interrupt that is pending and
  // enabled locally, but not globally taken, ends the wait at once; here it is taken instead.
  s.set_bits(kMstatus, kTw);
  program.user_probe("user mode wfi with TW", [&] { code.op("wfi"); });
  program.specify("user mode wfi with TW cause", kIllegalInstruction);
  s.clear_bits(kMstatus, kTw);

  // mstatus through a round trip: MPIE moves to MIE and becomes one, MPP becomes user mode, and
  // leaving machine mode clears MPRV (section 3.1.6.3).
  s.set(kMstatus, kMpp | 0x80);
  program.probe("mret to machine mode", [&] {
    const ImageBuilder::Label target = code.new_label();
    code.load_address(5, target);
    code.csr("csrrw", 0, kMepc, 5);
    code.op("mret");
    code.emit_raw({0xffffffff, 4});
    code.bind(target);
    code.csr("csrrs", 6, kMstatus, 0);
    s.clear_bits(kMstatus, kMieBit);
  });
  code.load_constant(5, 0xffffffff);  // without SXL, as elsewhere
  code.op("and", 6, 6, 5);
  program.log("mstatus after mret to machine mode", 6);
  s.set(kMstatus, kMpp | kMprv);
  program.log_csr("mstatus before mret to machine mode with MPRV", kMstatus);
  program.probe("mret to machine mode with MPRV", [&] {
    const ImageBuilder::Label target = code.new_label();
    code.load_address(5, target);
    code.csr("csrrw", 0, kMepc, 5);
    code.op("mret");
    code.bind(target);
  });
  program.log_csr("mstatus after mret to machine mode with MPRV", kMstatus);
  s.set(kMstatus, kMprv);
  program.user_probe("mret to user mode with MPRV", [] {});
  program.log_csr("mstatus after a visit to user mode with MPRV", kMstatus);
  const std::string mprv = "section 3.1.6.3: an MRET to user mode clears MPRV; QEMU 7.2 keeps it";
  program.specify("mret to user mode with MPRV mstatus", std::uint64_t{2} << 32, mprv);
  program.specify("mstatus after a visit to user mode with MPRV", std::uint64_t{2} << 32 | 0x80,
                  mprv);
  s.set(kMstatus, kMpp);
}

void add_counter_experiments(DirectedProgram& program) {
  Script s(program);
  ImageBuilder& code = program.code();
  allow_everything_last(s);
  for (std::uint64_t enable = 0; enable < 8; ++enable) {
    s.set(kMcounteren, enable);
    for (const int csr : {kCycle, kTime, kInstret}) {
      const std::string name = fmt::format("user read of {:#x} with mcounteren {}", csr, enable);
      program.user_probe(name, [&] { code.csr("csrrs", 0, csr, 0); });
      const bool allowed = (enable >> (csr - kCycle) & 1) != 0;
      program.specify(name + " cause", allowed ? kUserCall : kIllegalInstruction);
    }
  }
  // An inhibited counter keeps what was written.
  constexpr std::uint64_t kInhibitCycleAndInstret = 5;
  s.set(kMcountinhibit, kInhibitCycleAndInstret);
  for (const auto& [name, csr, shadow] :
       {std::tuple{"mcycle", kMcycle, kCycle}, std::tuple{"minstret", kMinstret, kInstret}}) {
    s.set(csr, 0x123456789a);
    program.log_csr(fmt::format("inhibited {}", name), csr);
    program.log_csr(fmt::format("inhibited {} through its user name", name), shadow);
    program.specify(fmt::format("inhibited {}", name), 0x123456789a);
    program.specify(fmt::format("inhibited {} through its user name", name), 0x123456789a);
  }
  // A counter that runs moves forward.
  s.set(kMcountinhibit, 0);
  for (const auto& [name, csr] : {std::pair{"mcycle", kMcycle}, std::pair{"minstret", kMinstret},
                                  std::pair{"cycle", kCycle}, std::pair{"instret", kInstret}}) {
    code.csr("csrrs", 5, csr, 0);
    for (int i = 0; i < 8; ++i) code.op_immediate("addi", 7, 7, 1);
    code.csr("csrrs", 6, csr, 0);
    code.op("sltu", 5, 5, 6);
    program.log(fmt::format("{} moves forward", name), 5);
    program.specify(fmt::format("{} moves forward", name), 1);
  }
  const std::string icount =
      "QEMU counts host time without -icount; section 3.1.10 counts instructions";
  code.csr("csrrs", 5, kMinstret, 0);
  for (int i = 0; i < 8; ++i) code.op_immediate("addi", 7, 7, 1);
  code.csr("csrrs", 6, kMinstret, 0);
  code.op("sub", 5, 6, 5);
  program.log("minstret over nine instructions", 5);
  program.specify("minstret over nine instructions", 9, icount);
  // Section 3.1.10: a write takes effect after the writing instruction.
  s.set(kMinstret, 1000);
  program.log_csr("minstret after being written", kMinstret);
  program.specify("minstret after being written", 1000, icount);
}
}  // namespace hpimvp::conformance
