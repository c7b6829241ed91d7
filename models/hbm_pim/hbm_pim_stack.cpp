#include "models/hbm_pim/hbm_pim_stack.h"

#include <algorithm>

#include "models/common/memory_access.h"
#include "models/hbm_pim/energy.h"
#include "models/hbm_pim/gemv.h"
#include "models/hbm_pim/layout_words.h"
#include "models/hbm_pim/program_errors.h"

namespace hpimvp::hbm_pim {
namespace {

namespace registers_of = hbm_pim_stack_registers;
using common::CommandError;
using GemvDescriptor = registers_of::GemvDescriptor;
using PimProgramDescriptor = registers_of::PimProgramDescriptor;
using PimKernelDescriptor = registers_of::PimKernelDescriptor;

// Longest transaction of a GEMV's operands.
constexpr std::size_t kTransferBytes = 64 * 1024;

// Largest buffer of a program in one pseudo-channel.
constexpr std::uint32_t kMostProgramBytes = 1u << 20;

StackGemv work_of(const GemvDescriptor& descriptor) {
  const bool columns = (descriptor.header.flags & GemvDescriptor::kFlagColumns) != 0;
  return {descriptor.inputs, descriptor.outputs, descriptor.weight_row,
          columns ? Slicing::kColumns : Slicing::kRows};
}

// Who goes first of those that arrive in the same cycle.
std::uint32_t rank_of(const tlm::tlm_generic_payload& payload) {
  const common::TransactionInfo* info = payload.get_extension<common::TransactionInfo>();
  if (info == nullptr) return 0;
  return static_cast<std::uint32_t>(info->initiator) << 16 | info->initiator_index;
}

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
      mapping_(config.device.organisation, config.mapping),
      map_(config.device, mapping_),
      image_(config.device.organisation.stack_bytes(), stores_payload),
      scheduler_(config.device, config.controller, mapping_),
      errors_(config.errors, stack_index),
      error_registers_(block(), errors_.log(), config.errors.corrected_interrupt,
                       [this](bool level) { set_own_interrupt(level); }) {
  memory.register_b_transport(this, &HbmPimStack::access_memory);
  memory.register_get_direct_mem_ptr(this, &HbmPimStack::deny_direct_access);
  memory.register_transport_dbg(this, &HbmPimStack::debug_memory);
  install_registers(stack_index);
}

void HbmPimStack::install_registers(std::uint16_t stack_index) {
  const auto constant = [this](std::uint32_t offset, std::uint64_t value) {
    block().on_read(offset, [value](std::uint32_t) { return value; });
  };
  const DeviceOrganisation& organisation = config_.device.organisation;
  constant(registers_of::kStackIndexOffset, stack_index);
  constant(registers_of::kPseudoChannelsOffset, organisation.pseudo_channels());
  constant(registers_of::kBanksOffset, organisation.banks());
  constant(registers_of::kRowsOffset, organisation.rows);
  constant(registers_of::kRowBytesOffset, organisation.row_bytes());
  constant(registers_of::kLanesOffset, config_.device.pim.lanes);
  block().on_read(registers_of::kGemvCountOffset, [this](std::uint32_t) { return gemv_count_; });
  block().on_read(registers_of::kProgramErrorOffset,
                  [this](std::uint32_t) { return program_error_; });
  block().on_read(registers_of::kMacCommandsOffset,
                  [this](std::uint32_t) { return scheduler_.counts(cycle_now()).pim_macs; });
  block().on_read(registers_of::kActivateCommandsOffset,
                  [this](std::uint32_t) { return scheduler_.counts(cycle_now()).pim_activates; });
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

// ------------------------------------------------------------------ time

// The first clock edge from now on.
StackScheduler::Cycle HbmPimStack::cycle_now() const {
  const std::uint64_t period = config_.device.clock_period_ps;
  return (now_ps() + period - 1) / period;
}

std::uint64_t HbmPimStack::to_ps(StackScheduler::Cycle cycle) const {
  return cycle * config_.device.clock_period_ps;
}

void HbmPimStack::wait_until_ps(std::uint64_t time_ps) {
  if (time_ps > now_ps()) wait(sc_core::sc_time::from_value(time_ps - now_ps()));
}

void HbmPimStack::wait_for_pim() {
  for (;;) {
    const StackScheduler::Progress progress = scheduler_.pim_progress(cycle_now());
    wait_until_ps(to_ps(progress.cycle));
    if (progress.ended) return;
  }
}

// ------------------------------------------------------------------ normal accesses

// Runs in the initiator's thread, which waits: what comes later can hold up what came before.
void HbmPimStack::access_memory(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const tlm::tlm_response_status status = common::check_memory_access(payload, image_.size());
  payload.set_response_status(status);
  payload.set_dmi_allowed(false);
  if (status != tlm::TLM_OK_RESPONSE || (!payload.is_read() && !payload.is_write())) return;
  if (delay != sc_core::SC_ZERO_TIME) wait(delay);
  delay = sc_core::SC_ZERO_TIME;
  if (!check_errors(payload)) {
    payload.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
  } else {
    common::move_payload(
        payload,
        [this](std::uint64_t at, std::uint8_t* data, std::size_t n) { image_.read(at, data, n); },
        [this](std::uint64_t at, const std::uint8_t* data, std::size_t n) {
          image_.write(at, data, n);
        });
  }
  const std::uint64_t length = payload.get_data_length();
  (payload.is_read() ? reads_ : writes_) += 1;
  (payload.is_read() ? read_bytes_ : write_bytes_) += length;
  const std::uint32_t access = scheduler_.start_access(
      cycle_now(), payload.is_write(), payload.get_address(), length, rank_of(payload));
  for (;;) {
    const StackScheduler::Progress progress = scheduler_.access_progress(access, cycle_now());
    const std::uint64_t latency = progress.ended ? to_ps(config_.controller_latency) : 0;
    wait_until_ps(to_ps(progress.cycle) + latency);
    if (progress.ended) return;
  }
}

bool HbmPimStack::check_errors(const tlm::tlm_generic_payload& payload) {
  if (!errors_.is_active()) return true;
  const std::uint64_t length = payload.get_data_length();
  const EccOutcome outcome = payload.is_read()
                                 ? errors_.read(now_ps(), payload.get_address(), length)
                                 : errors_.write(now_ps(), payload.get_address(), length);
  if (!outcome.is_clean()) error_registers_.note(outcome);
  return payload.is_write() || outcome.uncorrected == 0;
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
  const std::uint64_t start = now_ps();
  CommandResult result;
  switch (command.header.opcode) {
    case GemvDescriptor::kOpcode:
      result = execute_gemv(command, command.as<GemvDescriptor>());
      break;
    case PimProgramDescriptor::kOpcode:
      result = execute_program(command);
      break;
    case PimKernelDescriptor::kOpcode:
      result = execute_kernel(command);
      break;
    default:
      return CommandResult{CommandError::kBadOpcode, 0};
  }
  enter(State::kIdle);
  busy_ps_ += now_ps() - start;
  if (activity_ != nullptr && result.error != CommandError::kBadDescriptor) {
    activity_->operation(engine_id_, command.header.operation, start, now_ps());
    activity_->usage(engine_id_, command.header.operation, usage_of(now_ps() - start));
  }
  return result;
}

// Since the command before. Pseudo-channels with less to do than others do not say what the command
// waited for, but they count here like the others: a share of the sum over all of them.
common::ResourceUsage HbmPimStack::usage_of(std::uint64_t duration_ps) {
  using common::Resource;
  static constexpr std::array<Resource, kGemvParts> kResourceOf = {
      Resource::kActivation, Resource::kColumns, Resource::kBroadcast,
      Resource::kReadOut,    Resource::kRefresh, Resource::kModeChange};
  const std::uint64_t compute_ps = std::min(compute_ps_ - reported_compute_ps_, duration_ps);
  const auto& parts = scheduler_.ended_pim_cycles();
  const std::uint64_t waiting = scheduler_.ended_pim_waiting_cycles() - reported_waiting_;
  std::uint64_t whole = waiting;
  for (unsigned i = 0; i < kGemvParts; ++i) whole += parts[i] - reported_parts_[i];
  common::ResourceUsage usage;
  for (unsigned i = 0; i < kGemvParts; ++i) {
    usage[kResourceOf[i]] = common::share_of(compute_ps, parts[i] - reported_parts_[i], whole);
  }
  usage[Resource::kAccesses] = common::share_of(compute_ps, waiting, whole);
  usage[Resource::kTransfer] = duration_ps - usage.total();
  reported_compute_ps_ = compute_ps_;
  reported_parts_ = parts;
  reported_waiting_ += waiting;
  return usage;
}

bool HbmPimStack::is_valid(const GemvDescriptor& descriptor) const {
  const std::uint16_t flags =
      CommandHeader::kFlagInterrupt | GemvDescriptor::kFlagBias | GemvDescriptor::kFlagColumns;
  const bool bias = (descriptor.header.flags & GemvDescriptor::kFlagBias) != 0;
  if ((descriptor.header.flags & ~flags) != 0) return false;
  if (descriptor.inputs == 0 || descriptor.outputs == 0) return false;
  if (descriptor.input_address % 2 != 0 || descriptor.output_address % 2 != 0) return false;
  if (bias && descriptor.bias_address % 2 != 0) return false;
  if (descriptor.reserved0 != 0 || descriptor.reserved1 != 0 || descriptor.reserved2 != 0) {
    return false;
  }
  return WeightLayout::fits(config_.device, work_of(descriptor));
}

common::CommandEngine::CommandResult HbmPimStack::execute_gemv(const Command& command,
                                                               const GemvDescriptor& descriptor) {
  if (!is_valid(descriptor)) return {CommandError::kBadDescriptor, 0};
  const WeightLayout layout(map_, work_of(descriptor));
  const bool bias = (descriptor.header.flags & GemvDescriptor::kFlagBias) != 0;
  const std::uint32_t operation = descriptor.header.operation;
  // In timing mode there is nothing to forget in them.
  const auto prepare = [this](std::vector<std::uint16_t>& values, std::size_t size) {
    if (image_.stores()) values.clear();
    values.resize(size);
  };
  prepare(input_, descriptor.inputs);
  prepare(bias_, bias ? descriptor.outputs : 0);
  prepare(output_, descriptor.outputs);

  enter(State::kReadInput);
  std::uint64_t failed = 0;
  if (!transfer(tlm::TLM_READ_COMMAND, descriptor.input_address, input_, operation, failed) ||
      !transfer(tlm::TLM_READ_COMMAND, descriptor.bias_address, bias_, operation, failed)) {
    return {CommandError::kBusError, failed};
  }

  enter(State::kCompute);
  const std::uint64_t start = now_ps();
  EccOutcome outcome;
  if (errors_.is_active()) outcome = errors_.read_weights(start, LayoutWords(layout, mapping_));
  scheduler_.start_gemv(cycle_now(), WeightLayout::works(config_.device, layout.gemv(), bias));
  if (image_.stores()) compute_gemv(layout, image_, input_, bias_, output_);
  wait_for_pim();
  compute_ps_ += now_ps() - start;
  gemv_count_ += 1;
  if (abandoned(command)) return {};
  if (!outcome.is_clean()) error_registers_.note(outcome);
  if (outcome.uncorrected != 0) return {CommandError::kUncorrectableError, outcome.failed_offset};

  enter(State::kWriteOutput);
  if (!transfer(tlm::TLM_WRITE_COMMAND, descriptor.output_address, output_, operation, failed)) {
    return {CommandError::kBusError, failed};
  }
  return {};
}

bool HbmPimStack::transfer(tlm::tlm_command access, std::uint64_t address,
                           std::vector<std::uint16_t>& values, std::uint32_t operation,
                           std::uint64_t& failed_address) {
  return transfer(access, address, reinterpret_cast<std::uint8_t*>(values.data()),
                  values.size() * 2, operation, image_.stores(), failed_address);
}

bool HbmPimStack::transfer(tlm::tlm_command access, std::uint64_t address, std::uint8_t* data,
                           std::size_t bytes, std::uint32_t operation, bool real,
                           std::uint64_t& failed_address) {
  for (std::size_t done = 0; done < bytes; done += kTransferBytes) {
    const auto length = static_cast<std::uint32_t>(std::min(kTransferBytes, bytes - done));
    if (!bus_access(access, address + done, data + done, length, operation, real)) {
      failed_address = address + done;
      return false;
    }
  }
  return true;
}

// ------------------------------------------------------------------ programs

bool HbmPimStack::is_valid(const ProgramBuffers& b) const {
  const std::uint32_t pseudo_channels = config_.device.organisation.pseudo_channels();
  if (b.pseudo_channels == 0 || b.first_pseudo_channel >= pseudo_channels ||
      b.pseudo_channels > pseudo_channels - b.first_pseudo_channel) {
    return false;
  }
  if (b.input_bytes % 2 != 0 || (b.input_bytes != 0 && b.input_address % 2 != 0)) return false;
  if (b.output_bytes % 2 != 0 || (b.output_bytes != 0 && b.output_address % 2 != 0)) return false;
  if (b.input_stride % 2 != 0 || b.output_stride % 2 != 0) return false;
  if (b.input_bytes > kMostProgramBytes || b.output_bytes > kMostProgramBytes) return false;
  return b.pseudo_channels == 1 || b.output_bytes == 0 || b.output_stride >= b.output_bytes;
}

common::CommandEngine::CommandResult HbmPimStack::refuse(const ProgramError& error) {
  program_error_ = std::min(error.word, 0xFFFFFFU) | static_cast<std::uint32_t>(error.reason) << 24;
  return {CommandError::kProgramTrap, 0};
}

common::CommandEngine::CommandResult HbmPimStack::execute_program(const Command& command) {
  const auto d = command.as<PimProgramDescriptor>();
  const ProgramBuffers buffers(d);
  if ((d.header.flags & ~CommandHeader::kFlagInterrupt) != 0 || d.word_count == 0 ||
      d.word_count > PimProgramDescriptor::kMostWords || d.list_address % 8 != 0 ||
      d.reserved0 != 0 || !is_valid(buffers)) {
    return {CommandError::kBadDescriptor, 0};
  }
  enter(State::kReadInput);
  std::vector<PimCommandWord> words(d.word_count);
  std::uint64_t failed = 0;
  if (!fetch(d.list_address, std::span(words), d.header.operation, failed)) {
    return {CommandError::kBusError, failed};
  }
  if (!program_) program_.emplace(config_.device);
  if (const auto error = program_->load(words, d.input_bytes, d.output_bytes)) {
    return refuse(*error);
  }
  return run_program(command, *program_, buffers);
}

common::CommandEngine::CommandResult HbmPimStack::execute_kernel(const Command& command) {
  const auto d = command.as<PimKernelDescriptor>();
  const ProgramBuffers buffers(d);
  if ((d.header.flags & ~CommandHeader::kFlagInterrupt) != 0 || d.command_count == 0 ||
      d.command_count > PimKernelDescriptor::kMostCommands || d.list_address % 8 != 0 ||
      d.kernel_address % 8 != 0 || !is_valid(buffers)) {
    return {CommandError::kBadDescriptor, 0};
  }
  enter(State::kReadInput);
  PimKernelImage image{};
  std::vector<PimColumnCommand> commands(d.command_count);
  std::uint64_t failed = 0;
  if (!fetch(d.kernel_address, std::span(&image, 1), d.header.operation, failed) ||
      !fetch(d.list_address, std::span(commands), d.header.operation, failed)) {
    return {CommandError::kBusError, failed};
  }
  if (!kernel_) kernel_.emplace(config_.device);
  if (const auto error = kernel_->load(image, commands, d.input_bytes, d.output_bytes)) {
    return refuse(*error);
  }
  return run_program(command, *kernel_, buffers);
}

template <typename Program>
common::CommandEngine::CommandResult HbmPimStack::run_program(const Command& command,
                                                              const Program& program,
                                                              const ProgramBuffers& buffers) {
  const std::uint32_t operation = command.header.operation;
  const std::uint32_t count = buffers.pseudo_channels;
  const bool shared = buffers.input_stride == 0;
  std::vector<std::vector<std::uint8_t>> inputs(shared ? 1 : count,
                                                std::vector<std::uint8_t>(buffers.input_bytes));
  std::vector<std::vector<std::uint8_t>> outputs(count,
                                                 std::vector<std::uint8_t>(buffers.output_bytes));
  std::uint64_t failed = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!transfer(tlm::TLM_READ_COMMAND, buffers.input_address + i * buffers.input_stride,
                  inputs[i].data(), inputs[i].size(), operation, image_.stores(), failed)) {
      return {CommandError::kBusError, failed};
    }
  }

  enter(State::kCompute);
  const std::uint64_t start = now_ps();
  ChannelMask mask;
  for (std::uint32_t i = 0; i < count; ++i) mask.set(buffers.first_pseudo_channel + i);
  scheduler_.start_list(cycle_now(), mask,
                        std::make_shared<const std::vector<PimCommand>>(program.commands()));
  EccOutcome outcome;
  if (errors_.is_active()) errors_.start_program(start);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t pseudo_channel = buffers.first_pseudo_channel + i;
    ProgramEcc ecc;
    if (errors_.is_active()) {
      ecc = read_program(errors_, program.runs(), config_.device, mapping_, pseudo_channel);
      outcome += ecc.found;
    }
    if (!image_.stores()) continue;
    const PimCells cells(image_, mapping_, config_.device.organisation, pseudo_channel);
    program.execute(cells, inputs[shared ? 0 : i], outputs[i], ecc.end);
  }
  wait_for_pim();
  compute_ps_ += now_ps() - start;
  program_count_ += 1;
  if (abandoned(command)) return {};
  if (!outcome.is_clean()) error_registers_.note(outcome);
  if (outcome.uncorrected != 0) return {CommandError::kUncorrectableError, outcome.failed_offset};

  enter(State::kWriteOutput);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t address = buffers.output_address + std::uint64_t{i} * buffers.output_stride;
    if (!transfer(tlm::TLM_WRITE_COMMAND, address, outputs[i].data(), outputs[i].size(), operation,
                  image_.stores(), failed)) {
      return {CommandError::kBusError, failed};
    }
  }
  return {};
}

common::Statistics HbmPimStack::statistics() {
  const StackCounts counts = scheduler_.counts(cycle_now());
  const auto commands = [&counts](DramCommand command) { return counts.commands[command]; };
  const auto part = [&counts](GemvPart which) {
    return counts.pim_cycles[static_cast<unsigned>(which)];
  };
  return {{"gemv_count", gemv_count_},
          {"program_count", program_count_},
          {"ecc_corrected", errors_.log().corrected},
          {"ecc_uncorrected", errors_.log().uncorrected},
          {"busy_ps", busy_ps_},
          {"compute_ps", compute_ps_},
          {"reads", reads_},
          {"writes", writes_},
          {"read_bytes", read_bytes_},
          {"write_bytes", write_bytes_},
          {"read_bursts", commands(DramCommand::kRead)},
          {"write_bursts", commands(DramCommand::kWrite)},
          {"forwarded_reads", counts.forwarded_reads},
          {"row_activations", commands(DramCommand::kActivate)},
          {"bus_turnarounds", counts.turnarounds},
          {"all_bank_activations", commands(DramCommand::kActivateBanks)},
          {"mac_commands", commands(DramCommand::kMac)},
          {"broadcast_bursts", commands(DramCommand::kWriteBuffer)},
          {"bias_bursts", commands(DramCommand::kWriteBias)},
          {"read_out_bursts", commands(DramCommand::kReadResult)},
          {"refreshes", commands(DramCommand::kRefresh)},
          {"bank_refreshes", commands(DramCommand::kRefreshBank)},
          {"mode_switches", commands(DramCommand::kPimEnter) + commands(DramCommand::kPimExit)},
          {"pim_activate_cycles", part(GemvPart::kActivate)},
          {"pim_compute_cycles", part(GemvPart::kCompute)},
          {"pim_broadcast_cycles", part(GemvPart::kBroadcast)},
          {"pim_read_out_cycles", part(GemvPart::kReadOut)},
          {"pim_refresh_cycles", part(GemvPart::kRefresh)},
          {"pim_mode_cycles", part(GemvPart::kModeChange)},
          {"pim_waiting_cycles", counts.pim_waiting_cycles}};
}

common::Energies HbmPimStack::energy() {
  common::Energies energies;
  energy_of(config_.device, scheduler_.counts(cycle_now()).commands)
      .for_each(
          [&](const char* use, double picojoules) { energies.emplace_back(use, picojoules); });
  return energies;
}

}  // namespace hpimvp::hbm_pim
