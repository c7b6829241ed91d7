// Starts a tool, waits for it with a time limit, and keeps what it printed.
#pragma once

#include <string>
#include <vector>

namespace hpimvp::conformance {

struct ProcessResult {
  bool started = false;
  bool timed_out = false;
  int exit_code = -1;  // -1 when a signal ended it
  std::string output;  // standard output and error together
};

// `arguments[0]` is looked up in PATH. The process is killed when the limit passes.
ProcessResult run_process(const std::vector<std::string>& arguments, int timeout_seconds);

}  // namespace hpimvp::conformance
