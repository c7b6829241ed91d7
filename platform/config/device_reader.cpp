#include "platform/config/device_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <stdexcept>

#include "platform/config/nearest.h"
#include "platform/config/object_reader.h"
#include "platform/config/preset.h"
#include "platform/config/sourced_reader.h"

namespace hpimvp::config {

namespace {

using hbm_pim::ConstraintLevel;
using hbm_pim::ConstraintRow;
using hbm_pim::DeviceDescription;
using hbm_pim::DramCommand;
using hbm_pim::Parameter;
using Values = std::map<std::string, std::int64_t, std::less<>>;
using CommandSets = std::map<std::string, std::uint32_t, std::less<>>;

constexpr std::int64_t kLargestNumber = 1 << 30;
constexpr unsigned kLongestBaseChain = 8;

namespace fs = std::filesystem;

// Members of `pim` that are no numbers, so that they need no source.
constexpr const char* kPimTexts[] = {"programming_model", "numerics", "activation_reason"};

// A file that a value names: relative to the file in which the value stands, to `folder` if that
// says nothing, to the current folder on the command line.
std::string path_beside(const Document& document, const std::string& pointer,
                        const std::string& folder, const std::string& name) {
  const Location location = document.location(pointer);
  if (location.line == 0) return name;
  const fs::path parent = fs::path(location.file).parent_path();
  return ((parent.empty() ? fs::path(folder) : parent) / name).lexically_normal().string();
}

// In a preset, every number has its source.
void require_sources(const Document& preset) {
  const auto require = [&preset](const std::string& pointer, const Json& value) {
    if (is_sourced(value)) return;
    fail_at(preset, pointer, "expected [value, \"source\"], found " + describe_value(value));
  };
  const Json& root = preset.root();
  if (!root.is_object()) return;
  if (root.contains("clock_period_ps")) require("/clock_period_ps", root["clock_period_ps"]);
  for (const char* section : {"organisation", "parameters", "pim", "energy"}) {
    if (!root.contains(section) || !root[section].is_object()) continue;
    for (const auto& [key, value] : root[section].items()) {
      const bool text =
          std::find(std::begin(kPimTexts), std::end(kPimTexts), key) != std::end(kPimTexts);
      if (text && section == std::string_view("pim")) continue;
      require(fmt::format("/{}/{}", section, pointer_token(key)), value);
    }
  }
}

// The evaluated value of a number or expression at `pointer`.
std::int64_t evaluate(const Document& document, const std::string& pointer, const Json& value,
                      const Values& names, std::int64_t min, std::int64_t max) {
  std::int64_t result = 0;
  if (value.is_number_integer() || value.is_number_unsigned()) {
    result = value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{1} << 40
                 ? kLargestNumber + 1
                 : value.get<std::int64_t>();
  } else if (value.is_string()) {
    try {
      result = evaluate_expression(value.get_ref<const std::string&>(), names);
    } catch (const std::invalid_argument& error) {
      fail_at(document, pointer, error.what());
    }
  } else {
    fail_at(document, pointer,
            "expected a whole number or an expression, found " + describe_value(value));
  }
  if (result < min || result > max) {
    fail_at(document, pointer,
            fmt::format("expected a value from {} to {}, found {}", min, max, result));
  }
  return result;
}

// A part of a device. Whole numbers may be expressions; load_device() has seen to the sources.
class SectionReader : public SourcedReader {
 public:
  SectionReader(const Document& document, const std::string& pointer)
      : SourcedReader(document, pointer, false), document_(document) {}

  void whole(const char* key, std::uint32_t& value, std::int64_t max = kLargestNumber) {
    const Json& found = required(key);
    value = static_cast<std::uint32_t>(evaluate(document_, value_pointer(key), found, {}, 0, max));
  }

 private:
  const Document& document_;
};

// The object of a device: a whole document, or a part of a scenario.
struct Source {
  const Document& document;
  std::string pointer;
  std::string folder;  // of a document whose name tells none

  const Json& root() const { return document.root().at(Json::json_pointer(pointer)); }
  bool has(const char* key) const { return root().contains(key); }
  std::string at(const std::string& key) const { return pointer + "/" + pointer_token(key); }
  // A reader of the member `key`, which must be there.
  SectionReader section(const char* key) const {
    if (!has(key)) fail_at(document, pointer, fmt::format("'{}' is missing", key));
    return {document, at(key)};
  }
};

// use(pointer, element) for each element of an array.
template <typename Use>
void for_each_element(const Document& document, const std::string& pointer, const char* what,
                      Use&& use) {
  const Json& array = document.root().at(Json::json_pointer(pointer));
  if (!array.is_array()) {
    fail_at(document, pointer,
            fmt::format("expected an array of {}, found {}", what, describe_value(array)));
  }
  for (std::size_t i = 0; i < array.size(); ++i) use(fmt::format("{}/{}", pointer, i), array[i]);
}

// use(pointer, text) for each element of an array of strings.
template <typename Use>
void for_each_string(const Document& document, const std::string& pointer, const char* what,
                     Use&& use) {
  for_each_element(document, pointer, what, [&](const std::string& at, const Json& element) {
    if (!element.is_string()) {
      fail_at(document, at, "expected a string, found " + describe_value(element));
    }
    use(at, element.get_ref<const std::string&>());
  });
}

void read_organisation(const Source& source, DeviceDescription& device) {
  SectionReader reader = source.section("organisation");
  hbm_pim::DeviceOrganisation& organisation = device.organisation;
  reader.whole("channels", organisation.channels);
  reader.whole("pseudo_channels_per_channel", organisation.pseudo_channels_per_channel);
  reader.whole("stack_ids", organisation.stack_ids);
  reader.whole("bank_groups", organisation.bank_groups);
  reader.whole("banks_per_group", organisation.banks_per_group);
  reader.whole("rows", organisation.rows);
  reader.whole("columns", organisation.columns);
  reader.whole("burst_bytes", organisation.burst_bytes);
  reader.finish();
}

void read_pim(const Source& source, DeviceDescription& device) {
  SectionReader reader = source.section("pim");
  hbm_pim::PimDescription& pim = device.pim;
  ObjectReader& object = reader.reader();
  if (!object.has("programming_model")) object.fail_missing("programming_model", "a name");
  object.read_choice<hbm_pim::ProgrammingModel>("programming_model", pim.programming_model,
                                                {{"native", hbm_pim::ProgrammingModel::kNative},
                                                 {"samsung", hbm_pim::ProgrammingModel::kSamsung}});
  pim.numerics = hbm_pim::default_numerics(pim.programming_model);
  object.read_choice<hbm_pim::Numerics>(
      "numerics", pim.numerics,
      {{"fp32_tree", hbm_pim::Numerics::kFp32Tree}, {"fp16_lanes", hbm_pim::Numerics::kFp16Lanes}});
  object.read_string("activation_reason", pim.activation_reason);
  if (pim.activation_reason.empty()) {
    object.fail_missing("activation_reason", "why no more banks may be activated at once");
  }
  reader.whole("lanes", pim.lanes);
  reader.whole("unit_clock_mhz", pim.unit_clock_mhz);
  reader.whole("banks_per_unit", pim.banks_per_unit);
  reader.whole("banks_per_activate_group", pim.banks_per_activate_group);
  reader.whole("activate_groups_per_window", pim.activate_groups_per_window);
  reader.whole("buffer_bytes", pim.buffer_bytes);
  reader.whole("accumulators", pim.accumulators);
  reader.whole("result_bytes", pim.result_bytes);
  reader.finish();
}

void read_energy(const Source& source, DeviceDescription& device) {
  SectionReader reader = source.section("energy");
  hbm_pim::DeviceEnergy& energy = device.energy;
  reader.number("activate_pj", energy.activate_pj);
  reader.number("cell_pj_per_bit", energy.cell_pj_per_bit);
  reader.number("bank_to_group_pj_per_bit", energy.bank_to_group_pj_per_bit);
  reader.number("group_to_global_pj_per_bit", energy.group_to_global_pj_per_bit);
  reader.number("tsv_pj_per_bit", energy.tsv_pj_per_bit);
  reader.number("interposer_pj_per_bit", energy.interposer_pj_per_bit);
  reader.number("mac_pj", energy.mac_pj);
  reader.number("buffer_pj_per_bit", energy.buffer_pj_per_bit);
  reader.number("refresh_bank_pj", energy.refresh_bank_pj);
  reader.number("background_mw", energy.background_mw);
  reader.number("power_down_mw", energy.power_down_mw);
  reader.finish();
}

// What expressions of parameters and constraints may name besides parameters.
Values organisation_names(const DeviceDescription& device) {
  const hbm_pim::DeviceOrganisation& organisation = device.organisation;
  return {{"stack_ids", organisation.stack_ids},
          {"bank_groups", organisation.bank_groups},
          {"banks_per_group", organisation.banks_per_group},
          {"banks", organisation.banks()},
          {"columns", organisation.columns},
          {"clock_period_ps", static_cast<std::int64_t>(device.clock_period_ps)},
          {"banks_per_unit", device.pim.banks_per_unit},
          {"banks_per_activate_group", device.pim.banks_per_activate_group},
          {"activate_groups_per_window", device.pim.activate_groups_per_window}};
}

void read_parameters(const Source& source, DeviceDescription& device, Values& names) {
  SectionReader reader = source.section("parameters");
  for (unsigned i = 0; i < hbm_pim::kParameters; ++i) {
    reader.required(hbm_pim::parameter_name(static_cast<Parameter>(i)));
  }
  reader.finish();
  // First the numbers, then the expressions, which may use the numbers and expressions above them.
  for (const bool expressions : {false, true}) {
    for (const auto& [name, unused] : source.root()["parameters"].items()) {
      const Json& value = reader.required(name.c_str());
      if (value.is_string() != expressions) continue;
      names[name] = evaluate(source.document, reader.value_pointer(name.c_str()), value, names, 0,
                             kLargestNumber);
    }
  }
  for (unsigned i = 0; i < hbm_pim::kParameters; ++i) {
    device.parameters[i] =
        static_cast<std::uint32_t>(names.at(hbm_pim::parameter_name(static_cast<Parameter>(i))));
  }
}

std::uint32_t command_named(const std::string& name) {
  for (unsigned i = 0; i < hbm_pim::kDramCommands; ++i) {
    const auto command = static_cast<DramCommand>(i);
    if (name == hbm_pim::command_name(command)) return hbm_pim::command_bit(command);
  }
  return 0;
}

[[noreturn]] void fail_unknown_command(const Document& document, const std::string& pointer,
                                       const std::string& name, const CommandSets& sets) {
  std::vector<std::string> known;
  for (unsigned command = 0; command < hbm_pim::kDramCommands; ++command) {
    known.push_back(hbm_pim::command_name(static_cast<DramCommand>(command)));
  }
  for (const auto& [set_name, mask] : sets) known.push_back(set_name);
  fail_at(document, pointer,
          fmt::format("unknown command or set '{}'{}", name, suggestion(name, known)));
}

// An array of names of commands and sets.
std::uint32_t read_commands(const Document& document, const std::string& pointer,
                            const CommandSets& sets) {
  std::uint32_t commands = 0;
  for_each_string(
      document, pointer, "command names", [&](const std::string& at, const std::string& name) {
        const auto set = sets.find(name);
        const std::uint32_t found = set != sets.end() ? set->second : command_named(name);
        if (found == 0) fail_unknown_command(document, at, name, sets);
        commands |= found;
      });
  if (commands == 0) {
    fail_at(document, pointer, "expected an array of command names, found none in it");
  }
  return commands;
}

CommandSets read_sets(const Source& source) {
  CommandSets sets;
  if (!source.has("sets")) return sets;
  ObjectReader reader(source.document, source.at("sets"));
  for (const auto& [name, members] : source.root()["sets"].items()) {
    sets[name] = read_commands(source.document, reader.child_pointer(name), sets);
  }
  return sets;
}

ConstraintRow read_row(const Document& document, const std::string& pointer,
                       const CommandSets& sets, const Values& names) {
  ObjectReader reader(document, pointer);
  ConstraintRow row;
  for (const char* key : {"name", "level", "before", "after", "latency"}) {
    if (!reader.has(key)) reader.fail_missing(key, "a constraint needs it");
  }
  reader.read_string("name", row.name);
  if (row.name.empty()) reader.fail("name", "is empty");
  std::vector<std::pair<std::string, ConstraintLevel>> levels;
  for (unsigned i = 0; i < hbm_pim::kConstraintLevels; ++i) {
    const auto level = static_cast<ConstraintLevel>(i);
    levels.emplace_back(hbm_pim::level_name(level), level);
  }
  reader.read_choice("level", row.level, levels);
  row.before = read_commands(document, reader.child_pointer("before"), sets);
  row.after = read_commands(document, reader.child_pointer("after"), sets);
  row.latency = static_cast<std::uint32_t>(evaluate(document, reader.child_pointer("latency"),
                                                    *reader.find("latency"), names, 0, 1 << 24));
  if (const Json* window = reader.find("window")) {
    row.window = static_cast<std::uint32_t>(
        evaluate(document, reader.child_pointer("window"), *window, names, 1, 256));
  }
  reader.read_boolean("other_instances", row.other_instances);
  if (row.other_instances && row.window != 1) {
    reader.fail("other_instances", "is not possible together with a window");
  }
  std::string source;
  reader.read_string("source", source);
  reader.finish();
  return row;
}

void read_constraints(const Source& source, const Values& names, std::vector<ConstraintRow>& rows) {
  if (!source.has("constraints")) return;
  const CommandSets sets = read_sets(source);
  for_each_element(source.document, source.at("constraints"), "constraints",
                   [&](const std::string& at, const Json&) {
                     rows.push_back(read_row(source.document, at, sets, names));
                   });
}

void read_rule_file(const std::string& path, const Values& names,
                    std::vector<ConstraintRow>& rows) {
  const Document document = Document::load(path);
  ObjectReader reader(document, "");
  for (const char* key : {"sets", "constraints"}) reader.find(key);
  std::string source;
  reader.read_string("source", source);
  if (source.empty()) reader.fail_missing("source", "where the rules come from");
  reader.finish();
  read_constraints({document, "", ""}, names, rows);
}

void read_rules(const Source& source, const Values& names, DeviceDescription& device) {
  if (source.has("rules")) {
    for_each_string(source.document, source.at("rules"), "file names",
                    [&](const std::string& at, const std::string& name) {
                      read_rule_file(path_beside(source.document, at, source.folder, name), names,
                                     device.constraints);
                    });
  }
  if (source.has("without")) {
    for_each_string(source.document, source.at("without"), "names of rules",
                    [&](const std::string& at, const std::string& name) {
                      const auto removed = std::erase_if(
                          device.constraints,
                          [&name](const ConstraintRow& row) { return row.name == name; });
                      if (removed == 0) fail_at(source.document, at, "no rule has that name");
                    });
  }
  read_constraints(source, names, device.constraints);
}

void check_keys(const Source& source) {
  ObjectReader reader(source.document, source.pointer);
  for (const char* key :
       {"name", "description", "base", "sources", "clock_period_ps", "organisation", "parameters",
        "pim", "energy", "rules", "without", "sets", "constraints"}) {
    reader.find(key);
  }
  reader.finish();
}

DeviceDescription read_merged(const Source& source) {
  check_keys(source);
  DeviceDescription device;
  ObjectReader reader(source.document, source.pointer);
  reader.read_string("name", device.name);
  if (device.name.empty()) reader.fail_missing("name", "a string");
  reader.read_string("description", device.description);
  SectionReader sourced(source.document, source.pointer);
  std::uint32_t period = 0;
  sourced.whole("clock_period_ps", period);
  device.clock_period_ps = period;
  read_organisation(source, device);
  read_pim(source, device);
  read_energy(source, device);
  try {
    Values names = organisation_names(device);
    read_parameters(source, device, names);
    read_rules(source, names, device);
    hbm_pim::check(device);
  } catch (const std::invalid_argument& error) {
    fail_at(source.document, source.pointer, error.what());
  }
  return device;
}

// The file that a device is based on: a file if the name looks like one, else a preset.
std::string base_file(const Document& document, const std::string& pointer,
                      const std::string& folder, const std::string& preset_folder) {
  const Json& base = document.root().at(Json::json_pointer(pointer));
  if (!base.is_string()) {
    fail_at(document, pointer,
            "expected the name of a preset or a file, found " + describe_value(base));
  }
  const auto& name = base.get_ref<const std::string&>();
  if (name.find('/') != std::string::npos || name.ends_with(".json")) {
    return path_beside(document, pointer, folder, name);
  }
  return preset_file(document, pointer, name, preset_folder);
}

}  // namespace

hbm_pim::DeviceDescription load_device(const std::string& path) {
  return read_device(Document::load(path), fs::path(path).parent_path().string());
}

hbm_pim::DeviceDescription read_device(Document preset, const std::string& folder) {
  if (!preset.root().is_object()) {
    fail_at(preset, "", "expected an object, found " + describe_value(preset.root()));
  }
  require_sources(preset);
  merge_device_bases(preset, "", folder, folder);
  return read_merged({preset, "", folder});
}

hbm_pim::DeviceDescription read_device_at(const Document& document, const std::string& pointer,
                                          const std::string& folder) {
  return read_merged({document, pointer, folder});
}

void merge_device_bases(Document& document, const std::string& pointer, const std::string& folder,
                        const std::string& preset_folder) {
  const Json::json_pointer at(pointer);
  for (unsigned depth = 0;; ++depth) {
    const Json& device = document.root().at(at);
    if (!device.is_object() || !device.contains("base")) return;
    const std::string base = pointer + "/base";
    if (depth == kLongestBaseChain) fail_at(document, base, "too many presets on each other");
    const Document preset = Document::load(base_file(document, base, folder, preset_folder));
    if (!preset.root().is_object()) {
      fail_at(preset, "", "expected an object, found " + describe_value(preset.root()));
    }
    require_sources(preset);
    document.erase(base);
    document.merge_below(pointer, preset);
  }
}

}  // namespace hpimvp::config
