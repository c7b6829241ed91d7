#include "platform/hpim/hpim_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "generated/models/common/command_queue_registers.h"
#include "models/peripherals/clint.h"
#include "models/peripherals/plic.h"
#include "models/peripherals/uart16550.h"

namespace hpimvp::hpim {
namespace {

namespace queue = common::command_queue_registers;

// How often run() looks whether it shall stop, in simulated time.
constexpr std::uint64_t kSlicePs = 10'000'000;
// So many exceptions in a row without one instruction between them: the handler itself traps.
constexpr unsigned kHopelessTraps = 16;
constexpr std::size_t kDebugChunkBytes = 1 << 20;

sc_core::sc_time from_ps(std::uint64_t time_ps) {
  return sc_core::sc_time::from_value(time_ps);
}

const char* cause_name(riscv::Cause cause) {
  switch (cause) {
    case riscv::Cause::kFetchMisaligned:
      return "instruction address misaligned";
    case riscv::Cause::kFetchAccess:
      return "instruction access fault";
    case riscv::Cause::kIllegalInstruction:
      return "illegal instruction";
    case riscv::Cause::kBreakpoint:
      return "breakpoint";
    case riscv::Cause::kLoadMisaligned:
      return "load address misaligned";
    case riscv::Cause::kLoadAccess:
      return "load access fault";
    case riscv::Cause::kStoreMisaligned:
      return "store address misaligned";
    case riscv::Cause::kStoreAccess:
      return "store access fault";
    case riscv::Cause::kCallFromUser:
      return "environment call from user mode";
    case riscv::Cause::kCallFromMachine:
      return "environment call from machine mode";
  }
  return "unknown cause";
}

// Kinds of markers as the waveform names them; index as in system_controller.registers.json.
std::vector<std::string> marker_names() {
  return {"none",         "boot_done",       "prefill_start",   "token",
          "request_done", "operator_start",  "operator_done",   "prediction",
          "error",        "corrected_error", "corrected_total", "retry_total"};
}

template <typename Module>
Module* find_module(const std::vector<BuiltBlock>& blocks) {
  for (const BuiltBlock& block : blocks) {
    if (auto* module = dynamic_cast<Module*>(block.module.get())) return module;
  }
  return nullptr;
}

}  // namespace

// Tells the activity sink about a line.
class HpimMachine::InterruptProbe : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(InterruptProbe);
  InterruptProbe(sc_core::sc_module_name name, sc_core::sc_signal<bool>& line,
                 common::ActivitySink& sink, const std::string& signal)
      : sc_module(name), line_(line), sink_(sink), signal_(sink.declare_signal(signal, 1)) {
    SC_METHOD(report);
    sensitive << line_.value_changed_event();
    dont_initialize();
  }

 private:
  void report() { sink_.change(signal_, sc_core::sc_time_stamp().value(), line_.read() ? 1 : 0); }

  sc_core::sc_signal<bool>& line_;
  common::ActivitySink& sink_;
  common::SignalId signal_;
};

HpimMachine::HpimMachine(sc_core::sc_module_name name, Topology topology, MachineOptions options)
    : sc_module(name), topology_(std::move(topology)), options_(std::move(options)) {
  services_ = make_services();
  build_cpu();
  build_blocks();
  build_networks();
  connect_interrupts();
  if (options_.activity != nullptr) connect_activity();
}

HpimMachine::~HpimMachine() = default;

MachineServices HpimMachine::make_services() {
  MachineServices services;
  services.boot_parameter = options_.boot_parameter;
  services.uart_byte = [this](std::uint8_t byte) {
    if (options_.on_uart_byte) options_.on_uart_byte(byte);
  };
  services.marker = [this](const peripherals::Marker& marker) {
    if (options_.activity != nullptr) {
      options_.activity->change(marker_signal_, marker.time_ps,
                                static_cast<std::uint64_t>(marker.kind));
    }
    if (options_.on_marker) options_.on_marker(marker);
  };
  services.diagnostic = [this](const std::string& sentence) {
    if (options_.on_diagnostic) options_.on_diagnostic(sentence);
  };
  services.operation_name = options_.operation_name;
  services.exit = [this](std::uint32_t code, std::uint64_t time_ps) {
    if (final_status_) return;
    stop(StopReason::kExit, "");
    final_status_->exit_code = code;
    final_status_->time_ps = time_ps;
  };
  return services;
}

void HpimMachine::build_cpu() {
  const HostConfig& host = topology_.config.host;
  riscv::RiscvCpuConfig config;
  config.clock_period = from_ps(clock_period_ps(host.clock_mhz));
  config.quantum = from_ps(static_cast<std::uint64_t>(host.quantum_us * 1e6));
  config.misses_per_thousand = host.cache_misses_per_thousand;
  cpu_ = std::make_unique<riscv::RiscvCpu>("cpu", config);
  cpu_->core().set_x(11, options_.boot_parameter);
  cpu_->core().set_trap_observer([this](const riscv::Trap& trap) { observe_trap(trap); });

  common::MemoryTargetConfig memory;
  memory.size_bytes = topology_.host_memory_bytes;
  memory.latency_ps = static_cast<std::uint64_t>(host.memory_latency_ns * 1e3);
  memory.ps_per_64_bytes = static_cast<std::uint64_t>(64e3 / host.memory_gb_per_s);
  host_memory_ = std::make_unique<common::MemoryTarget>("host_memory", memory);
}

void HpimMachine::build_blocks() {
  blocks_.resize(topology_.blocks.size());
  for (const bool last : {false, true}) {
    for (std::size_t i = 0; i < topology_.blocks.size(); ++i) {
      const BlockInstance& instance = topology_.blocks[i];
      if (instance.type->built_last != last) continue;
      BuiltBlock block =
          instance.type->factory(BlockContext{instance, topology_, services_, blocks_});
      const auto require = [&](bool present, const char* what) {
        if (!present) {
          throw MachineError(fmt::format("block '{}': the factory of type '{}' returned no {}",
                                         instance.name, instance.type->name, what));
        }
      };
      require(block.module != nullptr, "module");
      require(block.registers != nullptr, "register socket");
      require(block.memory != nullptr || instance.memory_bytes == 0, "memory socket");
      require(block.bus != nullptr || !instance.type->is_bus_master, "bus socket");
      require(block.interrupt != nullptr || !instance.type->has_interrupt, "interrupt output");
      blocks_[i] = std::move(block);
    }
  }
}

void HpimMachine::build_networks() {
  std::vector<interconnect::ControlTargetConfig> registers;
  std::vector<interconnect::MeshInitiatorConfig> masters = {{kHostNode, {kHostNode}}};
  std::vector<interconnect::MeshTargetConfig> memories = {
      {kHostNode, {kHostNode}, kHostMemoryBase, topology_.host_memory_bytes}};
  for (const BlockInstance& block : topology_.blocks) {
    registers.push_back({block.name, block.register_address, block.register_bytes});
    if (block.type->is_bus_master) masters.push_back({block.name, block.nodes});
    if (block.memory_bytes != 0) {
      memories.push_back({block.name, block.nodes, block.memory_address, block.memory_bytes});
    }
  }

  const HostConfig& host = topology_.config.host;
  interconnect::ControlNetworkConfig control;
  control.access_latency_ps = host.mmio_latency_cycles * clock_period_ps(host.clock_mhz);
  control_network_ =
      std::make_unique<interconnect::ControlNetwork>("control_network", control, registers);
  mesh_ =
      std::make_unique<interconnect::MeshInterconnect>("noc", topology_.mesh, masters, memories);

  cpu_->bus.bind(control_network_->from_host);
  control_network_->memory.bind(mesh_->from_initiator(0));
  mesh_->to_target(0).bind(host_memory_->memory);
  std::size_t master = 1;
  std::size_t memory = 1;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    control_network_->to_target(i).bind(*blocks_[i].registers);
    if (topology_.blocks[i].type->is_bus_master) {
      blocks_[i].bus->bind(mesh_->from_initiator(master++));
    }
    if (topology_.blocks[i].memory_bytes != 0) {
      mesh_->to_target(memory++).bind(*blocks_[i].memory);
    }
  }
}

void HpimMachine::connect_interrupts() {
  const auto make_line = [](const std::string& name) {
    return std::make_unique<sc_core::sc_signal<bool>>(name.c_str());
  };
  timer_line_ = make_line("timer_line");
  software_line_ = make_line("software_line");
  external_line_ = make_line("external_line");
  cpu_->timer_interrupt.bind(*timer_line_);
  cpu_->software_interrupt.bind(*software_line_);
  cpu_->external_interrupt.bind(*external_line_);

  auto* clint = find_module<peripherals::Clint>(blocks_);
  auto* plic = find_module<peripherals::Plic>(blocks_);
  if (clint == nullptr || plic == nullptr) {
    throw MachineError("the types 'clint' and 'plic' must be those of the standard blocks");
  }
  clint->timer_interrupt[0].bind(*timer_line_);
  clint->software_interrupt[0].bind(*software_line_);
  plic->interrupt[0].bind(*external_line_);
  const std::uint64_t timer_hz = topology_.config.host.timer_hz;
  cpu_->set_time_source([clint, timer_hz](const sc_core::sc_time& now) {
    const std::uint64_t ahead_ps = (now - sc_core::sc_time_stamp()).value();
    return clint->time() + ahead_ps * (timer_hz / 1000) / 1'000'000'000;
  });

  interrupts_.resize(blocks_.size());
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (blocks_[i].interrupt == nullptr) continue;
    const BlockInstance& instance = topology_.blocks[i];
    interrupts_[i] = make_line(instance.name + "_interrupt");
    blocks_[i].interrupt->bind(*interrupts_[i]);
    if (instance.interrupt != 0) plic->sources[instance.interrupt].bind(*interrupts_[i]);
  }
}

void HpimMachine::connect_activity() {
  common::ActivitySink& sink = *options_.activity;
  marker_signal_ = sink.declare_signal("host.marker", 16, marker_names());
  const auto probe = [&](const std::string& name, sc_core::sc_signal<bool>& line,
                         const std::string& signal) {
    probes_.push_back(
        std::make_unique<InterruptProbe>((name + "_probe").c_str(), line, sink, signal));
  };
  probe("timer", *timer_line_, "host.timer_interrupt");
  probe("software", *software_line_, "host.software_interrupt");
  probe("external", *external_line_, "host.external_interrupt");
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const std::string& name = topology_.blocks[i].name;
    if (interrupts_[i]) probe(name, *interrupts_[i], name + ".interrupt");
    if (blocks_[i].set_activity) blocks_[i].set_activity(&sink);
  }
  mesh_->set_activity(&sink, "noc");
  cpu_->set_activity(&sink, "host");
}

void HpimMachine::load_firmware(const common::ElfImage& image) {
  if (image.machine != common::ElfMachine::kRiscv || !image.is_64_bit) {
    throw MachineError("the firmware is not a 64-bit RISC-V program");
  }
  for (const common::ElfSegment& segment : image.segments) {
    if (segment.memory_size_bytes == 0) continue;
    load_memory(segment.physical_address,
                {reinterpret_cast<const std::uint8_t*>(segment.data.data()), segment.data.size()});
    // What the file does not hold is zero, as memory is at the start; only that it is there is
    // checked.
    constexpr std::uint8_t kZero = 0;
    if (segment.memory_size_bytes > segment.data.size()) {
      load_memory(segment.physical_address + segment.memory_size_bytes - 1, {&kZero, 1});
    }
  }
  cpu_->core().set_pc(image.entry);
}

void HpimMachine::debug_access(tlm::tlm_command command, std::uint64_t address, std::uint8_t* data,
                               std::size_t length) {
  while (length != 0) {
    const std::size_t chunk =
        std::min(length, kDebugChunkBytes - static_cast<std::size_t>(address % kDebugChunkBytes));
    const std::span<std::byte> bytes(reinterpret_cast<std::byte*>(data), chunk);
    const std::size_t done = command == tlm::TLM_WRITE_COMMAND ? cpu_->debug_write(address, bytes)
                                                               : cpu_->debug_read(address, bytes);
    if (done != chunk) {
      throw MachineError(fmt::format("no memory holds the {} bytes at {:#x}", chunk, address));
    }
    address += chunk;
    data += chunk;
    length -= chunk;
  }
}

void HpimMachine::load_memory(std::uint64_t address, std::span<const std::uint8_t> bytes) {
  debug_access(tlm::TLM_WRITE_COMMAND, address, const_cast<std::uint8_t*>(bytes.data()),
               bytes.size());
}

std::vector<std::uint8_t> HpimMachine::read_memory(std::uint64_t address, std::size_t length) {
  std::vector<std::uint8_t> bytes(length);
  debug_access(tlm::TLM_READ_COMMAND, address, bytes.data(), length);
  return bytes;
}

RunStatus HpimMachine::run(std::uint64_t until_ps) {
  for (;;) {
    if (final_status_) return *final_status_;
    const std::uint64_t now_ps = sc_core::sc_time_stamp().value();
    if (now_ps >= until_ps) return {StopReason::kTimeLimit, now_ps, 0, ""};
    if (stop_requested_.exchange(false, std::memory_order_relaxed)) {
      return {StopReason::kRequested, now_ps, 0, ""};
    }
    sc_core::sc_start(from_ps(std::min(kSlicePs, until_ps - now_ps)));
    if (!final_status_ && !sc_core::sc_pending_activity()) {
      stop(StopReason::kDeadlock, describe_deadlock());
    }
  }
}

void HpimMachine::stop(StopReason reason, std::string message) {
  final_status_ = RunStatus{reason, sc_core::sc_time_stamp().value(), 0, std::move(message)};
  cpu_->request_end();
  if (sc_core::sc_get_status() == sc_core::SC_RUNNING) sc_core::sc_pause();
}

void HpimMachine::observe_trap(const riscv::Trap& trap) {
  const std::uint64_t instructions = cpu_->core().instructions();
  repeated_traps_ = instructions == trap_instructions_ ? repeated_traps_ + 1 : 1;
  trap_instructions_ = instructions;
  last_trap_ = trap;
  const bool is_call =
      trap.cause == riscv::Cause::kCallFromUser || trap.cause == riscv::Cause::kCallFromMachine;
  if (is_call || final_status_) return;
  const bool no_handler = cpu_->core().read_csr(riscv::csr::kMtvec).value_or(0) == 0;
  if (!no_handler && repeated_traps_ < kHopelessTraps) return;
  stop(StopReason::kFault,
       fmt::format("{} at pc {:#x}, mtval {:#x}, {}", cause_name(trap.cause), trap.pc, trap.value,
                   no_handler ? "with no trap handler (mtvec is 0)"
                              : "in the trap handler, again and again"));
}

std::uint64_t HpimMachine::peek(std::uint64_t address, unsigned width_bytes) {
  std::uint64_t value = 0;
  cpu_->debug_read(address, std::span(reinterpret_cast<std::byte*>(&value), width_bytes));
  return value;
}

std::string HpimMachine::describe_queue(const BlockInstance& block) {
  const auto read32 = [&](std::uint32_t offset) {
    return peek(block.register_address + offset, 4);
  };
  const std::uint64_t head = read32(queue::kHeadOffset);
  const std::uint64_t tail = read32(queue::kTailOffset);
  const std::uint64_t status = read32(queue::kStatusOffset);
  const bool busy = (status & 1) != 0;
  const bool error = (status & 2) != 0;
  if (head == tail && !busy && !error) return "";
  std::string text =
      fmt::format("\n  {}: HEAD {}, TAIL {}{}", block.name, head, tail, busy ? ", busy" : "");
  if (error) {
    text += fmt::format(", stopped with error {} at {:#x}", read32(queue::kErrorCodeOffset),
                        peek(block.register_address + queue::kErrorAddressOffset, 8));
  } else if ((read32(queue::kControlOffset) & 1) == 0) {
    text += ", not enabled";
  }
  return text;
}

std::string HpimMachine::describe_deadlock() {
  riscv::Core& core = cpu_->core();
  std::string text = fmt::format(
      "nothing can happen any more: the CPU {} at pc {:#x} (mstatus {:#x}, mie {:#x}, "
      "mip {:#x})",
      core.sleeps() ? "waits for an interrupt" : "has stopped", core.pc(),
      core.read_csr(riscv::csr::kMstatus).value_or(0), core.read_csr(riscv::csr::kMie).value_or(0),
      core.read_csr(riscv::csr::kMip).value_or(0));
  for (std::size_t i = 0; i < topology_.blocks.size(); ++i) {
    const BlockInstance& block = topology_.blocks[i];
    if (block.type->has_queue) text += describe_queue(block);
    if (interrupts_[i] && interrupts_[i]->read()) {
      text += fmt::format("\n  {}: its interrupt {} is high", block.name, block.interrupt);
    }
  }
  return text;
}

void HpimMachine::send_to_uart(std::uint8_t byte) {
  if (auto* uart = find_module<peripherals::Uart16550>(blocks_)) uart->push(byte);
}

std::vector<HpimMachine::LinkTraffic> HpimMachine::links() const {
  std::vector<LinkTraffic> crossed;
  const auto& totals = mesh_->network().links();
  for (std::uint32_t i = 0; i < totals.size(); ++i) {
    if (totals[i].messages == 0) continue;
    crossed.push_back({interconnect::link_name(topology_.mesh, i), totals[i]});
  }
  return crossed;
}

std::vector<std::pair<std::string, common::Statistics>> HpimMachine::statistics() const {
  std::vector<std::pair<std::string, common::Statistics>> all;
  all.emplace_back("host", common::Statistics{{"instructions", cpu_->core().instructions()},
                                              {"cycles", cpu_->core().cycles()}});
  all.emplace_back("host_memory", host_memory_->statistics());
  all.emplace_back("control_network", control_network_->statistics());
  all.emplace_back("noc", mesh_->statistics());
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (blocks_[i].statistics) {
      all.emplace_back(topology_.blocks[i].name, blocks_[i].statistics());
    }
  }
  return all;
}

std::vector<std::pair<std::string, common::Energies>> HpimMachine::energy() const {
  std::vector<std::pair<std::string, common::Energies>> all;
  all.emplace_back("noc", mesh_->energy());
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (blocks_[i].energy) all.emplace_back(topology_.blocks[i].name, blocks_[i].energy());
  }
  return all;
}

std::vector<HpimMachine::Dram> HpimMachine::dram() const {
  std::vector<Dram> all;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (blocks_[i].observe_commands) {
      all.push_back(
          {topology_.blocks[i].name, blocks_[i].observe_commands, blocks_[i].tell_commands});
    }
  }
  return all;
}

}  // namespace hpimvp::hpim
