#include <fmt/format.h>

#include "tests/conformance/riscv_directed_experiments.h"
#include "tests/conformance/riscv_experiment_script.h"

namespace hpimvp::conformance {
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
    s.set_bits(kMstatus, kMieBit);
    for (int i = 0; i < 4; ++i) s.code().op_immediate("addi", 7, 7, 1);
    s.clear_bits(kMstatus, kMieBit);
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
    s.set_bits(kMstatus, kMieBit);
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
