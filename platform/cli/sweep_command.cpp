#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "platform/cli/commands.h"
#include "platform/cli/result_table.h"
#include "platform/config/scenario.h"

namespace hpimvp::cli {

namespace {

namespace fs = std::filesystem;

struct Axis {
  std::string path;
  std::vector<std::string> values;
};

// One combination of values.
struct Point {
  std::vector<std::string> values;  // one an axis
  std::string folder;
  int exit_code = -1;
};

Axis parse_axis(const std::string& text) {
  Axis axis;
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    throw config::ConfigError(
        fmt::format("--vary {}: expected PATH=V1,V2,..., as in machine.hbm.stacks=1,2,4", text));
  }
  axis.path = text.substr(0, equals);
  for (std::size_t start = equals + 1; start <= text.size();) {
    const auto comma = std::min(text.find(',', start), text.size());
    if (comma == start) {
      throw config::ConfigError(fmt::format("--vary {}: an empty value", text));
    }
    axis.values.push_back(text.substr(start, comma - start));
    start = comma + 1;
  }
  return axis;
}

std::vector<Point> combine(const std::vector<Axis>& axes, const std::string& out) {
  constexpr std::size_t kMostPoints = 100'000;
  std::vector<Point> points = {Point{}};
  for (const Axis& axis : axes) {
    std::vector<Point> next;
    for (const Point& point : points) {
      for (const std::string& value : axis.values) {
        next.push_back(point);
        next.back().values.push_back(value);
      }
    }
    points = std::move(next);
    if (points.size() > kMostPoints) {
      throw config::ConfigError(fmt::format("a sweep of more than {} runs", kMostPoints));
    }
  }
  for (std::size_t i = 0; i < points.size(); ++i) {
    points[i].folder = (fs::path(out) / fmt::format("run_{:04}", i)).string();
  }
  return points;
}

std::vector<std::string> overrides_of(const SweepOptions& options, const std::vector<Axis>& axes,
                                      const Point& point) {
  std::vector<std::string> overrides = options.overrides;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    overrides.push_back(axes[i].path + "=" + point.values[i]);
  }
  return overrides;
}

// Starts `hpim-vp run` for a point; its messages go to run.log in the point's folder.
pid_t start(const SweepOptions& options, const std::vector<std::string>& overrides,
            const Point& point) {
  fs::create_directories(point.folder);
  std::vector<std::string> words = {"hpim-vp", "run",   options.scenario,
                                    "--quiet", "--out", point.folder};
  for (const std::string& assignment : overrides) {
    words.emplace_back("--set");
    words.push_back(assignment);
  }
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::string log = point.folder + "/run.log";

  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("a run could not be started");
  if (child == 0) {
    const int file = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (file >= 0) {
      dup2(file, STDOUT_FILENO);
      dup2(file, STDERR_FILENO);
    }
    execv("/proc/self/exe", arguments.data());
    _exit(127);
  }
  return child;
}

void run_all(const SweepOptions& options, const std::vector<Axis>& axes,
             std::vector<Point>& points) {
  std::map<pid_t, std::size_t> running;
  std::size_t next = 0;
  std::size_t finished = 0;
  while (finished < points.size()) {
    while (next < points.size() && running.size() < options.jobs) {
      running[start(options, overrides_of(options, axes, points[next]), points[next])] = next;
      ++next;
    }
    int status = 0;
    const pid_t child = waitpid(-1, &status, 0);
    const auto found = running.find(child);
    if (found == running.end()) continue;
    points[found->second].exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : kSimulationFailed;
    running.erase(found);
    ++finished;
    fmt::print(stderr, "{} of {} runs done\n", finished, points.size());
  }
}

}  // namespace

int sweep_command(const SweepOptions& options) {
  std::vector<Axis> axes;
  for (const std::string& text : options.axes) axes.push_back(parse_axis(text));
  const std::string out =
      options.out.empty()
          ? (fs::path("out") / (fs::path(options.scenario).stem().string() + "_sweep")).string()
          : options.out;
  std::vector<Point> points = combine(axes, out);
  // A bad value is found now, not after hours.
  for (const Point& point : points) {
    config::load_scenario(options.scenario, overrides_of(options, axes, point), preset_folder());
  }
  run_all(options, axes, points);

  std::vector<std::vector<std::string>> rows(1);
  for (const Axis& axis : axes) rows[0].push_back(axis.path);
  for (const std::string& column : result_columns()) rows[0].push_back(column);
  int exit_code = kDone;
  for (const Point& point : points) {
    rows.push_back(point.values);
    if (point.exit_code == kDone) {
      const auto cells = result_cells(load_result(point.folder));
      rows.back().insert(rows.back().end(), cells.begin(), cells.end());
    } else {
      rows.back().push_back(
          fmt::format("failed ({}): see {}/run.log", point.exit_code, point.folder));
      exit_code = kSimulationFailed;
    }
  }
  std::ofstream csv(fs::path(out) / "sweep.csv");
  for (const auto& row : rows) csv << fmt::format("{}\n", fmt::join(row, ","));
  fmt::print("{}\n{}/sweep.csv\n", format_table(rows), out);
  return exit_code;
}

}  // namespace hpimvp::cli
