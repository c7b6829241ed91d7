#include "models/riscv/core.h"

#include <algorithm>
#include <utility>

#include "models/riscv/interpreter.h"

namespace hpimvp::riscv {
namespace {

constexpr std::uint64_t kInterruptFlag = std::uint64_t{1} << 63;

std::uint64_t saturating_add(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t sum = a + b;
  return sum < a ? ~std::uint64_t{0} : sum;
}

}  // namespace

Core::Core(const CoreConfig& config, Bus& bus)
    : Core(config, bus, std::make_unique<Interpreter>()) {}

Core::Core(const CoreConfig& config, Bus& bus, std::unique_ptr<ExecutionEngine> engine)
    : config_(config),
      bus_(bus),
      engine_(std::move(engine)),
      builder_(config.cycles, BlockBuilder::Extra{}) {
  reset();
}

Core::~Core() = default;

void Core::reset() {
  const std::uint64_t cycles = state_.cycles;
  const std::uint64_t retired = state_.retired;
  state_ = HartState{};
  state_.cycles = cycles;
  state_.retired = retired;
  state_.pc = config_.reset_pc;
  csrs_ = ControlRegisters{};
  cycle_counter_.write(0, cycles, false);
  retired_counter_.write(0, retired, false);
  pmp_ = Pmp{};
  reserved_ = false;
  watch_hit_ = false;
  request_code_flush();
}

RunResult Core::run(std::uint64_t cycles, std::uint64_t instructions) {
  const std::uint64_t first_cycle = state_.cycles;
  const std::uint64_t first_instruction = state_.retired;
  const std::uint64_t cycle_target = saturating_add(first_cycle, cycles);
  const std::uint64_t instruction_target = saturating_add(first_instruction, instructions);
  RunResult result;
  while (true) {
    if (const auto reason = attend_events()) {
      result.reason = *reason;
      break;
    }
    if (state_.cycles >= cycle_target || state_.retired >= instruction_target) break;
    const bool at_breakpoint = !breakpoints_.empty() && breakpoints_.count(state_.pc) != 0;
    if (at_breakpoint && breakpoint_stop_ != state_.retired) {
      breakpoint_stop_ = state_.retired;
      result.reason = ExitReason::kBreakpoint;
      break;
    }
    breakpoint_stop_ = ~std::uint64_t{0};
    execute_from_pc(cycle_target, instruction_target, at_breakpoint);
  }
  result.cycles = state_.cycles - first_cycle;
  result.instructions = state_.retired - first_instruction;
  return result;
}

RunResult Core::step() {
  const std::uint64_t first_cycle = state_.cycles;
  const std::uint64_t first_instruction = state_.retired;
  RunResult result;
  if (interrupt_pending()) {
    take_interrupt();
  } else if (const auto reason = attend_events()) {
    result.reason = *reason;
  } else {
    breakpoint_stop_ = ~std::uint64_t{0};
    execute_from_pc(kUnlimited, kUnlimited, true);
  }
  result.cycles = state_.cycles - first_cycle;
  result.instructions = state_.retired - first_instruction;
  return result;
}

/// What may have happened since the last block boundary; a value when the run is over.
std::optional<ExitReason> Core::attend_events() {
  if (flush_requested_) flush_code();
  if (std::exchange(stop_requested_, false)) return ExitReason::kStopRequested;
  if (std::exchange(watch_hit_, false)) return ExitReason::kWatchpoint;
  if (interrupt_pending()) take_interrupt();
  if (state_.waiting_for_interrupt) {
    if (!interrupt_wakes()) return ExitReason::kWaitingForInterrupt;
    state_.waiting_for_interrupt = false;
  }
  return std::nullopt;
}

void Core::execute_from_pc(std::uint64_t cycle_target, std::uint64_t instruction_target,
                           bool single) {
  // An instruction takes at least one cycle: a cycle limit this far away cannot overrun the
  // instruction target, whatever the last block's length.
  constexpr std::uint64_t kMargin = BlockBuilder::kMaximumInstructions;
  const std::uint64_t instructions_left = instruction_target - state_.retired;
  if (instructions_left <= kMargin) single = true;
  const Block* block = single ? nullptr : block_at(state_.pc);
  if (block != nullptr) {
    state_.cycle_limit =
        std::min(cycle_target, saturating_add(state_.cycles, instructions_left - kMargin));
  } else {
    block = decode_single(state_.pc);
    state_.cycle_limit = 0;
  }
  if (block != nullptr) engine_->execute(*this, *block);
  if (state_.trap_pending) take_trap();
}

// ---- Interrupts and traps ----

void Core::set_interrupt(Interrupt line, bool level) {
  const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(line);
  pending_interrupts_ = level ? pending_interrupts_ | bit : pending_interrupts_ & ~bit;
  if (interrupt_wakes()) attend();
}

void Core::request_stop() {
  stop_requested_ = true;
  attend();
}

bool Core::interrupt_pending() const {
  if (!interrupt_wakes()) return false;
  return state_.privilege == Privilege::kUser || (csrs_.mstatus & mstatus::kMie) != 0;
}

void Core::take_interrupt() {
  state_.waiting_for_interrupt = false;
  const std::uint64_t candidates = pending_interrupts_ & csrs_.mie;
  for (Interrupt line : {Interrupt::kExternal, Interrupt::kSoftware, Interrupt::kTimer}) {
    const auto number = static_cast<std::uint64_t>(line);
    if ((candidates >> number) & 1) {
      enter_handler(kInterruptFlag | number, 0, true);
      return;
    }
  }
}

bool Core::raise(Cause cause, std::uint64_t value) {
  state_.trap_pending = true;
  state_.trap_cause = cause;
  state_.trap_value = value;
  return false;
}

bool Core::raise_call() {
  return raise(
      state_.privilege == Privilege::kMachine ? Cause::kCallFromMachine : Cause::kCallFromUser, 0);
}

bool Core::raise_breakpoint(const MicroOp* op) {
  ebreak_length_ = static_cast<std::uint8_t>(site_of(op).length);
  return raise(Cause::kBreakpoint, 0);
}

bool Core::ebreak_dealt_with() {
  const std::uint64_t pc = state_.pc;
  if (state_.trap_cause != Cause::kBreakpoint || !ebreak_handler_ || !ebreak_handler_(*this)) {
    return false;
  }
  if (state_.pc == pc) state_.pc += ebreak_length_;
  ++state_.retired;
  ++state_.cycles;
  return true;
}

void Core::take_trap() {
  state_.trap_pending = false;
  if (ebreak_dealt_with()) return;
  if (trap_observer_) {
    trap_observer_({state_.trap_cause, state_.pc, state_.trap_value, state_.privilege});
  }
  enter_handler(static_cast<std::uint64_t>(state_.trap_cause), state_.trap_value, false);
}

void Core::enter_handler(std::uint64_t cause, std::uint64_t value, bool vectored) {
  csrs_.mepc = state_.pc;
  csrs_.mcause = cause;
  csrs_.mtval = value;
  const std::uint64_t enabled = csrs_.mstatus & mstatus::kMie;
  csrs_.mstatus &= ~(mstatus::kMie | mstatus::kMpie | mstatus::kMpp);
  if (enabled) csrs_.mstatus |= mstatus::kMpie;
  csrs_.mstatus |= static_cast<std::uint64_t>(state_.privilege) << mstatus::kMppShift;
  set_privilege(Privilege::kMachine);
  state_.pc = csrs_.mtvec & ~std::uint64_t{3};
  if (vectored && (csrs_.mtvec & 1)) state_.pc += 4 * (cause & ~kInterruptFlag);
  state_.cycles += config_.cycles.trap_entry;
}

bool Core::execute_mret(const MicroOp* op) {
  if (state_.privilege != Privilege::kMachine) return raise_illegal(op);
  const auto previous =
      static_cast<Privilege>((csrs_.mstatus & mstatus::kMpp) >> mstatus::kMppShift);
  const bool enable = (csrs_.mstatus & mstatus::kMpie) != 0;
  csrs_.mstatus &= ~(mstatus::kMie | mstatus::kMpp);
  csrs_.mstatus |= mstatus::kMpie | (enable ? mstatus::kMie : 0);
  if (previous != Privilege::kMachine) csrs_.mstatus &= ~mstatus::kMprv;
  set_privilege(previous);
  state_.pc = csrs_.mepc;
  return true;
}

bool Core::execute_wfi(const MicroOp* op) {
  if (state_.privilege == Privilege::kUser && (csrs_.mstatus & mstatus::kTw)) {
    return raise_illegal(op);
  }
  state_.waiting_for_interrupt = !interrupt_wakes();
  if (state_.waiting_for_interrupt) attend();
  return true;
}

void Core::set_privilege(Privilege privilege) {
  state_.privilege = privilege;
  state_.mode_tag = privilege == Privilege::kMachine ? 0 : 1;
  close_windows();
}

// ---- Debugger access ----

void Core::set_pc(std::uint64_t pc) {
  state_.pc = pc & ~std::uint64_t{1};
  state_.waiting_for_interrupt = false;
}

void Core::set_x(unsigned index, std::uint64_t value) {
  if (index != 0) state_.x[index] = value;
}

void Core::add_breakpoint(std::uint64_t address) {
  breakpoints_.insert(address);
  request_code_flush();
}

void Core::remove_breakpoint(std::uint64_t address) {
  breakpoints_.erase(address);
  request_code_flush();
}

void Core::add_watchpoint(const Watchpoint& watchpoint) {
  watchpoints_.push_back(watchpoint);
  close_windows();
  request_code_flush();
}

void Core::remove_watchpoint(const Watchpoint& watchpoint) {
  std::erase(watchpoints_, watchpoint);
  close_windows();
  request_code_flush();
}

}  // namespace hpimvp::riscv
