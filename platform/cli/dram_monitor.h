// Looks at every DRAM command of a machine while it runs: holds it against the independent checker,
// writes it to a file, and draws it in a waveform.
#pragma once

#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "models/hbm_pim/checker.h"
#include "platform/cli/dram_waveform.h"
#include "platform/cli/session.h"
#include "platform/hpim/hpim_machine.h"
#include "platform/output/result.h"

namespace hpimvp::cli {

class DramMonitor {
 public:
  struct Options {
    bool check = false;
    // Empty: no file. It has a line for each command: component, pseudo-channel, cycle, command,
    // stack ID, bank group, bank, row, column; in order of cycles for each pseudo-channel.
    std::string trace_path = {};
    // Which pseudo-channels are drawn, where, and from what time on.
    std::set<PseudoChannelName> drawn = {};
    common::ActivitySink* waveform = nullptr;
    std::uint64_t waveform_start_ps = 0;
  };

  // Before the simulation starts; must outlive it. Throws std::runtime_error if the file cannot be
  // written.
  DramMonitor(const hpim::HpimMachine& machine, const Options& options);
  DramMonitor(const DramMonitor&) = delete;
  DramMonitor& operator=(const DramMonitor&) = delete;

  bool draws() const { return waveform_.has_value(); }
  // Between calls of the machine's run(): tells the waveform all that came before `time_ps`, which
  // is now.
  void settle(std::uint64_t time_ps);
  // When the machine has ended.
  void finish(std::uint64_t time_ps);
  // Without a check: nothing.
  std::optional<output::DramCheckResult> result() const;

 private:
  struct Stack {
    DramMonitor* monitor = nullptr;
    std::string name;
    std::unique_ptr<hbm_pim::DramChecker> checker;
    std::function<void()> tell;
    std::vector<std::optional<std::size_t>> drawn;  // numbers in the waveform
  };

  static void take(void* context, const hbm_pim::CommandRecord& record);
  void note(const Stack& stack, const hbm_pim::Violation& violation);
  void write(const Stack& stack, const hbm_pim::CommandRecord& record);

  std::uint64_t clock_period_ps_;
  std::uint32_t pseudo_channels_;
  std::vector<std::unique_ptr<Stack>> stacks_;
  std::ofstream trace_;
  std::optional<DramWaveform> waveform_;
  output::DramCheckResult result_;
  bool check_;
};

}  // namespace hpimvp::cli
