// Executes tile programs: memories, scalar registers, in-order issue to units that run
// concurrently, hazards, traps, and time. Plain C++; the interconnect is behind TransferPort.
//
// Time. The sequencer takes one cycle an instruction, more where TileConfig says so. An instruction
// for a unit that is busy waits in the sequencer, so a unit has at most one instruction in flight;
// the sequencer goes on in the cycle after the hand-over. `sync` and `halt` wait for units. A
// duration depends on lengths, never on values, so functional and timing mode take the same time.
//
// Hazards. An instruction handed to a unit counts as in flight until a `sync` names its unit or the
// next instruction has been handed to that unit. So whether a program traps does not depend on
// latencies.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "models/common/activity.h"
#include "models/sram_pim/bank_ports.h"
#include "models/sram_pim/encoding.h"
#include "models/sram_pim/pim_unit.h"
#include "models/sram_pim/tensor_unit.h"
#include "models/sram_pim/tile_config.h"
#include "models/sram_pim/transpose_unit.h"
#include "models/sram_pim/trap.h"
#include "models/sram_pim/vector_unit.h"

namespace hpimvp::sram_pim {

// What the transfer unit reaches the interconnect through. Cycles count from the start of the run.
class TransferPort {
 public:
  struct Request {
    std::uint64_t start_cycle;
    bool write;  // to global memory
    std::uint64_t address;
    std::uint8_t* data;  // null: the payload is not real (timing mode)
    std::uint32_t bytes;
  };
  // kOverdue: it did not end by the cycle given to finish().
  enum class Status : std::uint8_t { kDone, kBusError, kAbandoned, kOverdue };
  struct Result {
    Status status;
    std::uint64_t end_cycle;
  };

  virtual ~TransferPort() = default;
  // Begins a transfer; the executor calls finish() before it begins another. `data` stays valid
  // until then.
  virtual void start(const Request& request) = 0;
  // Waits for the end of the transfer, at most until `latest_cycle`. kAbandoned: the run is to end
  // at once.
  virtual Result finish(std::uint64_t latest_cycle) = 0;
};

struct TileCounters {
  std::uint64_t cycles = 0;
  std::uint64_t instructions = 0;
  std::uint64_t runs = 0;
  std::uint64_t traps = 0;
  std::uint64_t vector_cycles = 0;  // busy
  std::uint64_t pim_cycles = 0;
  std::uint64_t transfer_cycles = 0;
  std::uint64_t tcu_cycles = 0;
  std::uint64_t transpose_cycles = 0;
  // The sequencer waits for units: the sum, and by cause.
  std::uint64_t wait_cycles = 0;
  std::uint64_t sync_wait_cycles = 0;       // sync and halt, for units other than XFER
  std::uint64_t unit_busy_wait_cycles = 0;  // an instruction for a busy unit other than XFER
  std::uint64_t transfer_wait_cycles = 0;   // either, for XFER
  // Units take so much longer because of the ports of activation memory.
  std::uint64_t port_conflict_cycles = 0;
  std::uint64_t vector_elements = 0;
  std::uint64_t special_elements = 0;  // of these: exp, silu, gelu, reciprocal, square root
  std::uint64_t pim_macs = 0;
  std::uint64_t tcu_macs = 0;
  std::uint64_t transposed_elements = 0;
  // Activation memory, by all units, except for matrices that the in-array unit reads in place.
  std::uint64_t sram_read_bytes = 0;
  std::uint64_t sram_write_bytes = 0;
  std::uint64_t read_bytes = 0;   // by the transfer unit, from global memory
  std::uint64_t write_bytes = 0;  // to global memory
};

class TileExecutor {
 public:
  struct Result {
    bool abandoned = false;
    Trap trap;             // cause kNone: halted
    std::uint64_t cycles;  // from the start of the run to the halt
  };

  // Signals that show when a unit is busy; unused if sink is null.
  struct Trace {
    common::ActivitySink* sink = nullptr;
    common::SignalId vector = 0;
    common::SignalId pim = 0;
    common::SignalId transfer = 0;
    common::SignalId tcu = 0;
    common::SignalId transpose = 0;
  };

  // `stores_payload` false: timing mode, activation memory reads as zero. `config` has passed
  // check(); `port` must outlive the executor.
  TileExecutor(const TileConfig& config, std::uint32_t tile_index, bool stores_payload,
               TransferPort& port);

  void set_trace(const Trace& trace) { trace_ = trace; }

  // Runs a program to its end. `arguments` go to r1 and up (at most 31), the other registers are 0.
  // `start_ps`: when the run begins, for the trace.
  Result run(std::uint32_t entry, std::span<const std::uint64_t> arguments,
             std::uint64_t start_ps = 0);

  // Both memories, from outside the program. False: outside the memory, nothing happened.
  bool read_activation(std::uint64_t address, std::uint8_t* data, std::size_t bytes) const;
  bool write_activation(std::uint64_t address, const std::uint8_t* data, std::size_t bytes);
  bool read_control(std::uint64_t address, std::uint8_t* data, std::size_t bytes) const;
  bool write_control(std::uint64_t address, const std::uint8_t* data, std::size_t bytes);

  const TileConfig& config() const { return config_; }
  std::uint32_t tile_index() const { return tile_index_; }
  bool stores_payload() const { return stores_payload_; }
  const ScalarRegisters& registers() const { return registers_; }
  // Of the instruction in execution, or of the last run's last one.
  std::uint32_t program_counter() const { return pc_; }
  // The word there, 0 if there is none: for diagnostics.
  std::uint32_t word_at(std::uint32_t address) const;
  const TileCounters& counters() const { return counters_; }
  // Power-on state: memories, registers, counters.
  void reset();

 private:
  static constexpr unsigned kUnits = BankPorts::kMaxUnits;

  // The last instruction handed to a unit, as long as it may be in flight.
  struct InFlight {
    bool active = false;
    bool control = false;  // ranges are in control memory
    std::array<MemoryRange, 4> reads{};
    std::size_t read_count = 0;
    MemoryRange write{};
  };
  struct UnitState {
    std::uint64_t free_at = 0;  // cycle
    InFlight in_flight;
  };

  void begin_run(std::uint32_t entry, std::span<const std::uint64_t> arguments,
                 std::uint64_t start_ps);
  void step();
  void stop(TrapCause cause, std::uint64_t value) { trap_ = {cause, value}; }

  void execute_sequencer(const Instruction& instruction);
  void execute_arithmetic(const Instruction& instruction);
  void execute_memory(const Instruction& instruction);
  void branch_if(bool taken, const Instruction& instruction);
  void jump(const Instruction& instruction);
  void execute_vector(const Instruction& instruction);
  // On a unit whose instructions work on a matrix that one before them has described.
  template <typename MatrixUnit>
  bool execute_on_matrix(unsigned number, MatrixUnit& unit, const Instruction& instruction,
                         std::uint64_t& busy_cycles, common::SignalId signal);
  void execute_pim(const Instruction& instruction);
  void execute_tensor(const Instruction& instruction);
  void execute_transpose(const Instruction& instruction);
  void execute_transfer(const Instruction& instruction);

  bool check_hazard(unsigned unit, const OperandRanges& ranges, bool control);
  void check_against(const InFlight& other, const OperandRanges& ranges, bool control);
  // Returns the cycles that the unit takes, its waits for memory ports included.
  std::uint64_t hand_over(unsigned unit, const OperandRanges& ranges, std::uint64_t cycles);
  void record_in_flight(unsigned unit, const OperandRanges& ranges, bool control);
  // Adds the wait to `cause`, a counter, too.
  void wait_until(std::uint64_t cycle, std::uint64_t& cause);
  void synchronise(std::uint32_t mask);
  void finish_transfer();
  void trace_busy(common::SignalId signal, std::uint64_t begin, std::uint64_t end);

  void set_register(unsigned index, std::uint64_t value) {
    if (index != 0) registers_[index] = value;
  }

  TileConfig config_;
  std::uint32_t tile_index_;
  bool stores_payload_;
  TransferPort& port_;
  Trace trace_;

  std::vector<std::uint8_t> activation_;  // empty in timing mode
  std::vector<std::uint8_t> control_;
  ScalarRegisters registers_{};
  VectorUnit vector_unit_;
  PimUnit pim_unit_;
  TensorUnit tensor_unit_;
  TransposeUnit transpose_unit_;
  BankPorts ports_;

  // Of the run in progress.
  std::uint32_t pc_ = 0;
  std::uint32_t next_pc_ = 0;
  std::uint64_t now_ = 0;  // cycle of the sequencer
  std::uint64_t start_ps_ = 0;
  std::uint64_t run_instructions_ = 0;
  bool halted_ = false;
  bool abandoned_ = false;
  Trap trap_;
  std::array<UnitState, kUnits> units_{};
  bool transfer_pending_ = false;
  std::uint64_t transfer_address_ = 0;
  std::uint64_t transfer_begin_ = 0;

  TileCounters counters_;
};

}  // namespace hpimvp::sram_pim
