#include "platform/cli/result_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "platform/config/document.h"

namespace hpimvp::cli {

namespace {

struct Column {
  const char* title;
  const char* pointer;
  double scale;
};

constexpr Column kColumns[] = {
    {"total ms", "/time/total_s", 1e3},
    {"first token ms", "/time/first_token_s", 1e3},
    {"mean token ms", "/time/mean_token_s", 1e3},
    {"firmware Minstr", "/firmware/instructions", 1e-6},
    {"host s", "/host/wall_s", 1},
};

}  // namespace

std::vector<std::string> result_columns() {
  std::vector<std::string> titles;
  for (const Column& column : kColumns) titles.emplace_back(column.title);
  return titles;
}

std::vector<std::string> result_cells(const nlohmann::json& result) {
  std::vector<std::string> cells;
  for (const Column& column : kColumns) {
    const nlohmann::json::json_pointer pointer(column.pointer);
    const bool present = result.contains(pointer) && result.at(pointer).is_number();
    cells.push_back(present ? fmt::format("{:.4f}", result.at(pointer).get<double>() * column.scale)
                            : "-");
  }
  return cells;
}

nlohmann::json load_result(const std::string& folder) {
  const std::string path = folder + "/result.json";
  std::ifstream stream(path);
  if (!stream) throw config::ConfigError(path + ": cannot be opened");
  auto result = nlohmann::json::parse(stream, nullptr, /*allow_exceptions=*/false);
  if (!result.is_object()) throw config::ConfigError(path + ": is not a result");
  return result;
}

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += fmt::format("{:<{}}", row[i], widths[i] + 2);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string cell_text(const nlohmann::ordered_json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string section_text(const std::string& title, const nlohmann::ordered_json& section) {
  std::vector<std::vector<std::string>> rows;
  if (section.is_array() && !section.empty() && section.front().is_object()) {
    std::vector<std::string> columns;
    for (const auto& entry : section) {
      for (const auto& [key, value] : entry.items()) {
        if (std::find(columns.begin(), columns.end(), key) == columns.end()) columns.push_back(key);
      }
    }
    rows.push_back(columns);
    for (const auto& entry : section) {
      rows.emplace_back();
      for (const std::string& key : columns) {
        rows.back().push_back(entry.contains(key) ? cell_text(entry[key]) : "");
      }
    }
  } else if (section.is_object()) {
    for (const auto& [key, value] : section.items()) rows.push_back({key, cell_text(value)});
  } else {
    rows.push_back({cell_text(section)});
  }
  return title + "\n" + format_table(rows) + "\n";
}

}  // namespace hpimvp::cli
