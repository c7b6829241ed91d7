// The directed privileged experiments on QEMU and on the core. Where QEMU and the specification
// differ, the specification decides, and the test prints the difference.
#include <catch2/catch.hpp>
#include <functional>
#include <iostream>

#include "tests/conformance/core_riscv.h"
#include "tests/conformance/qemu_riscv.h"
#include "tests/conformance/riscv_directed_experiments.h"
#include "tests/conformance/test_settings.h"

namespace hpimvp::conformance {
namespace {

void require_agreement(const std::function<void(DirectedProgram&)>& add_experiments) {
  if (!qemu_is_available()) skip_test("qemu-system-riscv64 is not installed");
  DirectedProgram program;
  add_experiments(program);
  const std::vector<std::uint8_t> image = program.finish();
  const std::vector<std::uint8_t> expected = run_on_qemu(image);
  for (const RunMode mode : {RunMode::kBlocks, RunMode::kSingleStep}) {
    CoreRunOptions options;
    options.mode = mode;
    const CoreOutcome outcome = run_on_core(image, options);
    const DirectedProgram::Comparison comparison = program.compare(expected, outcome.ram);
    INFO((mode == RunMode::kBlocks ? "in blocks" : "in single steps"));
    for (const std::string& failure : comparison.failures) FAIL_CHECK(failure);
    CHECK(comparison.values > 0);
    if (mode != RunMode::kBlocks) continue;
    std::cout << comparison.values << " values compared; QEMU differs from the specification in "
              << comparison.deviations.size() << "\n";
    for (const std::string& deviation : comparison.deviations)
      std::cout << "  " << deviation << "\n";
  }
}

TEST_CASE("arithmetic corner cases are as the specification states them", "[conformance][riscv]") {
  require_agreement(add_arithmetic_corner_experiments);
}
TEST_CASE("synchronous traps agree with QEMU", "[conformance][riscv][privileged]") {
  require_agreement(add_trap_experiments);
}
TEST_CASE("reservations agree with QEMU", "[conformance][riscv]") {
  require_agreement(add_reservation_experiments);
}
TEST_CASE("mstatus.FS and the rounding mode register agree with QEMU",
          "[conformance][riscv][privileged]") {
  require_agreement(add_float_status_experiments);
}
TEST_CASE("control registers read back as on QEMU", "[conformance][riscv][privileged]") {
  require_agreement(add_csr_read_back_experiments);
}
TEST_CASE("the same control registers exist as on QEMU", "[conformance][riscv][privileged]") {
  require_agreement(add_csr_existence_experiments);
}
TEST_CASE("user mode agrees with QEMU", "[conformance][riscv][privileged]") {
  require_agreement(add_user_mode_experiments);
}
TEST_CASE("counters and their enables agree with QEMU", "[conformance][riscv][privileged]") {
  require_agreement(add_counter_experiments);
}
TEST_CASE("physical memory protection agrees with QEMU", "[conformance][riscv][privileged]") {
  require_agreement(add_memory_protection_experiments);
}
TEST_CASE("random protection entries agree with QEMU", "[conformance][riscv][privileged]") {
  RandomSource random(seed_from_environment());
  require_agreement(
      [&](DirectedProgram& program) { add_random_memory_protection_experiments(program, random); });
}
TEST_CASE("interrupts and WFI agree with QEMU", "[conformance][riscv][privileged]") {
  require_agreement(add_interrupt_experiments);
}

}  // namespace
}  // namespace hpimvp::conformance
