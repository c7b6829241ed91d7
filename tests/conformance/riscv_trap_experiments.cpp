#include <fmt/format.h>

#include "tests/conformance/riscv_directed_experiments.h"
#include "tests/conformance/riscv_experiment_script.h"

namespace hpimvp::conformance {
namespace {

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
    s.set_bits(kMstatus, kMieBit);
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
}  // namespace hpimvp::conformance
