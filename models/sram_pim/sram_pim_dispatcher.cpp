#include "models/sram_pim/sram_pim_dispatcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <utility>

namespace hpimvp::sram_pim {
namespace {

namespace registers_of = sram_pim_dispatcher_registers;
using common::CommandError;

constexpr std::size_t kMaxTiles = 64;

}  // namespace

SramPimDispatcher::SramPimDispatcher(sc_core::sc_module_name name, const TileConfig& config,
                                     std::vector<TileControl*> tiles)
    : CommandEngine(name, registers_of::kBlock, registers_of::kCommandQueueOffset,
                    common::Initiator::kDispatcher, 0),
      config_(config),
      tiles_(std::move(tiles)) {
  if (tiles_.empty() || tiles_.size() > kMaxTiles) {
    throw std::invalid_argument(
        fmt::format("the dispatcher takes 1 to {} tiles, not {}", kMaxTiles, tiles_.size()));
  }
  install_registers();
}

void SramPimDispatcher::install_registers() {
  const auto constant = [this](std::uint32_t offset, std::uint64_t value) {
    block().on_read(offset, [value](std::uint32_t) { return value; });
  };
  constant(registers_of::kTileCountOffset, tiles_.size());
  constant(registers_of::kActivationBytesOffset, config_.activation_bytes);
  constant(registers_of::kControlBytesOffset, config_.control_bytes);
  block().on_read(registers_of::kBusyTilesOffset, [this](std::uint32_t) { return busy_tiles(); });
  block().on_read(registers_of::kTrappedTilesOffset, [this](std::uint32_t) {
    std::uint64_t mask = 0;
    for (std::size_t i = 0; i < tiles_.size(); ++i) {
      if (tiles_[i]->trapped()) mask |= std::uint64_t{1} << i;
    }
    return mask;
  });
}

void SramPimDispatcher::set_diagnostic(std::function<void(const std::string&)> diagnostic,
                                       std::function<std::string(std::uint32_t)> operation_name) {
  diagnostic_ = std::move(diagnostic);
  operation_name_ = std::move(operation_name);
}

std::string SramPimDispatcher::place_of(std::uint32_t operation) const {
  if (operation == common::kNoOperation) return {};
  return ", in operator " +
         (operation_name_ ? operation_name_(operation) : fmt::format("{}", operation));
}

void SramPimDispatcher::set_activity(common::ActivitySink* sink, const std::string& name) {
  activity_ = sink;
  set_queue_activity(sink, name);
  if (sink != nullptr) running_signal_ = sink->declare_signal(name + ".running_tiles", 7);
}

void SramPimDispatcher::trace_running() {
  if (activity_ == nullptr) return;
  activity_->change(running_signal_, sc_core::sc_time_stamp().value(),
                    static_cast<std::uint64_t>(std::popcount(busy_tiles())));
}

std::uint64_t SramPimDispatcher::busy_tiles() const {
  std::uint64_t mask = 0;
  for (std::size_t i = 0; i < tiles_.size(); ++i) {
    if (tiles_[i]->busy()) mask |= std::uint64_t{1} << i;
  }
  return mask;
}

// ------------------------------------------------------------------ commands

std::optional<common::CommandEngine::CommandResult> SramPimDispatcher::execute(
    const Command& command) {
  constexpr CommandResult kBadDescriptor{CommandError::kBadDescriptor, 0};
  switch (command.header.opcode) {
    case RunDescriptor::kOpcode: {
      const auto descriptor = command.as<RunDescriptor>();
      if (!is_valid(descriptor)) return kBadDescriptor;
      return run(command, descriptor);
    }
    case LoadProgramDescriptor::kOpcode: {
      const auto descriptor = command.as<LoadProgramDescriptor>();
      if (!is_valid(descriptor)) return kBadDescriptor;
      return load_program(command, descriptor);
    }
    default:
      return CommandResult{CommandError::kBadOpcode, 0};
  }
}

bool SramPimDispatcher::mask_is_valid(std::uint64_t mask) const {
  return mask != 0 && std::bit_width(mask) <= tiles_.size();
}

bool SramPimDispatcher::is_valid(const RunDescriptor& descriptor) const {
  return (descriptor.header.flags & ~CommandHeader::kFlagInterrupt) == 0 &&
         mask_is_valid(descriptor.tile_mask) && descriptor.entry % 4 == 0 &&
         descriptor.entry < config_.control_bytes && descriptor.reserved0 == 0;
}

bool SramPimDispatcher::is_valid(const LoadProgramDescriptor& descriptor) const {
  return (descriptor.header.flags & ~CommandHeader::kFlagInterrupt) == 0 &&
         mask_is_valid(descriptor.tile_mask) && descriptor.source_address % 4 == 0 &&
         descriptor.destination % 4 == 0 && descriptor.bytes % 4 == 0 && descriptor.bytes != 0 &&
         descriptor.destination < config_.control_bytes &&
         descriptor.bytes <= config_.control_bytes - descriptor.destination &&
         std::all_of(std::begin(descriptor.reserved), std::end(descriptor.reserved),
                     [](std::uint64_t value) { return value == 0; });
}

bool SramPimDispatcher::wait_for_tiles(const Command& command, std::uint64_t mask) {
  while ((busy_tiles() & mask) != 0 && !abandoned(command)) wait(tile_event_);
  return !abandoned(command);
}

std::optional<common::CommandEngine::CommandResult> SramPimDispatcher::run(
    const Command& command, const RunDescriptor& descriptor) {
  if (!wait_for_tiles(command, descriptor.tile_mask)) return CommandResult{};
  const std::uint64_t number = next_run_++;
  runs_.push_back({number, command, descriptor.tile_mask, false});
  ++run_commands_;
  for (std::size_t i = 0; i < tiles_.size(); ++i) {
    if ((descriptor.tile_mask >> i & 1) == 0) continue;
    tiles_[i]->start(
        descriptor.entry, descriptor.arguments, descriptor.header.operation,
        [this, number, i](const TileControl::RunEnd& end) { tile_ended(number, i, end); });
  }
  trace_running();
  return std::nullopt;  // tile_ended() reports the end
}

// Runs in a process of the tile.
void SramPimDispatcher::tile_ended(std::uint64_t run_number, std::size_t tile,
                                   const TileControl::RunEnd& end) {
  trace_running();
  tile_event_.notify(sc_core::SC_ZERO_TIME);
  const auto run = std::find_if(runs_.begin(), runs_.end(),
                                [&](const Run& r) { return r.number == run_number; });
  if (run == runs_.end()) return;  // reset away
  run->remaining &= ~(std::uint64_t{1} << tile);
  if (end.trap.cause != TrapCause::kNone) {
    run->trapped = true;
    if (diagnostic_) {
      diagnostic_(tiles_[tile]->trap_message() + place_of(run->command.header.operation));
    }
  }
  if (run->remaining != 0) return;
  const Run finished = *run;
  runs_.erase(run);
  if (finished.trapped) ++trapped_commands_;
  finish(finished.command,
         {finished.trapped ? CommandError::kProgramTrap : CommandError::kNone, 0});
}

common::CommandEngine::CommandResult SramPimDispatcher::load_program(
    const Command& command, const LoadProgramDescriptor& descriptor) {
  if (!wait_for_tiles(command, descriptor.tile_mask)) return {};
  std::vector<std::uint8_t> image(descriptor.bytes);
  if (!bus_access(tlm::TLM_READ_COMMAND, descriptor.source_address, image.data(), descriptor.bytes,
                  descriptor.header.operation)) {
    return {CommandError::kBusError, descriptor.source_address};
  }
  // All tiles take the image at once, from a broadcast at the rate of their memory ports.
  const std::uint64_t cycles =
      (descriptor.bytes + config_.port_bytes_per_cycle - 1) / config_.port_bytes_per_cycle;
  wait(sc_core::sc_time::from_value(cycles * config_.clock_period_ps));
  if (abandoned(command)) return {};
  for (std::size_t i = 0; i < tiles_.size(); ++i) {
    if ((descriptor.tile_mask >> i & 1) != 0) {
      tiles_[i]->load_control(descriptor.destination, image.data(), image.size());
    }
  }
  ++load_commands_;
  loaded_bytes_ += descriptor.bytes;
  return {};
}

void SramPimDispatcher::queue_reset() {
  for (const Run& run : runs_) {
    for (std::size_t i = 0; i < tiles_.size(); ++i) {
      if ((run.remaining >> i & 1) != 0) tiles_[i]->abandon();
    }
  }
  runs_.clear();
  tile_event_.notify(sc_core::SC_ZERO_TIME);
}

common::Statistics SramPimDispatcher::statistics() const {
  return {{"run_commands", run_commands_},
          {"trapped_commands", trapped_commands_},
          {"load_commands", load_commands_},
          {"loaded_bytes", loaded_bytes_}};
}

}  // namespace hpimvp::sram_pim
