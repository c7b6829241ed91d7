#include "models/hbm_pim/hbm_pim_stack.h"

#include <algorithm>

#include "models/common/memory_access.h"
#include "models/hbm_pim/gemv.h"

namespace hpimvp::hbm_pim {
namespace {

namespace registers_of = hbm_pim_stack_registers;
using common::CommandError;

// Longest transaction of a GEMV's operands.
constexpr std::size_t kTransferBytes = 64 * 1024;

const HbmPimConfig& checked(const HbmPimConfig& config) {
  check(config);
  return config;
}

}  // namespace

HbmPimStack::HbmPimStack(sc_core::sc_module_name name, const HbmPimConfig& config,
                         std::uint16_t stack_index, bool stores_payload)
    : CommandEngine(name, registers_of::kBlock, registers_of::kCommandQueueOffset,
                    common::Initiator::kHbmStack, stack_index),
      memory("memory"),
      config_(checked(config)),
      image_(config.organisation.stack_bytes(), stores_payload),
      timing_(config) {
  memory.register_b_transport(this, &HbmPimStack::access_memory);
  memory.register_get_direct_mem_ptr(this, &HbmPimStack::deny_direct_access);
  memory.register_transport_dbg(this, &HbmPimStack::debug_memory);
  install_registers(stack_index);
}

void HbmPimStack::install_registers(std::uint16_t stack_index) {
  const auto constant = [this](std::uint32_t offset, std::uint64_t value) {
    block().on_read(offset, [value](std::uint32_t) { return value; });
  };
  const Organisation& organisation = config_.organisation;
  constant(registers_of::kStackIndexOffset, stack_index);
  constant(registers_of::kPseudoChannelsOffset, organisation.pseudo_channels());
  constant(registers_of::kBanksOffset, organisation.banks());
  constant(registers_of::kRowsOffset, organisation.rows);
  constant(registers_of::kRowBytesOffset, organisation.row_bytes);
  constant(registers_of::kLanesOffset, config_.pim.lanes);
  block().on_read(registers_of::kGemvCountOffset, [this](std::uint32_t) { return gemv_count_; });
  block().on_read(registers_of::kMacCommandsOffset,
                  [this](std::uint32_t) { return timing_.counters(now_ps()).mac_commands; });
  block().on_read(registers_of::kActivateCommandsOffset,
                  [this](std::uint32_t) { return timing_.counters(now_ps()).all_bank_activates; });
}

void HbmPimStack::set_activity(common::ActivitySink* sink, const std::string& name) {
  activity_ = sink;
  set_queue_activity(sink, name);
  if (sink == nullptr) return;
  state_signal_ =
      sink->declare_signal(name + ".state", 2, {"IDLE", "READ_INPUT", "COMPUTE", "WRITE_OUTPUT"});
  engine_id_ = sink->declare_engine(name);
}

std::uint64_t HbmPimStack::now_ps() {
  return sc_core::sc_time_stamp().value();
}

void HbmPimStack::enter(State state) {
  if (activity_ != nullptr) {
    activity_->change(state_signal_, now_ps(), static_cast<std::uint64_t>(state));
  }
}

// ------------------------------------------------------------------ normal accesses

void HbmPimStack::access_memory(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const tlm::tlm_response_status status = common::check_memory_access(payload, image_.size());
  payload.set_response_status(status);
  payload.set_dmi_allowed(false);
  if (status != tlm::TLM_OK_RESPONSE || (!payload.is_read() && !payload.is_write())) return;
  common::move_payload(
      payload,
      [this](std::uint64_t at, std::uint8_t* data, std::size_t n) { image_.read(at, data, n); },
      [this](std::uint64_t at, const std::uint8_t* data, std::size_t n) {
        image_.write(at, data, n);
      });
  const std::uint64_t length = payload.get_data_length();
  (payload.is_read() ? reads_ : writes_) += 1;
  (payload.is_read() ? read_bytes_ : write_bytes_) += length;
  const std::uint64_t now = now_ps();
  const std::uint64_t end =
      timing_.access(now + delay.value(), payload.is_write(), payload.get_address(), length);
  delay = sc_core::sc_time::from_value(end - now);
}

// Time matters here: every access goes through the banks.
bool HbmPimStack::deny_direct_access(tlm::tlm_generic_payload&, tlm::tlm_dmi& dmi) {
  dmi.set_start_address(0);
  dmi.set_end_address(image_.size() - 1);
  dmi.allow_none();
  return false;
}

unsigned HbmPimStack::debug_memory(tlm::tlm_generic_payload& payload) {
  return common::serve_memory_debug(
      payload, image_.size(),
      [this](std::uint64_t at, std::uint8_t* data, std::size_t n) { image_.read(at, data, n); },
      [this](std::uint64_t at, const std::uint8_t* data, std::size_t n) {
        image_.write(at, data, n);
      });
}

// ------------------------------------------------------------------ GEMV

std::optional<common::CommandEngine::CommandResult> HbmPimStack::execute(const Command& command) {
  if (command.header.opcode != GemvDescriptor::kOpcode) {
    return CommandResult{CommandError::kBadOpcode, 0};
  }
  const auto descriptor = command.as<GemvDescriptor>();
  if (!is_valid(descriptor)) return CommandResult{CommandError::kBadDescriptor, 0};
  const std::uint64_t start = now_ps();
  const CommandResult result = execute_gemv(command, descriptor);
  enter(State::kIdle);
  busy_ps_ += now_ps() - start;
  if (activity_ != nullptr) {
    activity_->operation(engine_id_, command.header.operation, start, now_ps());
  }
  return result;
}

bool HbmPimStack::is_valid(const GemvDescriptor& descriptor) const {
  const std::uint16_t flags = CommandHeader::kFlagInterrupt | GemvDescriptor::kFlagBias;
  const bool bias = (descriptor.header.flags & GemvDescriptor::kFlagBias) != 0;
  if ((descriptor.header.flags & ~flags) != 0) return false;
  if (descriptor.inputs == 0 || descriptor.outputs == 0) return false;
  if (descriptor.input_address % 2 != 0 || descriptor.output_address % 2 != 0) return false;
  if (bias && descriptor.bias_address % 2 != 0) return false;
  if (descriptor.reserved0 != 0 || descriptor.reserved1 != 0 || descriptor.reserved2 != 0) {
    return false;
  }
  return GemvLayout(config_.organisation, descriptor.inputs, descriptor.outputs,
                    descriptor.weight_row)
      .fits();
}

common::CommandEngine::CommandResult HbmPimStack::execute_gemv(const Command& command,
                                                               const GemvDescriptor& descriptor) {
  const GemvLayout layout(config_.organisation, descriptor.inputs, descriptor.outputs,
                          descriptor.weight_row);
  const bool bias = (descriptor.header.flags & GemvDescriptor::kFlagBias) != 0;
  const std::uint32_t operation = descriptor.header.operation;
  input_.assign(descriptor.inputs, 0);
  bias_.assign(bias ? descriptor.outputs : 0, 0);
  output_.assign(descriptor.outputs, 0);

  enter(State::kReadInput);
  std::uint64_t failed = 0;
  if (!transfer(tlm::TLM_READ_COMMAND, descriptor.input_address, input_, operation, failed) ||
      !transfer(tlm::TLM_READ_COMMAND, descriptor.bias_address, bias_, operation, failed)) {
    return {CommandError::kBusError, failed};
  }

  enter(State::kCompute);
  const std::uint64_t start = now_ps();
  timing_.start_gemv(start, layout, bias);
  if (image_.stores()) compute_gemv(layout, image_, input_, bias_, output_);
  // Normal accesses that break in move the end, so look again when it has come.
  while (!timing_.advance_gemv(now_ps())) {
    wait(sc_core::sc_time::from_value(timing_.gemv_end_ps() - now_ps()));
  }
  compute_ps_ += now_ps() - start;
  gemv_count_ += 1;
  if (abandoned(command)) return {};

  enter(State::kWriteOutput);
  if (!transfer(tlm::TLM_WRITE_COMMAND, descriptor.output_address, output_, operation, failed)) {
    return {CommandError::kBusError, failed};
  }
  return {};
}

bool HbmPimStack::transfer(tlm::tlm_command access, std::uint64_t address,
                           std::vector<std::uint16_t>& values, std::uint32_t operation,
                           std::uint64_t& failed_address) {
  auto* data = reinterpret_cast<std::uint8_t*>(values.data());
  const std::size_t bytes = values.size() * 2;
  for (std::size_t done = 0; done < bytes; done += kTransferBytes) {
    const auto length = static_cast<std::uint32_t>(std::min(kTransferBytes, bytes - done));
    if (!bus_access(access, address + done, data + done, length, operation, image_.stores())) {
      failed_address = address + done;
      return false;
    }
  }
  return true;
}

common::Statistics HbmPimStack::statistics() const {
  const PseudoChannelCounters c = timing_.counters(now_ps());
  return {{"gemv_count", gemv_count_},
          {"busy_ps", busy_ps_},
          {"compute_ps", compute_ps_},
          {"reads", reads_},
          {"writes", writes_},
          {"read_bytes", read_bytes_},
          {"write_bytes", write_bytes_},
          {"read_bursts", c.read_bursts},
          {"write_bursts", c.write_bursts},
          {"row_hits", c.row_hits},
          {"row_misses", c.row_misses},
          {"row_activations", c.activates},
          {"all_bank_activations", c.all_bank_activates},
          {"mac_commands", c.mac_commands},
          {"broadcast_bursts", c.broadcast_bursts},
          {"read_out_bursts", c.read_out_bursts},
          {"refreshes", c.refreshes},
          {"mode_switches", c.mode_switches},
          {"gemv_activate_cycles", c.gemv_activate_cycles},
          {"gemv_mac_cycles", c.gemv_mac_cycles},
          {"gemv_broadcast_cycles", c.gemv_broadcast_cycles},
          {"gemv_read_out_cycles", c.gemv_read_out_cycles},
          {"gemv_refresh_cycles", c.gemv_refresh_cycles},
          {"gemv_mode_cycles", c.gemv_mode_cycles},
          {"gemv_normal_cycles", c.gemv_normal_cycles}};
}

}  // namespace hpimvp::hbm_pim
