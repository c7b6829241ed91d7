// Runs one GEMV on stacks of an HBM-PIM device and says how long it takes, where the time goes, how
// many commands that is and what energy.
#include <fmt/format.h>
#include <fmt/os.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "models/hbm_pim/energy.h"
#include "models/hbm_pim/gemv_command_engine.h"
#include "models/hbm_pim/gemv_fast_engine.h"
#include "models/hbm_pim/gemv_stream.h"
#include "models/hbm_pim/pim_cursor.h"
#include "platform/config/device_reader.h"

namespace {

using namespace hpimvp::hbm_pim;  // NOLINT: the program is about it

struct Options {
  std::string preset;
  PseudoChannelGemv gemv{4096, 4096, 0, false};
  std::uint32_t stacks = 1;
  std::string engine = "command";
  std::string slices = "rows";
  std::string commands_file;
  GemvRefresh refresh;
};

// Commands of all pseudo-channels of a stack, one behind the other.
class CommandFile {
 public:
  explicit CommandFile(const std::string& path) : file_(fmt::output_file(path)) {
    file_.print("pseudo_channel,cycle,command,bank,row,column\n");
  }
  static void take(void* context, const CommandRecord& record) {
    static_cast<CommandFile*>(context)->file_.print(
        "{},{},{},{},{},{}\n", record.pseudo_channel, record.cycle, command_name(record.command),
        record.address.bank, record.address.row, record.address.column);
  }

 private:
  fmt::ostream file_;
};

std::vector<GemvResult> run_commands(const DeviceDescription& device, const Options& options,
                                     const std::vector<PseudoChannelGemv>& gemvs) {
  std::optional<CommandFile> file;
  CommandObserver observer;
  if (!options.commands_file.empty()) {
    file.emplace(options.commands_file);
    observer = {&CommandFile::take, &*file};
  }
  const GemvCommandEngine engine(device);
  const PseudoChannelState fresh(device, options.refresh);
  std::vector<GemvResult> results;
  for (std::size_t i = 0; i < gemvs.size(); ++i) {
    PseudoChannelState channel = fresh;
    GemvStream stream(device, gemvs[i]);
    results.push_back(
        engine.run(channel, stream.source(), observer, static_cast<std::uint16_t>(i)));
  }
  return results;
}

std::vector<GemvResult> run_fast(const DeviceDescription& device, const Options& options,
                                 const std::vector<PseudoChannelGemv>& gemvs) {
  GemvFastEngine engine(device);
  std::vector<GemvFastEngine::Channel> channels(
      gemvs.size(), engine.channel_of(PseudoChannelState(device, options.refresh)));
  std::vector<GemvResult> results(gemvs.size());
  engine.run(channels, gemvs, results);
  return results;
}

void report(const DeviceDescription& device, const Options& options,
            const std::vector<GemvResult>& results, double host_seconds) {
  GemvResult sum;
  for (const GemvResult& result : results) {
    sum.end = std::max(sum.end, result.end);
    for (unsigned i = 0; i < kDramCommands; ++i) sum.commands[i] += result.commands[i];
    for (unsigned i = 0; i < kGemvParts; ++i) sum.cycles[i] += result.cycles[i];
  }
  const double seconds = static_cast<double>(sum.end * device.clock_period_ps) * 1e-12;
  const double weight_bytes = 2.0 * options.gemv.inputs * options.gemv.outputs;
  fmt::print("device       {}, {} stack{} of {} pseudo-channels\n", device.name, options.stacks,
             options.stacks == 1 ? "" : "s", device.organisation.pseudo_channels());
  fmt::print("GEMV         {} inputs x {} outputs, FP16, sliced by {}\n", options.gemv.inputs,
             options.gemv.outputs, options.slices);
  fmt::print("time         {} DRAM cycles of {} ps = {:.3f} us\n", sum.end, device.clock_period_ps,
             seconds * 1e6);
  fmt::print("weights      {:.1f} GB/s\n", weight_bytes / seconds * 1e-9);

  const auto busy =
      static_cast<double>(std::accumulate(sum.cycles.begin(), sum.cycles.end(), std::uint64_t{0}));
  fmt::print("\nwhere the time goes, in cycles of all pseudo-channels\n");
  for (unsigned i = 0; i < kGemvParts; ++i) {
    fmt::print("{:<12} {:>12} {:>6.1f} %\n", part_name(static_cast<GemvPart>(i)), sum.cycles[i],
               busy > 0 ? 100 * static_cast<double>(sum.cycles[i]) / busy : 0.0);
  }
  fmt::print("\ncommands     {:>12}\n", sum.all_commands());
  for (unsigned i = 0; i < kDramCommands; ++i) {
    if (sum.commands[i] == 0) continue;
    fmt::print("{:<12} {:>12}\n", command_name(static_cast<DramCommand>(i)), sum.commands[i]);
  }

  CommandCounts counts;
  counts.commands = sum.commands;
  counts.cycles = sum.end * results.size();
  const EnergyBreakdown energy = energy_of(device, counts);
  fmt::print("\nenergy       {:>12.3f} uJ\n", energy.total() * 1e-6);
  energy.for_each([](const char* name, double picojoules) {
    fmt::print("{:<12} {:>12.3f} uJ\n", name, picojoules * 1e-6);
  });
  fmt::print("\nhost         {:.1f} us ({} engine), {:.1f} M commands/s\n", host_seconds * 1e6,
             options.engine, static_cast<double>(sum.all_commands()) / host_seconds * 1e-6);
}

void run(const Options& options) {
  const DeviceDescription device = hpimvp::config::load_device(options.preset);
  const std::vector<PseudoChannelGemv> gemvs =
      options.slices == "rows" ? slice_rows(device, options.stacks, options.gemv)
                               : slice_columns(device, options.stacks, options.gemv);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<GemvResult> results = options.engine == "command"
                                              ? run_commands(device, options, gemvs)
                                              : run_fast(device, options, gemvs);
  const std::chrono::duration<double> host = std::chrono::steady_clock::now() - start;
  report(device, options, results, host.count());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Runs a GEMV on HBM-PIM stacks");
  Options options;
  bool no_refresh = false;
  app.add_option("preset", options.preset, "a device preset (scenarios/presets/hbm/*.json)")
      ->required();
  app.add_option("--inputs", options.gemv.inputs, "columns of the matrix (4096)")
      ->check(CLI::PositiveNumber);
  app.add_option("--outputs", options.gemv.outputs, "rows of the matrix (4096)")
      ->check(CLI::PositiveNumber);
  app.add_flag("--bias", options.gemv.bias, "with a bias");
  app.add_option("--stacks", options.stacks, "stacks that share it (1)")
      ->check(CLI::Range(1u, 1024u));
  auto* engine = app.add_option("--engine", options.engine, "command or fast (command)")
                     ->check(CLI::IsMember({"command", "fast"}));
  app.add_option("--slices", options.slices, "rows or columns (rows)")
      ->check(CLI::IsMember({"rows", "columns"}));
  app.add_option("--commands", options.commands_file, "write all commands as CSV")
      ->excludes(engine);
  app.add_flag("--no-refresh", no_refresh, "leave refresh out");
  app.add_option("--postpone", options.refresh.most_postponed, "refreshes owed at most (8)")
      ->check(CLI::Range(1u, 8u));
  CLI11_PARSE(app, argc, argv);
  options.refresh.enabled = !no_refresh;
  try {
    run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "hbm_gemv: {}\n", error.what());
    return 1;
  }
  return 0;
}
