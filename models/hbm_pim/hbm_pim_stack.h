// One HBM-PIM stack on the bus: its memory for normal accesses, and the command queue of its
// processing units (hbm_pim_stack.registers.json).
//
// A GEMV command reads x (and the bias) over the interconnect, broadcasts it to its
// pseudo-channels, computes, and writes y back over the interconnect. A program (pim_program.h,
// crf_kernel.h) is a list of PIM commands that software wrote. Times are stack_scheduler.h's;
// normal accesses compete for the banks. In timing mode the memory keeps nothing and no value is
// computed.
#pragma once

#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <systemc>
#include <vector>

#include "generated/models/hbm_pim/hbm_pim_stack_registers.h"
#include "models/common/activity.h"
#include "models/common/command_engine.h"
#include "models/common/sparse_memory.h"
#include "models/common/statistics.h"
#include "models/hbm_pim/config.h"
#include "models/hbm_pim/crf_kernel.h"
#include "models/hbm_pim/error_model.h"
#include "models/hbm_pim/error_registers.h"
#include "models/hbm_pim/pim_program.h"
#include "models/hbm_pim/stack_scheduler.h"
#include "models/hbm_pim/weight_layout.h"

namespace hpimvp::hbm_pim {

class HbmPimStack : public common::CommandEngine {
 public:
  tlm_utils::simple_target_socket<HbmPimStack> memory;

  // `stores_payload` false: timing mode. Throws std::invalid_argument for a configuration that
  // makes no sense.
  HbmPimStack(sc_core::sc_module_name name, const HbmPimConfig& config, std::uint16_t stack_index,
              bool stores_payload);

  // "<name>.state" and the engine <name>. Before the simulation starts.
  void set_activity(common::ActivitySink* sink, const std::string& name);
  // As of now.
  common::Statistics statistics();
  common::Energies energy();
  // Tells of every DRAM command (StackScheduler::observe). Before the simulation starts.
  void observe_commands(const CommandSink& sink) { scheduler_.observe(sink); }
  // Tells of those before now that have not been told.
  void tell_commands() { scheduler_.counts(cycle_now()); }

  // The memory's contents, for loaders. Times nothing.
  common::SparseMemory& image() { return image_; }
  const HbmPimConfig& config() const { return config_; }

 protected:
  std::optional<CommandResult> execute(const Command& command) override;

 private:
  using GemvDescriptor = hbm_pim_stack_registers::GemvDescriptor;
  enum class State : std::uint8_t { kIdle, kReadInput, kCompute, kWriteOutput };

  void install_registers(std::uint16_t stack_index);
  void access_memory(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  bool deny_direct_access(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi);
  unsigned debug_memory(tlm::tlm_generic_payload& payload);

  StackScheduler::Cycle cycle_now() const;
  std::uint64_t to_ps(StackScheduler::Cycle cycle) const;
  void wait_until_ps(std::uint64_t time_ps);
  // Waits for the PIM work that was started last.
  void wait_for_pim();
  // False: an uncorrectable error.
  bool check_errors(const tlm::tlm_generic_payload& payload);

  // What the descriptors of both kinds of program have in common: where their data is.
  struct ProgramBuffers {
    template <typename Descriptor>
    explicit ProgramBuffers(const Descriptor& d)
        : first_pseudo_channel(d.first_pseudo_channel),
          pseudo_channels(d.pseudo_channel_count),
          input_address(d.input_address),
          input_bytes(d.input_bytes),
          input_stride(d.input_stride),
          output_address(d.output_address),
          output_bytes(d.output_bytes),
          output_stride(d.output_stride) {}

    std::uint32_t first_pseudo_channel;
    std::uint32_t pseudo_channels;
    std::uint64_t input_address;
    std::uint32_t input_bytes;
    std::uint32_t input_stride;
    std::uint64_t output_address;
    std::uint32_t output_bytes;
    std::uint32_t output_stride;
  };

  CommandResult execute_program(const Command& command);
  CommandResult execute_kernel(const Command& command);
  // `program`: a PimProgram or CrfKernel that has been loaded.
  template <typename Program>
  CommandResult run_program(const Command& command, const Program& program,
                            const ProgramBuffers& buffers);
  bool is_valid(const ProgramBuffers& buffers) const;
  CommandResult refuse(const ProgramError& error);

  bool is_valid(const GemvDescriptor& descriptor) const;
  CommandResult execute_gemv(const Command& command, const GemvDescriptor& descriptor);
  // Moves `values` over the bus in pieces. Sets `failed_address` when it returns false.
  bool transfer(tlm::tlm_command access, std::uint64_t address, std::vector<std::uint16_t>& values,
                std::uint32_t operation, std::uint64_t& failed_address);
  // The same for octets; `real`: they are moved in timing mode too.
  bool transfer(tlm::tlm_command access, std::uint64_t address, std::uint8_t* data,
                std::size_t bytes, std::uint32_t operation, bool real,
                std::uint64_t& failed_address);
  // Reads what a program consists of.
  template <typename Item>
  bool fetch(std::uint64_t address, std::span<Item> items, std::uint32_t operation,
             std::uint64_t& failed_address) {
    return transfer(tlm::TLM_READ_COMMAND, address, reinterpret_cast<std::uint8_t*>(items.data()),
                    items.size_bytes(), operation, true, failed_address);
  }
  void enter(State state);
  // Of the command that has ended now and took `duration_ps`.
  common::ResourceUsage usage_of(std::uint64_t duration_ps);
  static std::uint64_t now_ps();

  HbmPimConfig config_;
  BitFieldMapping mapping_;
  StackMap map_;
  common::SparseMemory image_;
  StackScheduler scheduler_;
  ErrorModel errors_;
  ErrorRegisters error_registers_;

  // From the first command of the kind on: setting one up compiles the device's timing.
  std::optional<PimProgram> program_;
  std::optional<CrfKernel> kernel_;

  // Operands of the command in execution; kept to reuse their memory.
  std::vector<std::uint16_t> input_;
  std::vector<std::uint16_t> bias_;
  std::vector<std::uint16_t> output_;

  common::ActivitySink* activity_ = nullptr;
  common::SignalId state_signal_ = 0;
  std::uint32_t engine_id_ = 0;
  std::uint64_t gemv_count_ = 0;
  std::uint64_t program_count_ = 0;
  std::uint32_t program_error_ = 0;  // register PROGRAM_ERROR
  std::uint64_t reads_ = 0;
  std::uint64_t writes_ = 0;
  std::uint64_t read_bytes_ = 0;
  std::uint64_t write_bytes_ = 0;
  std::uint64_t busy_ps_ = 0;
  std::uint64_t compute_ps_ = 0;
  // When usage_of() was called last.
  std::uint64_t reported_compute_ps_ = 0;
  std::array<std::uint64_t, kGemvParts> reported_parts_{};
  std::uint64_t reported_waiting_ = 0;
};

}  // namespace hpimvp::hbm_pim
