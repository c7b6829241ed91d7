// The columns that `sweep` and `report` show of a result.
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

}  // namespace hpimvp::cli
