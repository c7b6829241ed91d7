// The `hpim-vp` command line (contract 9 of the architecture: commands, exit codes).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <systemc>
#include <thread>

#include "platform/cli/commands.h"
#include "platform/compiler/model_error.h"
#include "platform/config/document.h"

// SystemC's library refers to it; the program starts in main.
extern "C" int sc_main(int /*argc*/, char* /*argv*/[]) {
  return 0;
}

namespace {

using namespace hpimvp;

void add_scenario_options(CLI::App& command, cli::ScenarioOptions& options) {
  command.add_option("scenario", options.scenario, "Scenario file (JSON with comments)")
      ->required();
  command
      .add_option("--set", options.overrides, "Override a value: machine.hbm.stacks=2 (repeatable)")
      ->type_name("PATH=VALUE")
      ->take_all()
      ->allow_extra_args(false);
}

int run_guarded(const std::function<int()>& command) {
  try {
    return command();
  } catch (const config::ConfigError& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return cli::kBadInput;
  } catch (const compiler::ModelError& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return cli::kBadInput;
  } catch (const std::invalid_argument& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return cli::kBadInput;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return cli::kSimulationFailed;
  }
}

}  // namespace

int main(int argc, char* argv[]) {
  CLI::App app{"hpim-vp: a virtual platform for processing-in-memory"};
  app.set_version_flag("--version", std::string("hpim-vp ") + HPIMVP_VERSION);
  app.require_subcommand(1);
  app.footer("Exit codes: 0 done, 1 the simulation failed, 2 bad input.");

  std::function<int()> command;

  cli::RunOptions run;
  auto* run_app = app.add_subcommand("run", "Run a scenario; writes result.json");
  add_scenario_options(*run_app, run);
  run_app->add_option("--out", run.out, "Result folder (default: out/<scenario>)");
  run_app->add_flag("--quiet", run.quiet, "No text, progress or summary on the terminal");
  run_app->add_flag("--check-dram", run.check_dram,
                    "Hold every DRAM command against the independent checker (slower)");
  run_app->add_flag("--trace-dram", run.trace_dram,
                    "Write every DRAM command to dram_commands.csv in the result folder");
  run_app->callback([&] { command = [&] { return cli::run_command(run); }; });

  cli::RunOptions validate;
  auto* validate_app =
      app.add_subcommand("validate", "Check a scenario and its files, run nothing");
  add_scenario_options(*validate_app, validate);
  validate_app->callback([&] { command = [&] { return cli::validate_command(validate); }; });

  cli::DescribeOptions describe;
  auto* describe_app =
      app.add_subcommand("describe", "Print the resolved machine, or the compiled plan");
  add_scenario_options(*describe_app, describe);
  describe_app->add_flag("--json", describe.json, "As JSON");
  describe_app->add_flag("--plan", describe.plan,
                         "The results of the compiler's four stages: annotation, mapping, tiling, "
                         "code");
  describe_app->add_option("--stage", describe.stage, "Only this stage of the plan");
  describe_app->add_option("--layer", describe.layer,
                           "This layer of the plan (default: the first of those that are alike)");
  describe_app->callback([&] { command = [&] { return cli::describe_command(describe); }; });

  cli::SweepOptions sweep;
  sweep.jobs = std::max(1u, std::thread::hardware_concurrency());
  auto* sweep_app = app.add_subcommand("sweep", "Run a scenario over combinations of values");
  add_scenario_options(*sweep_app, sweep);
  sweep_app->add_option("--vary", sweep.axes, "An axis: machine.hbm.stacks=1,2,4 (repeatable)")
      ->type_name("PATH=V1,V2,...")
      ->required()
      ->take_all()
      ->allow_extra_args(false);
  sweep_app->add_option("--jobs", sweep.jobs, "Runs at a time (default: one a core)")
      ->check(CLI::Range(1u, 256u));
  sweep_app->add_option("--out", sweep.out, "Result folder (default: out/<scenario>_sweep)");
  sweep_app->callback([&] { command = [&] { return cli::sweep_command(sweep); }; });

  cli::ReportOptions report;
  auto* report_app =
      app.add_subcommand("report", "Print the results of finished runs side by side");
  report_app->add_option("folders", report.folders, "Result folders")->required();
  report_app
      ->add_option("--baseline", report.baselines,
                   "Compare with a published machine, or with all (repeatable)")
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false);
  report_app->add_flag("--json", report.json,
                       "Only the times of requests, of the runs and of baselines, as JSON");
  report_app->callback([&] { command = [&] { return cli::report_command(report); }; });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? cli::kDone : cli::kBadInput;
  }
  return run_guarded(command);
}
