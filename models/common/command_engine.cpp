#include "models/common/command_engine.h"

#include "models/common/register_port.h"

namespace hpimvp::common {

CommandEngine::CommandEngine(sc_core::sc_module_name name, const BlockInfo& info,
                             std::uint32_t queue_offset, Initiator initiator,
                             std::uint16_t initiator_index)
    : sc_module(name),
      registers("registers"),
      bus("bus"),
      interrupt("interrupt"),
      block_(info),
      queue_(block_, queue_offset,
             {.work_available = [this] { work_event_.notify(sc_core::SC_ZERO_TIME); },
              .interrupt = [this](bool) { interrupt_event_.notify(sc_core::SC_ZERO_TIME); },
              .reset = [this] { queue_reset(); }}),
      initiator_(initiator),
      initiator_index_(initiator_index) {
  registers.register_b_transport(this, &CommandEngine::serve_registers);
  registers.register_transport_dbg(this, &CommandEngine::serve_debug);
  SC_HAS_PROCESS(CommandEngine);
  SC_THREAD(run);
  SC_METHOD(drive_interrupt);
  sensitive << interrupt_event_;
}

void CommandEngine::serve_registers(tlm::tlm_generic_payload& payload, sc_core::sc_time&) {
  serve_register_access(block_, payload);
  report_depth();
}

void CommandEngine::set_queue_activity(ActivitySink* sink, const std::string& name) {
  queue_activity_ = sink;
  if (sink != nullptr) depth_signal_ = sink->declare_signal(name + ".queue_depth", 12);
}

void CommandEngine::report_depth() {
  if (queue_activity_ == nullptr || queue_.depth() == reported_depth_) return;
  reported_depth_ = queue_.depth();
  queue_activity_->change(depth_signal_, sc_core::sc_time_stamp().value(), reported_depth_);
}

unsigned CommandEngine::serve_debug(tlm::tlm_generic_payload& payload) {
  return serve_register_debug(block_, payload);
}

// One process drives the line, whoever changed the level: sc_signal takes one writer only.
void CommandEngine::drive_interrupt() {
  interrupt.write(queue_.interrupt_level() || own_interrupt_);
}

void CommandEngine::set_own_interrupt(bool level) {
  own_interrupt_ = level;
  interrupt_event_.notify(sc_core::SC_ZERO_TIME);
}

void CommandEngine::run() {
  Command command;
  for (;;) {
    while (!queue_.has_work()) wait(work_event_);
    command.ticket = queue_.start();
    if (const auto result = fetch_and_execute(command)) finish(command, *result);
  }
}

std::optional<CommandEngine::CommandResult> CommandEngine::fetch_and_execute(Command& command) {
  command.header.operation = kNoOperation;
  const bool fetched = bus_access(tlm::TLM_READ_COMMAND, command.ticket.address,
                                  command.bytes.data(), kDescriptorBytes, kNoOperation);
  if (!fetched) return CommandResult{CommandError::kDescriptorFetch, command.ticket.address};
  std::memcpy(&command.header, command.bytes.data(), sizeof(command.header));
  if (abandoned(command)) return CommandResult{};
  return execute(command);
}

void CommandEngine::finish(const Command& command, const CommandResult& result) {
  if (result.error != CommandError::kNone) {
    queue_.fail(command.ticket, result.error, result.address);
    return;
  }
  queue_.complete(command.ticket, (command.header.flags & CommandHeader::kFlagInterrupt) != 0);
  report_depth();
}

bool CommandEngine::bus_access(tlm::tlm_command access, std::uint64_t address, std::uint8_t* data,
                               std::uint32_t length, std::uint32_t operation, bool payload_valid) {
  TransactionInfo info;
  info.initiator = initiator_;
  info.initiator_index = initiator_index_;
  info.operation = operation;
  info.payload_valid = payload_valid;
  tlm::tlm_generic_payload payload;
  payload.set_command(access);
  payload.set_address(address);
  payload.set_data_ptr(data);
  payload.set_data_length(length);
  payload.set_streaming_width(length);
  payload.set_extension(&info);
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  bus->b_transport(payload, delay);
  payload.clear_extension(&info);
  if (delay != sc_core::SC_ZERO_TIME) wait(delay);
  return payload.is_response_ok();
}

}  // namespace hpimvp::common
