// Plays a trace of memory accesses, one "0xADDRESS R" or "0xADDRESS W" a line, on one stack of a
// device, each access a burst, as fast as the stack takes them, and says what bandwidth results.
// The pseudo-channels work independently: each takes its accesses in the order of the trace.
#include <fmt/format.h>
#include <fmt/os.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/hbm_pim/bit_field_mapping.h"
#include "models/hbm_pim/memory_controller.h"
#include "platform/config/device_reader.h"

namespace {

using namespace hpimvp::hbm_pim;  // NOLINT: the program is about it

struct Access {
  std::uint64_t offset = 0;
  bool write = false;
};

struct Options {
  std::string preset;
  std::string trace;
  std::string pattern;
  std::uint64_t count = 1'000'000;
  double write_share = 0;
  std::uint64_t seed = 1;
  std::string mapping{kDefaultMapping};
  std::string commands_file;
  ControllerConfig controller;
};

Access parse_line(const std::string& line, const std::string& place) {
  std::size_t used = 0;
  Access access;
  try {
    access.offset = std::stoull(line, &used, 16);
  } catch (const std::exception&) {
    throw std::runtime_error(
        fmt::format("{}: expected \"0xADDRESS R|W\", found \"{}\"", place, line));
  }
  const std::size_t kind = line.find_first_not_of(" \t", used);
  const std::size_t end = line.find_last_not_of(" \t\r");
  if (kind == std::string::npos || kind != end || (line[kind] != 'R' && line[kind] != 'W')) {
    throw std::runtime_error(
        fmt::format("{}: expected R or W behind the address, found \"{}\"", place, line));
  }
  access.write = line[kind] == 'W';
  return access;
}

std::vector<Access> read_trace(const std::string& path, std::uint64_t stack_bytes) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot open " + path);
  std::vector<Access> accesses;
  std::string line;
  for (unsigned number = 1; std::getline(file, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos || line[0] == '#') continue;
    accesses.push_back(parse_line(line, fmt::format("{}:{}", path, number)));
    if (accesses.back().offset >= stack_bytes) {
      throw std::runtime_error(fmt::format("{}:{}: the address lies outside the stack of {} bytes",
                                           path, number, stack_bytes));
    }
  }
  return accesses;
}

std::vector<Access> make_pattern(const Options& options, const DeviceOrganisation& organisation) {
  std::mt19937_64 random(options.seed);
  std::uniform_real_distribution<double> share(0, 1);
  const std::uint64_t bursts = organisation.stack_bytes() / organisation.burst_bytes;
  std::vector<Access> accesses(options.count);
  for (std::uint64_t i = 0; i < options.count; ++i) {
    const std::uint64_t burst = options.pattern == "sequential" ? i % bursts : random() % bursts;
    accesses[i] = {burst * organisation.burst_bytes, share(random) < options.write_share};
  }
  return accesses;
}

// The command trace of all pseudo-channels, one behind the other.
class CommandFile {
 public:
  explicit CommandFile(const std::string& path) : file_(fmt::output_file(path)) {
    file_.print("pseudo_channel,cycle,command,stack_id,bank_group,bank,row,column\n");
  }
  static void take(void* context, const CommandRecord& record) {
    const CommandAddress& at = record.address;
    static_cast<CommandFile*>(context)->file_.print(
        "{},{},{},{},{},{},{},{}\n", record.pseudo_channel, record.cycle,
        command_name(record.command), at.stack_id, at.bank_group, at.bank, at.row, at.column);
  }

 private:
  fmt::ostream file_;
};

struct Result {
  std::uint64_t cycles = 0;
  std::array<std::uint64_t, kDramCommands> commands{};
};

void play(const std::vector<MemoryRequest>& requests, MemoryController& controller,
          Result& result) {
  std::uint64_t last = 0;
  controller.set_completion_sink({[](void* context, const Completion& completion) {
                                    auto& latest = *static_cast<std::uint64_t*>(context);
                                    latest = std::max(latest, completion.cycle);
                                  },
                                  &last});
  for (const MemoryRequest& request : requests) {
    while (!controller.can_accept(request.write)) controller.issue_next(~std::uint64_t{0});
    controller.push(request);
  }
  while (!controller.idle()) controller.issue_next(~std::uint64_t{0});
  result.cycles = std::max(result.cycles, last);
  for (unsigned i = 0; i < kDramCommands; ++i) {
    result.commands[i] += controller.counters().commands[i];
  }
}

void report(const DeviceDescription& device, const Options& options, const Result& result,
            std::size_t accesses, double host_seconds) {
  const double seconds = static_cast<double>(result.cycles * device.clock_period_ps) * 1e-12;
  const double bytes = static_cast<double>(accesses) * device.organisation.burst_bytes;
  const double peak =
      static_cast<double>(device.organisation.burst_bytes) * device.organisation.pseudo_channels() /
      (static_cast<double>(device[Parameter::kTCCDS] * device.clock_period_ps) * 1e-12);
  std::uint64_t commands = 0;
  for (const std::uint64_t count : result.commands) commands += count;
  fmt::print("device      {}, mapping {}\n", device.name, options.mapping);
  fmt::print("accesses    {} in {} DRAM cycles of {} ps = {:.3f} us\n", accesses, result.cycles,
             device.clock_period_ps, seconds * 1e6);
  fmt::print("bandwidth   {:.1f} GB/s, {:.1f} % of the peak of {:.1f} GB/s\n",
             bytes / seconds * 1e-9, 100 * bytes / seconds / peak, peak * 1e-9);
  for (unsigned i = 0; i < kDramCommands; ++i) {
    if (result.commands[i] == 0) continue;
    fmt::print("{:<11} {}\n", command_name(static_cast<DramCommand>(i)), result.commands[i]);
  }
  fmt::print("host        {:.3f} s, {:.2f} M accesses/s, {:.2f} M commands/s\n", host_seconds,
             static_cast<double>(accesses) / host_seconds * 1e-6,
             static_cast<double>(commands) / host_seconds * 1e-6);
}

void run(const Options& options) {
  check(options.controller);
  const DeviceDescription device = hpimvp::config::load_device(options.preset);
  const BitFieldMapping mapping(device.organisation, options.mapping);
  const std::vector<Access> accesses =
      options.trace.empty() ? make_pattern(options, device.organisation)
                            : read_trace(options.trace, device.organisation.stack_bytes());
  std::vector<std::vector<MemoryRequest>> requests(device.organisation.pseudo_channels());
  for (const Access& access : accesses) {
    const MappedAddress mapped = mapping.map(access.offset);
    auto& list = requests[mapped.pseudo_channel];
    list.push_back({list.size(), 0, mapped.address, access.write, 0});
  }
  std::optional<CommandFile> commands;
  if (!options.commands_file.empty()) commands.emplace(options.commands_file);
  Result result;
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    MemoryController controller(device, options.controller, static_cast<std::uint16_t>(i));
    if (commands) controller.set_command_sink({&CommandFile::take, &*commands});
    play(requests[i], controller, result);
  }
  const std::chrono::duration<double> host = std::chrono::steady_clock::now() - start;
  report(device, options, result, accesses.size(), host.count());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Plays a trace of memory accesses on an HBM stack");
  Options options;
  app.add_option("preset", options.preset, "a device preset (scenarios/presets/hbm/*.json)")
      ->required();
  auto* trace = app.add_option("--trace", options.trace, "lines \"0xADDRESS R|W\"");
  app.add_option("--pattern", options.pattern, "made-up accesses instead: sequential or random")
      ->check(CLI::IsMember({"sequential", "random"}))
      ->excludes(trace);
  app.add_option("--count", options.count, "accesses of the pattern");
  app.add_option("--writes", options.write_share, "share of writes in the pattern")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--seed", options.seed, "of the pattern");
  app.add_option("--mapping", options.mapping, "address fields from the most significant");
  app.add_option("--commands", options.commands_file, "write all DRAM commands as CSV");
  app.add_option("--page", options.controller.page_policy, "open or closed")
      ->transform(CLI::CheckedTransformer(std::map<std::string, PagePolicy>{
          {"open", PagePolicy::kOpen}, {"closed", PagePolicy::kClosed}}));
  app.add_option("--refresh", options.controller.refresh, "none, all-bank or per-bank")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, RefreshPolicy>{{"none", RefreshPolicy::kNone},
                                               {"all-bank", RefreshPolicy::kAllBank},
                                               {"per-bank", RefreshPolicy::kPerBank}}));
  app.add_option("--postpone", options.controller.most_postponed, "refreshes, at most 8");
  app.add_option("--read-queue", options.controller.read_queue, "entries a pseudo-channel");
  CLI11_PARSE(app, argc, argv);
  if (options.trace.empty() == options.pattern.empty()) {
    fmt::print(stderr, "error: one of --trace and --pattern is needed\n");
    return 2;
  }
  try {
    run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
  return 0;
}
