// A scenario: one run of one machine, as an architect writes it. Typed and validated; everything
// that the file left out has its default here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "firmware/abi/plan_format.h"
#include "platform/compiler/attention_choice.h"
#include "platform/compiler/prefill_choice.h"
#include "platform/compiler/slicing_choice.h"
#include "platform/config/document.h"
#include "platform/hpim/machine_config.h"

namespace hpimvp::config {

struct ModelChoice {
  std::string path;         // a llama2.c checkpoint or a Hugging Face folder; empty: preset
  std::string tokenizer;    // tokenizer.bin or tokenizer.json; empty: none
  std::string preset;       // a configuration without weights (data mode `timing` only)
  std::string preset_file;  // where the preset is defined
};

struct Sampling {
  double temperature = 0;   // 0: greedy
  std::uint32_t top_k = 0;  // 0: off
  double top_p = 1;         // 1: off
  std::uint64_t seed = 1;
};

struct Workload {
  std::string prompt;
  // Token ids in place of a text; `synthetic_prompt_tokens` that many made-up ones.
  std::vector<std::uint32_t> prompt_tokens;
  std::uint32_t synthetic_prompt_tokens = 0;
  std::uint32_t output_tokens = 64;
  Sampling sampling;
  std::vector<std::uint32_t>
      replay_tokens;  // taken in place of the sampled ones, as far as they go
  bool stop_at_end_token = true;
  bool all_logits = false;  // compute logits at every prompt position, for predictions there
};

// How the compiler maps operators, where there is a choice.
struct MappingChoice {
  compiler::SlicingChoice qkv = compiler::SlicingChoice::kAuto;
  bool attention_pipeline = true;
  compiler::AttentionChoice attention = compiler::AttentionChoice::kTiles;
};

// Some of the pseudo-channels, by name: "first" (of each stack), "all", a stack ("stack0") or one
// ("stack0.pc3").
struct PseudoChannelChoice {
  std::string name;
  std::string place;  // where the name stands, for messages
};

struct TraceChoice {
  bool vcd = false;
  std::string file = "trace.vcd";  // in the result folder
  double start_us = 0;
  double stop_us = 1e12;
  std::uint64_t max_mib = 256;            // the waveform stops growing there, with a message
  std::vector<PseudoChannelChoice> dram;  // whose DRAM commands are drawn
};

struct Limits {
  double simulated_s = 3600;
  double host_s = 0;  // 0: none
};

struct Scenario {
  std::string file;
  std::string name;  // of the result folder; the file's name by default
  std::string description;
  hpim::HpimMachineConfig machine;
  ModelChoice model;
  Workload workload;
  plan::SchedulePolicy policy = plan::SchedulePolicy::kOverlapped;
  compiler::PrefillChoice prefill = compiler::PrefillChoice::kAuto;
  MappingChoice mapping;
  std::string firmware;  // an ELF in place of ours; empty: ours
  TraceChoice trace;
  Limits limits;

  Json resolved;  // the scenario with presets and overrides merged in, for result.json
};

// Loads a scenario file, merges the presets that it names (looked up in `preset_folder`) and the
// overrides ("machine.hbm.stacks=2"), and validates. Paths in it are relative to its folder, those
// in overrides to the current one. Throws ConfigError.
Scenario load_scenario(const std::string& file, const std::vector<std::string>& overrides,
                       const std::string& preset_folder);

// The same from a document, for tests and fuzzing; `folder` is what relative paths start from.
Scenario read_scenario(Document document, const std::string& folder,
                       const std::string& preset_folder);

}  // namespace hpimvp::config
