// The plain core: traps, privilege, interrupts, blocks, budgets, memory map.
#include "models/riscv/core.h"

#include <catch2/catch.hpp>

#include "tests/unit/riscv/assembly.h"

namespace {

using namespace hpimvp::riscv;
using namespace hpimvp::riscv::assembly;

constexpr std::uint64_t kHandler = kRam + 0x1000;
constexpr int kT0 = 5, kT1 = 6, kT2 = 7, kA0 = 10, kA1 = 11;

/// Runs until the handler is reached: it spins.
void run_to_handler(Machine& machine) {
  machine.write_code(kHandler, {jal(0, 0)});
  machine.core.write_csr(csr::kMtvec, kHandler);
  machine.core.run(1000);
  REQUIRE(machine.core.pc() == kHandler);
}

void check_trap(Machine& machine, Cause cause, std::uint64_t pc, std::uint64_t value) {
  CHECK(machine.core.read_csr(csr::kMcause) == static_cast<std::uint64_t>(cause));
  CHECK(machine.core.read_csr(csr::kMepc) == pc);
  CHECK(machine.core.read_csr(csr::kMtval) == value);
}

}  // namespace

// ---- Traps ----

TEST_CASE("core: an illegal instruction traps with its bits, what precedes it having retired") {
  Machine machine;
  machine.load({addi(kA0, 0, 1), addi(kA0, kA0, 2), 0xffffffff, addi(kA0, kA0, 4)});
  run_to_handler(machine);
  check_trap(machine, Cause::kIllegalInstruction, kRam + 8, 0xffffffff);
  CHECK(machine.core.x(kA0) == 3);
}

TEST_CASE("core: a compressed illegal instruction reports sixteen bits") {
  Machine machine;
  machine.load({0x12340000});
  run_to_handler(machine);
  check_trap(machine, Cause::kIllegalInstruction, kRam, 0);
}

TEST_CASE("core: loads, stores and fetches that nothing answers fault with their address") {
  Machine machine;
  machine.core.set_x(kT0, 0x40);
  SECTION("load") {
    machine.load({addi(kA0, 0, 1), lw(kA0, kT0, 4), addi(kA0, 0, 2)});
    run_to_handler(machine);
    check_trap(machine, Cause::kLoadAccess, kRam + 4, 0x44);
    CHECK(machine.core.x(kA0) == 1);
  }
  SECTION("store") {
    machine.load({nop(), nop(), sd(kA0, kT0, 8)});
    run_to_handler(machine);
    check_trap(machine, Cause::kStoreAccess, kRam + 8, 0x48);
  }
  SECTION("fetch") {
    machine.load({jalr(1, kT0, 0)});
    run_to_handler(machine);
    check_trap(machine, Cause::kFetchAccess, 0x40, 0x40);
    CHECK(machine.core.x(1) == kRam + 4);
  }
  SECTION("fetch of an instruction's second half") {
    machine.core.set_x(kT0, kRam + kRamBytes - 2);
    machine.poke<std::uint16_t>(kRam + kRamBytes - 2, 0x0013);
    machine.load({jalr(0, kT0, 0)});
    run_to_handler(machine);
    check_trap(machine, Cause::kFetchAccess, kRam + kRamBytes - 2, kRam + kRamBytes);
  }
}

TEST_CASE("core: misaligned loads and stores work, misaligned atomics trap") {
  Machine machine;
  machine.core.set_x(kT0, kRam + 0x2001);
  SECTION("ordinary accesses") {
    machine.core.set_x(kA1, 0x1122334455667788);
    machine.load({sd(kA1, kT0, 0), lhu(kA0, kT0, 5), jal(0, 0)});
    machine.core.run(10);
    CHECK(machine.core.x(kA0) == 0x2233);
    CHECK(machine.peek<std::uint64_t>(kRam + 0x2001) == 0x1122334455667788);
  }
  SECTION("atomic operation") {
    machine.load({amoadd_w(kA0, kT0, kA1)});
    run_to_handler(machine);
    check_trap(machine, Cause::kStoreMisaligned, kRam, kRam + 0x2001);
  }
  SECTION("load reserved") {
    machine.load({lr_d(kA0, kT0)});
    run_to_handler(machine);
    check_trap(machine, Cause::kLoadMisaligned, kRam, kRam + 0x2001);
  }
}

TEST_CASE("core: calls and breakpoints report cause and pc") {
  Machine machine;
  machine.load({nop(), kEcall});
  run_to_handler(machine);
  check_trap(machine, Cause::kCallFromMachine, kRam + 4, 0);
  machine.load({kEbreak});
  machine.core.set_pc(kRam);
  machine.core.forget_code();
  run_to_handler(machine);
  check_trap(machine, Cause::kBreakpoint, kRam, 0);
}

TEST_CASE("core: trap entry and mret stack the interrupt enable and the mode") {
  Machine machine;
  machine.load({kEcall});
  machine.core.write_csr(csr::kMstatus, mstatus::kMie);
  run_to_handler(machine);
  CHECK((*machine.core.read_csr(csr::kMstatus) &
         (mstatus::kMie | mstatus::kMpie | mstatus::kMpp)) == (mstatus::kMpie | mstatus::kMpp));
  machine.write_code(kHandler, {kMret});
  machine.core.forget_code();
  machine.core.write_csr(csr::kMepc, kRam + 0x200);
  machine.core.write_csr(csr::kMstatus, mstatus::kMpie | mstatus::kMprv);
  machine.core.step();
  CHECK(machine.core.privilege() == Privilege::kUser);
  CHECK(machine.core.pc() == kRam + 0x200);
  CHECK((*machine.core.read_csr(csr::kMstatus) &
         (mstatus::kMie | mstatus::kMpie | mstatus::kMpp | mstatus::kMprv)) ==
        (mstatus::kMie | mstatus::kMpie));
}

TEST_CASE("core: the trap observer sees exceptions, the ebreak handler may swallow ebreak") {
  Machine machine;
  std::vector<Trap> traps;
  int breaks = 0;
  machine.core.set_trap_observer([&](const Trap& trap) { traps.push_back(trap); });
  machine.core.set_ebreak_handler([&](Core& core) {
    core.set_x(kA0, 42);
    return ++breaks == 1;
  });
  machine.load({kEbreak, addi(kA1, kA0, 1), kEbreak});
  run_to_handler(machine);
  CHECK(machine.core.x(kA1) == 43);
  REQUIRE(traps.size() == 1);
  CHECK(traps[0].cause == Cause::kBreakpoint);
  CHECK(traps[0].pc == kRam + 8);
}

// ---- Privilege and CSRs ----

namespace {

/// Enters user mode at `pc` with all memory accessible.
void enter_user(Machine& machine, std::uint64_t pc) {
  machine.core.write_csr(csr::kPmpaddr0, ~std::uint64_t{0});
  machine.core.write_csr(csr::kPmpcfg0, 0x1f);
  machine.core.write_csr(csr::kMstatus, mstatus::kFs);
  machine.core.write_csr(csr::kMepc, pc);
  machine.write_code(kRam + 0x800, {kMret});
  machine.core.set_pc(kRam + 0x800);
  machine.core.step();
  REQUIRE(machine.core.privilege() == Privilege::kUser);
}

}  // namespace

TEST_CASE("core: user mode may not touch machine CSRs nor return from traps") {
  for (const std::uint32_t instruction : {csrr(kA0, csr::kMstatus), csrw(csr::kMscratch, kA0),
                                          std::uint32_t{kMret}, csrr(kA0, csr::kCycle)}) {
    Machine machine;
    machine.load({instruction});
    enter_user(machine, kRam);
    run_to_handler(machine);
    check_trap(machine, Cause::kIllegalInstruction, kRam, instruction);
    CHECK((*machine.core.read_csr(csr::kMstatus) & mstatus::kMpp) == 0);
  }
}

TEST_CASE("core: mcounteren opens the counters to user mode") {
  Machine machine;
  machine.core.write_csr(csr::kMcounteren, 7);
  machine.load({csrr(kA0, csr::kInstret), kEcall});
  enter_user(machine, kRam);
  run_to_handler(machine);
  check_trap(machine, Cause::kCallFromUser, kRam + 4, 0);
  CHECK(machine.core.x(kA0) > 0);
}

TEST_CASE("core: user mode without a PMP entry cannot even fetch") {
  Machine machine;
  machine.load({nop()});
  enter_user(machine, kRam);
  machine.core.write_csr(csr::kPmpcfg0, 0);
  run_to_handler(machine);
  check_trap(machine, Cause::kFetchAccess, kRam, kRam);
}

TEST_CASE("core: PMP cuts directly mapped memory to the byte") {
  Machine machine;
  // User mode may read and write [0x2000, 0x2010) of the RAM and execute everything.
  machine.load({sw(kA0, kT0, 0), sw(kA0, kT0, 12), sw(kA0, kT0, 16)});
  machine.core.set_x(kT0, kRam + 0x2000);
  enter_user(machine, kRam);
  machine.core.write_csr(csr::kPmpaddr0, (kRam + 0x2000) >> 2 | 1);
  machine.core.write_csr(csr::kPmpaddr0 + 1, ~std::uint64_t{0});
  machine.core.write_csr(csr::kPmpcfg0, 0x1b | 0x1c << 8);
  run_to_handler(machine);
  check_trap(machine, Cause::kStoreAccess, kRam + 8, kRam + 0x2010);
}

TEST_CASE("core: MPRV makes machine-mode data accesses use the previous mode") {
  Machine machine;
  machine.load({lw(kA0, kT0, 0)});
  machine.core.set_x(kT0, kRam + 0x2000);
  machine.core.write_csr(csr::kMstatus, mstatus::kMprv);
  run_to_handler(machine);
  check_trap(machine, Cause::kLoadAccess, kRam, kRam + 0x2000);
}

TEST_CASE("core: CSR fields hold legal values only") {
  Machine machine;
  Core& core = machine.core;
  core.write_csr(csr::kMtvec, kHandler | 1);
  core.write_csr(csr::kMtvec, 0x1002);
  CHECK(core.read_csr(csr::kMtvec) == (kHandler | 1));
  core.write_csr(csr::kMepc, 0x1003);
  CHECK(core.read_csr(csr::kMepc) == 0x1002);
  core.write_csr(csr::kMie, ~std::uint64_t{0});
  CHECK(core.read_csr(csr::kMie) == 0x888);
  core.write_csr(csr::kMstatus, mstatus::kMpp);
  core.write_csr(csr::kMstatus, 1u << mstatus::kMppShift);  // supervisor mode does not exist
  CHECK((*core.read_csr(csr::kMstatus) & mstatus::kMpp) == mstatus::kMpp);
  core.write_csr(csr::kFcsr, 0xfff);
  CHECK(core.read_csr(csr::kFcsr) == 0xff);
  core.write_csr(csr::kMcountinhibit, ~std::uint64_t{0});
  CHECK(core.read_csr(csr::kMcountinhibit) == 0xfffffffd);
  CHECK_FALSE(core.read_csr(0x180));  // satp: no supervisor mode
  CHECK_FALSE(core.write_csr(csr::kMhartid, 1));
  CHECK(core.read_csr(csr::kMisa) == 0x800000000010112d);
}

TEST_CASE("core: CSR instructions write only when the specification says so") {
  Machine machine;
  machine.load({csrr(kA0, csr::kMhartid), csrrs(kA0, csr::kMhartid, kT0)});
  run_to_handler(machine);
  check_trap(machine, Cause::kIllegalInstruction, kRam + 4, csrrs(kA0, csr::kMhartid, kT0));
}

TEST_CASE("core: a write to minstret is what the next instruction reads") {
  Machine machine;
  machine.load({csrw(csr::kMinstret, 0), csrr(kA0, csr::kMinstret), nop(),
                csrr(kA1, csr::kMinstret), jal(0, 0)});
  machine.core.run(50);
  CHECK(machine.core.x(kA0) == 0);
  CHECK(machine.core.x(kA1) == 2);
}

TEST_CASE("core: inhibited counters stand still") {
  Machine machine;
  machine.core.set_x(kT0, 5);
  machine.load({csrw(csr::kMcountinhibit, kT0), csrr(kA0, csr::kMinstret), nop(), nop(),
                csrr(kA1, csr::kMinstret), csrr(kT1, csr::kMcycle), nop(), csrr(kT2, csr::kMcycle),
                jal(0, 0)});
  machine.core.run(100);
  CHECK(machine.core.x(kA0) == machine.core.x(kA1));
  CHECK(machine.core.x(kT1) == machine.core.x(kT2));
}

// ---- Floating point state ----

TEST_CASE("core: floating point is illegal while FS is off and dirties FS when used") {
  Machine machine;
  machine.core.set_x(kT0, kRam + 0x2000);
  machine.poke<std::uint32_t>(kRam + 0x2000, 0x3f800000);
  SECTION("off") {
    machine.load({flw(1, kT0, 0)});
    run_to_handler(machine);
    check_trap(machine, Cause::kIllegalInstruction, kRam, flw(1, kT0, 0));
  }
  SECTION("arithmetic off") {
    machine.load({fadd_s(1, 1, 1)});
    run_to_handler(machine);
    check_trap(machine, Cause::kIllegalInstruction, kRam, fadd_s(1, 1, 1));
  }
  SECTION("initial") {
    machine.core.write_csr(csr::kMstatus, 1u << mstatus::kFsShift);
    machine.load({flw(1, kT0, 0), fadd_s(2, 1, 1), jal(0, 0)});
    machine.core.run(20);
    CHECK(machine.core.f(2) == 0xffffffff40000000);
    CHECK((*machine.core.read_csr(csr::kMstatus) & mstatus::kFs) == mstatus::kFs);
    CHECK((*machine.core.read_csr(csr::kMstatus) & mstatus::kSd) != 0);
  }
}

TEST_CASE("core: a single that is not NaN-boxed is a NaN") {
  Machine machine;
  machine.core.write_csr(csr::kMstatus, 1u << mstatus::kFsShift);
  machine.core.set_f(1, 0x3f800000);
  machine.load({fadd_s(2, 1, 1), feq_s(kA0, 1, 1), jal(0, 0)});
  machine.core.set_x(kA0, 7);
  machine.core.run(20);
  CHECK(machine.core.f(2) == 0xffffffff7fc00000);
  CHECK(machine.core.x(kA0) == 0);
}

TEST_CASE("core: a reserved dynamic rounding mode is illegal") {
  Machine machine;
  machine.core.write_csr(csr::kMstatus, 1u << mstatus::kFsShift);
  machine.core.write_csr(csr::kFrm, 5);
  machine.load({fadd_s(2, 1, 1)});
  run_to_handler(machine);
  check_trap(machine, Cause::kIllegalInstruction, kRam, fadd_s(2, 1, 1));
}

// ---- Interrupts ----

TEST_CASE("core: the highest-priority enabled interrupt is taken, vectored if asked") {
  Machine machine;
  machine.load({jal(0, 0)});
  machine.core.write_csr(csr::kMtvec, kHandler | 1);
  machine.core.write_csr(csr::kMie, 0x888);
  machine.core.set_interrupt(Interrupt::kTimer, true);
  machine.core.set_interrupt(Interrupt::kSoftware, true);
  machine.core.run(10);
  CHECK(machine.core.pc() == kRam);  // MIE is off
  machine.core.write_csr(csr::kMstatus, mstatus::kMie);
  machine.core.step();
  CHECK(machine.core.pc() == kHandler + 4 * 3);
  CHECK(machine.core.read_csr(csr::kMcause) == 0x8000000000000003);
  CHECK(machine.core.read_csr(csr::kMip) == 0x88);
}

TEST_CASE("core: user mode is interrupted even with MIE off") {
  Machine machine;
  machine.load({jal(0, 0)});
  enter_user(machine, kRam);
  machine.core.write_csr(csr::kMie, 0x80);
  machine.core.set_interrupt(Interrupt::kTimer, true);
  run_to_handler(machine);
  CHECK(machine.core.read_csr(csr::kMcause) == 0x8000000000000007);
}

TEST_CASE("core: an interrupt raised by a device access is taken at the next block boundary") {
  Machine machine;
  machine.on_access = [&](const BusAccess&) {
    machine.core.set_interrupt(Interrupt::kExternal, true);
  };
  machine.core.set_x(kT0, 0x10000);
  machine.core.write_csr(csr::kMie, 0x800);
  machine.core.write_csr(csr::kMstatus, mstatus::kMie);
  machine.load({sw(0, kT0, 0), addi(kA0, kA0, 1), jal(0, -4)});
  run_to_handler(machine);
  CHECK(machine.core.x(kA0) == 1);
  CHECK(machine.core.read_csr(csr::kMepc) == kRam + 4);
}

TEST_CASE("core: enabling a pending interrupt by CSR takes it before the next instruction") {
  Machine machine;
  machine.core.set_interrupt(Interrupt::kTimer, true);
  machine.core.set_x(kT0, 8);
  machine.core.write_csr(csr::kMie, 0x80);
  machine.load({csrrs(0, csr::kMstatus, kT0), addi(kA0, 0, 1)});
  run_to_handler(machine);
  CHECK(machine.core.read_csr(csr::kMepc) == kRam + 4);
  CHECK(machine.core.x(kA0) == 0);
}

TEST_CASE("core: wfi sleeps until an enabled interrupt is pending, taken or not") {
  Machine machine;
  machine.load({kWfi, addi(kA0, 0, 1), jal(0, 0)});
  machine.core.write_csr(csr::kMie, 0x80);
  CHECK(machine.core.run(1000).reason == ExitReason::kWaitingForInterrupt);
  CHECK(machine.core.sleeps());
  CHECK(machine.core.pc() == kRam + 4);
  machine.core.set_interrupt(Interrupt::kSoftware, true);  // not enabled
  CHECK(machine.core.run(1000).reason == ExitReason::kWaitingForInterrupt);
  machine.core.set_interrupt(Interrupt::kTimer, true);
  CHECK_FALSE(machine.core.sleeps());
  CHECK(machine.core.run(100).reason == ExitReason::kBudget);
  CHECK(machine.core.x(kA0) == 1);
}

TEST_CASE("core: wfi in user mode is illegal when mstatus.TW is set") {
  Machine machine;
  machine.load({kWfi});
  enter_user(machine, kRam);
  machine.core.write_csr(csr::kMstatus, mstatus::kTw);
  run_to_handler(machine);
  check_trap(machine, Cause::kIllegalInstruction, kRam, kWfi);
}

// ---- Blocks ----

TEST_CASE("core: fence.i makes modified code visible") {
  Machine machine;
  // Replaces the instruction at +0x100 and calls it again.
  machine.write_code(kRam + 0x100, {addi(kA0, kA0, 1), jalr(0, 1, 0)});
  machine.load({jal(1, 0x100), lw(kT1, kT0, 0), sw(kT1, kT2, 0), kFenceI, jal(1, 0xf0), jal(0, 0)});
  machine.core.set_x(kT0, kRam + 0x2000);
  machine.core.set_x(kT2, kRam + 0x100);
  machine.poke<std::uint32_t>(kRam + 0x2000, addi(kA0, kA0, 16));
  machine.core.run(100);
  CHECK(machine.core.x(kA0) == 17);
}

TEST_CASE("core: forget_code and unmapping drop decoded blocks") {
  Machine machine;
  machine.load({addi(kA0, kA0, 1), jal(0, -4)});
  machine.core.run(100);
  const std::uint64_t count = machine.core.x(kA0);
  CHECK(count > 10);
  machine.load({addi(kA1, kA1, 1), jal(0, -4)});
  machine.core.forget_code();
  machine.core.set_pc(kRam);
  machine.core.run(100);
  CHECK(machine.core.x(kA0) == count);
  CHECK(machine.core.x(kA1) > 10);
  machine.load({addi(kT0, kT0, 1), jal(0, -4)});
  machine.core.remove_memory(kRam, kRam + 1);
  machine.core.set_pc(kRam);
  machine.core.run(100);
  CHECK(machine.core.x(kT0) > 10);  // over the bus
}

TEST_CASE("core: unmapping from inside a device access takes effect at once for data") {
  Machine machine;
  machine.core.set_x(kT0, kRam + 0x2000);
  machine.core.set_x(kT1, 0x10000);
  machine.load({lw(kA0, kT0, 0), lw(0, kT1, 0), lw(kA1, kT0, 0), jal(0, 0)});
  machine.poke<std::uint32_t>(kRam + 0x2000, 1);
  std::vector<std::byte> other(kRamBytes, std::byte{2});
  machine.on_access = [&](const BusAccess&) {
    machine.core.remove_memory(kRam, kRam);
    MemoryRegion region = machine.region();
    region.host = other.data();
    region.executable = false;
    machine.core.add_memory(region);
  };
  machine.core.run(20);
  CHECK(machine.core.x(kA0) == 1);
  CHECK(machine.core.x(kA1) == 0x02020202);
}

TEST_CASE("core: a linked loop retires what it should, however it is cut into runs") {
  for (const std::uint64_t slice : {std::uint64_t{1}, std::uint64_t{7}, std::uint64_t{100000}}) {
    Machine machine;
    // Two blocks per iteration, 1000 iterations.
    machine.core.set_x(kA0, 1000);
    machine.load(
        {addi(kA1, kA1, 1), beq(0, 0, 8), nop(), addi(kA0, kA0, -1), bne(kA0, 0, -16), jal(0, 0)});
    while (machine.core.instructions() < 4000) {
      machine.core.run(slice, 4000 - machine.core.instructions());
    }
    CHECK(machine.core.pc() == kRam + 20);
    CHECK(machine.core.x(kA1) == 1000);
    CHECK(machine.core.instructions() == 4000);
  }
}

TEST_CASE("core: instruction budgets are exact") {
  Machine machine;
  machine.load({addi(kA0, kA0, 1), addi(kA0, kA0, 1), addi(kA0, kA0, 1), jal(0, -12)});
  for (const std::uint64_t count : {1, 2, 63, 64, 65, 66, 1000, 12345}) {
    const std::uint64_t before = machine.core.instructions();
    const RunResult result = machine.core.run(Core::kUnlimited, count);
    CHECK(result.reason == ExitReason::kBudget);
    CHECK(result.instructions == count);
    CHECK(machine.core.instructions() - before == count);
  }
}

TEST_CASE("core: code behind 4 GiB computes its addresses right") {
  Machine machine;
  constexpr std::uint64_t kHigh = 0x1234567800000000;
  MemoryRegion region = machine.region();
  region.base = kHigh;
  machine.core.add_memory(region);
  machine.load({auipc(kA0, 0x12345), auipc(kA1, 0xfffff), jal(1, 4), jal(0, 0)});
  machine.core.set_pc(kHigh);
  machine.core.run(20);
  CHECK(machine.core.x(kA0) == kHigh + 0x12345000);
  CHECK(machine.core.x(kA1) == kHigh + 4 - 0x1000);
  CHECK(machine.core.x(1) == kHigh + 12);
}

// ---- Memory ----

TEST_CASE("core: device accesses carry exact pc, cycle and size, and their latency counts") {
  Machine machine;
  machine.latency = 40;
  machine.core.set_x(kT0, 0x10000);
  machine.load({nop(), nop(), sw(0, kT0, 0), nop(), ld(kA0, kT0, 8), jal(0, 0)});
  machine.core.run(1);
  REQUIRE(machine.accesses.size() == 2);
  CHECK(machine.accesses[0].pc == kRam + 8);
  CHECK(machine.accesses[0].now_cycles == 2);
  CHECK(machine.accesses[0].size == 4);
  CHECK(machine.accesses[0].is_write);
  CHECK(machine.accesses[1].pc == kRam + 16);
  CHECK(machine.accesses[1].now_cycles == 4 + 40);
  CHECK(machine.accesses[1].size == 8);
}

TEST_CASE("core: an access across the end of mapped memory goes over the bus as one") {
  Machine machine;
  machine.core.set_x(kT0, kRam + kRamBytes - 4);
  machine.load({ld(kA0, kT0, 0)});
  machine.write_code(kHandler, {jal(0, 0)});
  machine.core.write_csr(csr::kMtvec, kHandler);
  machine.core.run(20);
  REQUIRE(machine.accesses.size() == 1);
  CHECK(machine.accesses[0].address == kRam + kRamBytes - 4);
  CHECK(machine.accesses[0].size == 8);
}

TEST_CASE("core: store-conditional succeeds once, to the reserved place, if it did not change") {
  Machine machine;
  const std::uint64_t place = kRam + 0x2000;
  machine.core.set_x(kT0, place);
  machine.core.set_x(kA1, 5);
  machine.load({lr_d(kA0, kT0), sc_d(kT1, kT0, kA1), sc_d(kT2, kT0, kA1), jal(0, 0)});
  machine.core.run(40);
  CHECK(machine.core.x(kT1) == 0);
  CHECK(machine.core.x(kT2) == 1);
  CHECK(machine.peek<std::uint64_t>(place) == 5);
  // Another master's store in between.
  machine.core.set_pc(kRam);
  machine.core.step();
  machine.poke<std::uint64_t>(place, 6);
  machine.core.step();
  CHECK(machine.core.x(kT1) == 1);
  CHECK(machine.peek<std::uint64_t>(place) == 6);
}

TEST_CASE("core: breakpoints stop before the instruction and are stepped over on resumption") {
  Machine machine;
  machine.load({addi(kA0, kA0, 1), addi(kA0, kA0, 1), addi(kA0, kA0, 1), jal(0, -12)});
  machine.core.run(1000);  // decoded without the breakpoint
  machine.core.set_pc(kRam);
  machine.core.set_x(kA0, 0);
  machine.core.add_breakpoint(kRam + 4);
  CHECK(machine.core.run(1000).reason == ExitReason::kBreakpoint);
  CHECK(machine.core.pc() == kRam + 4);
  CHECK(machine.core.x(kA0) == 1);
  CHECK(machine.core.run(1000).reason == ExitReason::kBreakpoint);
  CHECK(machine.core.x(kA0) == 4);
  machine.core.remove_breakpoint(kRam + 4);
  CHECK(machine.core.run(1000).reason == ExitReason::kBudget);
}

TEST_CASE("core: watchpoints stop behind the access, other accesses stay unaffected") {
  Machine machine;
  machine.core.set_x(kT0, kRam + 0x2000);
  machine.load({sw(kA0, kT0, 0), lw(kA1, kT0, 4), jal(0, 4), sw(kA0, kT0, 8), jal(0, 0)});
  machine.core.add_watchpoint({kRam + 0x2008, 4, false, true});
  machine.core.add_watchpoint({kRam + 0x2004, 4, false, true});
  const RunResult result = machine.core.run(1000);
  CHECK(result.reason == ExitReason::kWatchpoint);
  CHECK(machine.core.watch_hit_address() == kRam + 0x2008);
  CHECK(machine.core.run(1000).reason == ExitReason::kBudget);
}

TEST_CASE("core: reset restores registers, mode and counters") {
  Machine machine;
  machine.load({addi(kA0, 0, 1), kEcall});
  run_to_handler(machine);
  machine.core.reset();
  CHECK(machine.core.pc() == kRam);
  CHECK(machine.core.x(kA0) == 0);
  CHECK(machine.core.read_csr(csr::kMcause) == 0);
  CHECK(machine.core.read_csr(csr::kMcycle) == 0);
  CHECK(machine.core.read_csr(csr::kMinstret) == 0);
  machine.core.step();
  CHECK(machine.core.x(kA0) == 1);
}
