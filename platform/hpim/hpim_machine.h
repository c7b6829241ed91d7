// The HPIM machine: host CPU, host memory, control network, mesh and the blocks of a topology,
// wired together. One per process, because SystemC has one simulation per process.
//
//   const BlockRegistry registry = standard_blocks();
//   const Topology topology = resolve(config, registry);
//   HpimMachine machine("hpim", topology, options);
//   machine.load_firmware(common::load_elf_file(path));
//   machine.load_memory(address, plan_bytes);
//   while (machine.run(step_ps).reason == StopReason::kTimeLimit) show_progress();
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <systemc>
#include <utility>
#include <vector>

#include "models/common/activity.h"
#include "models/common/elf_loader.h"
#include "models/common/memory_target.h"
#include "models/common/statistics.h"
#include "models/interconnect/control_network.h"
#include "models/interconnect/mesh_interconnect.h"
#include "models/riscv/riscv_cpu.h"
#include "platform/hpim/built_block.h"
#include "platform/hpim/topology.h"

namespace hpimvp::hpim {

struct MachineOptions {
  // Address of the plan: the system controller's BOOT_PARAMETER, and a1 at reset. 0: none.
  std::uint64_t boot_parameter = 0;
  // Hears what models do; null: nobody. Must outlive the machine.
  common::ActivitySink* activity = nullptr;
  // Called from inside run().
  std::function<void(std::uint8_t byte)> on_uart_byte;
  std::function<void(const peripherals::Marker&)> on_marker;
  // A sentence about what went wrong inside a block, such as a trap of a tile.
  std::function<void(const std::string&)> on_diagnostic;
  // What such a sentence calls an operation of a command: "12 \"attention\" of layer 3". Null: its
  // number.
  std::function<std::string(std::uint32_t operation)> operation_name;
};

enum class StopReason {
  kTimeLimit,  // the time given to run() is over; it may be called again
  kExit,       // the firmware has written its exit code
  kDeadlock,   // the CPU sleeps and nothing can wake it any more
  kFault,      // the firmware has trapped where no handler can deal with it
  kRequested,  // request_stop(); run() may be called again
};

struct RunStatus {
  StopReason reason = StopReason::kTimeLimit;
  std::uint64_t time_ps = 0;    // simulated
  std::uint32_t exit_code = 0;  // with kExit
  std::string message;          // with kDeadlock and kFault: who waits for what, what failed where
};

class HpimMachine : public sc_core::sc_module {
 public:
  // Throws MachineError, or std::invalid_argument from a model whose configuration makes no sense.
  HpimMachine(sc_core::sc_module_name name, Topology topology, MachineOptions options);
  ~HpimMachine() override;

  // Puts the segments into memory and the entry point into the CPU. Throws MachineError for an
  // image that is not RV64 or does not fit into memory.
  void load_firmware(const common::ElfImage& image);
  // Writes memory without time (debug transport): host memory, stacks or tiles. Throws MachineError
  // naming the first address that takes nothing.
  void load_memory(std::uint64_t address, std::span<const std::uint8_t> bytes);
  // The same in the other direction.
  std::vector<std::uint8_t> read_memory(std::uint64_t address, std::size_t length);

  // Runs until `until_ps` of simulated time, or for less (StopReason). After kExit, kDeadlock and
  // kFault a further call returns the same at once.
  RunStatus run(std::uint64_t until_ps);
  // From any thread or signal handler: run() returns within one slice of 10 us.
  void request_stop() { stop_requested_.store(true, std::memory_order_relaxed); }

  const Topology& topology() const { return topology_; }
  riscv::RiscvCpu& cpu() { return *cpu_; }
  // The exception that the CPU took last, for fault reports.
  const std::optional<riscv::Trap>& last_trap() const { return last_trap_; }
  // A byte for the first UART's receiver.
  void send_to_uart(std::uint8_t byte);

  // Tells the sinks of set_activity() what has happened before now, as far as models work things
  // out only when they are asked. Between calls of run().
  void tell_activity() { mesh_->tell_activity(); }

  // The mesh's links that something has crossed.
  struct LinkTraffic {
    std::string name;  // interconnect::link_name()
    interconnect::MeshNetwork::LinkTotals totals;
  };
  std::vector<LinkTraffic> links() const;

  // Component name ("host", "noc", "stack0", ...) and its counters.
  std::vector<std::pair<std::string, common::Statistics>> statistics() const;
  // Component name and its energy, of components that account for it.
  std::vector<std::pair<std::string, common::Energies>> energy() const;
  // Components with DRAM, in order; `observe` before the simulation starts. Commands are told some
  // time after their cycle, those before now when `tell` is called, between calls of run().
  struct Dram {
    std::string name;
    std::function<void(const hbm_pim::CommandSink&)> observe;
    std::function<void()> tell;
  };
  std::vector<Dram> dram() const;

 private:
  class InterruptProbe;

  void build_blocks();
  void build_networks();
  void build_cpu();
  void connect_interrupts();
  void connect_activity();
  MachineServices make_services();
  void observe_trap(const riscv::Trap& trap);
  void stop(StopReason reason, std::string message);
  std::string describe_deadlock();
  std::string describe_queue(const BlockInstance& instance);
  std::uint64_t peek(std::uint64_t address, unsigned width_bytes);
  void debug_access(tlm::tlm_command command, std::uint64_t address, std::uint8_t* data,
                    std::size_t length);

  Topology topology_;
  MachineOptions options_;
  MachineServices services_;

  std::unique_ptr<riscv::RiscvCpu> cpu_;
  std::unique_ptr<common::MemoryTarget> host_memory_;
  std::unique_ptr<interconnect::ControlNetwork> control_network_;
  std::unique_ptr<interconnect::MeshInterconnect> mesh_;
  std::vector<BuiltBlock> blocks_;                                     // as topology_.blocks
  std::vector<std::unique_ptr<sc_core::sc_signal<bool>>> interrupts_;  // likewise; null: none
  std::unique_ptr<sc_core::sc_signal<bool>> timer_line_;
  std::unique_ptr<sc_core::sc_signal<bool>> software_line_;
  std::unique_ptr<sc_core::sc_signal<bool>> external_line_;
  std::vector<std::unique_ptr<InterruptProbe>> probes_;

  std::atomic<bool> stop_requested_{false};
  std::optional<RunStatus> final_status_;
  std::optional<riscv::Trap> last_trap_;
  std::uint64_t trap_instructions_ = 0;  // executed when that was
  unsigned repeated_traps_ = 0;
  common::SignalId marker_signal_ = 0;
};

}  // namespace hpimvp::hpim
