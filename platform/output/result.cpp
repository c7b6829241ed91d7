#include "platform/output/result.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace hpimvp::output {
namespace {

double seconds(std::uint64_t time_ps) {
  return static_cast<double>(time_ps) / 1e12;
}

double total_joules(const EnergyResult& component) {
  double total = 0;
  for (const auto& [use, picojoules] : component.energy) total += picojoules * 1e-12;
  return total;
}

double total_joules(const std::vector<EnergyResult>& energy) {
  double total = 0;
  for (const EnergyResult& component : energy) total += total_joules(component);
  return total;
}

Json energy_json(const std::vector<EnergyResult>& energy) {
  Json json;
  json["total_j"] = total_joules(energy);
  Json& components = json["components"] = Json::object();
  for (const EnergyResult& component : energy) {
    Json& uses = components[component.name];
    uses["total_j"] = total_joules(component);
    for (const auto& [use, picojoules] : component.energy) uses[use + "_j"] = picojoules * 1e-12;
  }
  return json;
}

Json statistics_json(const common::Statistics& statistics) {
  Json json = Json::object();
  for (const auto& [name, value] : statistics) json[name] = value;
  return json;
}

Json time_json(const TimeResult& time) {
  return {{"total_s", time.total_s},
          {"total_cycles", time.total_cycles},
          {"boot_s", time.boot_s},
          {"first_token_s", time.first_token_s},
          {"mean_token_s", time.mean_token_s},
          {"per_token_s", time.token_s}};
}

Json operators_json(const std::vector<OperatorResult>& operators) {
  Json list = Json::array();
  for (const OperatorResult& one : operators) {
    Json json = {{"name", one.info.name}, {"kind", one.info.kind}};
    if (one.info.layer) json["layer"] = *one.info.layer;
    json["commands"] = one.commands;
    json["busy_s"] = one.busy_s;
    json["first_start_s"] = one.first_start_s;
    json["last_end_s"] = one.last_end_s;
    list.push_back(std::move(json));
  }
  return list;
}

Json group_json(const GroupProfile& group) {
  Json json = {{"operator", group.group},
               {"kind", group.kind},
               {"engine", group.engine},
               {"busy_s", group.busy_s},
               {"span_s", group.span_s},
               {"exclusive_s", group.exclusive_s},
               {"hidden_s", group.span_s - group.exclusive_s},
               {"critical_s", group.critical_s},
               {"critical_issue_s", group.critical_issue_s},
               {"issue_s", group.issue_s},
               {"queue_s", group.queue_s},
               {"bound", group.bound}};
  Json& resources = json["resources_s"] = Json::object();
  for (unsigned i = 0; i < common::kResources; ++i) {
    if (group.resources_s[i] != 0) resources[common::kResourceNames[i]] = group.resources_s[i];
  }
  if (group.imbalance_s != 0) resources["imbalance"] = group.imbalance_s;
  return json;
}

Json per_token_json(const TokenProfile& profile) {
  Json json = {{"tokens", profile.tokens},
               {"token_s", profile.token_s},
               {"between_s", profile.between_s},
               {"idle_s", profile.idle_s},
               {"concurrent_s", profile.concurrent_s}};
  Json& groups = json["operators"] = Json::array();
  for (const GroupProfile& group : profile.groups) groups.push_back(group_json(group));
  return json;
}

// "1.234 ms": three places after the point in a unit that leaves 1 to 999 before it.
std::string duration(double time_s) {
  constexpr std::pair<double, const char*> kUnits[] = {
      {1, "s"}, {1e-3, "ms"}, {1e-6, "us"}, {1e-9, "ns"}};
  for (const auto& [unit, name] : kUnits) {
    if (time_s >= unit) return fmt::format("{:.3f} {}", time_s / unit, name);
  }
  return fmt::format("{:.3f} ns", time_s * 1e9);
}

// The operators that take most of a token's time.
std::string per_token_summary(const TokenProfile& profile) {
  constexpr std::size_t kMostLines = 8;
  std::vector<GroupProfile> groups = profile.groups;
  std::stable_sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
    return a.critical_s + a.critical_issue_s > b.critical_s + b.critical_issue_s;
  });
  std::string text =
      "  a further token       on critical path      in all    of it hidden  bound by\n";
  for (std::size_t i = 0; i < std::min(kMostLines, groups.size()); ++i) {
    const GroupProfile& group = groups[i];
    text += fmt::format("    {:<20}{:>14}{:>12}{:>14}  {}\n", group.group,
                        duration(group.critical_s + group.critical_issue_s), duration(group.span_s),
                        duration(group.span_s - group.exclusive_s), group.bound);
  }
  return text + fmt::format("    {:<20}{:>14}\n", "between tokens", duration(profile.between_s));
}

[[noreturn]] void fail(const std::string& path, const char* what) {
  const std::string reason = std::strerror(errno);
  throw std::runtime_error(path + ": " + what + ": " + reason);
}

// Owns a file descriptor and removes the file unless it was kept.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {
    descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor_ < 0) fail(path_, "cannot be written");
  }
  ~TemporaryFile() {
    if (descriptor_ >= 0) close(descriptor_);
    if (!kept_) unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void write_all(const std::string& contents) {
    for (std::size_t done = 0; done < contents.size();) {
      const ssize_t count = write(descriptor_, contents.data() + done, contents.size() - done);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) fail(path_, "cannot be written");
      done += static_cast<std::size_t>(count);
    }
    const int closed = close(descriptor_);
    descriptor_ = -1;
    if (closed != 0) fail(path_, "cannot be written");
  }
  void rename_to(const std::string& path) {
    if (rename(path_.c_str(), path.c_str()) != 0) fail(path, "cannot be replaced");
    kept_ = true;
  }

 private:
  std::string path_;
  int descriptor_ = -1;
  bool kept_ = false;
};

}  // namespace

void add_operations(Result& result, const OperationLog& log,
                    const std::vector<OperatorInfo>& operators, double total_s) {
  std::vector<OperatorResult> by_operator(operators.size());
  std::map<std::string, KindResult> by_kind;
  std::vector<EngineResult> by_engine(log.engines().size());
  for (std::size_t i = 0; i < by_engine.size(); ++i) by_engine[i].name = log.engines()[i];

  for (const auto& [key, total] : log.totals()) {
    const bool known = key.operation < operators.size();
    const double busy_s = seconds(total.busy_ps);
    if (known) {
      OperatorResult& one = by_operator[key.operation];
      one.first_start_s = one.commands == 0
                              ? seconds(total.first_start_ps)
                              : std::min(one.first_start_s, seconds(total.first_start_ps));
      one.last_end_s = std::max(one.last_end_s, seconds(total.last_end_ps));
      one.commands += total.count;
      one.busy_s += busy_s;
    }
    KindResult& kind = by_kind[known ? operators[key.operation].kind : "other"];
    kind.commands += total.count;
    kind.busy_s += busy_s;
    EngineResult& engine = by_engine[key.engine];
    engine.commands += total.count;
    engine.busy_s += busy_s;
  }
  for (std::size_t i = 0; i < by_operator.size(); ++i) {
    if (by_operator[i].commands == 0) continue;
    by_operator[i].info = operators[i];
    result.operators.push_back(std::move(by_operator[i]));
  }
  for (auto& [name, kind] : by_kind) {
    kind.kind = name;
    result.kinds.push_back(kind);
  }
  for (EngineResult& engine : by_engine) {
    engine.utilisation = total_s > 0 ? engine.busy_s / total_s : 0;
    result.engines.push_back(std::move(engine));
  }
}

Json to_json(const Result& result) {
  Json json;
  json["version"] = kResultVersion;
  json["status"] = result.status;
  if (!result.message.empty()) json["message"] = result.message;
  if (!result.diagnostics.empty()) json["diagnostics"] = result.diagnostics;
  json["text"] = result.text;
  json["prompt_tokens"] = result.prompt_tokens;
  json["tokens"] = result.tokens;
  json["predictions"] = result.predictions;
  json["time"] = time_json(result.time);
  json["firmware"] = {{"instructions", result.firmware.instructions},
                      {"cycles", result.firmware.cycles},
                      {"exit_code", result.firmware.exit_code}};
  Json& kinds = json["kinds"] = Json::array();
  for (const KindResult& kind : result.kinds) {
    kinds.push_back({{"kind", kind.kind}, {"commands", kind.commands}, {"busy_s", kind.busy_s}});
  }
  json["operators"] = operators_json(result.operators);
  if (result.per_token) json["per_token"] = per_token_json(*result.per_token);
  Json& engines = json["engines"] = Json::array();
  for (const EngineResult& engine : result.engines) {
    engines.push_back({{"name", engine.name},
                       {"commands", engine.commands},
                       {"busy_s", engine.busy_s},
                       {"utilisation", engine.utilisation}});
  }
  Json& components = json["components"] = Json::object();
  for (const ComponentResult& component : result.components) {
    components[component.name] = statistics_json(component.statistics);
  }
  Json& links = json["links"] = Json::array();
  for (const LinkResult& link : result.links) {
    links.push_back({{"name", link.name},
                     {"messages", link.messages},
                     {"flits", link.flits},
                     {"held_cycles", link.held_cycles},
                     {"waiting_cycles", link.waiting_cycles},
                     {"utilisation", link.utilisation}});
  }
  json["energy"] = energy_json(result.energy);
  if (result.dram_check) {
    Json& check = json["dram_check"];
    check = {{"commands", result.dram_check->commands},
             {"violations", result.dram_check->violations}};
    if (result.dram_check->violations > 0) check["first"] = result.dram_check->first;
  }
  json["machine"] = result.machine;
  if (!result.model.is_null()) json["model"] = result.model;
  json["scenario"] = result.scenario;
  json["host"] = {{"wall_s", result.host.wall_s},
                  {"peak_memory_bytes", result.host.peak_memory_bytes}};
  return json;
}

void write_file(const std::string& path, const std::string& contents) {
  TemporaryFile file(path + ".tmp");
  file.write_all(contents);
  file.rename_to(path);
}

void write_result(const std::string& path, const Result& result) {
  // Text that came out of the simulated UART need not be UTF-8.
  write_file(path, to_json(result).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::string summary(const Result& result) {
  const TimeResult& time = result.time;
  std::string text;
  const auto line = [&text](const std::string& name, const std::string& value) {
    text += fmt::format("  {:<18}{}\n", name, value);
  };
  line("status", result.message.empty() ? result.status : result.status + ": " + result.message);
  line("simulated time", duration(time.total_s));
  if (!result.tokens.empty()) {
    line("tokens",
         fmt::format("{} from a prompt of {}", result.tokens.size(), result.prompt_tokens.size()));
    line("first token", duration(time.first_token_s));
  }
  if (time.mean_token_s > 0) {
    line("further tokens", fmt::format("{} each, {:.1f} a second", duration(time.mean_token_s),
                                       1 / time.mean_token_s));
  }
  line("firmware", fmt::format("{} instructions, {} cycles", result.firmware.instructions,
                               result.firmware.cycles));
  if (result.per_token) text += per_token_summary(*result.per_token);
  std::vector<KindResult> kinds = result.kinds;
  std::stable_sort(kinds.begin(), kinds.end(),
                   [](const KindResult& a, const KindResult& b) { return a.busy_s > b.busy_s; });
  if (!kinds.empty()) text += "  engine time by kind of operator\n";
  for (const KindResult& kind : kinds) {
    text += fmt::format("    {:<16}{:>14}  {} commands\n", kind.kind, duration(kind.busy_s),
                        kind.commands);
  }
  if (!result.energy.empty()) {
    line("energy", fmt::format("{:.4g} mJ", total_joules(result.energy) * 1e3));
  }
  if (result.dram_check) {
    line("DRAM checker", fmt::format("{} commands, {} violations", result.dram_check->commands,
                                     result.dram_check->violations));
    if (result.dram_check->violations > 0) text += "    " + result.dram_check->first + "\n";
  }
  line("host", duration(result.host.wall_s));
  return text;
}

}  // namespace hpimvp::output
