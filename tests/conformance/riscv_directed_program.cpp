#include "tests/conformance/riscv_directed_program.h"

#include <fmt/format.h>

#include <cstring>

#include "tests/conformance/qemu_riscv.h"

namespace hpimvp::conformance {
namespace {

constexpr std::uint64_t kLogAddress = kRamBase + 0x400000;
constexpr int kScratch = 30;
constexpr int kLogPointer = 31;

constexpr int kMstatus = 0x300;
constexpr int kMie = 0x304;
constexpr int kMtvec = 0x305;
constexpr int kMepc = 0x341;
constexpr int kMcause = 0x342;
constexpr int kMtval = 0x343;

constexpr std::int64_t kMpie = 0x80;
constexpr std::uint64_t kMppMachine = 0x1800;
constexpr std::uint64_t kSxl = std::uint64_t{3} << 34;

constexpr std::uint64_t kClintMtimecmp = kClintBase + 0x4000;

struct LogEntry {
  std::uint64_t id;
  std::uint64_t value;
};

std::vector<LogEntry> read_log(std::span<const std::uint8_t> ram) {
  std::vector<LogEntry> entries;
  for (std::uint64_t offset = kLogAddress - kRamBase;; offset += sizeof(LogEntry)) {
    LogEntry entry{};
    std::memcpy(&entry, ram.data() + offset, sizeof entry);
    if (entry.id == 0) return entries;
    entries.push_back(entry);
  }
}

}  // namespace

DirectedProgram::DirectedProgram()
    : code_(kRamBase),
      start_(code_.new_label()),
      direct_handler_(code_.new_label()),
      vector_table_(code_.new_label()) {
  code_.jump_to(0, start_);
  emit_handlers();
  code_.bind(start_);
  code_.load_address(1, direct_handler_);
  code_.csr("csrrw", 0, kMtvec, 1);
  code_.load_address(kLogPointer, kLogAddress);
  // No timer interrupt until an experiment asks for it; the comparator's reset value is not
  // specified.
  code_.load_constant(1, ~std::uint64_t{0});
  code_.load_constant(2, kClintMtimecmp);
  code_.store("sd", 1, 0, 2);
}

void DirectedProgram::emit_handlers() {
  const ImageBuilder::Label common = code_.new_label();
  // Privileged ISA section 3.1.7: the base of a vectored table may need more alignment than four.
  code_.align(256);
  code_.bind(vector_table_);
  constexpr int kVectorEntries = 16;
  for (int i = 0; i < kVectorEntries; ++i) code_.jump_to(kVectorRegister, common);

  code_.bind(direct_handler_);
  code_.op_immediate("addi", kVectorRegister, 0, 0);
  code_.bind(common);
  code_.csr("csrrs", kCauseRegister, kMcause, 0);
  code_.csr("csrrs", kEpcRegister, kMepc, 0);
  code_.csr("csrrs", kTvalRegister, kMtval, 0);
  code_.csr("csrrs", kStatusRegister, kMstatus, 0);
  code_.load_constant(kScratch, kSxl);
  code_.op("andn", kStatusRegister, kStatusRegister, kScratch);
  // Continue at the resume address, in machine mode, with interrupts off.
  code_.csr("csrrw", 0, kMepc, kResumeRegister);
  code_.load_constant(kScratch, kMpie);
  code_.csr("csrrc", 0, kMstatus, kScratch);
  code_.load_constant(kScratch, kMppMachine);
  code_.csr("csrrs", 0, kMstatus, kScratch);
  code_.op("mret");
}

void DirectedProgram::log(const std::string& name, int reg) {
  names_.push_back(name);
  code_.load_constant(kScratch, names_.size());
  code_.store("sd", kScratch, 0, kLogPointer);
  code_.store("sd", reg, 8, kLogPointer);
  code_.op_immediate("addi", kLogPointer, kLogPointer, sizeof(LogEntry));
}

void DirectedProgram::log_csr(const std::string& name, int csr) {
  constexpr int kValue = 22;
  code_.csr("csrrs", kValue, csr, 0);
  if (csr == kMstatus) {
    code_.load_constant(kScratch, kSxl);
    code_.op("andn", kValue, kValue, kScratch);
  }
  log(name, kValue);
}

void DirectedProgram::begin_probe(ImageBuilder::Label resume) {
  code_.load_address(kResumeRegister, resume);
  code_.load_constant(kCauseRegister, kNoTrap);
  for (const int reg : {kVectorRegister, kEpcRegister, kTvalRegister, kStatusRegister}) {
    code_.op_immediate("addi", reg, 0, 0);
  }
}

void DirectedProgram::log_trap(const std::string& name) {
  log(name + " cause", kCauseRegister);
  log(name + " epc", kEpcRegister);
  log(name + " tval", kTvalRegister);
  log(name + " mstatus", kStatusRegister);
}

void DirectedProgram::probe(const std::string& name, const std::function<void()>& body) {
  const ImageBuilder::Label resume = code_.new_label();
  begin_probe(resume);
  body();
  code_.bind(resume);
  log_trap(name);
}

void DirectedProgram::probe_cause(const std::string& name, const std::function<void()>& body) {
  const ImageBuilder::Label resume = code_.new_label();
  begin_probe(resume);
  body();
  code_.bind(resume);
  log(name, kCauseRegister);
}

void DirectedProgram::user_probe(const std::string& name, const std::function<void()>& body) {
  const ImageBuilder::Label resume = code_.new_label();
  const ImageBuilder::Label user = code_.new_label();
  begin_probe(resume);
  code_.load_constant(kScratch, kMppMachine);
  code_.csr("csrrc", 0, kMstatus, kScratch);
  code_.load_address(kScratch, user);
  code_.csr("csrrw", 0, kMepc, kScratch);
  code_.op("mret");
  code_.bind(user);
  body();
  code_.op("ecall");
  code_.bind(resume);
  log_trap(name);
}

void DirectedProgram::specify(const std::string& name, std::uint64_t value,
                              const std::string& deviation) {
  expectations_[name] = {false, value, deviation};
}

void DirectedProgram::leave_open(const std::string& name, const std::string& reason) {
  expectations_[name] = {true, 0, reason};
}

void DirectedProgram::specify_trap(const std::string& name, std::uint64_t cause,
                                   const std::string& deviation) {
  specify(name + " cause", cause, deviation);
  for (const char* field : {" epc", " tval", " mstatus"}) leave_open(name + field, deviation);
}

std::vector<std::uint8_t> DirectedProgram::finish() {
  code_.csr("csrrwi", 0, kMie, 0);
  code_.load_constant(5, kFinisherPass);
  code_.load_constant(6, kFinisherAddress);
  code_.store("sw", 5, 0, 6);
  const ImageBuilder::Label forever = code_.new_label();
  code_.bind(forever);
  code_.op("wfi");
  code_.jump_to(0, forever);
  if (code_.here() > kPlayground) throw std::logic_error("the program reaches its playground");
  return code_.finish();
}

DirectedProgram::Comparison DirectedProgram::compare(std::span<const std::uint8_t> qemu,
                                                     std::span<const std::uint8_t> core) const {
  const std::vector<LogEntry> theirs = read_log(qemu);
  const std::vector<LogEntry> ours = read_log(core);
  Comparison result;
  for (std::size_t i = 0; i < std::min(theirs.size(), ours.size()); ++i) {
    const std::string& name = names_.at(theirs[i].id - 1);
    if (theirs[i].id != ours[i].id) {
      result.failures.push_back(fmt::format("the core logs \"{}\" where QEMU logs \"{}\"",
                                            names_.at(ours[i].id - 1), name));
      return result;
    }
    ++result.values;
    const std::string both =
        fmt::format("{}: QEMU {:#x}, core {:#x}", name, theirs[i].value, ours[i].value);
    const auto expectation = expectations_.find(name);
    if (expectation == expectations_.end()) {
      if (theirs[i].value != ours[i].value) result.failures.push_back(both);
      continue;
    }
    const auto& [open, value, reason] = expectation->second;
    if (theirs[i].value != ours[i].value && !reason.empty()) {
      result.deviations.push_back(fmt::format("{} ({})", both, reason));
    }
    if (open) continue;
    const bool qemu_must_agree = reason.empty();
    if (ours[i].value != value || (qemu_must_agree && theirs[i].value != value)) {
      result.failures.push_back(fmt::format("{}, specification {:#x}", both, value));
    }
  }
  if (theirs.size() != ours.size()) {
    result.failures.push_back(
        fmt::format("QEMU logged {} values, the core {}", theirs.size(), ours.size()));
  }
  return result;
}

std::string DirectedProgram::dump(std::span<const std::uint8_t> ram) const {
  std::string text;
  for (const LogEntry& entry : read_log(ram)) {
    text += fmt::format("{} = {:#x}\n", names_.at(entry.id - 1), entry.value);
  }
  return text;
}

}  // namespace hpimvp::conformance
