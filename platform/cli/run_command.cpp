#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "platform/cli/commands.h"
#include "platform/cli/dram_monitor.h"
#include "platform/cli/progress.h"
#include "platform/cli/session.h"
#include "platform/hpim/hpim_machine.h"
#include "platform/output/activity_fan_out.h"
#include "platform/output/operation_log.h"
#include "platform/output/operator_profile.h"
#include "platform/output/result.h"
#include "platform/output/vcd_writer.h"

namespace hpimvp::cli {

namespace {

namespace fs = std::filesystem;
using peripherals::Marker;
using peripherals::MarkerKind;

constexpr double kSecondsPerPs = 1e-12;
constexpr std::uint64_t kSlicePs = 100'000'000;    // 100 us between looks at progress and limits
constexpr std::uint64_t kDramSlicePs = 1'000'000;  // while DRAM commands are drawn
// Engines tell of an operator's start when it has ended: so far behind the waveform is written.
constexpr std::uint64_t kWaveformLagPs = 200'000'000;

volatile std::sig_atomic_t interrupted = 0;
void on_signal(int /*signal*/) {
  interrupted = 1;
}

double to_seconds(std::uint64_t time_ps) {
  return static_cast<double>(time_ps) / 1e12;  // rounded once
}

// The waveform, when the scenario wants one.
class Waveform {
 public:
  Waveform(const Session& session, const std::string& path) : stream_(path, std::ios::binary) {
    if (!stream_) throw std::runtime_error(path + ": cannot be written");
    const config::TraceChoice& trace = session.scenario.trace;
    output::VcdOptions options;
    options.start_ps = static_cast<std::uint64_t>(trace.start_us * 1e6);
    options.stop_ps = static_cast<std::uint64_t>(trace.stop_us * 1e6);
    start_ps_ = options.start_ps;
    stop_ps_ = options.stop_ps;
    options.max_bytes = trace.max_mib << 20;
    for (const auto& info : operator_infos(session.plan)) {
      options.operation_names.push_back(info.name);
    }
    writer_ = std::make_unique<output::VcdWriter>(stream_, options);
    for (const hpim::Clock& clock : hpim::clocks(session.scenario.machine)) {
      writer_->declare_clock("clocks." + clock.name, clock.period_ps);
    }
  }

  output::VcdWriter& writer() { return *writer_; }

  // When to look next if DRAM commands are drawn. They are told late, and those that wait to be
  // drawn in the order of time must not become too many. One look is at the window's start.
  std::uint64_t next_dram_look_ps(std::uint64_t now_ps) const {
    if (now_ps >= stop_ps_) return now_ps + kSlicePs;
    if (now_ps < start_ps_) return std::min(start_ps_, now_ps + kSlicePs);
    return now_ps + kDramSlicePs;
  }
  std::uint64_t start_ps() const { return start_ps_; }

 private:
  std::uint64_t start_ps_ = 0;
  std::uint64_t stop_ps_ = 0;
  std::ofstream stream_;
  std::unique_ptr<output::VcdWriter> writer_;
};

// What the firmware tells while it runs.
class Observer {
 public:
  Observer(bool echo, Progress& progress) : echo_(echo), progress_(progress) {}

  void on_uart_byte(std::uint8_t byte) {
    text_ += static_cast<char>(byte);
    if (!echo_) return;
    progress_.clear();
    std::fputc(byte, stdout);
    std::fflush(stdout);
  }

  void on_marker(const Marker& marker) {
    switch (marker.kind) {
      case MarkerKind::kBootDone:
        boot_ps_ = marker.time_ps;
        break;
      case MarkerKind::kPrefillStart:
        start_ps_ = marker.time_ps;
        break;
      case MarkerKind::kToken:
        tokens_.push_back(static_cast<std::uint32_t>(marker.value));
        token_ps_.push_back(marker.time_ps);
        progress_.position_done();
        break;
      case MarkerKind::kPrediction:
        predictions_.push_back(static_cast<std::uint32_t>(marker.value));
        break;
      case MarkerKind::kCorrectedTotal:
        on_diagnostic(
            fmt::format("memory errors: words that on-die ECC corrected: {}", marker.value));
        break;
      case MarkerKind::kRetryTotal:
        on_diagnostic(fmt::format("memory errors: retries of commands: {}", marker.value));
        break;
      default:
        break;
    }
  }

  void on_diagnostic(const std::string& sentence) {
    diagnostics_.push_back(sentence);
    progress_.clear();
    fmt::print(stderr, "{}\n", sentence);
  }

  void fill(output::Result& result) const {
    result.text = text_;
    result.diagnostics = diagnostics_;
    result.tokens = tokens_;
    result.predictions = predictions_;
    result.time.boot_s = to_seconds(boot_ps_);
    std::uint64_t previous = start_ps_;
    for (const std::uint64_t time : token_ps_) {
      result.time.token_s.push_back(to_seconds(time - previous));
      previous = time;
    }
    if (!token_ps_.empty()) result.time.first_token_s = result.time.token_s.front();
    if (token_ps_.size() > 1) {
      result.time.mean_token_s = to_seconds(token_ps_.back() - token_ps_.front()) /
                                 static_cast<double>(token_ps_.size() - 1);
    }
  }

 private:
  bool echo_;
  Progress& progress_;
  std::string text_;
  std::vector<std::uint32_t> tokens_;
  std::vector<std::uint64_t> token_ps_;
  std::vector<std::uint32_t> predictions_;
  std::vector<std::string> diagnostics_;
  std::uint64_t boot_ps_ = 0;
  std::uint64_t start_ps_ = 0;
};

struct Outcome {
  std::string status;
  std::string message;
  hpim::RunStatus machine;
};

// Those who look at the machine while it runs; null: absent.
struct Watchers {
  Progress& progress;
  Waveform* waveform;
  DramMonitor* dram;

  bool draw_dram() const { return waveform != nullptr && dram != nullptr && dram->draws(); }
  std::uint64_t next_look_ps(std::uint64_t now_ps) const {
    return draw_dram() ? waveform->next_dram_look_ps(now_ps) : now_ps + kSlicePs;
  }
  void look(hpim::HpimMachine& machine, std::uint64_t now_ps) const {
    if (draw_dram()) dram->settle(now_ps);
    if (waveform != nullptr) {
      machine.tell_activity();
      waveform->writer().advance(now_ps - std::min(now_ps, kWaveformLagPs));
    }
    progress.show(now_ps);
  }
};

// Runs until the firmware ends, or something else does.
Outcome run_to_end(const Session& session, hpim::HpimMachine& machine, const Watchers& watchers) {
  using std::chrono::steady_clock;
  const config::Limits& limits = session.scenario.limits;
  const auto limit_ps = static_cast<std::uint64_t>(limits.simulated_s / kSecondsPerPs);
  const auto start = steady_clock::now();
  for (std::uint64_t until_ps = 0;;) {
    until_ps = std::min(watchers.next_look_ps(until_ps), limit_ps);
    hpim::RunStatus status = machine.run(until_ps);
    watchers.look(machine, status.time_ps);
    switch (status.reason) {
      case hpim::StopReason::kTimeLimit:
        break;
      case hpim::StopReason::kExit: {
        const bool good = status.exit_code == 0;
        const std::string message =
            good ? "" : fmt::format("the firmware ended with exit code {}", status.exit_code);
        return {good ? "done" : "firmware_error", message, std::move(status)};
      }
      case hpim::StopReason::kDeadlock:
        return {"deadlock", status.message, status};
      case hpim::StopReason::kFault:
        return {"firmware_fault", status.message, status};
      case hpim::StopReason::kRequested:
        return {"interrupted", "interrupted", status};
    }
    if (interrupted != 0) return {"interrupted", "interrupted by a signal", status};
    if (until_ps >= limit_ps) {
      return {"time_limit", fmt::format("limits.simulated_s ({} s) is over", limits.simulated_s),
              status};
    }
    const std::chrono::duration<double> host = steady_clock::now() - start;
    if (limits.host_s > 0 && host.count() > limits.host_s) {
      return {"time_limit", fmt::format("limits.host_s ({} s) is over", limits.host_s), status};
    }
  }
}

std::uint64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

output::Result collect(const Session& session, hpim::HpimMachine& machine, const Outcome& outcome,
                       const Observer& observer, const output::OperationLog& log) {
  output::Result result;
  result.status = outcome.status;
  result.message = outcome.message;
  result.scenario = session.scenario.resolved;
  result.machine = hpim::describe(session.topology);
  if (session.model.layers > 0) {
    result.model = output::Json::parse(compiler::to_preset(session.model));
  }
  result.prompt_tokens = session.prompt;
  observer.fill(result);
  result.time.total_s = to_seconds(outcome.machine.time_ps);
  result.time.total_cycles =
      outcome.machine.time_ps / hpim::clock_period_ps(session.scenario.machine.host.clock_mhz);
  result.firmware.instructions = machine.cpu().core().instructions();
  result.firmware.cycles = machine.cpu().core().cycles();
  result.firmware.exit_code = outcome.machine.exit_code;
  output::add_operations(result, log, operator_infos(session.plan), result.time.total_s);
  for (auto& [name, statistics] : machine.statistics()) {
    result.components.push_back({name, std::move(statistics)});
  }
  const double noc_cycles =
      static_cast<double>(outcome.machine.time_ps) /
      static_cast<double>(hpim::clock_period_ps(session.scenario.machine.noc.clock_mhz));
  for (const auto& [name, totals] : machine.links()) {
    result.links.push_back({name, totals.messages, totals.flits, totals.held_cycles,
                            totals.waiting_cycles,
                            static_cast<double>(totals.flits) / std::max(noc_cycles, 1.0)});
  }
  for (auto& [name, energy] : machine.energy()) result.energy.push_back({name, std::move(energy)});
  return result;
}

}  // namespace

int run_command(const RunOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  // From the start: a run that is interrupted while it loads ends like one that is interrupted
  // later.
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  const auto session =
      prepare(config::load_scenario(options.scenario, options.overrides, preset_folder()));
  const config::Scenario& scenario = session->scenario;
  const fs::path out =
      options.out.empty() ? fs::path("out") / scenario.name : fs::path(options.out);
  fs::create_directories(out);

  Progress progress(!options.quiet && isatty(STDERR_FILENO) != 0, scenario.workload.output_tokens);
  Observer observer(!options.quiet, progress);
  output::OperationLog log;
  output::OperatorProfile profile(profiled_operators(session->plan),
                                  scenario.policy == plan::SchedulePolicy::kSerial);
  std::vector<common::ActivitySink*> sinks = {&log, &profile};
  std::optional<Waveform> waveform;
  if (scenario.trace.vcd) {
    waveform.emplace(*session, (out / scenario.trace.file).string());
    sinks.push_back(&waveform->writer());
  }
  output::ActivityFanOut activity(sinks);

  hpim::MachineOptions machine_options;
  machine_options.boot_parameter = session->plan.address;
  machine_options.activity = &activity;
  machine_options.on_uart_byte = [&](std::uint8_t byte) { observer.on_uart_byte(byte); };
  machine_options.on_marker = [&](const Marker& marker) {
    observer.on_marker(marker);
    if (marker.kind == MarkerKind::kToken) profile.on_token(marker.time_ps);
  };
  machine_options.on_diagnostic = [&](const std::string& sentence) {
    observer.on_diagnostic(sentence);
  };
  machine_options.operation_name = [&](std::uint32_t operation) {
    return operator_text(session->plan, operation);
  };
  hpim::HpimMachine machine("hpim", session->topology, machine_options);
  load(*session, machine);
  std::optional<DramMonitor> monitor;
  DramMonitor::Options monitor_options;
  monitor_options.check = options.check_dram;
  if (options.trace_dram) monitor_options.trace_path = (out / "dram_commands.csv").string();
  if (waveform) {
    monitor_options.waveform = &waveform->writer();
    monitor_options.waveform_start_ps = waveform->start_ps();
    monitor_options.drawn = session->drawn_dram;
  }
  if (options.check_dram || options.trace_dram || !monitor_options.drawn.empty()) {
    monitor.emplace(machine, monitor_options);
  }

  const Outcome outcome =
      run_to_end(*session, machine,
                 {progress, waveform ? &*waveform : nullptr, monitor ? &*monitor : nullptr});
  progress.clear();
  if (monitor) monitor->finish(outcome.machine.time_ps);
  if (waveform) waveform->writer().finish(outcome.machine.time_ps);

  output::Result result = collect(*session, machine, outcome, observer, log);
  result.per_token = profile.profile();
  if (monitor) result.dram_check = monitor->result();
  result.host.wall_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.host.peak_memory_bytes = peak_memory_bytes();
  const std::string result_path = (out / "result.json").string();
  output::write_result(result_path, result);
  if (!options.quiet) {
    fmt::print("\n\n{}  {:<18}{}\n", output::summary(result), "result", result_path);
    if (waveform) {
      fmt::print("  {:<18}{}\n", "waveform", (out / scenario.trace.file).string());
    }
  }
  if (result.dram_check && result.dram_check->violations > 0) {
    fmt::print(stderr, "error: the DRAM checker found {} violations; the first: {}\n",
               result.dram_check->violations, result.dram_check->first);
    return kSimulationFailed;
  }
  if (outcome.status == "done") return kDone;
  fmt::print(stderr, "error: {}\n", outcome.message);
  return kSimulationFailed;
}

}  // namespace hpimvp::cli
