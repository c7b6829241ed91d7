// Core's control and status registers (privileged specification 20211203, chapters 2 and 3).
#include "models/riscv/core.h"

namespace hpimvp::riscv {
namespace {

/// MXL = 2 (64 bits) and the letters A, C, D, F, I, M, U.
constexpr std::uint64_t kMisa =
    std::uint64_t{2} << 62 | 1u << 0 | 1u << 2 | 1u << 3 | 1u << 5 | 1u << 8 | 1u << 12 | 1u << 20;
constexpr std::uint64_t kInterruptBits = 1u << 3 | 1u << 7 | 1u << 11;
constexpr std::uint64_t kMstatusPlainBits =
    mstatus::kMie | mstatus::kMpie | mstatus::kMprv | mstatus::kTw;
/// FIOM: the only field that a core without cache-block operations and supervisor mode has.
constexpr std::uint64_t kMenvcfgBits = 1;
/// There is no bit 1: time cannot be inhibited.
constexpr std::uint64_t kInhibitBits = 0xfffffffd;
constexpr unsigned kCycleCounter = 0;
constexpr unsigned kRetiredCounter = 2;

constexpr bool between(unsigned number, unsigned first, unsigned last) {
  return number >= first && number <= last;
}

bool is_fp_register(unsigned number) {
  return between(number, csr::kFflags, csr::kFcsr);
}

bool is_pmp_config(unsigned number) {
  return number == csr::kPmpcfg0 || number == csr::kPmpcfg2;
}

}  // namespace

std::uint64_t Core::read_mstatus() const {
  std::uint64_t value = csrs_.mstatus | mstatus::kUxl64;
  value |= std::uint64_t{state_.fs} << mstatus::kFsShift;
  if (state_.fs == 3) value |= mstatus::kSd;
  return value;
}

void Core::write_mstatus(std::uint64_t value) {
  const std::uint64_t mpp = (value & mstatus::kMpp) >> mstatus::kMppShift;
  const bool legal = mpp == static_cast<std::uint64_t>(Privilege::kUser) ||
                     mpp == static_cast<std::uint64_t>(Privilege::kMachine);
  const std::uint64_t new_mpp = legal ? value & mstatus::kMpp : csrs_.mstatus & mstatus::kMpp;
  csrs_.mstatus = (value & kMstatusPlainBits) | new_mpp;
  state_.fs = static_cast<std::uint8_t>((value & mstatus::kFs) >> mstatus::kFsShift);
  close_windows();
}

void Core::write_mcountinhibit(std::uint64_t value) {
  const std::uint64_t cycles = cycle_counter_.read(state_.cycles, is_inhibited(kCycleCounter));
  const std::uint64_t retired =
      retired_counter_.read(state_.retired, is_inhibited(kRetiredCounter));
  csrs_.mcountinhibit = value & kInhibitBits;
  cycle_counter_.write(cycles, state_.cycles, is_inhibited(kCycleCounter));
  retired_counter_.write(retired, state_.retired + retiring_, is_inhibited(kRetiredCounter));
}

std::optional<std::uint64_t> Core::read_csr(unsigned number) const {
  if (between(number, csr::kPmpaddr0, csr::kPmpaddr15)) {
    return pmp_.read_address(number - csr::kPmpaddr0);
  }
  if (is_pmp_config(number)) return pmp_.read_config((number - csr::kPmpcfg0) / 2);
  if (between(number, csr::kMhpmevent3, csr::kMhpmevent31) ||
      between(number, csr::kMhpmcounter3, csr::kMhpmcounter31) ||
      between(number, csr::kHpmcounter3, csr::kHpmcounter31)) {
    return 0;
  }
  switch (number) {
    case csr::kFflags:
      return state_.fflags;
    case csr::kFrm:
      return state_.frm;
    case csr::kFcsr:
      return state_.frm << 5 | state_.fflags;
    case csr::kMstatus:
      return read_mstatus();
    case csr::kMisa:
      return kMisa;
    case csr::kMie:
      return csrs_.mie;
    case csr::kMtvec:
      return csrs_.mtvec;
    case csr::kMcounteren:
      return csrs_.mcounteren;
    case csr::kMenvcfg:
      return csrs_.menvcfg;
    case csr::kMcountinhibit:
      return csrs_.mcountinhibit;
    case csr::kMscratch:
      return csrs_.mscratch;
    case csr::kMepc:
      return csrs_.mepc;
    case csr::kMcause:
      return csrs_.mcause;
    case csr::kMtval:
      return csrs_.mtval;
    case csr::kMip:
      return pending_interrupts_;
    case csr::kMcycle:
    case csr::kCycle:
      return cycle_counter_.read(state_.cycles, is_inhibited(kCycleCounter));
    case csr::kMinstret:
    case csr::kInstret:
      return retired_counter_.read(state_.retired, is_inhibited(kRetiredCounter));
    case csr::kTime:
      return bus_.read_time(state_.cycles);
    case csr::kMvendorid:
    case csr::kMarchid:
    case csr::kMimpid:
    case csr::kMconfigptr:
      return 0;
    case csr::kMhartid:
      return config_.hart_id;
  }
  return std::nullopt;
}

bool Core::write_csr(unsigned number, std::uint64_t value) {
  if (number >> 10 == 3 || !read_csr(number)) return false;
  if (between(number, csr::kPmpaddr0, csr::kPmpaddr15)) {
    pmp_.write_address(number - csr::kPmpaddr0, value);
    close_windows();
    request_code_flush();
    return true;
  }
  if (is_pmp_config(number)) {
    pmp_.write_config((number - csr::kPmpcfg0) / 2, value);
    close_windows();
    request_code_flush();
    return true;
  }
  switch (number) {
    case csr::kFflags:
      state_.fflags = value & 0x1f;
      break;
    case csr::kFrm:
      state_.frm = value & 7;
      break;
    case csr::kFcsr:
      state_.fflags = value & 0x1f;
      state_.frm = (value >> 5) & 7;
      break;
    case csr::kMstatus:
      write_mstatus(value);
      break;
    case csr::kMie:
      csrs_.mie = value & kInterruptBits;
      break;
    case csr::kMtvec:
      // Modes 2 and 3 are reserved; such a write changes nothing.
      if ((value & 3) < 2) csrs_.mtvec = value;
      break;
    case csr::kMcounteren:
      csrs_.mcounteren = value & 0xffffffff;
      break;
    case csr::kMenvcfg:
      csrs_.menvcfg = value & kMenvcfgBits;
      break;
    case csr::kMcountinhibit:
      write_mcountinhibit(value);
      break;
    case csr::kMscratch:
      csrs_.mscratch = value;
      break;
    case csr::kMepc:
      csrs_.mepc = value & ~std::uint64_t{1};
      break;
    case csr::kMcause:
      csrs_.mcause = value;
      break;
    case csr::kMtval:
      csrs_.mtval = value;
      break;
    case csr::kMcycle:
      cycle_counter_.write(value, state_.cycles, is_inhibited(kCycleCounter));
      break;
    case csr::kMinstret:
      retired_counter_.write(value, state_.retired + retiring_, is_inhibited(kRetiredCounter));
      break;
    default:
      break;  // misa, mip and the counters without events: writes have no effect
  }
  if (interrupt_pending()) attend();
  return true;
}

bool Core::counter_enabled(unsigned number) const {
  if (!between(number, csr::kCycle, csr::kHpmcounter31)) return true;
  if (state_.privilege == Privilege::kMachine) return true;
  return (csrs_.mcounteren >> (number - csr::kCycle)) & 1;
}

bool Core::csr_accessible(unsigned number, bool write) const {
  if (((number >> 8) & 3) > static_cast<unsigned>(state_.privilege)) return false;
  if (write && number >> 10 == 3) return false;
  if (is_fp_register(number) && state_.fs == 0) return false;
  return counter_enabled(number);
}

bool Core::execute_csr(const MicroOp* op) {
  using enum Operation;
  const auto number = static_cast<unsigned>(op->immediate);
  const bool from_register =
      op->operation == kCsrrw || op->operation == kCsrrs || op->operation == kCsrrc;
  const std::uint64_t operand = from_register ? state_.x[op->rs1] : op->rs1;
  const bool swaps = op->operation == kCsrrw || op->operation == kCsrrwi;
  const bool writes = swaps || op->rs1 != 0;
  if (!csr_accessible(number, writes)) return raise_illegal(op);
  const auto old = read_csr(number);
  if (!old) return raise_illegal(op);
  if (writes) {
    const bool sets = op->operation == kCsrrs || op->operation == kCsrrsi;
    const std::uint64_t value = swaps ? operand : sets ? *old | operand : *old & ~operand;
    retiring_ = 1;
    write_csr(number, value);
    retiring_ = 0;
    if (is_fp_register(number)) state_.fs = 3;
  }
  state_.x[op->rd] = *old;
  return true;
}

}  // namespace hpimvp::riscv
