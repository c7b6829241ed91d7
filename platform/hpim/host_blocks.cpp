#include <utility>

#include "generated/models/dma/dma_engine_registers.h"
#include "generated/models/peripherals/clint_registers.h"
#include "generated/models/peripherals/plic_registers.h"
#include "generated/models/peripherals/system_controller_registers.h"
#include "generated/models/peripherals/uart16550_registers.h"
#include "models/dma/dma_engine.h"
#include "models/peripherals/clint.h"
#include "models/peripherals/plic.h"
#include "models/peripherals/system_controller.h"
#include "models/peripherals/uart16550.h"
#include "platform/hpim/built_block.h"
#include "platform/hpim/standard_blocks.h"

namespace hpimvp::hpim {
namespace {

BlockType clint_type() {
  BlockType type;
  type.name = "clint";
  type.register_bytes = peripherals::clint_registers::kBlockBytes;
  type.at_least = 1;
  type.at_most = 1;
  type.device_kind = plan::DeviceKind::kClint;
  type.device_clock_hz = [](const HpimMachineConfig& config) { return config.host.timer_hz; };
  type.factory = [](const BlockContext& context) {
    peripherals::ClintConfig config;
    config.timer_hz = context.config().host.timer_hz;
    return built(std::make_unique<peripherals::Clint>(context.instance.name.c_str(), config));
  };
  return type;
}

BlockType plic_type() {
  BlockType type;
  type.name = "plic";
  type.register_bytes = peripherals::plic_registers::kBlockBytes;
  type.at_least = 1;
  type.at_most = 1;
  type.device_kind = plan::DeviceKind::kPlic;
  type.factory = [](const BlockContext& context) {
    peripherals::PlicConfig config;
    config.sources = kMaxInterrupt;
    return built(std::make_unique<peripherals::Plic>(context.instance.name.c_str(), config));
  };
  return type;
}

BlockType uart_type() {
  BlockType type;
  type.name = "uart16550";
  type.register_bytes = peripherals::uart16550_registers::kBlockBytes;
  type.has_interrupt = true;
  type.device_kind = plan::DeviceKind::kUart;
  type.device_clock_hz = [](const HpimMachineConfig& config) { return config.uart.clock_hz; };
  type.factory = [](const BlockContext& context) {
    peripherals::Uart16550Config config;
    config.clock_hz = context.config().uart.clock_hz;
    return built(std::make_unique<peripherals::Uart16550>(context.instance.name.c_str(), config,
                                                          context.services.uart_byte));
  };
  return type;
}

BlockType system_controller_type() {
  BlockType type;
  type.name = "system_controller";
  type.register_bytes = peripherals::system_controller_registers::kBlockBytes;
  type.at_least = 1;
  type.at_most = 1;
  type.device_kind = plan::DeviceKind::kSystemController;
  type.factory = [](const BlockContext& context) {
    const MachineServices& services = context.services;
    peripherals::SystemController::Hooks hooks;
    hooks.exit = services.exit;
    hooks.marker = services.marker;
    return built(std::make_unique<peripherals::SystemController>(
        context.instance.name.c_str(), peripherals::SystemControllerConfig{services.boot_parameter},
        std::move(hooks)));
  };
  return type;
}

BlockType dma_type() {
  BlockType type;
  type.name = "dma_engine";
  type.register_bytes = dma::dma_engine_registers::kBlockBytes;
  type.has_interrupt = true;
  type.is_bus_master = true;
  type.has_queue = true;
  type.device_kind = plan::DeviceKind::kDma;
  type.factory = [](const BlockContext& context) {
    dma::DmaEngineConfig config;
    config.clock_period_ps = clock_period_ps(context.config().dma.clock_mhz);
    config.burst_bytes = context.config().dma.burst_bytes;
    auto module =
        std::make_unique<dma::DmaEngine>(context.instance.name.c_str(), config,
                                         [&topology = context.topology](std::uint64_t address) {
                                           return topology.is_payload(address);
                                         });
    dma::DmaEngine* engine = module.get();
    BuiltBlock block = built(std::move(module));
    block.set_activity = [engine, name = context.instance.name](common::ActivitySink* sink) {
      engine->set_activity(sink, name);
    };
    return block;
  };
  return type;
}

}  // namespace

void add_host_blocks(BlockRegistry& registry) {
  registry.add(clint_type());
  registry.add(plic_type());
  registry.add(uart_type());
  registry.add(system_controller_type());
  registry.add(dma_type());
}

}  // namespace hpimvp::hpim
