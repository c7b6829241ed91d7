// The RISC-V core as a TLM-2.0 initiator: loosely timed, temporally decoupled, with direct memory
// access. A thin wrapper: everything architectural is in Core.
//
// Time: cycle c of the core is at (start of simulation) + c * clock period, whether the hart
// executes, waits for the bus or sleeps. The core runs ahead of SystemC time by at most one
// quantum. By default it synchronises before every access that goes over the bus, so that devices
// and polling loops see each other at the right time; what runs at full speed is code whose data
// and instructions are directly accessible.
//
// Direct memory: a target's DMI latency is not charged per access, since a real core has caches
// there; RiscvCpuConfig::misses_per_thousand says how many loads and stores pay it on average.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <systemc>
#include <tlm>

#include "models/common/activity.h"
#include "models/common/transaction_extension.h"
#include "models/riscv/core.h"

namespace hpimvp::riscv {

struct RiscvCpuConfig {
  CoreConfig core;
  sc_core::sc_time clock_period{1, sc_core::SC_NS};
  /// Zero: TLM's global quantum.
  sc_core::sc_time quantum;
  bool use_dmi = true;
  /// Whether to let SystemC time catch up before an access leaves over the bus. Without it the
  /// access carries the local time as its delay only.
  bool synchronize_on_bus_access = true;
  /// Loads and stores out of a thousand, to directly accessible memory, that pay its latency.
  unsigned misses_per_thousand = 0;
};

class RiscvCpu : public sc_core::sc_module, private Bus {
 public:
  tlm_utils::simple_initiator_socket<RiscvCpu> bus;
  sc_core::sc_in<bool> software_interrupt;  ///< mip.MSIP
  sc_core::sc_in<bool> timer_interrupt;     ///< mip.MTIP
  sc_core::sc_in<bool> external_interrupt;  ///< mip.MEIP

  /// Throws std::invalid_argument for a clock period of zero.
  RiscvCpu(sc_core::sc_module_name name, const RiscvCpuConfig& config);
  ~RiscvCpu() override;

  Core& core() { return core_; }
  const Core& core() const { return core_; }
  const RiscvCpuConfig& config() const { return config_; }

  /// The `time` CSR at a point in simulated time, usually CLINT's mtime. Before this is set, `time`
  /// counts core cycles.
  void set_time_source(std::function<std::uint64_t(const sc_core::sc_time& now)> source) {
    time_source_ = std::move(source);
  }

  /// The simulated time that the core has reached, at or after sc_time_stamp().
  sc_core::sc_time local_time() const { return time_of(core_.cycles()); }

  /// Shows whether the hart runs or sleeps in WFI as "<name>.state". Before the simulation starts.
  void set_activity(common::ActivitySink* sink, const std::string& name);

  /// Ends the core's process at the next block boundary; the core never runs again.
  void request_end();

  /// Called in the core's process when a run ends with a breakpoint, a watchpoint or after
  /// request_halt(), with SystemC time caught up. It may inspect and step the core; execution goes
  /// on when it returns. Without a handler these events are passed over.
  void set_halt_handler(std::function<void(ExitReason)> handler) {
    halt_handler_ = std::move(handler);
  }
  /// From any thread: calls the halt handler with kStopRequested within a quantum.
  void request_halt() { halt_requested_.store(true, std::memory_order_relaxed); }

  /// Access without side effects or time, for loaders and debuggers; returns the bytes transferred.
  std::size_t debug_read(std::uint64_t address, std::span<std::byte> data);
  std::size_t debug_write(std::uint64_t address, std::span<const std::byte> data);

 private:
  BusResponse read(std::uint64_t address, std::span<std::byte> data, AccessKind kind,
                   std::uint64_t now_cycles) override;
  BusResponse write(std::uint64_t address, std::span<const std::byte> data,
                    std::uint64_t now_cycles) override;
  std::uint64_t read_time(std::uint64_t now_cycles) override;

  void execute();
  void sleep();
  void synchronize(std::uint64_t cycles);
  std::uint64_t cycles_to_quantum_end() const;
  void forward_interrupts();
  BusResponse transport(tlm::tlm_command command, std::uint64_t address, unsigned char* data,
                        std::size_t size, std::uint64_t now_cycles);
  void acquire_dmi(tlm::tlm_command command, std::uint64_t address);
  std::uint32_t extra_cycles(const sc_core::sc_time& latency) const;
  void invalidate_dmi(sc_dt::uint64 first, sc_dt::uint64 last);
  std::size_t debug_transport(tlm::tlm_command command, std::uint64_t address, unsigned char* data,
                              std::size_t size);

  sc_core::sc_time time_of(std::uint64_t cycles) const {
    return sc_core::sc_time::from_value(cycles * period_);
  }

  RiscvCpuConfig config_;
  /// The clock period in units of the time resolution.
  std::uint64_t period_;
  Core core_;
  common::TransactionInfo transaction_info_;
  tlm::tlm_generic_payload payload_;
  sc_core::sc_event interrupt_event_;
  std::function<std::uint64_t(const sc_core::sc_time&)> time_source_;
  std::function<void(ExitReason)> halt_handler_;
  common::ActivitySink* activity_ = nullptr;
  common::SignalId state_signal_ = 0;
  std::atomic<bool> halt_requested_{false};
  bool end_requested_ = false;
};

}  // namespace hpimvp::riscv
