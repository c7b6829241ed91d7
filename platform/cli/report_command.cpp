#include <fmt/format.h>

#include <algorithm>

#include "platform/cli/baseline_table.h"
#include "platform/cli/commands.h"
#include "platform/cli/result_table.h"

namespace hpimvp::cli {

namespace {

using Json = nlohmann::json;
using Rows = std::vector<std::vector<std::string>>;

std::string microseconds(double time_s) {
  return fmt::format("{:.3f}", time_s * 1e6);
}

double number(const Json& object, const char* key) {
  return object.value(key, 0.0);
}

// The share of an operator in the time from token to token.
double critical(const Json& group) {
  return number(group, "critical_s") + number(group, "critical_issue_s");
}

const Json* find_group(const Json& per_token, const std::string& name) {
  for (const Json& group : per_token["operators"]) {
    if (group.value("operator", "") == name) return &group;
  }
  return nullptr;
}

// Operators of the first result, then those that only the second has.
std::vector<std::string> group_names(const Json& first, const Json& second) {
  std::vector<std::string> names;
  for (const Json* result : {&first, &second}) {
    for (const Json& group : (*result)["operators"]) {
      const std::string name = group.value("operator", "");
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

// One run's cells of a group.
void add_cells(std::vector<std::string>& row, const Json* group) {
  if (group == nullptr) {
    row.insert(row.end(), {"-", "-", "-", "-"});
    return;
  }
  row.push_back(microseconds(critical(*group)));
  row.push_back(microseconds(number(*group, "span_s")));
  row.push_back(microseconds(number(*group, "hidden_s")));
  row.push_back(group->value("bound", "-"));
}

void print_one(const std::string& folder, const Json& per_token) {
  Rows rows = {{"operator", "critical", "in all", "hidden", "bound by"}};
  for (const Json& group : per_token["operators"]) {
    rows.push_back({group.value("operator", "")});
    add_cells(rows.back(), &group);
  }
  rows.push_back({"between tokens", microseconds(number(per_token, "between_s"))});
  rows.push_back({"token", microseconds(number(per_token, "token_s"))});
  fmt::print("\n{}: microseconds of a token\n{}", folder, format_table(rows));
}

// What the second run gains over the first: the gains add up to that of the whole token.
void print_comparison(const std::string& first_name, const Json& first,
                      const std::string& second_name, const Json& second) {
  Rows rows = {{"operator", "A critical", "A in all", "A hidden", "A bound by", "B critical",
                "B in all", "B hidden", "B bound by", "gain A - B"}};
  for (const std::string& name : group_names(first, second)) {
    const Json* a = find_group(first, name);
    const Json* b = find_group(second, name);
    rows.push_back({name});
    add_cells(rows.back(), a);
    add_cells(rows.back(), b);
    rows.back().push_back(
        microseconds((a != nullptr ? critical(*a) : 0) - (b != nullptr ? critical(*b) : 0)));
  }
  const auto add_total = [&](const char* title, const char* key) {
    const double a = number(first, key);
    const double b = number(second, key);
    rows.push_back(
        {title, microseconds(a), "", "", "", microseconds(b), "", "", "", microseconds(a - b)});
  };
  add_total("between tokens", "between_s");
  add_total("token", "token_s");
  const double ratio = number(first, "token_s") / std::max(number(second, "token_s"), 1e-15);
  fmt::print("\nA = {}, B = {}: microseconds of a token; A takes {:.3f} times as long as B\n{}",
             first_name, second_name, ratio, format_table(rows));
}

// { folder: its comparison }, for programs.
void print_comparisons_as_json(const std::vector<std::string>& folders,
                               const std::vector<baselines::Baseline>& baselines) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const std::string& folder : folders) {
    json[folder] = to_json(compare_with(baselines, load_result(folder), folder));
  }
  fmt::print("{}\n", json.dump(2));
}

bool has_profile(const Json& result) {
  return result.contains("per_token") && result["per_token"].is_object() &&
         result["per_token"].contains("operators") && result["per_token"]["operators"].is_array();
}

}  // namespace

int report_command(const ReportOptions& options) {
  const auto baselines = load_baselines(options.baselines, preset_folder() + "/baselines");
  if (options.json) {
    print_comparisons_as_json(options.folders, baselines);
    return kDone;
  }
  Rows rows = {{"result"}};
  const auto columns = result_columns();
  rows.back().insert(rows.back().end(), columns.begin(), columns.end());
  std::vector<std::pair<std::string, Json>> profiles;
  std::vector<Rows> comparisons;
  for (const std::string& folder : options.folders) {
    const Json result = load_result(folder);
    const auto cells = result_cells(result);
    rows.push_back({folder});
    rows.back().insert(rows.back().end(), cells.begin(), cells.end());
    if (!baselines.empty()) {
      comparisons.push_back(to_rows(compare_with(baselines, result, folder)));
    }
    if (has_profile(result)) profiles.emplace_back(folder, result["per_token"]);
  }
  fmt::print("{}", format_table(rows));
  if (profiles.size() == 1) print_one(profiles.front().first, profiles.front().second);
  for (std::size_t i = 1; i < profiles.size(); ++i) {
    print_comparison(profiles[0].first, profiles[0].second, profiles[i].first, profiles[i].second);
  }
  for (const Rows& comparison : comparisons) fmt::print("\n{}", format_table(comparison));
  return kDone;
}

}  // namespace hpimvp::cli
