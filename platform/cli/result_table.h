// Tables of text: the columns that `sweep` and `report` show of a result, and sections of JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace hpimvp::cli {

std::vector<std::string> result_columns();
// One cell a column; "-" for what the result lacks.
std::vector<std::string> result_cells(const nlohmann::json& result);

// Reads FOLDER/result.json; throws ConfigError naming the file.
nlohmann::json load_result(const std::string& folder);

// Columns as wide as their widest cell, two spaces apart.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

// A string without its quotes, anything else as JSON.
std::string cell_text(const nlohmann::ordered_json& value);
// A heading and below it an array of objects as a table, or anything else as name and value.
std::string section_text(const std::string& title, const nlohmann::ordered_json& section);

}  // namespace hpimvp::cli
