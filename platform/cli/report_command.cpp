#include <fmt/format.h>

#include "platform/cli/commands.h"
#include "platform/cli/result_table.h"

namespace hpimvp::cli {

int report_command(const std::vector<std::string>& folders) {
  std::vector<std::vector<std::string>> rows;
  rows.push_back({"result"});
  const auto columns = result_columns();
  rows.back().insert(rows.back().end(), columns.begin(), columns.end());
  for (const std::string& folder : folders) {
    const auto cells = result_cells(load_result(folder));
    rows.push_back({folder});
    rows.back().insert(rows.back().end(), cells.begin(), cells.end());
  }
  fmt::print("{}", format_table(rows));
  return kDone;
}

}  // namespace hpimvp::cli
