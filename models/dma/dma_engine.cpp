#include "models/dma/dma_engine.h"

#include <stdexcept>
#include <utility>

namespace hpimvp::dma {

using common::CommandError;

DmaEngine::DmaEngine(sc_core::sc_module_name name, const DmaEngineConfig& config,
                     PayloadPredicate is_payload_address)
    : CommandEngine(name, dma_engine_registers::kBlock, dma_engine_registers::kCommandQueueOffset,
                    common::Initiator::kDma, 0),
      config_(config),
      is_payload_address_(std::move(is_payload_address)) {
  if (config_.burst_bytes == 0 || config_.buffers == 0 || config_.clock_period_ps == 0) {
    throw std::invalid_argument("DMA: burst size, buffer count and clock period must not be 0");
  }
  buffers_.resize(config_.buffers);
  for (Buffer& buffer : buffers_) buffer.data.resize(config_.burst_bytes);
  block().on_read(dma_engine_registers::kBytesCopiedOffset,
                  [this](std::uint32_t) { return bytes_copied_; });
  SC_HAS_PROCESS(DmaEngine);
  SC_THREAD(write_bursts);
}

void DmaEngine::set_activity(common::ActivitySink* sink, const std::string& name) {
  activity_ = sink;
  set_queue_activity(sink, name);
  if (sink == nullptr) return;
  busy_signal_ = sink->declare_signal(name + ".busy", 1);
  engine_id_ = sink->declare_engine(name);
}

std::optional<common::CommandEngine::CommandResult> DmaEngine::execute(const Command& command) {
  if (command.header.opcode != CopyDescriptor::kOpcode) {
    return CommandResult{CommandError::kBadOpcode, 0};
  }
  const auto descriptor = command.as<CopyDescriptor>();
  if (!is_valid(descriptor)) return CommandResult{CommandError::kBadDescriptor, 0};

  const std::uint64_t start_ps = sc_core::sc_time_stamp().value();
  if (activity_ != nullptr) activity_->change(busy_signal_, start_ps, 1);
  const CommandResult result = copy(command, descriptor);
  const std::uint64_t end_ps = sc_core::sc_time_stamp().value();
  busy_ps_ += end_ps - start_ps;
  ++commands_;
  if (activity_ != nullptr) {
    activity_->change(busy_signal_, end_ps, 0);
    activity_->operation(engine_id_, command.header.operation, start_ps, end_ps);
    common::ResourceUsage usage;
    usage[common::Resource::kTransfer] = end_ps - start_ps;
    activity_->usage(engine_id_, command.header.operation, usage);
  }
  return result;
}

common::CommandEngine::CommandResult DmaEngine::copy(const Command& command,
                                                     const CopyDescriptor& descriptor) {
  wait(sc_core::sc_time::from_value(config_.decode_cycles * config_.clock_period_ps));
  write_result_ = {};
  const CommandResult read_result =
      read_bursts(command, CopySchedule(descriptor, config_.burst_bytes));
  while (filled_ != 0) wait(buffer_freed_);
  // Writing runs behind reading, so a failed write belongs to an earlier burst.
  return write_result_.error != CommandError::kNone ? write_result_ : read_result;
}

common::CommandEngine::CommandResult DmaEngine::read_bursts(const Command& command,
                                                            CopySchedule schedule) {
  while (!schedule.done() && !abandoned(command)) {
    while (filled_ == buffers_.size()) wait(buffer_freed_);
    if (write_result_.error != CommandError::kNone) break;
    Buffer& buffer = buffers_[(oldest_ + filled_) % buffers_.size()];
    buffer.burst = schedule.next();
    buffer.operation = command.header.operation;
    buffer.payload_valid = payload_valid(buffer.burst);
    if (!bus_access(tlm::TLM_READ_COMMAND, buffer.burst.source, buffer.data.data(),
                    buffer.burst.bytes, buffer.operation, buffer.payload_valid)) {
      return {CommandError::kBusError, buffer.burst.source};
    }
    ++filled_;
    buffer_filled_.notify(sc_core::SC_ZERO_TIME);
  }
  return {};
}

void DmaEngine::write_bursts() {
  for (;;) {
    while (filled_ == 0) wait(buffer_filled_);
    Buffer& buffer = buffers_[oldest_];
    // After a failure, what has been read already is dropped.
    if (write_result_.error == CommandError::kNone) {
      if (bus_access(tlm::TLM_WRITE_COMMAND, buffer.burst.destination, buffer.data.data(),
                     buffer.burst.bytes, buffer.operation, buffer.payload_valid)) {
        bytes_copied_ += buffer.burst.bytes;
        ++bursts_;
      } else {
        write_result_ = {CommandError::kBusError, buffer.burst.destination};
      }
    }
    oldest_ = (oldest_ + 1) % buffers_.size();
    --filled_;
    buffer_freed_.notify(sc_core::SC_ZERO_TIME);
  }
}

bool DmaEngine::payload_valid(const Burst& burst) const {
  return !is_payload_address_ ||
         !(is_payload_address_(burst.source) || is_payload_address_(burst.destination));
}

common::Statistics DmaEngine::statistics() const {
  return {{"commands", commands_},
          {"bursts", bursts_},
          {"copied_bytes", bytes_copied_},
          {"busy_ps", busy_ps_}};
}

}  // namespace hpimvp::dma
