#include "models/sram_pim/tile_executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

namespace hpimvp::sram_pim {
namespace {

// Tile memories are little endian, and are accessed in place.
static_assert(std::endian::native == std::endian::little);

constexpr unsigned kVectorUnit = 0;
constexpr unsigned kPimUnit = 1;
constexpr unsigned kTransferUnit = 2;
constexpr unsigned kTensorUnit = 3;
constexpr unsigned kTransposeUnit = 4;

template <typename Value>
Value load(const std::vector<std::uint8_t>& memory, std::uint64_t address) {
  Value value;
  std::memcpy(&value, memory.data() + address, sizeof value);
  return value;
}

bool inside(std::uint64_t size, std::uint64_t address, std::uint64_t bytes) {
  return address <= size && bytes <= size - address;
}

void require(bool good, const char* message) {
  if (!good) throw std::invalid_argument(fmt::format("tile configuration: {}", message));
}

}  // namespace

void check(const TileConfig& config) {
  require(config.clock_period_ps > 0, "clock period is 0");
  require(config.tiles >= 1 && config.tiles <= 64, "tiles must be 1 to 64");
  // The map of a tile's memory window (docs/machine.md).
  require(config.activation_bytes > 0 && config.activation_bytes <= 0x80000,
          "activation memory must have 1 byte to 512 KiB");
  require(
      config.control_bytes >= 8 && config.control_bytes <= 0x80000 && config.control_bytes % 8 == 0,
      "control memory must have 8 bytes to 512 KiB, a multiple of 8");
  require(config.vector_lanes > 0 && config.special_lanes > 0, "the vector unit has no lanes");
  require(config.macro_groups > 0 && config.multipliers_a_group > 0,
          "the in-array unit has no multipliers");
  require(config.tcu_rows > 0 && config.tcu_columns > 0 && config.tcu_accumulator_rows > 0,
          "the tensor unit has no elements or accumulators");
  require(config.transpose_side > 0, "transpose_side is 0");
  require(config.banks > 0 && config.banks <= BankPorts::kMaxBanks &&
              config.banks <= config.activation_bytes,
          "activation memory must have 1 to 64 banks");
  require(config.bank_port_bytes > 0, "bank_port_bytes is 0");
  require(config.port_bytes_per_cycle > 0, "port_bytes_per_cycle is 0");
  require(config.max_instructions > 0, "max_instructions is 0");
  require(config.max_cycles > 0, "max_cycles is 0");
}

const char* trap_cause_name(TrapCause cause) {
  switch (cause) {
    case TrapCause::kNone:
      return "NONE";
    case TrapCause::kIllegalInstruction:
      return "ILLEGAL_INSTRUCTION";
    case TrapCause::kBadAddress:
      return "BAD_ADDRESS";
    case TrapCause::kMisaligned:
      return "MISALIGNED";
    case TrapCause::kBadLength:
      return "BAD_LENGTH";
    case TrapCause::kHazard:
      return "HAZARD";
    case TrapCause::kBusError:
      return "BUS_ERROR";
    case TrapCause::kFetch:
      return "FETCH";
    case TrapCause::kDivideByZero:
      return "DIVIDE_BY_ZERO";
    case TrapCause::kWatchdog:
      return "WATCHDOG";
  }
  return "?";
}

TileExecutor::TileExecutor(const TileConfig& config, std::uint32_t tile_index, bool stores_payload,
                           TransferPort& port)
    : config_(config),
      tile_index_(tile_index),
      stores_payload_(stores_payload),
      port_(port),
      vector_unit_(config),
      pim_unit_(config),
      tensor_unit_(config),
      transpose_unit_(config),
      ports_(config) {
  reset();
}

void TileExecutor::reset() {
  if (stores_payload_) activation_.assign(config_.activation_bytes, 0);
  control_.assign(config_.control_bytes, 0);
  registers_.fill(0);
  pc_ = 0;
  counters_ = {};
}

// ------------------------------------------------------------------ memories from outside

bool TileExecutor::read_activation(std::uint64_t address, std::uint8_t* data,
                                   std::size_t bytes) const {
  if (!inside(config_.activation_bytes, address, bytes)) return false;
  if (stores_payload_) {
    std::memcpy(data, activation_.data() + address, bytes);
  } else {
    std::memset(data, 0, bytes);
  }
  return true;
}

bool TileExecutor::write_activation(std::uint64_t address, const std::uint8_t* data,
                                    std::size_t bytes) {
  if (!inside(config_.activation_bytes, address, bytes)) return false;
  if (stores_payload_) std::memcpy(activation_.data() + address, data, bytes);
  return true;
}

bool TileExecutor::read_control(std::uint64_t address, std::uint8_t* data,
                                std::size_t bytes) const {
  if (!inside(config_.control_bytes, address, bytes)) return false;
  std::memcpy(data, control_.data() + address, bytes);
  return true;
}

bool TileExecutor::write_control(std::uint64_t address, const std::uint8_t* data,
                                 std::size_t bytes) {
  if (!inside(config_.control_bytes, address, bytes)) return false;
  std::memcpy(control_.data() + address, data, bytes);
  return true;
}

std::uint32_t TileExecutor::word_at(std::uint32_t address) const {
  if (address % kInstructionBytes != 0 ||
      !inside(config_.control_bytes, address, kInstructionBytes)) {
    return 0;
  }
  return load<std::uint32_t>(control_, address);
}

// ------------------------------------------------------------------ the run

void TileExecutor::begin_run(std::uint32_t entry, std::span<const std::uint64_t> arguments,
                             std::uint64_t start_ps) {
  registers_.fill(0);
  const std::size_t count = std::min<std::size_t>(arguments.size(), kScalarRegisters - 1);
  std::copy_n(arguments.begin(), count, registers_.begin() + 1);
  pim_unit_.reset();
  tensor_unit_.reset();
  transpose_unit_.reset();
  ports_.reset();
  pc_ = entry;
  next_pc_ = entry;
  now_ = 0;
  start_ps_ = start_ps;
  run_instructions_ = 0;
  halted_ = false;
  abandoned_ = false;
  trap_ = {};
  units_ = {};
  transfer_pending_ = false;
}

TileExecutor::Result TileExecutor::run(std::uint32_t entry,
                                       std::span<const std::uint64_t> arguments,
                                       std::uint64_t start_ps) {
  begin_run(entry, arguments, start_ps);
  while (!halted_ && !abandoned_ && trap_.cause == TrapCause::kNone) step();
  // A trap stops the sequencer; the units complete what they have.
  if (!abandoned_ && transfer_pending_) finish_transfer();
  for (const UnitState& unit : units_) now_ = std::max(now_, unit.free_at);
  counters_.runs += 1;
  counters_.cycles += now_;
  counters_.instructions += run_instructions_;
  if (trap_.cause != TrapCause::kNone) counters_.traps += 1;
  return {abandoned_, trap_, now_};
}

void TileExecutor::step() {
  pc_ = next_pc_;
  if (pc_ % kInstructionBytes != 0 || !inside(config_.control_bytes, pc_, kInstructionBytes)) {
    return stop(TrapCause::kFetch, pc_);
  }
  if (run_instructions_ >= config_.max_instructions) {
    return stop(TrapCause::kWatchdog, run_instructions_);
  }
  if (now_ >= config_.max_cycles) return stop(TrapCause::kWatchdog, now_);
  const auto word = load<std::uint32_t>(control_, pc_);
  const std::optional<Instruction> instruction = decode(word);
  if (!instruction) return stop(TrapCause::kIllegalInstruction, word);
  run_instructions_ += 1;
  next_pc_ = pc_ + kInstructionBytes;
  switch (instruction_info(instruction->opcode).unit) {
    case Unit::kSequencer:
      execute_sequencer(*instruction);
      break;
    case Unit::kVector:
      execute_vector(*instruction);
      break;
    case Unit::kPim:
      execute_pim(*instruction);
      break;
    case Unit::kTransfer:
      execute_transfer(*instruction);
      break;
    case Unit::kTensor:
      execute_tensor(*instruction);
      break;
    case Unit::kTranspose:
      execute_transpose(*instruction);
      break;
  }
  now_ += 1;
}

// ------------------------------------------------------------------ sequencer

void TileExecutor::execute_sequencer(const Instruction& instruction) {
  const std::uint64_t a = registers_[instruction.rs1];
  const std::uint64_t b = registers_[instruction.rs2];
  const std::int64_t immediate = instruction.immediate;
  switch (instruction.opcode) {
    case Opcode::kHalt:
      synchronise(kAllUnits);
      halted_ = true;
      break;
    case Opcode::kSync:
      if (immediate < 0 || immediate > std::int64_t{kAllUnits}) {
        return stop(TrapCause::kIllegalInstruction, encode(instruction));
      }
      synchronise(static_cast<std::uint32_t>(immediate));
      break;
    case Opcode::kTileId:
      set_register(instruction.rd, tile_index_);
      break;
    case Opcode::kTiles:
      set_register(instruction.rd, config_.tiles);
      break;
    case Opcode::kLdd:
    case Opcode::kLdw:
    case Opcode::kStd:
    case Opcode::kStw:
      execute_memory(instruction);
      break;
    case Opcode::kBeq:
      branch_if(a == b, instruction);
      break;
    case Opcode::kBne:
      branch_if(a != b, instruction);
      break;
    case Opcode::kBltu:
      branch_if(a < b, instruction);
      break;
    case Opcode::kBgeu:
      branch_if(a >= b, instruction);
      break;
    case Opcode::kJal:
    case Opcode::kJalr:
      jump(instruction);
      break;
    default:
      execute_arithmetic(instruction);
      break;
  }
}

void TileExecutor::execute_arithmetic(const Instruction& instruction) {
  const std::uint64_t a = registers_[instruction.rs1];
  const std::uint64_t b = registers_[instruction.rs2];
  const auto immediate = static_cast<std::uint64_t>(std::int64_t{instruction.immediate});
  std::uint64_t result = 0;
  switch (instruction.opcode) {
    case Opcode::kAddi:
      result = a + immediate;
      break;
    case Opcode::kLi:
      result = immediate;
      break;
    case Opcode::kShori:
      result = a << 15 | (immediate & 0x7FFF);
      break;
    case Opcode::kAdd:
      result = a + b;
      break;
    case Opcode::kSub:
      result = a - b;
      break;
    case Opcode::kMul:
      result = a * b;
      break;
    case Opcode::kAnd:
      result = a & b;
      break;
    case Opcode::kOr:
      result = a | b;
      break;
    case Opcode::kXor:
      result = a ^ b;
      break;
    case Opcode::kSll:
      result = a << (b & 63);
      break;
    case Opcode::kSrl:
      result = a >> (b & 63);
      break;
    case Opcode::kDivu:
    case Opcode::kRemu:
      if (b == 0) return stop(TrapCause::kDivideByZero, a);
      result = instruction.opcode == Opcode::kDivu ? a / b : a % b;
      now_ += config_.divide_cycles - 1;
      break;
    case Opcode::kMinu:
      result = std::min(a, b);
      break;
    default:  // kMaxu
      result = std::max(a, b);
      break;
  }
  set_register(instruction.rd, result);
}

void TileExecutor::execute_memory(const Instruction& instruction) {
  const bool wide = instruction.opcode == Opcode::kLdd || instruction.opcode == Opcode::kStd;
  const bool write = instruction.opcode == Opcode::kStd || instruction.opcode == Opcode::kStw;
  const std::uint64_t bytes = wide ? 8 : 4;
  const std::uint64_t address =
      registers_[instruction.rs1] + static_cast<std::uint64_t>(std::int64_t{instruction.immediate});
  OperandRanges ranges(config_.control_bytes);
  write ? ranges.write(address, bytes, bytes) : ranges.read(address, bytes, bytes);
  if (!ranges.good()) return stop(ranges.trap().cause, ranges.trap().value);
  if (!check_hazard(kUnits, ranges, true)) return;
  if (write) {
    std::memcpy(control_.data() + address, &registers_[instruction.rd], bytes);
  } else {
    set_register(instruction.rd, wide ? load<std::uint64_t>(control_, address)
                                      : load<std::uint32_t>(control_, address));
  }
}

void TileExecutor::branch_if(bool taken, const Instruction& instruction) {
  if (!taken) return;
  next_pc_ = pc_ + static_cast<std::uint32_t>(instruction.immediate) * kInstructionBytes;
  now_ += config_.branch_penalty;
}

void TileExecutor::jump(const Instruction& instruction) {
  const std::uint64_t base = registers_[instruction.rs1];
  set_register(instruction.rd, pc_ + kInstructionBytes);
  const auto offset = static_cast<std::uint64_t>(std::int64_t{instruction.immediate});
  const std::uint64_t target =
      instruction.opcode == Opcode::kJal ? pc_ + offset * kInstructionBytes : base + offset;
  // Control memory is far smaller than 32 bits reach; a target beyond them fails like one outside.
  next_pc_ = target > 0xFFFFFFFF ? 0xFFFFFFFF : static_cast<std::uint32_t>(target);
  now_ += config_.branch_penalty;
}

// ------------------------------------------------------------------ units

void TileExecutor::execute_vector(const Instruction& instruction) {
  OperandRanges ranges(config_.activation_bytes);
  VectorUnit::operands(instruction, registers_, ranges);
  if (!ranges.good()) return stop(ranges.trap().cause, ranges.trap().value);
  if (!check_hazard(kVectorUnit, ranges, false)) return;
  const std::uint64_t elements = VectorUnit::elements(instruction, registers_);
  const std::uint64_t cycles =
      hand_over(kVectorUnit, ranges, vector_unit_.cycles(instruction, elements));
  counters_.vector_cycles += cycles;
  counters_.vector_elements += elements;
  if (VectorUnit::is_special(instruction)) counters_.special_elements += elements;
  trace_busy(trace_.vector, now_, now_ + cycles);
  if (stores_payload_) vector_unit_.execute(instruction, registers_, activation_.data());
}

// False: the instruction was the configuration, or there was a trap.
template <typename MatrixUnit>
bool TileExecutor::execute_on_matrix(unsigned number, MatrixUnit& unit,
                                     const Instruction& instruction, std::uint64_t& busy_cycles,
                                     common::SignalId signal) {
  OperandRanges ranges(config_.activation_bytes);
  const bool configures = MatrixUnit::configures(instruction);
  if (configures) {
    const Trap trap = unit.configure(instruction, registers_);
    if (trap.cause != TrapCause::kNone) {
      stop(trap.cause, trap.value);
      return false;
    }
  } else {
    unit.operands(instruction, registers_, ranges);
    if (!ranges.good()) {
      stop(ranges.trap().cause, ranges.trap().value);
      return false;
    }
    if (!check_hazard(number, ranges, false)) return false;
  }
  const std::uint64_t cycles = hand_over(number, ranges, unit.cycles(instruction));
  busy_cycles += cycles;
  trace_busy(signal, now_, now_ + cycles);
  if (configures) return false;
  if (stores_payload_) unit.execute(instruction, registers_, activation_.data());
  return true;
}

void TileExecutor::execute_pim(const Instruction& instruction) {
  if (!execute_on_matrix(kPimUnit, pim_unit_, instruction, counters_.pim_cycles, trace_.pim)) {
    return;
  }
  counters_.pim_macs += pim_unit_.macs();
  counters_.sram_read_bytes -= pim_unit_.matrix_bytes();  // read in place
}

void TileExecutor::execute_tensor(const Instruction& instruction) {
  if (execute_on_matrix(kTensorUnit, tensor_unit_, instruction, counters_.tcu_cycles, trace_.tcu)) {
    counters_.tcu_macs += tensor_unit_.macs();
  }
}

void TileExecutor::execute_transpose(const Instruction& instruction) {
  if (execute_on_matrix(kTransposeUnit, transpose_unit_, instruction, counters_.transpose_cycles,
                        trace_.transpose)) {
    counters_.transposed_elements += transpose_unit_.elements();
  }
}

void TileExecutor::execute_transfer(const Instruction& instruction) {
  const bool to_control = instruction.opcode == Opcode::kXldc;
  const bool write = instruction.opcode == Opcode::kXsta;
  const std::uint64_t local = registers_[instruction.rd];
  const std::uint64_t bytes = registers_[instruction.rs2];
  OperandRanges ranges(to_control ? config_.control_bytes : config_.activation_bytes);
  if (bytes == 0) ranges.bad_length(0);
  if (ranges.good()) write ? ranges.read(local, bytes, 1) : ranges.write(local, bytes, 1);
  if (!ranges.good()) return stop(ranges.trap().cause, ranges.trap().value);
  if (!check_hazard(kTransferUnit, ranges, to_control)) return;
  if (transfer_pending_) finish_transfer();
  if (abandoned_ || trap_.cause != TrapCause::kNone) return;
  wait_until(units_[kTransferUnit].free_at, counters_.transfer_wait_cycles);
  record_in_flight(kTransferUnit, ranges, to_control);

  TransferPort::Request request;
  request.start_cycle = now_ + config_.transfer_setup_cycles;
  request.write = write;
  request.address = registers_[instruction.rs1];
  request.bytes = static_cast<std::uint32_t>(bytes);
  request.data = to_control        ? control_.data() + local
                 : stores_payload_ ? activation_.data() + local
                                   : nullptr;
  transfer_begin_ = now_;
  transfer_address_ = request.address;
  transfer_pending_ = true;
  (write ? counters_.write_bytes : counters_.read_bytes) += bytes;
  if (!to_control) (write ? counters_.sram_read_bytes : counters_.sram_write_bytes) += bytes;
  port_.start(request);
}

// Learns when the pending transfer ends, which may take until then.
void TileExecutor::finish_transfer() {
  const TransferPort::Result result = port_.finish(config_.max_cycles);
  transfer_pending_ = false;
  units_[kTransferUnit].free_at = std::max(result.end_cycle, transfer_begin_);
  counters_.transfer_cycles += units_[kTransferUnit].free_at - transfer_begin_;
  trace_busy(trace_.transfer, transfer_begin_, units_[kTransferUnit].free_at);
  if (result.status == TransferPort::Status::kAbandoned) abandoned_ = true;
  if (trap_.cause != TrapCause::kNone) return;
  if (result.status == TransferPort::Status::kBusError) {
    stop(TrapCause::kBusError, transfer_address_);
  } else if (result.status == TransferPort::Status::kOverdue) {
    stop(TrapCause::kWatchdog, result.end_cycle);
  }
}

void TileExecutor::wait_until(std::uint64_t cycle, std::uint64_t& cause) {
  if (cycle <= now_) return;
  counters_.wait_cycles += cycle - now_;
  cause += cycle - now_;
  now_ = cycle;
}

void TileExecutor::synchronise(std::uint32_t mask) {
  for (unsigned unit = 0; unit < kUnits; ++unit) {
    if ((mask >> unit & 1) == 0) continue;
    if (unit == kTransferUnit && transfer_pending_) finish_transfer();
    wait_until(units_[unit].free_at,
               unit == kTransferUnit ? counters_.transfer_wait_cycles : counters_.sync_wait_cycles);
    units_[unit].in_flight.active = false;
  }
}

// ------------------------------------------------------------------ hazards

// Checks against the other units; `unit` is kUnits for the sequencer itself. False: trapped.
bool TileExecutor::check_hazard(unsigned unit, const OperandRanges& ranges, bool control) {
  for (unsigned other = 0; other < kUnits; ++other) {
    if (other != unit && units_[other].in_flight.active) {
      check_against(units_[other].in_flight, ranges, control);
    }
  }
  return trap_.cause == TrapCause::kNone;
}

void TileExecutor::check_against(const InFlight& other, const OperandRanges& ranges, bool control) {
  if (other.control != control) return;
  for (const MemoryRange& range : ranges.reads()) {
    if (range.overlaps(other.write)) stop(TrapCause::kHazard, range.begin);
  }
  const MemoryRange& written = ranges.written();
  bool conflict = written.overlaps(other.write);
  for (std::size_t i = 0; i < other.read_count; ++i) {
    conflict = conflict || written.overlaps(other.reads[i]);
  }
  if (conflict) stop(TrapCause::kHazard, written.begin);
}

void TileExecutor::record_in_flight(unsigned unit, const OperandRanges& ranges, bool control) {
  InFlight& in_flight = units_[unit].in_flight;
  in_flight.active = true;
  in_flight.control = control;
  in_flight.read_count = ranges.reads().size();
  std::copy(ranges.reads().begin(), ranges.reads().end(), in_flight.reads.begin());
  in_flight.write = ranges.written();
}

std::uint64_t TileExecutor::hand_over(unsigned unit, const OperandRanges& ranges,
                                      std::uint64_t cycles) {
  wait_until(units_[unit].free_at, counters_.unit_busy_wait_cycles);
  const std::uint64_t taken = ports_.begin(unit, now_, cycles, ranges);
  counters_.port_conflict_cycles += taken - cycles;
  counters_.sram_read_bytes += ranges.read_traffic();
  counters_.sram_write_bytes += ranges.write_traffic();
  units_[unit].free_at = now_ + taken;
  record_in_flight(unit, ranges, false);
  return taken;
}

void TileExecutor::trace_busy(common::SignalId signal, std::uint64_t begin, std::uint64_t end) {
  if (trace_.sink == nullptr) return;
  trace_.sink->change(signal, start_ps_ + begin * config_.clock_period_ps, 1);
  trace_.sink->change(signal, start_ps_ + end * config_.clock_period_ps, 0);
}

}  // namespace hpimvp::sram_pim
