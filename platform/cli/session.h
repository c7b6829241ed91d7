// From a scenario to everything that a run needs, checked, and from there to a machine that has it
// in its memories. `validate` and `describe` stop after the first half, which needs no simulation.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "models/common/elf_loader.h"
#include "platform/compiler/compiler.h"
#include "platform/compiler/model_weights.h"
#include "platform/compiler/payload.h"
#include "platform/compiler/tokenizer.h"
#include "platform/config/scenario.h"
#include "platform/hpim/block_registry.h"
#include "platform/hpim/topology.h"
#include "platform/output/result.h"

namespace hpimvp::hpim {
class HpimMachine;
}

namespace hpimvp::cli {

// Pseudo-channel `number` of a component with DRAM ("stack0").
struct PseudoChannelName {
  std::string component;
  std::uint32_t number = 0;

  friend bool operator<(const PseudoChannelName& a, const PseudoChannelName& b) {
    return std::tie(a.component, a.number) < std::tie(b.component, b.number);
  }
};

struct Session {
  config::Scenario scenario;
  hpim::BlockRegistry registry;
  hpim::Topology topology;
  compiler::ModelConfig model;
  std::optional<compiler::ModelWeights> weights;   // absent for a preset
  std::unique_ptr<compiler::Tokenizer> tokenizer;  // null: none
  std::vector<std::uint32_t> prompt;
  compiler::CompiledPlan plan;
  common::ElfImage firmware;
  std::set<PseudoChannelName> drawn_dram;  // in the waveform

  Session() = default;
  Session(Session&&) = delete;  // the topology refers to the registry
};

// Loads and checks all that the scenario names. Throws ConfigError, ModelError or MachineError.
std::unique_ptr<Session> prepare(config::Scenario scenario);

// Writes the weights where the plan has placed them. Throws ModelError, naming the file, for a
// weight that FP16 does not hold.
void write_weights(const Session& session, const compiler::PayloadSink& sink);

// Puts firmware, plan and (in functional mode) weights into the machine.
void load(const Session& session, hpim::HpimMachine& machine);

// The operators of the plan as results call them: those of a token, then those of a chunk.
std::vector<output::OperatorInfo> operator_infos(const compiler::CompiledPlan& plan);

// What a message calls an operator of the plan: '12 "attention" of layer 3'.
std::string operator_text(const compiler::CompiledPlan& plan, std::uint32_t index);

// Those of a token for OperatorProfile: it looks at what comes after the prompt.
std::vector<output::ProfiledOperator> profiled_operators(const compiler::CompiledPlan& plan);

}  // namespace hpimvp::cli
