// A block as the machine wires it: what a factory of the BlockRegistry is given and returns.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <systemc>
#include <tlm>
#include <vector>

#include "models/common/activity.h"
#include "models/common/statistics.h"
#include "models/hbm_pim/memory_controller.h"
#include "models/peripherals/system_controller.h"
#include "platform/hpim/topology.h"

namespace hpimvp::hpim {

// What blocks may ask of the machine around them.
struct MachineServices {
  std::uint64_t boot_parameter = 0;
  std::function<void(std::uint8_t byte)> uart_byte;
  std::function<void(const peripherals::Marker&)> marker;
  std::function<void(std::uint32_t code, std::uint64_t time_ps)> exit;
  // A sentence for the user: what went wrong inside a block, beyond what its registers say.
  std::function<void(const std::string&)> diagnostic;
  // What such a sentence calls an operation of a command; null: its number.
  std::function<std::string(std::uint32_t operation)> operation_name;
};

// The sockets and ports may be null where the block has none. They belong to the module.
struct BuiltBlock {
  std::unique_ptr<sc_core::sc_module> module;
  tlm::tlm_target_socket<>* registers = nullptr;  // addresses relative to the block; required
  tlm::tlm_target_socket<>* memory = nullptr;     // the same; if the type has memory
  tlm::tlm_initiator_socket<>* bus = nullptr;     // if the type is a bus master
  sc_core::sc_out<bool>* interrupt = nullptr;     // if the type has an interrupt
  std::function<void(common::ActivitySink*)> set_activity;
  std::function<common::Statistics()> statistics;
  // What it has used so far, by part: names and picojoules.
  std::function<common::Energies()> energy;
  // Tells of every DRAM command, if it has DRAM; and of all those up to now at the latest when
  // `tell_commands` is called.
  std::function<void(const hbm_pim::CommandSink&)> observe_commands;
  std::function<void()> tell_commands;
};

struct BlockContext {
  const BlockInstance& instance;
  const Topology& topology;
  const MachineServices& services;
  // Blocks built so far; a type with built_last finds all the others here.
  const std::vector<BuiltBlock>& built;

  const HpimMachineConfig& config() const { return topology.config; }
  // The modules of one class among them, in the order of the configuration.
  template <typename Module>
  std::vector<Module*> modules() const {
    std::vector<Module*> found;
    for (const BuiltBlock& block : built) {
      if (auto* module = dynamic_cast<Module*>(block.module.get())) found.push_back(module);
    }
    return found;
  }
};

// For the common case: takes the sockets that a module has by their conventional names.
template <typename Module>
BuiltBlock built(std::unique_ptr<Module> module) {
  BuiltBlock block;
  if constexpr (requires { module->registers; }) block.registers = &module->registers;
  if constexpr (requires { module->memory; }) block.memory = &module->memory;
  if constexpr (requires { module->bus; }) block.bus = &module->bus;
  if constexpr (requires { module->interrupt.write(true); }) block.interrupt = &module->interrupt;
  if constexpr (requires { module->statistics(); }) {
    block.statistics = [raw = module.get()] { return raw->statistics(); };
  }
  if constexpr (requires { module->energy(); }) {
    block.energy = [raw = module.get()] { return raw->energy(); };
  }
  if constexpr (requires { module->observe_commands(hbm_pim::CommandSink{}); }) {
    block.observe_commands = [raw = module.get()](const hbm_pim::CommandSink& sink) {
      raw->observe_commands(sink);
    };
    block.tell_commands = [raw = module.get()] { raw->tell_commands(); };
  }
  block.module = std::move(module);
  return block;
}

}  // namespace hpimvp::hpim
