// The example programs on the machines that they are for, under the DRAM checker.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "firmware/host/bank_map.h"
#include "models/hbm_pim/checker.h"
#include "platform/config/scenario.h"
#include "platform/hpim/hpim_machine.h"
#include "platform/hpim/standard_blocks.h"

using namespace hpimvp;

namespace {

const std::string kFolder = HPIMVP_SOURCE_DIR "/examples/pim_programs/";

struct Bench {
  hpim::BlockRegistry registry = hpim::standard_blocks();
  config::Scenario scenario;
  std::string text;
  std::unique_ptr<hpim::HpimMachine> machine;
  std::unique_ptr<hbm_pim::DramChecker> checker;
  std::uint64_t commands = 0;
  std::vector<std::string> violations;

  Bench(const std::string& program, const std::vector<std::string>& overrides)
      : scenario(config::load_scenario(kFolder + program + ".json", overrides,
                                       HPIMVP_SOURCE_DIR "/scenarios/presets")) {
    hpim::MachineOptions options;
    options.on_uart_byte = [this](std::uint8_t byte) { text += static_cast<char>(byte); };
    machine = std::make_unique<hpim::HpimMachine>("hpim", hpim::resolve(scenario.machine, registry),
                                                  options);
    machine->load_firmware(
        common::load_elf_file(std::string(HPIMVP_FIRMWARE_FOLDER) + "/pim_" + program + ".elf"));
    const auto drams = machine->dram();
    REQUIRE(drams.size() == 1);
    checker = std::make_unique<hbm_pim::DramChecker>(scenario.machine.hbm.stack.device,
                                                     hbm_pim::DramChecker::Options{});
    drams[0].observe({&Bench::take, this});
  }

  static void take(void* context, const hbm_pim::CommandRecord& record) {
    Bench& bench = *static_cast<Bench*>(context);
    ++bench.commands;
    if (const auto violation = bench.checker->check(record)) {
      bench.violations.push_back(to_string(*violation));
    }
  }

  std::uint32_t run() {
    const hpim::RunStatus status = machine->run(1'000'000'000'000);
    INFO(text << status.message);
    REQUIRE(status.reason == hpim::StopReason::kExit);
    (void)statistic("program_count");  // every command up to now has been told then
    CHECK(commands > 500);
    CHECK(violations == std::vector<std::string>{});
    return status.exit_code;
  }

  std::uint64_t statistic(const std::string& name) const {
    for (const auto& [component, statistics] : machine->statistics()) {
      if (component != "stack0") continue;
      for (const auto& [key, value] : statistics) {
        if (key == name) return value;
      }
    }
    FAIL("no statistic " << name);
    return 0;
  }
};

}  // namespace

TEST_CASE("firmware runs a list of PIM commands, and is told what is wrong with another") {
  Bench bench("native_list", {});
  CHECK(bench.run() == 0);
  CHECK(bench.text == "96 outputs are right\nrefused: word 5, LEFT_OPEN\n96 outputs are right\n");
  CHECK(bench.statistic("program_count") == 2);
  CHECK(bench.statistic("mac_commands") == 2 * 3 * 4);
  CHECK(bench.statistic("all_bank_activations") == 2 * 3 * 8);
}

TEST_CASE("firmware runs a microkernel with AAM, and is told what is wrong with another") {
  Bench bench("microkernel", {});
  CHECK(bench.run() == 0);
  CHECK(bench.text ==
        "128 outputs are right\nrefused: word 8, KERNEL_ENDED\n128 outputs are right\n");
  CHECK(bench.statistic("program_count") == 2);
  CHECK(bench.statistic("mac_commands") == 2 * 2 * 64);
}

namespace {

std::string error_override(std::uint64_t offset, std::uint32_t bits, const std::string& kind) {
  return fmt::format(
      R"(machine.hbm.errors={{"list":[{{"stack":0,"offset":{},"bits":{},"kind":"{}"}}]}})", offset,
      bits, kind);
}

// Of a program's weights: column 2 of row 100 in some bank of a pseudo-channel in use.
const std::uint64_t kNativeWeight = firmware::kHbm3HpimShape.offset(2, 17, 100, 2);
const std::uint64_t kSamsungWeight = firmware::kHbm2SamsungShape.offset(4, 6, 100, 2);

}  // namespace

TEST_CASE("a wrong bit in a program's weights is corrected: native", "[error]") {
  Bench bench("native_list", {error_override(kNativeWeight, 1, "transient")});
  CHECK(bench.run() == 0);
  CHECK_THAT(bench.text, Catch::EndsWith("96 outputs are right\nwords corrected: 1\n"));
  CHECK(bench.statistic("ecc_corrected") == 1);
}

TEST_CASE("a wrong bit in a program's weights is corrected: Samsung", "[error]") {
  Bench bench("microkernel", {error_override(kSamsungWeight, 1, "transient")});
  CHECK(bench.run() == 0);
  CHECK_THAT(bench.text, Catch::EndsWith("128 outputs are right\nwords corrected: 1\n"));
}

TEST_CASE("two wrong bits in a program's weights stop firmware with their place: native",
          "[error]") {
  Bench bench("native_list", {error_override(kNativeWeight + 9, 2, "stored")});
  CHECK(bench.run() == 2);
  CHECK(bench.text == fmt::format("HBM-PIM stack 0 stopped with UNCORRECTABLE_ERROR at offset "
                                  "0x{:016x} of its memory\n",
                                  kNativeWeight));
  CHECK(bench.statistic("ecc_uncorrected") == 1);
}

TEST_CASE("two wrong bits in a program's weights stop firmware with their place: Samsung",
          "[error]") {
  Bench bench("microkernel", {error_override(kSamsungWeight, 2, "stored")});
  CHECK(bench.run() == 2);
  CHECK(bench.text == fmt::format("HBM-PIM stack 0 stopped with UNCORRECTABLE_ERROR at offset "
                                  "0x{:016x} of its memory\n",
                                  kSamsungWeight));
}
