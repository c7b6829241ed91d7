#include "tests/conformance/riscv_coverage.h"

#include <fmt/format.h>

#include "tests/conformance/qemu_riscv.h"

namespace hpimvp::conformance {
namespace {

constexpr std::array<const char*, 5> kRoundingNames = {"rne", "rtz", "rdn", "rup", "rmm"};

// MRET and WFI have their own, directed tests.
bool is_for_random_programs(const InstructionForm& form) {
  return form.extension != Extension::kPrivileged;
}

}  // namespace

void RiscvCoverage::begin(const RandomProgram& program) {
  by_halfword_.assign((program.listing.back().address - kRamBase) / 2 + 2, nullptr);
  for (const ListedInstruction& listed : program.listing) {
    if (listed.counted) by_halfword_[(listed.address - kRamBase) / 2] = &listed;
  }
}

void RiscvCoverage::observe(const riscv::Core& core) {
  const std::uint64_t index = (core.pc() - kRamBase) / 2;
  const ListedInstruction* listed = index < by_halfword_.size() ? by_halfword_[index] : nullptr;
  if (listed == nullptr) return;
  ++instructions_;
  const Instruction& in = listed->instruction;
  if (in.form == nullptr) {
    ++raw_encodings_;
    return;
  }
  Counts& counts = counts_[in.form];
  ++counts.executed;
  if (has_rounding_field(in.form->format)) {
    constexpr unsigned kFrm = 0x002;
    if (in.rounding < kModes) ++counts.static_rounding[in.rounding];
    const std::uint64_t dynamic = core.read_csr(kFrm).value_or(~std::uint64_t{0});
    if (in.rounding == kRoundDynamic && dynamic < kModes) ++counts.dynamic_rounding[dynamic];
  }
  if (reads_float_rs1(in.form->format)) {
    const FloatClass operand = classify(core.f(in.rs1), in.form->source_width);
    ++counts.operand_class[static_cast<std::size_t>(operand)];
  }
}

std::vector<std::string> RiscvCoverage::gaps() const {
  std::vector<std::string> missing;
  for (const InstructionForm& form : instruction_forms()) {
    if (!is_for_random_programs(form)) continue;
    const auto found = counts_.find(&form);
    if (found == counts_.end()) {
      missing.push_back(form.mnemonic);
      continue;
    }
    const Counts& counts = found->second;
    for (int mode = 0; mode < kModes && has_rounding_field(form.format); ++mode) {
      if (counts.static_rounding[mode] == 0) {
        missing.push_back(fmt::format("{} with {}", form.mnemonic, kRoundingNames[mode]));
      }
      if (counts.dynamic_rounding[mode] == 0) {
        missing.push_back(fmt::format("{} with dynamic {}", form.mnemonic, kRoundingNames[mode]));
      }
    }
    for (int c = 0; c < kFloatClassCount && reads_float_rs1(form.format); ++c) {
      const bool possible = form.source_width != FloatWidth::kDouble ||
                            static_cast<FloatClass>(c) != FloatClass::kNotBoxed;
      if (possible && counts.operand_class[c] == 0) {
        missing.push_back(fmt::format("{} of {}", form.mnemonic, kFloatClassNames[c]));
      }
    }
  }
  return missing;
}

std::string RiscvCoverage::table() const {
  std::map<Extension, std::string> lines;
  std::map<Extension, std::uint64_t> sums;
  Counts total;
  for (const InstructionForm& form : instruction_forms()) {
    if (!is_for_random_programs(form)) continue;
    const auto found = counts_.find(&form);
    const Counts counts = found == counts_.end() ? Counts{} : found->second;
    lines[form.extension] += fmt::format(" {} {}", form.mnemonic, counts.executed);
    sums[form.extension] += counts.executed;
    for (int i = 0; i < kModes; ++i) {
      total.static_rounding[i] += counts.static_rounding[i];
      total.dynamic_rounding[i] += counts.dynamic_rounding[i];
    }
    for (int i = 0; i < kFloatClassCount; ++i) total.operand_class[i] += counts.operand_class[i];
  }
  std::string text = fmt::format("executed {} random instructions, {} of them random encodings\n",
                                 instructions_, raw_encodings_);
  for (const auto& [extension, line] : lines) {
    text += fmt::format("{} ({}):{}\n", to_string(extension), sums[extension], line);
  }
  text += "rounding, static/dynamic:";
  for (int i = 0; i < kModes; ++i) {
    text += fmt::format(" {} {}/{}", kRoundingNames[i], total.static_rounding[i],
                        total.dynamic_rounding[i]);
  }
  text += "\nclass of the first operand:";
  for (int i = 0; i < kFloatClassCount; ++i) {
    text += fmt::format(" {} {}", kFloatClassNames[i], total.operand_class[i]);
  }
  return text + "\n";
}

}  // namespace hpimvp::conformance
