#include "platform/config/scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "platform/config/machine_reader.h"
#include "platform/config/object_reader.h"
#include "platform/config/preset.h"

namespace hpimvp::config {

namespace {

namespace fs = std::filesystem;

// Merges the preset that `machine` names below what it gives itself.
void resolve_machine_preset(Document& document, const fs::path& preset_folder) {
  if (!document.root().contains("machine")) fail_at(document, "", "'machine' is missing");
  expand_device_name(document, "/machine");
  const Json& machine = document.root()["machine"];
  std::string name;
  std::string pointer = "/machine";
  if (machine.is_string()) {
    name = machine.get<std::string>();
  } else if (machine.is_object() && machine.contains("preset")) {
    pointer = "/machine/preset";
    if (!machine["preset"].is_string()) {
      fail_at(document, pointer, "expected a string, found " + describe_value(machine["preset"]));
    }
    name = machine["preset"].get<std::string>();
  } else {
    return;
  }
  Document preset =
      Document::load(preset_file(document, pointer, name, preset_folder / "machines"));
  if (!preset.root().is_object()) fail_at(preset, "", "expected an object");
  expand_device_name(preset, "");
  // Another device takes the place of the preset's, with what that changes.
  const Json::json_pointer device("/hbm/device");
  if (machine.is_object() && machine.contains(device / "base") && preset.root().contains(device)) {
    preset.erase("/hbm/device");
  }
  if (machine.is_string()) {
    document.merge("/machine", preset);
  } else {
    document.erase("/machine/preset");
    document.merge_below("/machine", preset);
  }
}

// Relative paths of a file start from its folder, those of the command line from the current one.
void resolve_path(const Document& document, const std::string& pointer, const std::string& folder,
                  std::string& path) {
  if (path.empty() || fs::path(path).is_absolute()) return;
  if (document.location(pointer).line == 0) return;
  path = (fs::path(folder) / path).lexically_normal().string();
}

void read_path(ObjectReader& reader, const Document& document, std::string_view key,
               const std::string& folder, std::string& path) {
  reader.read_string(key, path);
  if (reader.has(key) && path.empty()) reader.fail(key, "expected a path, found an empty string");
  resolve_path(document, reader.child_pointer(key), folder, path);
}

std::vector<std::uint32_t> read_tokens(ObjectReader& reader, const Document& document,
                                       std::string_view key) {
  std::vector<std::uint32_t> tokens;
  const Json* found = reader.find(key);
  if (found == nullptr) return tokens;
  if (!found->is_array()) {
    reader.fail(key, "expected an array of token ids, found " + describe_value(*found));
  }
  for (std::size_t i = 0; i < found->size(); ++i) {
    const Json& token = (*found)[i];
    if (!token.is_number_unsigned() || token.get<std::uint64_t>() > 0x7FFFFFFF) {
      fail_at(document, fmt::format("{}/{}", reader.child_pointer(key), i),
              "expected a token id, found " + describe_value(token));
    }
    tokens.push_back(token.get<std::uint32_t>());
  }
  return tokens;
}

ModelChoice read_model(ObjectReader& root, const Document& document, const std::string& folder,
                       const fs::path& preset_folder) {
  ModelChoice model;
  auto reader = root.child("model");
  if (!reader) root.fail_missing("model", "give model.path, or model.preset");
  read_path(*reader, document, "path", folder, model.path);
  read_path(*reader, document, "tokenizer", folder, model.tokenizer);
  reader->read_string("preset", model.preset);
  if (model.path.empty() == model.preset.empty()) {
    reader->fail_missing(model.path.empty() ? "path" : "preset",
                         "give either path (with weights) or preset (a configuration without)");
  }
  if (!model.preset.empty()) {
    model.preset_file = preset_file(document, reader->child_pointer("preset"), model.preset,
                                    preset_folder / "models");
  }
  reader->finish();
  return model;
}

Sampling read_sampling(ObjectReader& workload) {
  Sampling sampling;
  if (auto reader = workload.child("sampling")) {
    reader->read_number("temperature", sampling.temperature, 0, 100);
    reader->read_integer("top_k", sampling.top_k, 0, 1u << 20);
    reader->read_number("top_p", sampling.top_p, 0, 1, /*above_min=*/true);
    reader->read_integer("seed", sampling.seed);
    reader->finish();
  }
  return sampling;
}

Workload read_workload(ObjectReader& root, const Document& document) {
  constexpr std::uint32_t kMostTokens = 1u << 20;
  Workload workload;
  auto reader = root.child("workload");
  if (!reader) root.fail_missing("workload", "give workload.prompt or workload.prompt_tokens");
  reader->read_string("prompt", workload.prompt);
  const Json* tokens = reader->find("prompt_tokens");
  if (tokens != nullptr && reader->has("prompt")) {
    reader->fail("prompt_tokens", "give either prompt or prompt_tokens, not both");
  }
  if (tokens == nullptr && !reader->has("prompt")) {
    reader->fail_missing("prompt", "give prompt (a text) or prompt_tokens (ids, or how many)");
  }
  if (tokens != nullptr && tokens->is_number()) {
    reader->read_integer("prompt_tokens", workload.synthetic_prompt_tokens, 1, kMostTokens);
  } else if (tokens != nullptr) {
    workload.prompt_tokens = read_tokens(*reader, document, "prompt_tokens");
    if (workload.prompt_tokens.empty()) reader->fail("prompt_tokens", "at least one is needed");
  }
  reader->read_integer("output_tokens", workload.output_tokens, 1, kMostTokens);
  workload.sampling = read_sampling(*reader);
  workload.replay_tokens = read_tokens(*reader, document, "replay_tokens");
  reader->read_boolean("stop_at_end_token", workload.stop_at_end_token);
  reader->read_boolean("all_logits", workload.all_logits);
  reader->finish();
  return workload;
}

void read_schedule(ObjectReader& root, Scenario& scenario) {
  if (auto reader = root.child("schedule")) {
    reader->read_choice<plan::SchedulePolicy>("policy", scenario.policy,
                                              {{"overlapped", plan::SchedulePolicy::kOverlapped},
                                               {"serial", plan::SchedulePolicy::kSerial}});
    reader->read_choice<compiler::PrefillChoice>("prefill", scenario.prefill,
                                                 {{"auto", compiler::PrefillChoice::kAuto},
                                                  {"tiles", compiler::PrefillChoice::kTiles},
                                                  {"tokens", compiler::PrefillChoice::kTokens}});
    reader->finish();
  }
}

MappingChoice read_mapping(ObjectReader& root) {
  MappingChoice mapping;
  if (auto reader = root.child("mapping")) {
    reader->read_choice<compiler::SlicingChoice>("qkv", mapping.qkv,
                                                 {{"auto", compiler::SlicingChoice::kAuto},
                                                  {"rows", compiler::SlicingChoice::kRows},
                                                  {"columns", compiler::SlicingChoice::kColumns}});
    reader->read_boolean("attention_pipeline", mapping.attention_pipeline);
    reader->read_choice<compiler::AttentionChoice>(
        "attention", mapping.attention,
        {{"tiles", compiler::AttentionChoice::kTiles},
         {"hbm_pim", compiler::AttentionChoice::kHbmPim}});
    reader->finish();
  }
  return mapping;
}

// A name, or an array of names. Which names there are is known when the machine is; "none" is a
// name for the empty array.
void read_drawn_dram(ObjectReader& reader, const Document& document, TraceChoice& trace) {
  const Json* found = reader.find("dram");
  if (found == nullptr) return;
  const std::string pointer = reader.child_pointer("dram");
  const auto add = [&](const std::string& at, const Json& name) {
    if (!name.is_string()) {
      fail_at(document, at,
              "expected the name of a stack or pseudo-channel, found " + describe_value(name));
    }
    trace.dram.push_back({name.get<std::string>(), place_of(document, at)});
  };
  if (!found->is_array()) {
    if (*found != "none") add(pointer, *found);
    return;
  }
  for (std::size_t i = 0; i < found->size(); ++i)
    add(fmt::format("{}/{}", pointer, i), (*found)[i]);
}

TraceChoice read_trace(ObjectReader& root, const Document& document) {
  constexpr double kLongestUs = 1e12;
  TraceChoice trace;
  if (auto reader = root.child("trace")) {
    reader->read_boolean("vcd", trace.vcd);
    reader->read_string("file", trace.file);
    if (trace.file.empty() || fs::path(trace.file).has_parent_path()) {
      reader->fail("file", "expected a file name without folders: it goes to the result folder");
    }
    reader->read_number("start_us", trace.start_us, 0, kLongestUs);
    reader->read_number("stop_us", trace.stop_us, 0, kLongestUs, /*above_min=*/true);
    if (trace.stop_us <= trace.start_us) {
      reader->fail("stop_us", fmt::format("must be above start_us ({})", trace.start_us));
    }
    reader->read_integer("max_mib", trace.max_mib, 1, 1u << 20);
    read_drawn_dram(*reader, document, trace);
    reader->finish();
  }
  return trace;
}

Limits read_limits(ObjectReader& root) {
  Limits limits;
  if (auto reader = root.child("limits")) {
    reader->read_number("simulated_s", limits.simulated_s, 0, 1e6, /*above_min=*/true);
    reader->read_number("host_s", limits.host_s, 0, 1e9);
    reader->finish();
  }
  return limits;
}

void check_consistency(const Document& document, const Scenario& scenario) {
  if (!scenario.model.preset.empty() && scenario.machine.data_mode == hpim::DataMode::kFunctional) {
    fail_at(document, "/data",
            "a model preset has no weights, so it runs with \"data\": \"timing\" only");
  }
  if (!scenario.workload.prompt.empty() && scenario.model.tokenizer.empty()) {
    fail_at(document, "/workload/prompt",
            "a text prompt needs model.tokenizer; without one give prompt_tokens");
  }
}

}  // namespace

Scenario read_scenario(Document document, const std::string& folder,
                       const std::string& preset_folder) {
  if (!document.root().is_object()) {
    fail_at(document, "", "expected an object, found " + describe_value(document.root()));
  }
  resolve_machine_preset(document, preset_folder);
  complete_device_base(document, "/machine");

  Scenario scenario;
  ObjectReader root(document, "");
  root.read_string("name", scenario.name);
  root.read_string("description", scenario.description);
  scenario.machine = read_machine(document, "/machine", folder, preset_folder);
  root.find("machine");
  root.read_choice<hpim::DataMode>(
      "data", scenario.machine.data_mode,
      {{"functional", hpim::DataMode::kFunctional}, {"timing", hpim::DataMode::kTiming}});
  scenario.model = read_model(root, document, folder, preset_folder);
  scenario.workload = read_workload(root, document);
  read_schedule(root, scenario);
  scenario.mapping = read_mapping(root);
  read_path(root, document, "firmware", folder, scenario.firmware);
  scenario.trace = read_trace(root, document);
  scenario.limits = read_limits(root);
  root.finish();
  check_consistency(document, scenario);
  scenario.resolved = document.root();
  return scenario;
}

Scenario load_scenario(const std::string& file, const std::vector<std::string>& overrides,
                       const std::string& preset_folder) {
  Document document = Document::load(file);
  if (!document.root().is_object()) {
    fail_at(document, "", "expected an object, found " + describe_value(document.root()));
  }
  // What is only named is made an object, so that overrides have something to change.
  const auto expand_names = [&document] {
    if (document.root().contains("machine") && document.root()["machine"].is_string()) {
      document.expand_string("/machine", "preset");
    }
    expand_device_name(document, "/machine");
  };
  expand_names();
  for (const std::string& assignment : overrides) {
    document.set(assignment);
    expand_names();
  }
  Scenario scenario =
      read_scenario(std::move(document), fs::path(file).parent_path().string(), preset_folder);
  scenario.file = file;
  if (scenario.name.empty()) scenario.name = fs::path(file).stem().string();
  return scenario;
}

}  // namespace hpimvp::config
