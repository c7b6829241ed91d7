#include "firmware/host/failure_report.h"

#include "hal/sram_pim_dispatcher.h"
#include "hal/sram_pim_tile.h"

namespace hpimvp::firmware {
namespace {

namespace tile = hal::sram_pim_tile;

std::string_view device_name(plan::DeviceKind kind) {
  switch (kind) {
    case plan::DeviceKind::kClint:
      return "CLINT";
    case plan::DeviceKind::kPlic:
      return "PLIC";
    case plan::DeviceKind::kUart:
      return "UART";
    case plan::DeviceKind::kSystemController:
      return "system controller";
    case plan::DeviceKind::kDma:
      return "DMA engine";
    case plan::DeviceKind::kSramPimDispatcher:
      return "SRAM-PIM dispatcher";
    case plan::DeviceKind::kSramPimTile:
      return "SRAM-PIM tile";
    case plan::DeviceKind::kHbmPimStack:
      return "HBM-PIM stack";
  }
  return "device of unknown kind";
}

std::string_view name_of(tile::TrapCause cause) {
  switch (cause) {
    case tile::TrapCause::kNone:
      return "NONE";
    case tile::TrapCause::kIllegalInstruction:
      return "ILLEGAL_INSTRUCTION";
    case tile::TrapCause::kBadAddress:
      return "BAD_ADDRESS";
    case tile::TrapCause::kMisaligned:
      return "MISALIGNED";
    case tile::TrapCause::kBadLength:
      return "BAD_LENGTH";
    case tile::TrapCause::kHazard:
      return "HAZARD";
    case tile::TrapCause::kBusError:
      return "BUS_ERROR";
    case tile::TrapCause::kFetch:
      return "FETCH";
    case tile::TrapCause::kDivideByZero:
      return "DIVIDE_BY_ZERO";
    case tile::TrapCause::kWatchdog:
      return "WATCHDOG";
  }
  return "unknown cause";
}

void print_trapped_tiles(TextOutput& out, const PlanView& plan, const plan::Device& dispatcher) {
  const std::uint64_t trapped =
      hal::sram_pim_dispatcher::Registers(dispatcher.register_address).read_trapped_tiles();
  for (std::uint32_t index = 0; index < 64; ++index) {
    if ((trapped >> index & 1) == 0) continue;
    out << "\n  tile " << index;
    const plan::Device* const device = plan.find_device(plan::DeviceKind::kSramPimTile, index);
    if (device == nullptr) continue;
    const tile::Registers registers(device->register_address);
    out << ": trap " << name_of(tile::get_trap_cause(registers.read_trap_cause()))
        << " at program counter " << Hex{registers.read_program_counter()} << ", value "
        << Hex{registers.read_trap_value()};
  }
}

}  // namespace

void print_device(TextOutput& out, const plan::Device& device) {
  out << device_name(device.kind) << " " << device.index;
}

void print_engine_failure(TextOutput& out, const PlanView& plan, const EnginePool& engines,
                          const EngineFailure& failure) {
  const plan::Device& device = plan.devices()[failure.device];
  const CommandQueueDriver& queue = *engines.queue(failure.device);
  print_device(out, device);
  const bool is_memory_error =
      queue.error_code() == hal::command_queue::ErrorCode::kUncorrectableError;
  out << " stopped with " << name_of(queue.error_code()) << " at "
      << (is_memory_error ? "offset " : "address ") << Hex{queue.error_address()}
      << (is_memory_error ? " of its memory" : "");
  if (failure.op == EngineFailure::kBootDescriptor) {
    out << " in a boot descriptor";
  } else {
    const plan::Operator& op = plan.operator_table()[failure.op];
    out << " in operator " << failure.op << " \"" << plan.operator_name(op) << "\"";
    if (op.layer != plan::kNoLayer) out << " of layer " << op.layer;
  }
  if (queue.retries() != 0) {
    out << ", after " << queue.retries() << (queue.retries() == 1 ? " retry" : " retries");
  }
  if (queue.error_code() == hal::command_queue::ErrorCode::kProgramTrap) {
    print_trapped_tiles(out, plan, device);
  }
  engines.memory_errors().print_uncorrected(out);
}

}  // namespace hpimvp::firmware
