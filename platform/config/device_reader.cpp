#include "platform/config/device_reader.h"

#include <fmt/format.h>

#include <exception>
#include <filesystem>
#include <stdexcept>

#include "platform/config/nearest.h"
#include "platform/config/object_reader.h"

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

std::string join_path(const std::string& folder, const std::string& name) {
  return (std::filesystem::path(folder) / name).string();
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

// Reads an object whose members are [value, "where the value comes from"].
class SourcedReader {
 public:
  SourcedReader(const Document& document, const std::string& pointer)
      : document_(document), reader_(document, pointer) {}

  void whole(const char* key, std::uint32_t& value, std::int64_t max = kLargestNumber) {
    value = static_cast<std::uint32_t>(
        evaluate(document_, reader_.child_pointer(key) + "/0", required(key), {}, 0, max));
  }
  void number(const char* key, double& value) {
    const Json& found = required(key);
    if (!found.is_number() || found.get<double>() < 0 || found.get<double>() > 1e12) {
      reader_.fail(key, "expected a number from 0 to 1e12, found " + describe_value(found));
    }
    value = found.get<double>();
  }
  // The value of the pair, whatever its type.
  const Json& required(const char* key) {
    const Json* pair = reader_.find(key);
    if (pair == nullptr) reader_.fail_missing(key, "expected [value, \"source\"]");
    check_pair(key, *pair);
    return (*pair)[0];
  }
  void check_pair(const std::string& key, const Json& pair) const {
    if (!pair.is_array() || pair.size() != 2 || !pair[1].is_string() ||
        pair[1].get_ref<const std::string&>().empty()) {
      reader_.fail(key, "expected [value, \"source\"], found " + describe_value(pair));
    }
  }
  ObjectReader& reader() { return reader_; }
  void finish() const { reader_.finish(); }

 private:
  const Document& document_;
  ObjectReader reader_;
};

void require_object(const Document& document, const char* key) {
  if (!document.root().is_object() || !document.root().contains(key)) {
    fail_at(document, "", fmt::format("'{}' is missing", key));
  }
}

void read_organisation(const Document& document, DeviceDescription& device) {
  require_object(document, "organisation");
  SourcedReader reader(document, "/organisation");
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

void read_pim(const Document& document, DeviceDescription& device) {
  require_object(document, "pim");
  SourcedReader reader(document, "/pim");
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

void read_energy(const Document& document, DeviceDescription& device) {
  require_object(document, "energy");
  SourcedReader reader(document, "/energy");
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

void read_parameters(const Document& document, DeviceDescription& device, Values& names) {
  require_object(document, "parameters");
  SourcedReader reader(document, "/parameters");
  for (unsigned i = 0; i < hbm_pim::kParameters; ++i) {
    reader.required(hbm_pim::parameter_name(static_cast<Parameter>(i)));
  }
  reader.finish();
  // First the numbers, then the expressions, which may use the numbers and expressions above them.
  for (const bool expressions : {false, true}) {
    for (const auto& [name, pair] : document.root()["parameters"].items()) {
      if (pair[0].is_string() != expressions) continue;
      const std::string pointer = "/parameters/" + pointer_token(name) + "/0";
      names[name] = evaluate(document, pointer, pair[0], names, 0, kLargestNumber);
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

// An array of names of commands and sets.
std::uint32_t read_commands(const Document& document, const std::string& pointer,
                            const CommandSets& sets) {
  const Json& array = document.root().at(Json::json_pointer(pointer));
  if (!array.is_array() || array.empty()) {
    fail_at(document, pointer,
            "expected an array of command names, found " + describe_value(array));
  }
  std::uint32_t commands = 0;
  for (std::size_t i = 0; i < array.size(); ++i) {
    const std::string element = fmt::format("{}/{}", pointer, i);
    if (!array[i].is_string()) {
      fail_at(document, element, "expected a command name, found " + describe_value(array[i]));
    }
    const auto& name = array[i].get_ref<const std::string&>();
    const auto set = sets.find(name);
    const std::uint32_t found = set != sets.end() ? set->second : command_named(name);
    if (found == 0) {
      std::vector<std::string> known;
      for (unsigned command = 0; command < hbm_pim::kDramCommands; ++command) {
        known.push_back(hbm_pim::command_name(static_cast<DramCommand>(command)));
      }
      for (const auto& [set_name, mask] : sets) known.push_back(set_name);
      fail_at(document, element,
              fmt::format("unknown command or set '{}'{}", name, suggestion(name, known)));
    }
    commands |= found;
  }
  return commands;
}

CommandSets read_sets(const Document& document) {
  CommandSets sets;
  if (!document.root().contains("sets")) return sets;
  ObjectReader reader(document, "/sets");
  for (const auto& [name, members] : document.root()["sets"].items()) {
    sets[name] = read_commands(document, reader.child_pointer(name), sets);
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

void read_constraints(const Document& document, const Values& names,
                      std::vector<ConstraintRow>& rows) {
  if (!document.root().contains("constraints")) return;
  const Json& array = document.root()["constraints"];
  if (!array.is_array()) {
    fail_at(document, "/constraints", "expected an array, found " + describe_value(array));
  }
  const CommandSets sets = read_sets(document);
  for (std::size_t i = 0; i < array.size(); ++i) {
    rows.push_back(read_row(document, fmt::format("/constraints/{}", i), sets, names));
  }
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
  read_constraints(document, names, rows);
}

void read_rules(const Document& document, const std::string& folder, const Values& names,
                DeviceDescription& device) {
  const Json& root = document.root();
  const auto strings = [&](const char* key, const auto& use) {
    if (!root.contains(key)) return;
    if (!root[key].is_array()) {
      fail_at(document, fmt::format("/{}", key),
              "expected an array of strings, found " + describe_value(root[key]));
    }
    for (std::size_t i = 0; i < root[key].size(); ++i) {
      const std::string pointer = fmt::format("/{}/{}", key, i);
      if (!root[key][i].is_string()) {
        fail_at(document, pointer, "expected a string, found " + describe_value(root[key][i]));
      }
      use(pointer, root[key][i].template get<std::string>());
    }
  };
  strings("rules", [&](const std::string&, const std::string& name) {
    read_rule_file(join_path(folder, name), names, device.constraints);
  });
  strings("without", [&](const std::string& pointer, const std::string& name) {
    const auto removed = std::erase_if(
        device.constraints, [&name](const ConstraintRow& row) { return row.name == name; });
    if (removed == 0) fail_at(document, pointer, "no rule has that name");
  });
  read_constraints(document, names, device.constraints);
}

void check_keys(const Document& document) {
  ObjectReader reader(document, "");
  for (const char* key :
       {"name", "description", "base", "sources", "clock_period_ps", "organisation", "parameters",
        "pim", "energy", "rules", "without", "sets", "constraints"}) {
    reader.find(key);
  }
  reader.finish();
}

// The document with the presets that it is based on merged in below it.
Document with_bases(Document document, const std::string& folder) {
  for (unsigned depth = 0; document.root().is_object() && document.root().contains("base");
       ++depth) {
    const Json& base = document.root()["base"];
    if (!base.is_string()) {
      fail_at(document, "/base", "expected the name of a file, found " + describe_value(base));
    }
    if (depth == kLongestBaseChain) fail_at(document, "/base", "too many presets on each other");
    const std::string path = join_path(folder, base.get<std::string>());
    document.erase("/base");
    Document merged = Document::load(path);
    merged.merge("", document);
    document = std::move(merged);
  }
  return document;
}

}  // namespace

hbm_pim::DeviceDescription load_device(const std::string& path) {
  return read_device(Document::load(path), std::filesystem::path(path).parent_path().string());
}

hbm_pim::DeviceDescription read_device(const Document& preset, const std::string& folder) {
  const Document document = with_bases(preset, folder);
  check_keys(document);
  DeviceDescription device;
  ObjectReader reader(document, "");
  reader.read_string("name", device.name);
  if (device.name.empty()) reader.fail_missing("name", "a string");
  reader.read_string("description", device.description);
  SourcedReader sourced(document, "");
  std::uint32_t period = 0;
  sourced.whole("clock_period_ps", period);
  device.clock_period_ps = period;
  read_organisation(document, device);
  read_pim(document, device);
  read_energy(document, device);
  try {
    Values names = organisation_names(device);
    read_parameters(document, device, names);
    read_rules(document, folder, names, device);
    hbm_pim::check(device);
  } catch (const std::invalid_argument& error) {
    fail_at(document, "", error.what());
  }
  return device;
}

}  // namespace hpimvp::config
