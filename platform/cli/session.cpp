#include "platform/cli/session.h"

#include <fmt/format.h>

#include <map>
#include <span>

#include "platform/cli/commands.h"
#include "platform/cli/operator_names.h"
#include "platform/compiler/model_error.h"
#include "platform/config/nearest.h"
#include "platform/hpim/hpim_machine.h"

namespace hpimvp::cli {

namespace {

// The first part of host memory is the firmware's own (firmware/host/host.ld).
constexpr std::uint64_t kFirmwareBytes = 16u << 20;

void load_model(const config::Scenario& scenario, Session& session) {
  const config::ModelChoice& choice = scenario.model;
  if (choice.preset.empty()) {
    compiler::Model model = compiler::load_model(choice.path);
    session.model = std::move(model.config);
    session.weights = std::move(model.weights);
  } else {
    session.model = compiler::load_model_preset(std::filesystem::path(preset_folder()) / "models" /
                                                (choice.preset + ".json"));
  }
  if (!choice.tokenizer.empty()) {
    session.tokenizer = compiler::load_tokenizer(choice.tokenizer, session.model.vocabulary);
  }
}

// Token ids that look like none in particular: a linear congruential sequence (the constants of
// Knuth's MMIX) over the vocabulary, without the tokens that begin or end a sequence.
std::vector<std::uint32_t> synthetic_tokens(const compiler::ModelConfig& model, std::size_t count,
                                            std::uint64_t seed) {
  std::vector<std::uint32_t> tokens;
  std::uint64_t state = seed;
  while (tokens.size() < count) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const auto token = static_cast<std::uint32_t>((state >> 33) % model.vocabulary);
    if (model.vocabulary > 3 && (token == model.begin_token || token == model.end_token)) continue;
    tokens.push_back(token);
  }
  return tokens;
}

std::vector<std::uint32_t> prompt_tokens(const Session& session) {
  const config::Workload& workload = session.scenario.workload;
  if (!workload.prompt_tokens.empty()) return workload.prompt_tokens;
  if (workload.synthetic_prompt_tokens != 0) {
    return synthetic_tokens(session.model, workload.synthetic_prompt_tokens,
                            workload.sampling.seed);
  }
  std::vector<std::uint32_t> tokens = session.tokenizer->encode(workload.prompt);
  if (tokens.empty()) {
    throw compiler::ModelError(session.scenario.file, "/workload/prompt",
                               "gives no token with this tokenizer");
  }
  return tokens;
}

std::vector<std::uint32_t> replay_tokens(const Session& session) {
  const config::Workload& workload = session.scenario.workload;
  std::vector<std::uint32_t> tokens = workload.replay_tokens;
  const bool timing = session.scenario.machine.data_mode == hpim::DataMode::kTiming;
  if (timing && tokens.size() < workload.output_tokens) {
    const auto more = synthetic_tokens(session.model, workload.output_tokens - tokens.size(),
                                       workload.sampling.seed + 1);
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  return tokens;
}

compiler::MachineShape machine_shape(const hpim::Topology& topology) {
  compiler::MachineShape shape;
  shape.device = topology.config.hbm.stack.device;
  shape.mapping = topology.config.hbm.stack.mapping;
  shape.devices = hpim::device_table(topology);
  shape.tiles.count = topology.config.sram_pim.tiles;
  shape.tiles.activation_bytes = topology.config.sram_pim.tile.activation_bytes;
  shape.tiles.control_bytes = topology.config.sram_pim.tile.control_bytes;
  for (std::uint32_t i = 0; i < shape.devices.size(); ++i) {
    const plan::Device& device = shape.devices[i];
    switch (device.kind) {
      case plan::DeviceKind::kHbmPimStack:
        shape.stacks.push_back({i, device.memory_address});
        break;
      case plan::DeviceKind::kSramPimTile:
        if (device.index == 0) shape.tiles.memory_base = device.memory_address;
        if (device.index == 1) {
          shape.tiles.memory_stride = device.memory_address - shape.tiles.memory_base;
        }
        break;
      case plan::DeviceKind::kSramPimDispatcher:
        shape.dispatcher_device = i;
        break;
      case plan::DeviceKind::kDma:
        shape.dma_device = i;
        break;
      default:
        break;
    }
  }
  shape.plan_address = hpim::kHostMemoryBase + kFirmwareBytes;
  shape.free_memory_end = hpim::kHostMemoryBase + topology.host_memory_bytes;
  return shape;
}

compiler::CompileRequest compile_request(const Session& session) {
  const config::Workload& workload = session.scenario.workload;
  compiler::CompileRequest request;
  request.prompt = session.prompt;
  request.output_tokens = workload.output_tokens;
  request.replay = replay_tokens(session);
  if (session.tokenizer) request.flags |= plan::kRequestPrintText;
  if (!workload.stop_at_end_token) request.flags |= plan::kRequestIgnoreEnd;
  if (workload.all_logits) request.flags |= plan::kRequestAllLogits;
  request.seed = workload.sampling.seed;
  request.temperature = static_cast<float>(workload.sampling.temperature);
  request.top_k = workload.sampling.top_k;
  request.top_p = static_cast<float>(workload.sampling.top_p);
  request.tokenizer = session.tokenizer.get();
  request.qkv = session.scenario.mapping.qkv;
  request.attention.engine = session.scenario.mapping.attention;
  request.attention.allow_pipelined = session.scenario.mapping.attention_pipeline;
  request.policy = session.scenario.policy;
  request.prefill = session.scenario.prefill;
  return request;
}

common::ElfImage load_firmware_file(const config::Scenario& scenario) {
  const std::string path = scenario.firmware.empty() ? HPIMVP_FIRMWARE : scenario.firmware;
  try {
    return common::load_elf_file(path);
  } catch (const common::ElfError& error) {
    const std::string what = error.what();
    throw config::ConfigError(what.find(path) == std::string::npos ? path + ": " + what : what);
  }
}

// The pseudo-channels that the scenario wants in the waveform.
std::set<PseudoChannelName> drawn_dram(const config::Scenario& scenario,
                                       const hpim::Topology& topology) {
  if (scenario.trace.dram.empty()) return {};
  std::vector<std::string> names = {"none", "first", "all"};
  std::map<std::string, std::vector<PseudoChannelName>> named;
  for (const hpim::BlockInstance& block : topology.blocks) {
    if (block.type->device_kind != plan::DeviceKind::kHbmPimStack) continue;
    names.push_back(block.name);
    const auto count = topology.config.hbm.stack.device.organisation.pseudo_channels();
    for (std::uint32_t i = 0; i < count; ++i) {
      const PseudoChannelName one{block.name, i};
      names.push_back(fmt::format("{}.pc{}", block.name, i));
      named[names.back()].push_back(one);
      named[block.name].push_back(one);
      named["all"].push_back(one);
      if (i == 0) named["first"].push_back(one);
    }
  }
  std::set<PseudoChannelName> drawn;
  for (const config::PseudoChannelChoice& choice : scenario.trace.dram) {
    const auto found = named.find(choice.name);
    if (found == named.end()) {
      throw config::ConfigError(
          fmt::format("{}: unknown pseudo-channel '{}'{}; there are none, first, all, a stack "
                      "(stack0) or one of its pseudo-channels (stack0.pc0)",
                      choice.place, choice.name, config::suggestion(choice.name, names)));
    }
    drawn.insert(found->second.begin(), found->second.end());
  }
  return drawn;
}

std::span<const std::uint8_t> as_octets(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

std::string preset_folder() {
  return HPIMVP_ROOT "/scenarios/presets";
}

std::unique_ptr<Session> prepare(config::Scenario scenario) {
  auto session = std::make_unique<Session>();
  session->scenario = std::move(scenario);
  session->registry = hpim::standard_blocks();
  session->topology = hpim::resolve(session->scenario.machine, session->registry);
  session->drawn_dram = drawn_dram(session->scenario, session->topology);
  session->firmware = load_firmware_file(session->scenario);
  load_model(session->scenario, *session);
  session->prompt = prompt_tokens(*session);
  session->plan = compiler::compile(session->model, machine_shape(session->topology),
                                    compile_request(*session));
  return session;
}

void write_weights(const Session& session, const compiler::PayloadSink& sink) {
  try {
    compiler::write_payload(session.plan, *session.weights, sink);
  } catch (const compiler::ModelError& error) {
    throw compiler::ModelError(session.scenario.model.path, "", error.what());
  }
}

void load(const Session& session, hpim::HpimMachine& machine) {
  machine.load_firmware(session.firmware);
  machine.load_memory(session.plan.address, as_octets(session.plan.image));
  if (session.scenario.machine.data_mode == hpim::DataMode::kTiming) return;
  write_weights(session, [&](std::uint64_t address, std::span<const std::byte> bytes) {
    machine.load_memory(address, as_octets(bytes));
  });
}

std::vector<output::OperatorInfo> operator_infos(const compiler::CompiledPlan& plan) {
  std::vector<output::OperatorInfo> infos;
  const auto add = [&infos](const auto& one) {
    output::OperatorInfo info{one.name, kind_name(one.kind), std::nullopt};
    if (one.layer != plan::kNoLayer) info.layer = one.layer;
    infos.push_back(std::move(info));
  };
  for (const compiler::GraphOperator& one : plan.graph.operators) add(one);
  for (const compiler::PrefillOperator& one : plan.prefill.operators) add(one);
  return infos;
}

std::string operator_text(const compiler::CompiledPlan& plan, std::uint32_t index) {
  const auto text = [index](const auto& one) {
    return fmt::format("{} \"{}\"", index, one.name) +
           (one.layer == plan::kNoLayer ? "" : fmt::format(" of layer {}", one.layer));
  };
  const std::size_t of_token = plan.graph.operators.size();
  if (index < of_token) return text(plan.graph.operators[index]);
  const std::size_t in_chunk = index - of_token;
  if (in_chunk < plan.prefill.operators.size()) return text(plan.prefill.operators[in_chunk]);
  return std::to_string(index);
}

std::vector<output::ProfiledOperator> profiled_operators(const compiler::CompiledPlan& plan) {
  std::vector<output::ProfiledOperator> operators;
  for (std::size_t i = 0; i < plan.graph.operators.size(); ++i) {
    const compiler::GraphOperator& one = plan.graph.operators[i];
    operators.push_back({operator_group(one.name), kind_name(one.kind),
                         engine_name(plan.mappings[i].engine), one.predecessors});
  }
  return operators;
}

}  // namespace hpimvp::cli
