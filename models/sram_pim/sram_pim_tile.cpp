#include "models/sram_pim/sram_pim_tile.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/common/memory_access.h"
#include "models/common/register_port.h"

namespace hpimvp::sram_pim {
namespace {

// How often a tile that waits for transfers looks whether one is overdue. A timeout that was not
// needed stays in the kernel's queue until its time, so there is one at a time and it is not long.
constexpr std::uint64_t kLookPs = 50'000'000;

namespace registers_of = sram_pim_tile_registers;
using sc_core::sc_time;

const TileConfig& checked(const TileConfig& config) {
  check(config);
  return config;
}

std::uint64_t now_ps() {
  return sc_core::sc_time_stamp().value();
}

}  // namespace

SramPimTile::SramPimTile(sc_core::sc_module_name name, const TileConfig& config,
                         std::uint16_t tile_index, bool stores_payload)
    : sc_module(name),
      registers("registers"),
      memory("memory"),
      bus("bus"),
      config_(checked(config)),
      block_(registers_of::kBlock),
      executor_(config, tile_index, stores_payload, *this),
      tile_index_(tile_index) {
  registers.register_b_transport(this, &SramPimTile::serve_registers);
  registers.register_transport_dbg(this, &SramPimTile::debug_registers);
  memory.register_b_transport(this, &SramPimTile::access_memory);
  memory.register_get_direct_mem_ptr(this, &SramPimTile::deny_direct_access);
  memory.register_transport_dbg(this, &SramPimTile::debug_memory);
  install_registers(tile_index);
  SC_HAS_PROCESS(SramPimTile);
  SC_THREAD(run_programs);
  SC_THREAD(run_transfers);
}

void SramPimTile::install_registers(std::uint16_t tile_index) {
  const auto reads = [this](std::uint32_t offset, std::function<std::uint64_t()> value) {
    block_.on_read(offset, [value = std::move(value)](std::uint32_t) { return value(); });
  };
  reads(registers_of::kTileIndexOffset, [tile_index] { return tile_index; });
  reads(registers_of::kIsaVersionOffset, [] { return kIsaMinorVersion << 16 | kIsaVersion; });
  reads(registers_of::kStatusOffset, [this] {
    return (busy() ? registers_of::kStatusRunningMask : 0) |
           (trapped() ? registers_of::kStatusTrappedMask : 0);
  });
  reads(registers_of::kProgramCounterOffset, [this] { return executor_.program_counter(); });
  reads(registers_of::kTrapCauseOffset, [this] { return static_cast<std::uint64_t>(trap_.cause); });
  reads(registers_of::kTrapValueOffset, [this] { return trap_.value; });
  reads(registers_of::kCyclesOffset, [this] { return executor_.counters().cycles; });
  reads(registers_of::kInstructionsOffset, [this] { return executor_.counters().instructions; });
}

void SramPimTile::set_activity(common::ActivitySink* sink, const std::string& name) {
  activity_ = sink;
  if (sink == nullptr) return;
  state_signal_ = sink->declare_signal(name + ".state", 2, {"IDLE", "RUNNING", "TRAPPED"});
  executor_.set_trace(
      {sink, sink->declare_signal(name + ".vector", 1), sink->declare_signal(name + ".pim", 1),
       sink->declare_signal(name + ".transfer", 1), sink->declare_signal(name + ".tcu", 1),
       sink->declare_signal(name + ".transpose", 1)});
  engine_id_ = sink->declare_engine(name);
}

void SramPimTile::enter(State state) {
  state_ = state;
  if (activity_ != nullptr) {
    activity_->change(state_signal_, now_ps(), static_cast<std::uint64_t>(state));
  }
}

// ------------------------------------------------------------------ registers and memory window

void SramPimTile::serve_registers(tlm::tlm_generic_payload& payload, sc_time&) {
  common::serve_register_access(block_, payload);
}

unsigned SramPimTile::debug_registers(tlm::tlm_generic_payload& payload) {
  return common::serve_register_debug(block_, payload);
}

// End of the memory that holds the byte at `address` of the window; `address` if none does.
std::uint64_t SramPimTile::window_end(std::uint64_t address) const {
  const std::uint64_t control_end = kControlMemoryOffset + config_.control_bytes;
  if (address >= kControlMemoryOffset) return std::max(address, control_end);
  return std::max<std::uint64_t>(address, config_.activation_bytes);
}

void SramPimTile::read_window(std::uint64_t address, std::uint8_t* data, std::size_t bytes) const {
  if (address >= kControlMemoryOffset) {
    executor_.read_control(address - kControlMemoryOffset, data, bytes);
  } else {
    executor_.read_activation(address, data, bytes);
  }
}

void SramPimTile::write_window(std::uint64_t address, const std::uint8_t* data, std::size_t bytes) {
  if (address >= kControlMemoryOffset) {
    executor_.write_control(address - kControlMemoryOffset, data, bytes);
  } else {
    executor_.write_activation(address, data, bytes);
  }
}

void SramPimTile::access_memory(tlm::tlm_generic_payload& payload, sc_time& delay) {
  const tlm::tlm_response_status status =
      common::check_memory_access(payload, window_end(payload.get_address()));
  payload.set_response_status(status);
  payload.set_dmi_allowed(false);
  if (status != tlm::TLM_OK_RESPONSE) return;
  common::move_payload(
      payload,
      [this](std::uint64_t at, std::uint8_t* data, std::size_t n) { read_window(at, data, n); },
      [this](std::uint64_t at, const std::uint8_t* data, std::size_t n) {
        write_window(at, data, n);
      });
  if (payload.get_address() < kControlMemoryOffset) {
    (payload.is_write() ? window_write_bytes_ : window_read_bytes_) += payload.get_data_length();
  }
  const std::uint64_t cycles =
      (payload.get_data_length() + config_.port_bytes_per_cycle - 1) / config_.port_bytes_per_cycle;
  delay += sc_time::from_value(cycles * config_.clock_period_ps);
}

bool SramPimTile::deny_direct_access(tlm::tlm_generic_payload&, tlm::tlm_dmi& dmi) {
  dmi.set_start_address(0);
  dmi.set_end_address(kWindowBytes - 1);
  dmi.allow_none();
  return false;
}

unsigned SramPimTile::debug_memory(tlm::tlm_generic_payload& payload) {
  return common::serve_memory_debug(
      payload, window_end(payload.get_address()),
      [this](std::uint64_t at, std::uint8_t* data, std::size_t n) { read_window(at, data, n); },
      [this](std::uint64_t at, const std::uint8_t* data, std::size_t n) {
        write_window(at, data, n);
      });
}

bool SramPimTile::load_control(std::uint32_t address, const std::uint8_t* data, std::size_t bytes) {
  return executor_.write_control(address, data, bytes);
}

// ------------------------------------------------------------------ programs

void SramPimTile::start(std::uint32_t entry, std::span<const std::uint64_t> arguments,
                        std::uint32_t operation, std::function<void(const RunEnd&)> ended) {
  entry_ = entry;
  arguments_.assign(arguments.begin(), arguments.end());
  operation_ = operation;
  ended_ = std::move(ended);
  abandoned_ = false;
  trap_ = {};
  enter(State::kRunning);
  start_event_.notify(sc_core::SC_ZERO_TIME);
}

void SramPimTile::abandon() {
  if (!busy()) return;
  abandoned_ = true;
  abandon_event_.notify(sc_core::SC_ZERO_TIME);
}

void SramPimTile::run_programs() {
  for (;;) {
    wait(start_event_);
    run_one();
  }
}

// A run begins at an edge of the tile's clock.
std::uint64_t SramPimTile::start_edge_ps() const {
  const std::uint64_t period = config_.clock_period_ps;
  return (now_ps() + period - 1) / period * period;
}

void SramPimTile::run_one() {
  run_start_ps_ = start_edge_ps();
  const TileCounters before = executor_.counters();
  const TileExecutor::Result result = executor_.run(entry_, arguments_, run_start_ps_);
  const std::uint64_t end = cycle_ps(result.cycles);
  while (!abandoned_ && now_ps() < end) {
    wait(sc_time::from_value(end - now_ps()), abandon_event_);
  }
  const std::uint64_t actual_end = now_ps();
  busy_ps_ += actual_end - std::min(run_start_ps_, actual_end);
  if (activity_ != nullptr) {
    const std::uint64_t begin = std::min(run_start_ps_, actual_end);
    activity_->operation(engine_id_, operation_, begin, actual_end);
    activity_->usage(engine_id_, operation_, usage_since(before, actual_end - begin));
  }
  trap_ = result.trap;
  enter(trap_.cause == TrapCause::kNone ? State::kIdle : State::kTrapped);
  const std::function<void(const RunEnd&)> ended = std::exchange(ended_, {});
  if (ended) ended({abandoned_ || result.abandoned, result.trap});
}

// Units run at the same time, so their busy times may add up to more than the run took: then each
// gets its share of it. What is left where they add up to less is the sequencer's.
common::ResourceUsage SramPimTile::usage_since(const TileCounters& before,
                                               std::uint64_t duration_ps) const {
  using common::Resource;
  const TileCounters& now = executor_.counters();
  const std::uint64_t vector = now.vector_cycles - before.vector_cycles;
  const std::uint64_t in_array = now.pim_cycles - before.pim_cycles;
  const std::uint64_t transfer = now.transfer_cycles - before.transfer_cycles;
  const std::uint64_t run = (duration_ps + config_.clock_period_ps - 1) / config_.clock_period_ps;
  const std::uint64_t matrix = now.tcu_cycles - before.tcu_cycles;
  const std::uint64_t transpose = now.transpose_cycles - before.transpose_cycles;
  const std::uint64_t whole = std::max(run, vector + in_array + transfer + matrix + transpose);
  common::ResourceUsage usage;
  usage[Resource::kVector] = common::share_of(duration_ps, vector, whole);
  usage[Resource::kInArray] = common::share_of(duration_ps, in_array, whole);
  usage[Resource::kTransfer] = common::share_of(duration_ps, transfer, whole);
  usage[Resource::kMatrix] = common::share_of(duration_ps, matrix, whole);
  usage[Resource::kTranspose] = common::share_of(duration_ps, transpose, whole);
  usage[Resource::kSequencer] = duration_ps - usage.total();
  return usage;
}

std::string SramPimTile::trap_message() const {
  const std::uint32_t pc = executor_.program_counter();
  return fmt::format("tile {} stopped at {:#x} ({}): {} {:#x}", tile_index_, pc,
                     disassemble(executor_.word_at(pc), pc), trap_cause_name(trap_.cause),
                     trap_.value);
}

// ------------------------------------------------------------------ transfers

void SramPimTile::start(const Request& request) {
  request_ = request;
  transfer_done_ = false;
  ++transfer_number_;
  transfer_start_ps_ = cycle_ps(request.start_cycle);
  transfer_event_.notify(
      sc_time::from_value(transfer_start_ps_ - std::min(transfer_start_ps_, now_ps())));
}

TransferPort::Result SramPimTile::finish(std::uint64_t latest_cycle) {
  const std::uint64_t latest_ps = cycle_ps(latest_cycle);
  while (!transfer_done_) {
    if (now_ps() >= latest_ps) return {Status::kOverdue, latest_cycle};
    const std::uint64_t look_ps = std::min(latest_ps, now_ps() + kLookPs);
    // A look that is still to come is soon enough, unless the transfer is overdue before.
    if (watchdog_ps_ <= now_ps() || watchdog_ps_ > look_ps) {
      watchdog_event_.cancel();
      watchdog_event_.notify(sc_time::from_value(look_ps - now_ps()));
      watchdog_ps_ = look_ps;
    }
    wait(transfer_done_or_watchdog_);
  }
  const Status status = abandoned_     ? Status::kAbandoned
                        : transfer_ok_ ? Status::kDone
                                       : Status::kBusError;
  return {status, transfer_end_cycle_};
}

void SramPimTile::run_transfers() {
  common::TransactionInfo& info = transfer_info_;
  info.initiator = common::Initiator::kTile;
  info.initiator_index = tile_index_;
  tlm::tlm_generic_payload& payload = transfer_payload_;
  std::uint64_t number = 0;
  for (;;) {
    while (number == transfer_number_) wait(transfer_event_);
    number = transfer_number_;
    // The event is missed during a transfer that a watchdog has given up.
    if (now_ps() < transfer_start_ps_) {
      wait(sc_time::from_value(transfer_start_ps_ - now_ps()));
    }
    info.operation = operation_;
    info.payload_valid = request_.data != nullptr;
    payload.set_command(request_.write ? tlm::TLM_WRITE_COMMAND : tlm::TLM_READ_COMMAND);
    payload.set_address(request_.address);
    payload.set_data_ptr(request_.data);
    payload.set_data_length(request_.bytes);
    payload.set_streaming_width(request_.bytes);
    payload.set_byte_enable_ptr(nullptr);
    payload.set_dmi_allowed(false);
    payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
    payload.set_extension(&info);
    sc_time delay = sc_core::SC_ZERO_TIME;
    bus->b_transport(payload, delay);
    payload.clear_extension(&info);
    if (delay != sc_core::SC_ZERO_TIME) wait(delay);
    if (number != transfer_number_) continue;
    transfer_ok_ = payload.is_response_ok();
    const std::uint64_t period = config_.clock_period_ps;
    transfer_end_cycle_ = (now_ps() - run_start_ps_ + period - 1) / period;
    transfer_done_ = true;
    transfer_done_event_.notify(sc_core::SC_ZERO_TIME);
  }
}

common::Statistics SramPimTile::statistics() const {
  const TileCounters& c = executor_.counters();
  return {{"runs", c.runs},
          {"traps", c.traps},
          {"busy_ps", busy_ps_},
          {"cycles", c.cycles},
          {"instructions", c.instructions},
          {"vector_cycles", c.vector_cycles},
          {"pim_cycles", c.pim_cycles},
          {"transfer_cycles", c.transfer_cycles},
          {"tcu_cycles", c.tcu_cycles},
          {"transpose_cycles", c.transpose_cycles},
          {"wait_cycles", c.wait_cycles},
          {"sync_wait_cycles", c.sync_wait_cycles},
          {"unit_busy_wait_cycles", c.unit_busy_wait_cycles},
          {"transfer_wait_cycles", c.transfer_wait_cycles},
          {"port_conflict_cycles", c.port_conflict_cycles},
          {"vector_elements", c.vector_elements},
          {"special_elements", c.special_elements},
          {"pim_macs", c.pim_macs},
          {"tcu_macs", c.tcu_macs},
          {"transposed_elements", c.transposed_elements},
          {"sram_read_bytes", c.sram_read_bytes + window_read_bytes_},
          {"sram_write_bytes", c.sram_write_bytes + window_write_bytes_},
          {"read_bytes", c.read_bytes},
          {"write_bytes", c.write_bytes}};
}

common::Energies SramPimTile::energy() const {
  const TileCounters& c = executor_.counters();
  const TileEnergy& energy = config_.energy;
  const auto times = [](std::uint64_t count, double picojoules) {
    return static_cast<double>(count) * picojoules;
  };
  return {{"tcu", times(c.tcu_macs, energy.tcu_mac_pj)},
          {"pim", times(c.pim_macs, energy.pim_mac_pj)},
          {"vector", times(c.vector_elements - c.special_elements, energy.vector_operation_pj)},
          {"special", times(c.special_elements, energy.special_operation_pj)},
          {"sram_read",
           times((c.sram_read_bytes + window_read_bytes_) * 8, energy.sram_read_pj_per_bit)},
          {"sram_write",
           times((c.sram_write_bytes + window_write_bytes_) * 8, energy.sram_write_pj_per_bit)},
          {"control", times(c.instructions, energy.instruction_pj)}};
}

}  // namespace hpimvp::sram_pim
