#include <fmt/format.h>

#include "tests/conformance/qemu_riscv.h"
#include "tests/conformance/riscv_directed_experiments.h"

namespace hpimvp::conformance {
namespace {

// CSR numbers, Privileged ISA tables 2.2 to 2.6.
constexpr int kFflags = 0x001;
constexpr int kFrm = 0x002;
constexpr int kFcsr = 0x003;
constexpr int kMstatus = 0x300;
constexpr int kMisa = 0x301;
constexpr int kMie = 0x304;
constexpr int kMtvec = 0x305;
constexpr int kMcounteren = 0x306;
constexpr int kMcountinhibit = 0x320;
constexpr int kMscratch = 0x340;
constexpr int kMepc = 0x341;
constexpr int kMcause = 0x342;
constexpr int kMtval = 0x343;
constexpr int kMip = 0x344;
constexpr int kPmpcfg0 = 0x3a0;
constexpr int kPmpaddr0 = 0x3b0;
constexpr int kMcycle = 0xb00;
constexpr int kMinstret = 0xb02;
constexpr int kCycle = 0xc00;
constexpr int kTime = 0xc01;
constexpr int kInstret = 0xc02;
constexpr int kMhartid = 0xf14;

// Fields of mstatus, section 3.1.6.
constexpr std::uint64_t kMie_ = 0x8;
constexpr std::uint64_t kMpp = 0x1800;
constexpr std::uint64_t kFs = 0x6000;
constexpr std::uint64_t kFsInitial = 0x2000;
constexpr std::uint64_t kFsClean = 0x4000;
constexpr std::uint64_t kMprv = 0x20000;
constexpr std::uint64_t kTw = 0x200000;

// Exception codes, table 3.6.
constexpr std::uint64_t kInstructionAccessFault = 1;
constexpr std::uint64_t kIllegalInstruction = 2;
constexpr std::uint64_t kLoadMisaligned = 4;
constexpr std::uint64_t kStoreMisaligned = 6;
constexpr std::uint64_t kLoadFault = 5;
constexpr std::uint64_t kStoreFault = 7;
constexpr std::uint64_t kUserCall = 8;
constexpr std::uint64_t kInterrupt = std::uint64_t{1} << 63;
constexpr std::uint64_t kSoftwareInterrupt = kInterrupt | 3;
constexpr std::uint64_t kTimerInterrupt = kInterrupt | 7;

// No device answers here on either machine.
constexpr std::uint64_t kUnmapped = 0x200000;

constexpr std::uint64_t kClintMsip = kClintBase;
constexpr std::uint64_t kClintMtimecmp = kClintBase + 0x4000;

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

void probe_raw(Script& s, const std::string& name, std::uint32_t bits, unsigned length) {
  s.program().probe(name, [&] { s.code().emit_raw({bits, length}); });
}

// A load, store or atomic at `address` (the rs1 value; the offset is zero).
void probe_access(Script& s, const std::string& name, std::string_view mnemonic,
                  std::uint64_t address) {
  s.program().probe(name, [&] {
    s.code().load_constant(5, address);
    Instruction in;
    in.form = &find_form(mnemonic);
    in.rd = 6, in.rs1 = 5, in.rs2 = 7;
    s.code().emit(in);
  });
}

void probe_jump(Script& s, const std::string& name, std::uint64_t target) {
  s.program().probe(name, [&] {
    s.code().load_constant(5, target);
    s.code().op_immediate("jalr", 0, 5, 0);
  });
}

}  // namespace

void add_trap_experiments(DirectedProgram& program) {
  Script s(program);
  ImageBuilder& code = program.code();
  s.set_bits(kMstatus, kFs);

  probe_raw(s, "all ones", 0xffffffff, 4);
  probe_raw(s, "all zeros", 0x0000, 2);
  probe_raw(s, "reserved compressed", 0x8000, 2);
  probe_raw(s, "reserved funct7", 0xfe000033, 4);
  probe_raw(s, "sret without supervisor mode", 0x10200073, 4);
  probe_raw(s, "sfence.vma without supervisor mode", 0x12000073, 4);
  probe_raw(s, "fadd.s with rounding mode 5", 0x00005053, 4);
  program.specify_trap("sfence.vma without supervisor mode", kIllegalInstruction,
                       "section 3.3: SFENCE.VMA belongs to supervisor mode; QEMU 7.2 executes it");
  program.specify("all ones cause", kIllegalInstruction);
  program.specify("all ones tval", 0xffffffff);
  program.specify("all zeros cause", kIllegalInstruction);
  program.specify("all zeros tval", 0);

  program.probe("ecall", [&] { code.op("ecall"); });
  program.probe("ebreak", [&] { code.op("ebreak"); });
  program.probe("c.ebreak", [&] { code.op("c.ebreak"); });
  program.probe("ecall with interrupts enabled", [&] {
    s.set_bits(kMstatus, kMie_);
    code.op("ecall");
  });

  for (const char* load : {"lb", "lh", "lw", "ld", "lbu", "flw", "fld", "flh"}) {
    probe_access(s, fmt::format("{} of nothing", load), load, kUnmapped + 8);
  }
  for (const char* store : {"sb", "sh", "sw", "sd", "fsw", "fsd", "fsh"}) {
    probe_access(s, fmt::format("{} to nothing", store), store, kUnmapped + 8);
  }
  probe_access(s, "misaligned ld of nothing", "ld", kUnmapped + 12);
  program.specify("misaligned ld of nothing cause", kLoadFault);
  program.specify("misaligned ld of nothing tval", kUnmapped + 12,
                  "section 3.1.16: the address of the access; QEMU aligns it down");
  const std::string amo_reason =
      "QEMU reports the load half of an AMO; Privileged ISA table 3.6 has store/AMO codes";
  for (const char* atomic : {"amoadd.w", "amoswap.d", "amomaxu.d"}) {
    const std::string fault = fmt::format("{} of nothing", atomic);
    probe_access(s, fault, atomic, kUnmapped);
    program.specify(fault + " cause", kStoreFault, amo_reason);
    const std::string misaligned = fmt::format("{} misaligned", atomic);
    probe_access(s, misaligned, atomic, DirectedProgram::kPlayground + 2);
    program.specify(misaligned + " cause", kStoreMisaligned, amo_reason);
  }
  probe_access(s, "lr.w of nothing", "lr.w", kUnmapped);
  probe_access(s, "lr.w misaligned", "lr.w", DirectedProgram::kPlayground + 2);
  probe_access(s, "lr.d misaligned", "lr.d", DirectedProgram::kPlayground + 4);
  program.specify("lr.w of nothing cause", kLoadFault);
  program.specify("lr.d misaligned cause", kLoadMisaligned);
  for (const auto& [name, address] :
       {std::pair{"misaligned ld in a page", DirectedProgram::kPlayground + 1},
        std::pair{"misaligned ld across pages", DirectedProgram::kPlayground + 0xffd}}) {
    probe_access(s, name, "ld", address);
    program.specify(std::string(name) + " cause", DirectedProgram::kNoTrap);
  }

  probe_jump(s, "jump to nothing", kUnmapped);
  program.specify("jump to nothing cause", kInstructionAccessFault);
  program.specify("jump to nothing epc", kUnmapped);
  program.specify("jump to nothing tval", kUnmapped);
  probe_jump(s, "jump to the odd address of nothing", kUnmapped + 0x11);
  program.specify("jump to the odd address of nothing epc", kUnmapped + 0x10);
  program.probe("link of a jump to nothing", [&] {
    code.load_constant(5, kUnmapped);
    code.op_immediate("jalr", 6, 5, 0);
  });
  program.log("link register after the jump", 6);
  program.probe("destination of a faulting load", [&] {
    code.load_constant(6, 0x1234);
    code.load_constant(5, kUnmapped);
    code.load("lw", 6, 0, 5);
  });
  program.log("register after the faulting load", 6);
  program.specify("register after the faulting load", 0x1234);
}

void add_reservation_experiments(DirectedProgram& program) {
  Script s(program);
  ImageBuilder& code = program.code();
  constexpr int kAddress = 5;
  const auto attempt = [&](const std::string& name, const char* reserve, const char* conditional,
                           int offset, const std::function<void()>& between) {
    s.store_double(DirectedProgram::kPlayground, 0x1111111122222222);
    s.store_double(DirectedProgram::kPlayground + 0x1000, 0);
    code.load_constant(kAddress, DirectedProgram::kPlayground);
    code.load_constant(7, 0x77);
    code.emit({&find_form(reserve), 8, kAddress});
    program.probe_cause(name + ", between", between);
    code.load_constant(9, DirectedProgram::kPlayground + static_cast<std::uint64_t>(offset));
    code.emit({&find_form(conditional), 10, 9, 7});
    program.log(name + ", failed", 10);
    code.load("ld", 11, 0, kAddress);
    program.log(name + ", memory", 11);
  };
  const auto nothing = [] {};
  attempt("lr.w, sc.w", "lr.w", "sc.w", 0, nothing);
  attempt("lr.d, sc.d", "lr.d", "sc.d", 0, nothing);
  program.specify("lr.w, sc.w, failed", 0);
  program.specify("lr.d, sc.d, memory", 0x77);
  attempt("sc.w elsewhere", "lr.w", "sc.w", 0x1000, nothing);
  program.specify("sc.w elsewhere, failed", 1);
  attempt("sc.w of the next word", "lr.w", "sc.w", 4, nothing);
  attempt("lr.w, a trap, sc.w", "lr.w", "sc.w", 0, [&] { code.op("ecall"); });
  for (const char* value : {"failed", "memory"}) {
    program.leave_open(fmt::format("lr.w, a trap, sc.w, {}", value),
                       "Unprivileged ISA section 8.2 lets a trap end a reservation or keep it");
  }
  attempt("lr.w, a load, sc.w", "lr.w", "sc.w", 0, [&] { code.load("lw", 12, 8, kAddress); });
  attempt("lr.w, a store elsewhere, sc.w", "lr.w", "sc.w", 0,
          [&] { code.store("sw", 7, 64, kAddress); });
  attempt("lr.w, a store of another value, sc.w", "lr.w", "sc.w", 0,
          [&] { code.store("sw", 7, 0, kAddress); });
  attempt("lr.w, an sc.w elsewhere, sc.w", "lr.w", "sc.w", 0, [&] {
    code.op_immediate("addi", 12, kAddress, 1024);
    code.emit({&find_form("sc.w"), 13, 12, 7});
  });
  program.specify("lr.w, an sc.w elsewhere, sc.w, failed", 1);
}

void add_float_status_experiments(DirectedProgram& program) {
  Script s(program);
  ImageBuilder& code = program.code();
  const auto attempt = [&](const std::string& state) {
    const auto one = [&](const char* name, const std::function<void()>& body) {
      program.probe(fmt::format("{} with the unit {}", name, state), body);
      program.log_csr(fmt::format("mstatus after {} with the unit {}", name, state), kMstatus);
    };
    code.load_constant(5, DirectedProgram::kPlayground);
    one("fadd.d", [&] { code.emit({&find_form("fadd.d"), 1, 2, 3}); });
    one("fcvt.w.s", [&] { code.emit({&find_form("fcvt.w.s"), 6, 2}); });
    one("fmv.x.h", [&] { code.emit({&find_form("fmv.x.h"), 6, 2}); });
    one("flw", [&] { code.load("flw", 1, 0, 5); });
    one("fsd", [&] { code.store("fsd", 1, 0, 5); });
    one("c.fld", [&] { code.load("c.fld", 9, 0, 8); });
    one("fmv.w.x", [&] { code.emit({&find_form("fmv.w.x"), 1, 0}); });
    one("feq.s", [&] { code.emit({&find_form("feq.s"), 6, 2, 3}); });
    for (const int csr : {kFflags, kFrm, kFcsr}) {
      one(fmt::format("reading CSR {}", csr).c_str(), [&] { code.csr("csrrs", 6, csr, 0); });
      one(fmt::format("writing CSR {}", csr).c_str(), [&] { code.csr("csrrwi", 0, csr, 1); });
    }
  };
  code.load_constant(8, DirectedProgram::kPlayground);
  s.float_state(0);
  attempt("off");
  // Each experiment starts from Clean again, so that what makes it dirty shows.
  const auto from = [&](const std::string& state, std::uint64_t fs) {
    const auto one = [&](const std::string& name, const std::function<void()>& body) {
      s.float_state(fs);
      program.probe_cause(fmt::format("{} from {}", name, state), body);
      program.log_csr(fmt::format("mstatus after {} from {}", name, state), kMstatus);
    };
    code.load_constant(5, DirectedProgram::kPlayground);
    one("nothing", [] {});
    one("fadd.d", [&] { code.emit({&find_form("fadd.d"), 1, 2, 3}); });
    one("flw", [&] { code.load("flw", 1, 0, 5); });
    one("c.fld", [&] { code.load("c.fld", 9, 0, 8); });
    one("fmv.w.x", [&] { code.emit({&find_form("fmv.w.x"), 1, 0}); });
    one("fsd", [&] { code.store("fsd", 1, 0, 5); });
    one("fmv.x.d", [&] { code.emit({&find_form("fmv.x.d"), 6, 1}); });
    one("csrrw fcsr", [&] { code.csr("csrrw", 0, kFcsr, 0); });
    one("csrrwi frm", [&] { code.csr("csrrwi", 0, kFrm, 0); });
    one("csrrs fflags, x0", [&] { code.csr("csrrs", 6, kFflags, 0); });
  };
  from("initial", kFsInitial);
  from("clean", kFsClean);

  // An invalid dynamic rounding mode is kept and makes dynamic operations illegal (ISA
  // section 11.2).
  s.float_state(kFs);
  for (const int mode : {4, 5, 6, 7}) {
    s.set_and_log(fmt::format("frm {} reads back", mode), kFrm, static_cast<std::uint64_t>(mode));
    program.log_csr(fmt::format("fcsr with frm {}", mode), kFcsr);
    program.probe(fmt::format("dynamic fadd.s with frm {}", mode), [&] {
      code.emit({&find_form("fadd.s"), 1, 2, 3, 0, kRoundDynamic});
    });
    program.probe(fmt::format("static fadd.s with frm {}", mode), [&] {
      code.emit({&find_form("fadd.s"), 1, 2, 3, 0, kRoundUp});
    });
    program.probe(fmt::format("fsgnj.s with frm {}", mode), [&] {
      code.emit({&find_form("fsgnj.s"), 1, 2, 3});
    });
  }
  s.set_and_log("fcsr of all ones", kFcsr, ~std::uint64_t{0});
  program.specify("fcsr of all ones", 0xff);
  s.set_and_log("fflags of all ones", kFflags, ~std::uint64_t{0});
  s.set_and_log("frm of all ones", kFrm, ~std::uint64_t{0});
}

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
    if (mask == kMie_ || mask == kMprv || (mask & (kMpp | kSxl)) != 0) continue;
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

namespace {

// Entry 15: everything is allowed in user mode unless an earlier entry says otherwise.
void allow_everything_last(Script& s) {
  constexpr std::uint64_t kNapotAllPermissions = 0x1f;
  s.set(kPmpaddr0 + 15, 0x3fffffffffffff);
  s.set(kPmpcfg0 + 2, kNapotAllPermissions << 56);
}

}  // namespace

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
    s.clear_bits(kMstatus, kMie_);
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

namespace {

constexpr std::uint64_t kRead = 1;
constexpr std::uint64_t kWrite = 2;
constexpr std::uint64_t kExecute = 4;
constexpr std::uint64_t kTopOfRange = 1 << 3;
constexpr std::uint64_t kFourBytes = 2 << 3;
constexpr std::uint64_t kPowerOfTwo = 3 << 3;
constexpr std::uint64_t kLock = 0x80;

std::uint64_t power_of_two_region(std::uint64_t base, std::uint64_t bytes) {
  return base >> 2 | ((bytes >> 3) - 1);
}

void set_entry(Script& s, int entry, std::uint64_t config, std::uint64_t address) {
  const int csr = kPmpcfg0 + entry / 8 * 2;
  const int shift = entry % 8 * 8;
  s.set(kPmpaddr0 + entry, address);
  s.clear_bits(csr, std::uint64_t{0xff} << shift);
  s.set_bits(csr, config << shift);
}

// Loads, stores and (when code is there) jumps from user mode, or as user mode through MPRV.
void probe_region(Script& s, const std::string& name, std::uint64_t address) {
  DirectedProgram& program = s.program();
  ImageBuilder& code = s.code();
  const auto access = [&](const char* mnemonic, bool store) {
    program.user_probe(fmt::format("{}: user {}", name, mnemonic), [&] {
      code.load_constant(5, address);
      store ? code.store(mnemonic, 6, 0, 5) : code.load(mnemonic, 6, 0, 5);
    });
    program.probe(fmt::format("{}: machine {} with MPRV", name, mnemonic), [&] {
      code.load_constant(5, address);
      s.clear_bits(kMstatus, kMpp);
      s.set_bits(kMstatus, kMprv);
      store ? code.store(mnemonic, 6, 0, 5) : code.load(mnemonic, 6, 0, 5);
    });
    s.clear_bits(kMstatus, kMprv);
    program.probe(fmt::format("{}: machine {}", name, mnemonic), [&] {
      code.load_constant(5, address);
      store ? code.store(mnemonic, 6, 0, 5) : code.load(mnemonic, 6, 0, 5);
    });
  };
  access("ld", false);
  access("lbu", false);
  access("sd", true);
  // The playground is zero, an illegal instruction when it may be fetched.
  program.user_probe(fmt::format("{}: user fetch", name), [&] {
    code.load_constant(5, address);
    code.op_immediate("jalr", 0, 5, 0);
  });
  program.probe(fmt::format("{}: machine fetch", name), [&] {
    code.load_constant(5, address);
    code.op_immediate("jalr", 0, 5, 0);
  });
}

void probe_permissions(Script& s) {
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t base = DirectedProgram::kPlayground;
  for (const std::uint64_t permissions : {std::uint64_t{0}, kRead, kRead | kWrite, kExecute,
                                          kRead | kExecute, kRead | kWrite | kExecute}) {
    set_entry(s, 0, kPowerOfTwo | permissions, power_of_two_region(base, kPage));
    probe_region(s, fmt::format("NAPOT page, permissions {}", permissions), base + 8);
  }
  set_entry(s, 0, kPowerOfTwo, power_of_two_region(base, kPage));
  probe_region(s, "behind the NAPOT page", base + kPage);
}

void probe_matching_modes(Script& s) {
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t base = DirectedProgram::kPlayground;
  set_entry(s, 0, 0, base >> 2);
  set_entry(s, 1, kTopOfRange | kRead, (base + 2 * kPage) >> 2);
  probe_region(s, "TOR first byte", base);
  probe_region(s, "TOR last word", base + 2 * kPage - 8);
  probe_region(s, "TOR behind the end", base + 2 * kPage);
  // A range whose top is not above its bottom matches nothing.
  set_entry(s, 0, 0, (base + 2 * kPage) >> 2);
  set_entry(s, 1, kTopOfRange, base >> 2);
  probe_region(s, "TOR upside down", base + 8);
  // Entry 0 as TOR starts at address zero; the entry behind it allows the program itself.
  set_entry(s, 0, kTopOfRange | kRead, kRamBase >> 2);
  set_entry(s, 1, 0, 0);
  probe_region(s, "TOR of entry 0 below", kUnmapped);

  set_entry(s, 0, kFourBytes | kRead, (base + 0x40) >> 2);
  s.program().log_csr("NA4 configuration", kPmpcfg0);
  probe_region(s, "NA4 and the bytes behind it", base + 0x40);
  set_entry(s, 0, kPowerOfTwo | kRead, power_of_two_region(base + 0x40, 8));
  probe_region(s, "NAPOT of eight bytes", base + 0x40);
  probe_region(s, "next to NAPOT of eight bytes", base + 0x48);

  // Priority: the lowest-numbered entry that matches decides.
  set_entry(s, 0, kPowerOfTwo | kRead, power_of_two_region(base, kPage));
  set_entry(s, 1, kPowerOfTwo | kRead | kWrite | kExecute, power_of_two_region(base, 4 * kPage));
  probe_region(s, "priority, first entry", base);
  probe_region(s, "priority, second entry", base + kPage);
  set_entry(s, 0, 0, 0);
  set_entry(s, 1, 0, 0);
}

void probe_partial_matches(Script& s) {
  // Section 3.7.1: an access that an entry matches only in part fails whatever the permissions.
  DirectedProgram& program = s.program();
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t base = DirectedProgram::kPlayground;
  set_entry(s, 0, kPowerOfTwo | kRead | kWrite, power_of_two_region(base + kPage, kPage));
  for (const std::uint64_t offset : {std::uint64_t{1}, std::uint64_t{4}, std::uint64_t{7}}) {
    const std::string name = fmt::format("user ld {} bytes before the region", offset);
    program.user_probe(name, [&] {
      s.code().load_constant(5, base + kPage - offset);
      s.code().load("ld", 6, 0, 5);
    });
    const std::string pieces =
        "section 3.7.1 fails partial matches; QEMU splits accesses that cross a page";
    program.specify(name + " cause", kLoadFault, pieces);
    for (const char* field : {" epc", " tval", " mstatus"})
      program.leave_open(name + field, pieces);
  }
  set_entry(s, 0, kFourBytes | kRead, (base + 0x44) >> 2);
  program.user_probe("user ld around an NA4 entry", [&] {
    s.code().load_constant(5, base + 0x42);
    s.code().load("ld", 6, 0, 5);
  });
  program.specify_trap("user ld around an NA4 entry", kLoadFault,
                       "section 3.7.1: the entry matches some bytes, so the access fails; QEMU 7.2 "
                       "looks at the first and the last byte");
  set_entry(s, 0, 0, 0);
}

void probe_locking(Script& s) {
  DirectedProgram& program = s.program();
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t base = DirectedProgram::kPlayground + 0x8000;
  // Locked entries bind machine mode too and ignore writes until reset.
  set_entry(s, 2, kLock | kPowerOfTwo | kRead, power_of_two_region(base, kPage));
  probe_region(s, "locked page", base);
  s.set_and_log("locked configuration after a write", kPmpcfg0, 0);
  s.set_and_log("locked address after a write", kPmpaddr0 + 2, 0);
  probe_region(s, "locked page after the writes", base);
  // A locked TOR entry locks the address below it as well.
  set_entry(s, 4, 0, (base + 2 * kPage) >> 2);
  set_entry(s, 5, kLock | kTopOfRange | kExecute, (base + 3 * kPage) >> 2);
  s.set_and_log("address below a locked TOR entry", kPmpaddr0 + 4, 0);
  program.specify("address below a locked TOR entry", (base + 2 * kPage) >> 2);
  probe_region(s, "locked TOR page", base + 2 * kPage);
}

}  // namespace

void add_memory_protection_experiments(DirectedProgram& program) {
  Script s(program);
  // MPRV with MPP = machine changes nothing; reserved bits of a configuration read as zero.
  s.set_and_log("pmpcfg0 of all permissions", kPmpcfg0, 0x1f1f1f1f1f1f1f1f);
  s.set_and_log("pmpcfg0 of reserved bits", kPmpcfg0, 0x6060606060606060);
  program.specify("pmpcfg0 of reserved bits", 0, "section 3.7.1: bits 5 and 6 are WARL zero");
  s.set_and_log("pmpcfg0 of write without read", kPmpcfg0, 0x02);
  program.specify("pmpcfg0 of write without read", 0,
                  "section 3.7.1 reserves R=0 W=1; the field is WARL");
  s.set_and_log("pmpcfg0 of zero", kPmpcfg0, 0);
  program.probe_cause("reading pmpcfg1", [&] { program.code().csr("csrrs", 6, kPmpcfg0 + 1, 0); });
  allow_everything_last(s);
  probe_permissions(s);
  probe_matching_modes(s);
  probe_partial_matches(s);
  probe_locking(s);
}

namespace {

constexpr int kRandomEntries = 4;
constexpr std::uint64_t kProtectionPlayground = DirectedProgram::kPlayground + 0x10000;

struct ProtectionSet {
  std::uint64_t config = 0;  // of entries 0 to 3, as in pmpcfg0
  std::uint64_t address[kRandomEntries] = {};
};

// Entries of all modes and legal permissions over a few KiB, so that they often overlap.
ProtectionSet random_protection(RandomSource& random) {
  constexpr std::uint64_t kPermissions[] = {
      0, kRead, kRead | kWrite, kExecute, kRead | kExecute, kRead | kWrite | kExecute};
  constexpr std::uint64_t kModes[] = {0, kTopOfRange, kFourBytes, kPowerOfTwo};
  ProtectionSet set;
  for (int entry = 0; entry < kRandomEntries; ++entry) {
    const std::uint64_t mode = random.pick(kModes);
    const std::uint64_t base = kProtectionPlayground + random.below(0x1000) * 4;
    set.config |= (mode | random.pick(kPermissions)) << (8 * entry);
    set.address[entry] =
        mode == kPowerOfTwo
            ? power_of_two_region(base & ~std::uint64_t{7}, std::uint64_t{8} << random.below(11))
            : base >> 2;
  }
  return set;
}

// An address near an entry's border or anywhere in the playground; inside one page, because QEMU
// checks the two halves of an access that crosses pages separately.
std::uint64_t random_probe_address(RandomSource& random, const ProtectionSet& set) {
  constexpr std::uint64_t kPage = 4096;
  std::uint64_t address = kProtectionPlayground + random.below(0x4000);
  if (random.chance(75)) {
    address = (set.address[random.below(kRandomEntries)] << 2) +
              static_cast<std::uint64_t>(random.between(-16, 16));
  }
  return address % kPage > kPage - 8 ? address - 8 : address;
}

}  // namespace

void add_random_memory_protection_experiments(DirectedProgram& program, RandomSource& random) {
  constexpr int kSets = 120;
  constexpr int kProbesPerSet = 12;
  constexpr const char* kAccesses[] = {"lb", "lh", "lw", "ld", "sb", "sh", "sw", "sd"};
  Script s(program);
  ImageBuilder& code = program.code();
  for (int i = 0; i < kSets; ++i) {
    // In half of the sets user mode may access what no earlier entry matches; the log it may
    // always.
    random.chance(50) ? allow_everything_last(s) : s.set(kPmpcfg0 + 2, 0);
    set_entry(s, 14, kPowerOfTwo | kRead | kWrite, power_of_two_region(0x80400000, 0x400000));
    const ProtectionSet set = random_protection(random);
    for (int entry = 0; entry < kRandomEntries; ++entry) {
      s.set(kPmpaddr0 + entry, set.address[entry]);
    }
    for (int probe = 0; probe < kProbesPerSet; ++probe) {
      const std::string mnemonic = random.pick(kAccesses);
      // At multiples of four: QEMU overlooks an entry that lies wholly inside an access.
      const std::uint64_t mask = mnemonic[1] == 'd' ? ~std::uint64_t{3} : ~std::uint64_t{0};
      const std::uint64_t address = random_probe_address(random, set) & mask;
      const bool as_user = random.chance(70);
      // Written again each time, which empties QEMU's translation buffer: version 7.2 remembers a
      // page without looking at the other entries in it.
      s.set(kPmpcfg0, set.config);
      program.probe_cause(
          fmt::format("set {} probe {}: {} at {:#x} as {}, pmpcfg {:#010x}, pmpaddr {:#x} {:#x} "
                      "{:#x} {:#x}",
                      i, probe, mnemonic, address, as_user ? "user" : "machine", set.config,
                      set.address[0], set.address[1], set.address[2], set.address[3]),
          [&] {
            code.load_constant(5, address);
            if (as_user) s.clear_bits(kMstatus, kMpp);
            if (as_user) s.set_bits(kMstatus, kMprv);
            mnemonic[0] == 's' ? code.store(mnemonic, 6, 0, 5) : code.load(mnemonic, 6, 0, 5);
          });
      s.clear_bits(kMstatus, kMprv);
    }
  }
}

namespace {

constexpr std::uint64_t kSoftwarePending = 0x8;
constexpr std::uint64_t kTimerPending = 0x80;

void set_software_interrupt(Script& s, bool pending) {
  s.store_word(kClintMsip, pending);
}

void set_timer_interrupt(Script& s, bool pending) {
  // mtimecmp = 0 is in the past, all ones in no reachable future.
  s.store_double(kClintMtimecmp, pending ? 0 : ~std::uint64_t{0});
}

// Enables interrupts globally and runs a few instructions, in which a pending one is taken.
void probe_interrupt(Script& s, const std::string& name) {
  DirectedProgram& program = s.program();
  program.probe(name, [&] {
    s.set_bits(kMstatus, kMie_);
    for (int i = 0; i < 4; ++i) s.code().op_immediate("addi", 7, 7, 1);
    s.clear_bits(kMstatus, kMie_);
  });
  program.log(name + " vector", DirectedProgram::kVectorRegister);
}

void probe_pending_sets(Script& s, const std::string& mode) {
  DirectedProgram& program = s.program();
  for (int pending = 0; pending < 4; ++pending) {
    set_software_interrupt(s, (pending & 1) != 0);
    set_timer_interrupt(s, (pending & 2) != 0);
    program.log_csr(fmt::format("mip, {}, pending set {}", mode, pending), kMip);
    for (int enabled = 0; enabled < 4; ++enabled) {
      s.set(kMie,
            ((enabled & 1) != 0 ? kSoftwarePending : 0) | ((enabled & 2) != 0 ? kTimerPending : 0));
      probe_interrupt(s, fmt::format("{}, pending {}, enabled {}", mode, pending, enabled));
    }
  }
  // Section 3.1.9: software before timer.
  program.specify(fmt::format("{}, pending 3, enabled 3 cause", mode), kSoftwareInterrupt);
  program.specify(fmt::format("{}, pending 3, enabled 2 cause", mode), kTimerInterrupt);
}

}  // namespace

void add_interrupt_experiments(DirectedProgram& program) {
  Script s(program);
  ImageBuilder& code = program.code();
  allow_everything_last(s);

  probe_pending_sets(s, "direct");
  code.load_address(1, program.vector_table());
  code.op_immediate("addi", 1, 1, 1);
  code.csr("csrrw", 0, kMtvec, 1);
  probe_pending_sets(s, "vectored");
  // Exceptions go to the base of a vector table.
  program.probe("ecall in vectored mode", [&] { code.op("ecall"); });
  program.log("ecall in vectored mode vector", DirectedProgram::kVectorRegister);
  code.load_address(1, program.direct_handler());
  code.csr("csrrw", 0, kMtvec, 1);

  // In user mode machine interrupts are taken whatever MIE says.
  set_software_interrupt(s, true);
  set_timer_interrupt(s, false);
  s.set(kMie, kSoftwarePending);
  program.user_probe("software interrupt in user mode", [&] {
    for (int i = 0; i < 4; ++i) code.op_immediate("addi", 7, 7, 1);
  });
  program.specify("software interrupt in user mode cause", kSoftwareInterrupt);

  // WFI ends when an enabled interrupt is pending, taken or not (section 3.3.3).
  program.probe("wfi with interrupts off", [&] {
    code.op("wfi");
    code.load_constant(6, 77);
  });
  program.log("register set after wfi", 6);
  program.specify("wfi with interrupts off cause", DirectedProgram::kNoTrap);
  program.specify("register set after wfi", 77);
  program.probe("wfi with interrupts on", [&] {
    s.set_bits(kMstatus, kMie_);
    code.op("wfi");
    code.op("wfi");
  });
  program.specify("wfi with interrupts on cause", kSoftwareInterrupt);
  set_software_interrupt(s, false);

  // WFI until a timer in the future: 20,000 ticks are 2 ms of QEMU's 10 MHz timer. Interrupts are
  // off, so that it does not matter whether QEMU's host reaches the WFI in time.
  s.set(kMie, kTimerPending);
  program.probe_cause("wfi until the timer", [&] {
    code.load_constant(5, kClintBase + 0xbff8);
    code.load("ld", 6, 0, 5);
    code.load_constant(7, 20000);
    code.op("add", 6, 6, 7);
    code.load_constant(5, kClintMtimecmp);
    code.store("sd", 6, 0, 5);
    code.op("wfi");
  });
  program.log_csr("mip after waiting for the timer", kMip);
  program.specify("wfi until the timer", DirectedProgram::kNoTrap);
  program.specify("mip after waiting for the timer", kTimerPending);
  probe_interrupt(s, "timer after wfi");
  program.specify("timer after wfi cause", kTimerInterrupt);
  set_timer_interrupt(s, false);
  program.log_csr("mip at the end", kMip);
  program.specify("mip at the end", 0);
}

}  // namespace hpimvp::conformance
