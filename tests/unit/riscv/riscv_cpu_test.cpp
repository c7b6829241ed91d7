// The TLM wrapper on a small SystemC machine. One simulation per test case.
#include "models/riscv/riscv_cpu.h"

#include <tlm_utils/simple_target_socket.h>

#include <catch2/catch.hpp>
#include <optional>
#include <systemc>

#include "tests/unit/riscv/assembly.h"

namespace {

using namespace hpimvp::riscv;
using namespace hpimvp::riscv::assembly;
using sc_core::SC_NS;
using sc_core::sc_time;

constexpr std::uint64_t kDevice = 0x10000;
constexpr int kT0 = 5, kT1 = 6, kT2 = 7, kA0 = 10, kA1 = 11;

sc_time ns(double value) {
  return sc_time(value, SC_NS);
}

/// RAM at kRam and a device page at kDevice whose accesses are recorded.
class Board : public sc_core::sc_module {
 public:
  struct Access {
    std::uint64_t address;
    sc_time stamp;
    sc_time delay;
    hpimvp::common::Initiator initiator;
  };

  tlm_utils::simple_target_socket<Board> target{"target"};
  sc_core::sc_signal<bool> software{"software"}, timer{"timer"}, external{"external"};
  RiscvCpu cpu;
  std::vector<std::byte> ram;
  std::vector<Access> accesses;
  std::uint32_t device_value = 0;
  sc_time device_delay = ns(7);
  sc_time device_wait;
  bool offer_dmi = true;
  int ram_transactions = 0;
  std::function<void(const Access&)> on_access;

  explicit Board(RiscvCpuConfig config = {}, sc_core::sc_module_name name = "board")
      : sc_module(name), cpu("cpu", at_ram(config)), ram(kRamBytes) {
    cpu.bus.bind(target);
    cpu.software_interrupt(software);
    cpu.timer_interrupt(timer);
    cpu.external_interrupt(external);
    target.register_b_transport(this, &Board::transport);
    target.register_get_direct_mem_ptr(this, &Board::direct);
    target.register_transport_dbg(this, &Board::debug);
  }

  void load(std::initializer_list<std::uint32_t> code, std::uint64_t address = kRam) {
    for (const std::uint32_t instruction : code) {
      std::memcpy(ram.data() + (address - kRam), &instruction, 4);
      address += 4;
    }
  }

 private:
  static RiscvCpuConfig at_ram(RiscvCpuConfig config) {
    config.core.reset_pc = kRam;
    if (config.quantum == sc_core::SC_ZERO_TIME) config.quantum = sc_time(1, sc_core::SC_US);
    return config;
  }

  bool copy(tlm::tlm_generic_payload& payload) {
    const std::uint64_t offset = payload.get_address() - kRam;
    const unsigned length = payload.get_data_length();
    if (offset >= kRamBytes || length > kRamBytes - offset) return false;
    if (payload.is_read()) std::memcpy(payload.get_data_ptr(), ram.data() + offset, length);
    if (payload.is_write()) std::memcpy(ram.data() + offset, payload.get_data_ptr(), length);
    return true;
  }

  void transport(tlm::tlm_generic_payload& payload, sc_time& delay) {
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
    if (copy(payload)) {
      ++ram_transactions;
      payload.set_dmi_allowed(offer_dmi);
      return;
    }
    if ((payload.get_address() & ~std::uint64_t{0xfff}) != kDevice) {
      payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
      return;
    }
    const auto* info = payload.get_extension<hpimvp::common::TransactionInfo>();
    accesses.push_back({payload.get_address(), sc_core::sc_time_stamp(), delay,
                        info ? info->initiator : hpimvp::common::Initiator::kDebugger});
    if (payload.is_read()) std::memcpy(payload.get_data_ptr(), &device_value, 4);
    if (device_wait != sc_core::SC_ZERO_TIME) {
      wait(delay + device_wait);
      delay = sc_core::SC_ZERO_TIME;
    }
    delay += device_delay;
    if (on_access) on_access(accesses.back());
  }

  bool direct(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi) {
    if (!offer_dmi || payload.get_address() < kRam) return false;
    dmi.set_start_address(kRam);
    dmi.set_end_address(kRam + kRamBytes - 1);
    dmi.set_dmi_ptr(reinterpret_cast<unsigned char*>(ram.data()));
    dmi.allow_read_write();
    dmi.set_read_latency(ns(100));
    dmi.set_write_latency(ns(100));
    return true;
  }

  unsigned debug(tlm::tlm_generic_payload& payload) {
    return copy(payload) ? payload.get_data_length() : 0;
  }
};

/// Computes over memory for a while and then spins.
void load_workload(Board& board) {
  board.cpu.core().set_x(kT0, kRam + 0x2000);
  board.cpu.core().set_x(kT1, 300);
  board.load({ld(kA0, kT0, 0), add(kA1, kA1, kA0), addi(kA0, kA0, 3), sd(kA0, kT0, 0),
              addi(kT1, kT1, -1), bne(kT1, 0, -20), jal(0, 0)});
}

void check_workload(const Board& board) {
  CHECK(board.cpu.core().x(kA0) == 900);
  CHECK(board.cpu.core().x(kA1) == 3 * 299 * 300 / 2);
  std::uint64_t stored;
  std::memcpy(&stored, board.ram.data() + 0x2000, sizeof stored);
  CHECK(stored == 900);
}

}  // namespace

TEST_CASE("RiscvCpu: with DMI only the first accesses are transactions") {
  Board board;
  load_workload(board);
  sc_core::sc_start(100, sc_core::SC_US);
  check_workload(board);
  CHECK(board.ram_transactions < 5);
}

TEST_CASE("RiscvCpu: without DMI the same program gives the same result") {
  Board board;
  board.offer_dmi = false;
  load_workload(board);
  sc_core::sc_start(100, sc_core::SC_US);
  check_workload(board);
  CHECK(board.ram_transactions > 2000);
}

TEST_CASE("RiscvCpu: DMI can be switched off at the initiator") {
  RiscvCpuConfig config;
  config.use_dmi = false;
  Board board(config);
  load_workload(board);
  sc_core::sc_start(100, sc_core::SC_US);
  check_workload(board);
  CHECK(board.ram_transactions > 2000);
}

TEST_CASE("RiscvCpu: the core stays within a quantum of simulated time") {
  Board board;
  board.load({jal(0, 0)});
  sc_core::sc_start(10500, SC_NS);
  // At 1 ns per cycle, quantum 1 us, two cycles per jump.
  CHECK(board.cpu.core().cycles() >= 10500);
  CHECK(board.cpu.core().cycles() <= 11002);
  CHECK(board.cpu.local_time() >= sc_core::sc_time_stamp());
}

TEST_CASE("RiscvCpu: a device access happens at its cycle, and what it takes counts") {
  RiscvCpuConfig config;
  config.clock_period = ns(2);
  Board board(config);
  board.cpu.core().set_x(kT0, kDevice);
  board.load({nop(), nop(), nop(), sw(0, kT0, 4), csrr(kA0, csr::kMcycle), jal(0, 0)});
  sc_core::sc_start(1, sc_core::SC_US);
  REQUIRE(board.accesses.size() == 1);
  CHECK(board.accesses[0].address == kDevice + 4);
  CHECK(board.accesses[0].stamp + board.accesses[0].delay == ns(6));
  CHECK(board.accesses[0].initiator == hpimvp::common::Initiator::kHost);
  // Four instructions and 7 ns, which end within the fourth cycle.
  CHECK(board.cpu.core().x(kA0) == 4 + 4);
}

TEST_CASE("RiscvCpu: a device that waits inside the transaction takes the core along") {
  Board board;
  board.device_wait = ns(500);
  board.cpu.core().set_x(kT0, kDevice);
  board.load({lw(kA1, kT0, 0), csrr(kA0, csr::kMcycle), jal(0, 0)});
  board.device_value = 77;
  sc_core::sc_start(1, sc_core::SC_US);
  CHECK(board.cpu.core().x(kA0) == 1 + 507);
  CHECK(board.cpu.core().x(kA1) == 77);
}

TEST_CASE("RiscvCpu: accesses may leave with a delay instead of synchronising") {
  RiscvCpuConfig config;
  config.synchronize_on_bus_access = false;
  Board board(config);
  board.cpu.core().set_x(kT0, kDevice);
  board.load({nop(), nop(), sw(0, kT0, 0), jal(0, 0)});
  sc_core::sc_start(1, sc_core::SC_US);
  REQUIRE(board.accesses.size() == 1);
  CHECK(board.accesses[0].stamp == sc_core::SC_ZERO_TIME);
  CHECK(board.accesses[0].delay == ns(2));
}

TEST_CASE("RiscvCpu: a bus error is a precise access fault") {
  Board board;
  board.cpu.core().set_x(kT0, 0x20000);
  board.cpu.core().write_csr(csr::kMtvec, kRam + 0x100);
  board.load({addi(kA0, 0, 1), lw(kA0, kT0, 8), addi(kA0, 0, 2)});
  board.load({jal(0, 0)}, kRam + 0x100);
  sc_core::sc_start(1, sc_core::SC_US);
  CHECK(board.cpu.core().read_csr(csr::kMcause) == 5);
  CHECK(board.cpu.core().read_csr(csr::kMepc) == kRam + 4);
  CHECK(board.cpu.core().read_csr(csr::kMtval) == 0x20008);
  CHECK(board.cpu.core().x(kA0) == 1);
}

TEST_CASE("RiscvCpu: polling sees a device change when it happens") {
  Board board;
  board.cpu.core().set_x(kT0, kDevice);
  board.device_delay = ns(10);
  board.on_access = [&](const Board::Access& access) {
    board.device_value = access.stamp >= ns(300) ? 1 : 0;
  };
  board.load({lw(kA0, kT0, 0), beq(kA0, 0, -4), csrr(kA1, csr::kMcycle), jal(0, 0)});
  sc_core::sc_start(5, sc_core::SC_US);
  CHECK(board.cpu.core().x(kA1) >= 300);
  CHECK(board.cpu.core().x(kA1) < 350);
}

namespace {

/// Raises and lowers an interrupt signal at given times.
class Stimulus : public sc_core::sc_module {
 public:
  Stimulus(sc_core::sc_signal<bool>& signal, sc_time rise,
           sc_core::sc_module_name name = "stimulus")
      : sc_module(name), signal_(signal), rise_(rise) {
    SC_HAS_PROCESS(Stimulus);
    SC_THREAD(drive);
  }

 private:
  void drive() {
    wait(rise_);
    signal_.write(true);
  }
  sc_core::sc_signal<bool>& signal_;
  sc_time rise_;
};

}  // namespace

TEST_CASE("RiscvCpu: wfi wakes when the interrupt rises, and sleep counts as cycles") {
  RiscvCpuConfig config;
  config.clock_period = ns(3);
  Board board(config);
  Stimulus stimulus(board.timer, ns(10000));
  board.cpu.core().write_csr(csr::kMie, 0x80);
  board.load({kWfi, csrr(kA0, csr::kMcycle), jal(0, 0)});
  sc_core::sc_start(20, sc_core::SC_US);
  // 10000 ns are 3333.3 periods: the core goes on with the next clock edge.
  CHECK(board.cpu.core().x(kA0) == 3334);
}

TEST_CASE("RiscvCpu: a running hart takes an interrupt within a quantum") {
  Board board;
  Stimulus stimulus(board.external, ns(2500));
  board.cpu.core().write_csr(csr::kMie, 0x800);
  board.cpu.core().write_csr(csr::kMstatus, mstatus::kMie);
  board.cpu.core().write_csr(csr::kMtvec, kRam + 0x100);
  board.load({jal(0, 0)});
  board.load({csrr(kA0, csr::kMcycle), csrr(kA1, csr::kMcause), jal(0, 0)}, kRam + 0x100);
  sc_core::sc_start(10, sc_core::SC_US);
  CHECK(board.cpu.core().x(kA1) == 0x800000000000000b);
  CHECK(board.cpu.core().x(kA0) >= 2500);
  CHECK(board.cpu.core().x(kA0) <= 3510);
}

TEST_CASE("RiscvCpu: the time CSR asks the time source at the instruction's time") {
  Board board;
  board.cpu.set_time_source([](const sc_time& now) { return now.value() / 1000 / 4; });
  board.load(
      {nop(), nop(), nop(), nop(), nop(), nop(), nop(), nop(), csrr(kA0, csr::kTime), jal(0, 0)});
  sc_core::sc_start(1, sc_core::SC_US);
  CHECK(board.cpu.core().x(kA0) == 2);
}

TEST_CASE("RiscvCpu: DMI latency is charged as the configured share of misses") {
  RiscvCpuConfig config;
  config.misses_per_thousand = 50;
  Board board(config);
  // The first access maps the memory; from then on each load costs 5 % of 100 ns more.
  board.cpu.core().set_x(kT0, kRam + 0x2000);
  board.load({lw(0, kT0, 0), jal(0, 4), csrr(kA0, csr::kMcycle), lw(0, kT0, 0), lw(0, kT0, 0),
              csrr(kA1, csr::kMcycle), jal(0, 0)});
  sc_core::sc_start(1, sc_core::SC_US);
  CHECK(board.cpu.core().x(kA1) - board.cpu.core().x(kA0) == 3 + 2 * (1 + 5));
}

TEST_CASE("RiscvCpu: invalidation of direct memory is obeyed at once") {
  Board board;
  board.cpu.core().set_x(kT0, kRam + 0x2000);
  board.cpu.core().set_x(kT1, kDevice);
  std::vector<std::byte> replacement(board.ram);
  board.on_access = [&](const Board::Access&) {
    board.target->invalidate_direct_mem_ptr(kRam, kRam + kRamBytes - 1);
    board.offer_dmi = false;
    board.ram[0x2000] = std::byte{9};
    board.ram_transactions = 0;
  };
  board.load({lw(kA0, kT0, 0), lw(kT2, kT1, 0), lw(kA1, kT0, 0), jal(0, 0)});
  sc_core::sc_start(100, SC_NS);
  CHECK(board.cpu.core().x(kA0) == 0);
  CHECK(board.cpu.core().x(kA1) == 9);
  CHECK(board.ram_transactions > 0);
}

TEST_CASE("RiscvCpu: a halt request and breakpoints reach the halt handler, which may step") {
  Board board;
  std::vector<ExitReason> reasons;
  board.cpu.set_halt_handler([&](ExitReason reason) {
    reasons.push_back(reason);
    if (reason == ExitReason::kBreakpoint) {
      CHECK(board.cpu.core().pc() == kRam + 8);
      board.cpu.core().remove_breakpoint(kRam + 8);
      board.cpu.core().step();
      CHECK(board.cpu.core().x(kA0) == 3);
    } else {
      board.cpu.request_end();
    }
  });
  board.load({addi(kA0, kA0, 1), addi(kA0, kA0, 1), addi(kA0, kA0, 1), jal(0, 0)});
  board.cpu.core().add_breakpoint(kRam + 8);
  sc_core::sc_start(5, sc_core::SC_US);
  REQUIRE(reasons == std::vector<ExitReason>{ExitReason::kBreakpoint});
  board.cpu.request_halt();
  sc_core::sc_start(5, sc_core::SC_US);
  REQUIRE(reasons.size() == 2);
  CHECK(reasons[1] == ExitReason::kStopRequested);
  const std::uint64_t cycles = board.cpu.core().cycles();
  sc_core::sc_start(5, sc_core::SC_US);
  CHECK(board.cpu.core().cycles() == cycles);
}

TEST_CASE("RiscvCpu: debug access moves bytes without time") {
  Board board;
  const std::byte data[4] = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  std::byte back[4] = {};
  CHECK(board.cpu.debug_write(kRam + 0x100, data) == 4);
  CHECK(board.cpu.debug_read(kRam + 0x100, back) == 4);
  CHECK(std::equal(std::begin(data), std::end(data), std::begin(back)));
  CHECK(board.cpu.debug_read(0x40, back) == 0);
}

TEST_CASE("RiscvCpu: a clock period of zero is refused") {
  RiscvCpuConfig config;
  config.clock_period = sc_core::SC_ZERO_TIME;
  CHECK_THROWS_AS(RiscvCpu("cpu", config), std::invalid_argument);
}
