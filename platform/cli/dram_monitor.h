// Looks at every DRAM command of a machine while it runs: holds it against the independent checker,
// and writes it to a file.
#pragma once

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "models/hbm_pim/checker.h"
#include "platform/hpim/hpim_machine.h"
#include "platform/output/result.h"

namespace hpimvp::cli {

class DramMonitor {
 public:
  // `trace_path` empty: no file. Before the simulation starts; must outlive it. The file has a line
  // for each command: component, pseudo-channel, cycle, command, stack ID, bank group, bank, row,
  // column; in order of cycles for each pseudo-channel. Throws std::runtime_error if it cannot be
  // written.
  DramMonitor(const hpim::HpimMachine& machine, bool check, const std::string& trace_path);
  DramMonitor(const DramMonitor&) = delete;
  DramMonitor& operator=(const DramMonitor&) = delete;

  // When the machine has ended and all its commands were told.
  void finish(std::uint64_t time_ps);
  // Without a check: nothing.
  std::optional<output::DramCheckResult> result() const;

 private:
  struct Stack {
    DramMonitor* monitor = nullptr;
    std::string name;
    std::unique_ptr<hbm_pim::DramChecker> checker;
  };

  static void take(void* context, const hbm_pim::CommandRecord& record);
  void note(const Stack& stack, const hbm_pim::Violation& violation);
  void write(const Stack& stack, const hbm_pim::CommandRecord& record);

  std::uint64_t clock_period_ps_;
  std::uint32_t pseudo_channels_;
  std::vector<std::unique_ptr<Stack>> stacks_;
  std::ofstream trace_;
  output::DramCheckResult result_;
  bool check_;
};

}  // namespace hpimvp::cli
