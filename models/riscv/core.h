// An RV64IMAFDC_Zicsr_Zifencei_Zfh_Zba_Zbb hart with machine and user mode, physical memory
// protection and a cycle model: a plain C++ class without a simulation kernel.
//
// Memory that add_memory() maps is accessed through host pointers; everything else goes to the Bus.
// run() executes until a budget is used up or the hart waits, stops or hits a breakpoint; the
// caller is the only thread that touches the object.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "models/riscv/block_cache.h"
#include "models/riscv/bus.h"
#include "models/riscv/csr.h"
#include "models/riscv/cycle_table.h"
#include "models/riscv/execution_engine.h"
#include "models/riscv/hart_state.h"
#include "models/riscv/pmp.h"

namespace hpimvp::riscv {

struct CoreConfig {
  std::uint64_t hart_id = 0;
  std::uint64_t reset_pc = 0;
  CycleTable cycles;
};

enum class ExitReason : std::uint8_t {
  kBudget,
  kWaitingForInterrupt,
  kStopRequested,
  /// At the instruction that the breakpoint is on, before it executes.
  kBreakpoint,
  /// After the instruction that made the watched access.
  kWatchpoint,
};

struct RunResult {
  ExitReason reason = ExitReason::kBudget;
  std::uint64_t cycles = 0;
  std::uint64_t instructions = 0;
};

struct Trap {
  Cause cause;
  std::uint64_t pc;
  std::uint64_t value;
  Privilege from;
};

/// Watched data addresses [address, address + size).
struct Watchpoint {
  std::uint64_t address;
  std::uint64_t size_bytes;
  bool on_load;
  bool on_store;
  bool operator==(const Watchpoint&) const = default;
};

class Core {
 public:
  static constexpr std::uint64_t kUnlimited = ~std::uint64_t{0} >> 1;

  /// `bus` has to outlive the core.
  Core(const CoreConfig& config, Bus& bus);
  /// The same with another engine than the interpreter.
  Core(const CoreConfig& config, Bus& bus, std::unique_ptr<ExecutionEngine> engine);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  /// The reset state: machine mode, pc at the configured address, registers and CSRs zero. Cycle
  /// and instruction totals of earlier runs are kept for statistics; mcycle and minstret restart.
  void reset();

  /// Runs for at least `cycles` (by less than one block plus one memory latency more), or for
  /// exactly `instructions`, whichever is reached first. A trap counts as no instruction.
  /// A breakpoint that ended a run does not stop the next one at the same place; any other that the
  /// run begins at does.
  RunResult run(std::uint64_t cycles, std::uint64_t instructions = kUnlimited);
  /// Executes one instruction, a breakpoint on it or not. An interrupt that is taken first, or a
  /// trap, counts as the step. A waiting hart stays where it is.
  RunResult step();

  /// May be called between runs and from bus callbacks.
  void set_interrupt(Interrupt line, bool level);
  /// Makes run() return at the next block boundary.
  void request_stop();
  /// Lets time pass for a hart that does not execute, e.g. during wfi.
  void add_idle_cycles(std::uint64_t cycles) { state_.cycles += cycles; }
  /// Whether the hart sleeps in wfi and nothing wakes it yet.
  bool sleeps() const { return state_.waiting_for_interrupt && !interrupt_wakes(); }

  /// Maps memory. Regions may not overlap; a new one replaces those that it overlaps. The largest
  /// region is the home memory: it and regions with the same extra cycles are fastest.
  void add_memory(const MemoryRegion& region);
  /// Unmaps every region that touches [first, last] and forgets code decoded so far.
  void remove_memory(std::uint64_t first, std::uint64_t last);
  /// To be called after something other than the hart changed instructions in mapped memory.
  void forget_code();

  /// Totals since construction.
  std::uint64_t cycles() const { return state_.cycles; }
  std::uint64_t instructions() const { return state_.retired; }

  // ---- Access for debuggers ----

  std::uint64_t pc() const { return state_.pc; }
  void set_pc(std::uint64_t pc);
  std::uint64_t x(unsigned index) const { return state_.x[index]; }
  void set_x(unsigned index, std::uint64_t value);
  /// The 64 bits of a floating-point register, NaN boxes included.
  std::uint64_t f(unsigned index) const { return state_.f[index]; }
  void set_f(unsigned index, std::uint64_t value) { state_.f[index] = value; }
  Privilege privilege() const { return state_.privilege; }
  /// Regardless of privilege; nothing when the CSR does not exist.
  std::optional<std::uint64_t> read_csr(unsigned number) const;
  /// False when the CSR does not exist or is read-only.
  bool write_csr(unsigned number, std::uint64_t value);

  void add_breakpoint(std::uint64_t address);
  void remove_breakpoint(std::uint64_t address);
  void add_watchpoint(const Watchpoint& watchpoint);
  void remove_watchpoint(const Watchpoint& watchpoint);
  /// The address whose access ended the last run with kWatchpoint.
  std::uint64_t watch_hit_address() const { return watch_hit_address_; }

  /// Called for every exception before the hart enters its handler.
  void set_trap_observer(std::function<void(const Trap&)> observer) {
    trap_observer_ = std::move(observer);
  }
  /// Called for EBREAK. When it returns true the instruction has been dealt with, and execution
  /// goes on behind it; otherwise the hart takes the breakpoint exception.
  void set_ebreak_handler(std::function<bool(Core&)> handler) {
    ebreak_handler_ = std::move(handler);
  }

  // ---- Services for execution engines: accesses and operations off the fast path ----
  // Each returns false when it left a trap pending. `op` lies in the block being executed.

  HartState& state() { return state_; }
  /// The block at `pc` in the current mode, decoded when necessary; null when there is none that
  /// may be linked to (unmapped or protected code, a breakpoint).
  const Block* block_at(std::uint64_t pc);
  bool execute_load(const MicroOp* op);
  bool execute_store(const MicroOp* op);
  bool execute_atomic(const MicroOp* op);
  bool execute_fp(const MicroOp* op);
  /// `cycles` and `retired` of the state are exact at the instruction.
  bool execute_csr(const MicroOp* op);
  /// Leaves pc at the instruction to go on with.
  bool execute_mret(const MicroOp* op);
  /// Puts the hart to sleep unless an enabled interrupt is already pending.
  bool execute_wfi(const MicroOp* op);
  bool raise(Cause cause, std::uint64_t value);
  bool raise_call();
  bool raise_breakpoint(const MicroOp* op);
  bool raise_illegal(const MicroOp* op) {
    return raise(Cause::kIllegalInstruction, site_of(op).raw);
  }
  /// After fence.i: decoded code is dropped at the next block boundary.
  void request_code_flush();

 private:
  struct ControlRegisters {
    std::uint64_t mstatus = 0;  ///< without FS, UXL and SD
    std::uint64_t mie = 0;
    std::uint64_t mtvec = 0;
    std::uint64_t mscratch = 0;
    std::uint64_t mepc = 0;
    std::uint64_t mcause = 0;
    std::uint64_t mtval = 0;
    std::uint64_t mcounteren = 0;
    std::uint64_t mcountinhibit = 0;
    std::uint64_t menvcfg = 0;
  };

  /// A counter that follows a total of the hart unless it is inhibited.
  struct Counter {
    std::uint64_t offset = 0;
    std::uint64_t read(std::uint64_t total, bool inhibited) const {
      return inhibited ? offset : offset + total;
    }
    void write(std::uint64_t value, std::uint64_t total, bool inhibited) {
      offset = inhibited ? value : value - total;
    }
  };

  // core.cpp: running and traps
  std::optional<ExitReason> attend_events();
  void execute_from_pc(std::uint64_t cycle_target, std::uint64_t instruction_target, bool single);
  bool interrupt_pending() const;
  bool interrupt_wakes() const { return (pending_interrupts_ & csrs_.mie) != 0; }
  void take_interrupt();
  void take_trap();
  void enter_handler(std::uint64_t cause, std::uint64_t value, bool vectored);
  void set_privilege(Privilege privilege);
  void attend() { state_.cycle_limit = 0; }
  bool ebreak_dealt_with();

  // code.cpp
  const Block* decode_mapped(std::uint64_t pc);
  const Block* decode_single(std::uint64_t pc);
  std::optional<Instruction> peek_mapped(std::uint64_t pc) const;
  std::optional<std::uint16_t> mapped_parcel(std::uint64_t pc) const;
  bool fetch_parcel(std::uint64_t pc, std::uint16_t& parcel);
  void flush_code();

  // memory.cpp: data
  bool load(const MicroOp* op, std::uint64_t address, unsigned size, std::uint64_t& value,
            bool for_store = false);
  bool store(const MicroOp* op, std::uint64_t address, unsigned size, std::uint64_t value);
  bool data_machine_mode() const;
  const MemoryRegion* region_of(std::uint64_t address, unsigned size) const;
  void open_window(DataWindow& window, const MemoryRegion& region, std::uint64_t address);
  void close_windows();
  void choose_home();
  void check_watchpoints(std::uint64_t address, unsigned size, bool is_store);
  std::uint64_t locate(const MicroOp* op);
  bool load_reserved(const MicroOp* op, unsigned size);
  bool store_conditional(const MicroOp* op, unsigned size);

  // control_registers.cpp
  bool csr_accessible(unsigned number, bool write) const;
  bool counter_enabled(unsigned number) const;
  std::uint64_t read_mstatus() const;
  void write_mstatus(std::uint64_t value);
  void write_mcountinhibit(std::uint64_t value);
  bool is_inhibited(unsigned counter) const { return (csrs_.mcountinhibit >> counter) & 1; }

  CoreConfig config_;
  Bus& bus_;
  HartState state_;
  ControlRegisters csrs_;
  Counter cycle_counter_;
  Counter retired_counter_;
  /// One while a CSR instruction writes: what it writes is the value after its own retirement.
  std::uint64_t retiring_ = 0;
  std::uint64_t pending_interrupts_ = 0;
  Pmp pmp_;

  std::vector<MemoryRegion> regions_;
  BlockBuilder::Extra home_extra_;
  std::vector<Watchpoint> watchpoints_;
  std::uint64_t watch_hit_address_ = 0;

  std::unique_ptr<ExecutionEngine> engine_;
  BlockCache cache_;
  BlockBuilder builder_;
  Arena single_arena_;
  bool flush_requested_ = false;
  bool stop_requested_ = false;
  bool watch_hit_ = false;
  std::uint8_t ebreak_length_ = 4;
  std::unordered_set<std::uint64_t> breakpoints_;
  /// The retired count at which a breakpoint ended a run: resumption passes over it.
  std::uint64_t breakpoint_stop_ = ~std::uint64_t{0};

  bool reserved_ = false;
  std::uint64_t reserved_address_ = 0;
  std::uint64_t reserved_value_ = 0;

  std::function<void(const Trap&)> trap_observer_;
  std::function<bool(Core&)> ebreak_handler_;
};

}  // namespace hpimvp::riscv
