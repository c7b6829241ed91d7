#include "models/riscv/riscv_cpu.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace hpimvp::riscv {

using sc_core::sc_time;
using sc_core::sc_time_stamp;

RiscvCpu::RiscvCpu(sc_core::sc_module_name name, const RiscvCpuConfig& config)
    : sc_module(name),
      bus("bus"),
      software_interrupt("software_interrupt"),
      timer_interrupt("timer_interrupt"),
      external_interrupt("external_interrupt"),
      config_(config),
      period_(config.clock_period.value()),
      core_(config.core, *this) {
  if (period_ == 0) throw std::invalid_argument(std::string(this->name()) + ": clock period is 0");
  transaction_info_.initiator = common::Initiator::kHost;
  transaction_info_.initiator_index = static_cast<std::uint16_t>(config.core.hart_id);
  payload_.set_extension(&transaction_info_);
  bus.register_invalidate_direct_mem_ptr(this, &RiscvCpu::invalidate_dmi);
  SC_HAS_PROCESS(RiscvCpu);
  SC_THREAD(execute);
  SC_METHOD(forward_interrupts);
  sensitive << software_interrupt << timer_interrupt << external_interrupt;
}

// The payload would delete an extension that is still attached.
RiscvCpu::~RiscvCpu() {
  payload_.clear_extension(&transaction_info_);
}

void RiscvCpu::request_end() {
  end_requested_ = true;
  core_.request_stop();
  interrupt_event_.notify(sc_core::SC_ZERO_TIME);
}

void RiscvCpu::forward_interrupts() {
  core_.set_interrupt(Interrupt::kSoftware, software_interrupt.read());
  core_.set_interrupt(Interrupt::kTimer, timer_interrupt.read());
  core_.set_interrupt(Interrupt::kExternal, external_interrupt.read());
  interrupt_event_.notify(sc_core::SC_ZERO_TIME);
}

// ---- The process ----

void RiscvCpu::execute() {
  while (!end_requested_) {
    const RunResult result = core_.run(cycles_to_quantum_end());
    if (end_requested_) break;
    synchronize(core_.cycles());
    if (halt_requested_.exchange(false, std::memory_order_relaxed)) {
      if (halt_handler_) halt_handler_(ExitReason::kStopRequested);
      continue;
    }
    if (result.reason == ExitReason::kWaitingForInterrupt) {
      sleep();
    } else if (result.reason != ExitReason::kBudget && halt_handler_) {
      halt_handler_(result.reason);
    }
  }
}

void RiscvCpu::set_activity(common::ActivitySink* sink, const std::string& name) {
  activity_ = sink;
  if (sink != nullptr) state_signal_ = sink->declare_signal(name + ".state", 1, {"RUN", "SLEEP"});
}

void RiscvCpu::sleep() {
  if (activity_ != nullptr) activity_->change(state_signal_, local_time().value(), 1);
  // A debugger that asks for a halt gets it within a quantum even from a hart that sleeps.
  while (core_.sleeps() && !end_requested_ && !halt_requested_.load(std::memory_order_relaxed)) {
    if (halt_handler_) {
      wait(sc_time::from_value(cycles_to_quantum_end() * period_), interrupt_event_);
    } else {
      wait(interrupt_event_);
    }
  }
  const sc_time reached = local_time();
  const sc_time now = sc_time_stamp();
  if (now > reached) {
    core_.add_idle_cycles(((now - reached).value() + period_ - 1) / period_);
  }
  if (activity_ != nullptr) activity_->change(state_signal_, local_time().value(), 0);
}

/// Lets SystemC time catch up with the core.
void RiscvCpu::synchronize(std::uint64_t cycles) {
  const sc_time target = time_of(cycles);
  const sc_time now = sc_time_stamp();
  if (target > now) wait(target - now);
}

std::uint64_t RiscvCpu::cycles_to_quantum_end() const {
  const sc_time quantum = config_.quantum == sc_core::SC_ZERO_TIME
                              ? tlm::tlm_global_quantum::instance().get()
                              : config_.quantum;
  if (quantum == sc_core::SC_ZERO_TIME) return 1;
  const std::uint64_t reached = std::max(local_time(), sc_time_stamp()).value();
  const std::uint64_t left = quantum.value() - reached % quantum.value();
  return (left + period_ - 1) / period_;
}

// ---- The bus ----

BusResponse RiscvCpu::read(std::uint64_t address, std::span<std::byte> data, AccessKind,
                           std::uint64_t now_cycles) {
  return transport(tlm::TLM_READ_COMMAND, address, reinterpret_cast<unsigned char*>(data.data()),
                   data.size(), now_cycles);
}

BusResponse RiscvCpu::write(std::uint64_t address, std::span<const std::byte> data,
                            std::uint64_t now_cycles) {
  std::byte copy[8];
  std::copy(data.begin(), data.end(), copy);
  return transport(tlm::TLM_WRITE_COMMAND, address, reinterpret_cast<unsigned char*>(copy),
                   data.size(), now_cycles);
}

BusResponse RiscvCpu::transport(tlm::tlm_command command, std::uint64_t address,
                                unsigned char* data, std::size_t size, std::uint64_t now_cycles) {
  if (config_.synchronize_on_bus_access) synchronize(now_cycles);
  payload_.set_command(command);
  payload_.set_address(address);
  payload_.set_data_ptr(data);
  payload_.set_data_length(static_cast<unsigned>(size));
  payload_.set_streaming_width(static_cast<unsigned>(size));
  payload_.set_byte_enable_ptr(nullptr);
  payload_.set_dmi_allowed(false);
  payload_.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  const sc_time begin = time_of(now_cycles);
  const sc_time now = sc_time_stamp();
  sc_time delay = begin > now ? begin - now : sc_core::SC_ZERO_TIME;
  bus->b_transport(payload_, delay);
  if (!payload_.is_response_ok()) return {};
  const sc_time end = sc_time_stamp() + delay;
  const std::uint64_t taken = end > begin ? (end - begin).value() : 0;
  if (config_.use_dmi && payload_.is_dmi_allowed()) acquire_dmi(command, address);
  return {true, (taken + period_ - 1) / period_};
}

std::uint64_t RiscvCpu::read_time(std::uint64_t now_cycles) {
  return time_source_ ? time_source_(time_of(now_cycles)) : now_cycles;
}

// ---- Direct memory ----

void RiscvCpu::acquire_dmi(tlm::tlm_command command, std::uint64_t address) {
  tlm::tlm_dmi dmi;
  payload_.set_command(command);
  payload_.set_address(address);
  if (!bus->get_direct_mem_ptr(payload_, dmi) || dmi.get_dmi_ptr() == nullptr) return;
  MemoryRegion region;
  region.base = dmi.get_start_address();
  // A region that is the whole address space is cut by its last byte, which its size cannot count.
  const std::uint64_t span = dmi.get_end_address() - dmi.get_start_address();
  region.size_bytes = span == ~std::uint64_t{0} ? span : span + 1;
  region.host = reinterpret_cast<std::byte*>(dmi.get_dmi_ptr());
  region.readable = dmi.is_read_allowed();
  region.writable = dmi.is_write_allowed();
  region.executable = dmi.is_read_allowed();
  region.extra_cycles_per_load = extra_cycles(dmi.get_read_latency());
  region.extra_cycles_per_store = extra_cycles(dmi.get_write_latency());
  core_.add_memory(region);
}

std::uint32_t RiscvCpu::extra_cycles(const sc_time& latency) const {
  const std::uint64_t weighted = latency.value() * config_.misses_per_thousand;
  return static_cast<std::uint32_t>((weighted + 500 * period_) / (1000 * period_));
}

void RiscvCpu::invalidate_dmi(sc_dt::uint64 first, sc_dt::uint64 last) {
  core_.remove_memory(first, last);
}

// ---- Debug access ----

std::size_t RiscvCpu::debug_transport(tlm::tlm_command command, std::uint64_t address,
                                      unsigned char* data, std::size_t size) {
  tlm::tlm_generic_payload payload;
  payload.set_command(command);
  payload.set_address(address);
  payload.set_data_ptr(data);
  payload.set_data_length(static_cast<unsigned>(size));
  payload.set_streaming_width(static_cast<unsigned>(size));
  return bus->transport_dbg(payload);
}

std::size_t RiscvCpu::debug_read(std::uint64_t address, std::span<std::byte> data) {
  return debug_transport(tlm::TLM_READ_COMMAND, address,
                         reinterpret_cast<unsigned char*>(data.data()), data.size());
}

std::size_t RiscvCpu::debug_write(std::uint64_t address, std::span<const std::byte> data) {
  auto* bytes = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(data.data()));
  const std::size_t written = debug_transport(tlm::TLM_WRITE_COMMAND, address, bytes, data.size());
  core_.forget_code();
  return written;
}

}  // namespace hpimvp::riscv
