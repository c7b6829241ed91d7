// Hand-written privileged-architecture experiments as one bare-metal image: each logs named values,
// and the same image runs on QEMU and on the project's core.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tests/conformance/riscv_image_builder.h"

namespace hpimvp::conformance {

class DirectedProgram {
 public:
  // Registers that belong to the harness; experiments use x1..x22. After a trap, kCauseRegister to
  // kStatusRegister hold what the handler saw, and kVectorRegister the return address of the vector
  // table's entry that was taken, or zero for the direct handler.
  static constexpr int kVectorRegister = 23;
  static constexpr int kCauseRegister = 24;
  static constexpr int kEpcRegister = 25;
  static constexpr int kTvalRegister = 26;
  static constexpr int kStatusRegister = 27;
  static constexpr int kResumeRegister = 28;
  // What kCauseRegister holds after a probe without a trap.
  static constexpr std::uint64_t kNoTrap = 0xffff;

  // A page-aligned playground for memory experiments, 64 KiB of zeros.
  static constexpr std::uint64_t kPlayground = 0x80300000;

  DirectedProgram();

  ImageBuilder& code() { return code_; }

  // Logs a register under a name; both machines must agree.
  void log(const std::string& name, int reg);
  // mstatus is logged, here and by the probes, without SXL, which QEMU sets even without supervisor
  // mode.
  void log_csr(const std::string& name, int csr);

  // Runs a body that may trap, then logs mcause, mepc, mtval and mstatus as the handler saw them,
  // under "name cause" and so on. Execution continues after the body in either case.
  void probe(const std::string& name, const std::function<void()>& body);
  // Like probe(), logging the cause alone.
  void probe_cause(const std::string& name, const std::function<void()>& body);
  // Like probe(), with the body in user mode; a body that does not trap ends with an ECALL (cause
  // 8).
  void user_probe(const std::string& name, const std::function<void()>& body);

  // States what the specification asks for under this name: the core must give it. QEMU must agree,
  // unless `deviation` says why it does not.
  void specify(const std::string& name, std::uint64_t value, const std::string& deviation = "");
  // For values that the specification leaves open and that differ on purpose.
  void leave_open(const std::string& name, const std::string& reason);
  // For a probe where QEMU does not raise the exception that the specification asks for, or raises
  // another: states the cause; what else QEMU's handler saw is not compared.
  void specify_trap(const std::string& name, std::uint64_t cause, const std::string& deviation);

  // Ends the program; call once.
  std::vector<std::uint8_t> finish();

  ImageBuilder::Label vector_table() const { return vector_table_; }
  ImageBuilder::Label direct_handler() const { return direct_handler_; }

  struct Comparison {
    std::vector<std::string> failures;
    std::vector<std::string> deviations;  // of QEMU from the specification, as stated
    std::size_t values = 0;
  };
  Comparison compare(std::span<const std::uint8_t> qemu, std::span<const std::uint8_t> core) const;

  // All logged values of one machine, one per line.
  std::string dump(std::span<const std::uint8_t> ram) const;

 private:
  struct Expectation {
    bool open = false;
    std::uint64_t value = 0;
    std::string reason;
  };

  void emit_handlers();
  void begin_probe(ImageBuilder::Label resume);
  void log_trap(const std::string& name);

  ImageBuilder code_;
  ImageBuilder::Label start_;
  ImageBuilder::Label direct_handler_;
  ImageBuilder::Label vector_table_;
  std::vector<std::string> names_;  // the log's identifiers minus one
  std::map<std::string, Expectation> expectations_;
};

}  // namespace hpimvp::conformance
