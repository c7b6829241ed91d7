// The commands of `hpim-vp`. Each returns the exit code: 0 done, 1 the simulation failed, 2 bad
// input.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hpimvp::cli {

inline constexpr int kDone = 0;
inline constexpr int kSimulationFailed = 1;
inline constexpr int kBadInput = 2;

struct ScenarioOptions {
  std::string scenario;
  std::vector<std::string> overrides;  // "machine.hbm.stacks=2"
};

struct RunOptions : ScenarioOptions {
  std::string out;  // result folder; empty: out/<name of the scenario>
  bool quiet = false;
  bool check_dram = false;  // hold every DRAM command against the independent checker
  bool trace_dram = false;  // write them to dram_commands.csv in the result folder
};

struct DescribeOptions : ScenarioOptions {
  bool json = false;
  bool plan = false;  // what the compiler's stages have decided, in place of the machine
  std::string stage;  // only this one (plan_description.h); empty: all
  std::optional<std::uint32_t> layer;
};

struct SweepOptions : ScenarioOptions {
  std::vector<std::string> axes;  // "machine.hbm.stacks=1,2,4"
  std::string out;
  unsigned jobs = 1;
};

int run_command(const RunOptions& options);
int validate_command(const ScenarioOptions& options);
int describe_command(const DescribeOptions& options);
// Runs the scenario once for each combination of the axes' values, each in a process of its own,
// and writes sweep.csv.
int sweep_command(const SweepOptions& options);
struct ReportOptions {
  std::vector<std::string> folders;
  std::vector<std::string> baselines;  // machines to compare with; "all"
  bool json = false;                   // times of the runs and the baselines, for programs
};
// Prints results side by side.
int report_command(const ReportOptions& options);

// Where the presets and models that come with the project are.
std::string preset_folder();

}  // namespace hpimvp::cli
