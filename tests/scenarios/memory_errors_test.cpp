// Whole machines whose HBM-PIM memory is wrong beyond correction where the DMA engine, a tile or
// the CPU reads it: firmware tries again, or stops with a message that says what and where.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <map>
#include <string>

#include "platform/cli/session.h"
#include "platform/config/document.h"
#include "platform/hpim/hpim_machine.h"

using namespace hpimvp;

namespace {

constexpr std::uint32_t kStacks = 2;

std::unique_ptr<cli::Session> prepare(const std::string& data, const config::Json& errors,
                                      const std::string& firmware = "") {
  config::Json scenario = {
      {"machine",
       {{"preset", "hpim"}, {"hbm", {{"stacks", kStacks}, {"errors", {{"list", errors}}}}}}},
      {"model",
       {{"path", HPIMVP_SOURCE_DIR "/scenarios/models/tale/model.bin"},
        {"tokenizer", HPIMVP_SOURCE_DIR "/scenarios/models/tale/tokenizer.bin"}}},
      {"workload", {{"prompt", "Once upon"}, {"output_tokens", 3}}},
      {"data", data}};
  if (!firmware.empty()) {
    scenario["firmware"] = std::string(HPIMVP_FIRMWARE_FOLDER) + "/" + firmware + ".elf";
  }
  return cli::prepare(config::read_scenario(config::Document::parse(scenario.dump(), "test.json"),
                                            ".", HPIMVP_SOURCE_DIR "/scenarios/presets"));
}

struct Place {
  std::uint32_t stack = 0;
  std::uint64_t offset = 0;
  std::uint64_t address = 0;
};

Place place_of(const cli::Session& session, std::uint64_t address) {
  const auto& stacks = session.plan.machine.stacks;
  for (std::uint32_t i = 0; i < stacks.size(); ++i) {
    const plan::Device& device = session.plan.machine.devices[stacks[i].device];
    if (address - device.memory_address >= device.memory_bytes) continue;
    return {i, address - device.memory_address, address};
  }
  FAIL("no stack holds " << address);
  return {};
}

// Where the DMA engine reads the prompt's first embedding.
Place embedding(const cli::Session& session) {
  for (const compiler::TablePlacement& table : session.plan.placement.tables) {
    if (table.kind != compiler::TableKind::kMatrix) continue;
    return place_of(session, table.address + std::uint64_t{session.prompt[0]} * table.row_bytes);
  }
  FAIL("no embedding");
  return {};
}

// Where the key of position 0 stands, of head 0 in layer 0: read by a tile.
Place first_key(const cli::Session& session) {
  return place_of(session, session.plan.placement.kv_regions.at(0).address);
}

config::Json double_error(const Place& place, const std::string& kind) {
  return {{{"stack", place.stack}, {"offset", place.offset}, {"bits", 2}, {"kind", kind}}};
}

struct Run {
  std::string text;
  std::uint32_t exit_code = 0;
  std::map<std::string, std::uint64_t> stack_errors;  // uncorrected words, by component
};

Run run(const cli::Session& session) {
  Run result;
  hpim::MachineOptions options;
  options.boot_parameter = session.plan.address;
  options.on_uart_byte = [&](std::uint8_t byte) { result.text += static_cast<char>(byte); };
  hpim::HpimMachine machine("hpim", session.topology, options);
  cli::load(session, machine);
  const hpim::RunStatus status = machine.run(1'000'000'000'000);
  INFO(result.text << status.message);
  REQUIRE(status.reason == hpim::StopReason::kExit);
  result.exit_code = status.exit_code;
  for (const auto& [component, statistics] : machine.statistics()) {
    for (const auto& [key, value] : statistics) {
      if (key == "ecc_uncorrected") result.stack_errors[component] = value;
    }
  }
  return result;
}

// What every message ends with.
std::string has_met(const Place& place, std::uint32_t times) {
  return fmt::format(
      "HBM-PIM stack {} has met {} uncorrectable memory error{}, the last at offset 0x{:016x} "
      "(address 0x{:016x})\n",
      place.stack, times, times == 1 ? "" : "s", place.offset, place.address);
}

void check_stored_embedding(const std::string& data) {
  const Place place = embedding(*prepare(data, config::Json::array()));
  const Run stopped = run(*prepare(data, double_error(place, "stored")));
  INFO(stopped.text);
  CHECK(stopped.exit_code == 4);
  CHECK_THAT(stopped.text,
             Catch::Contains("hpim host firmware: error: DMA engine 0 stopped with BUS_ERROR at "
                             "address " +
                             fmt::format("0x{:016x}", place.address) +
                             " in operator 0 \"embedding\", after 3 retries"));
  CHECK_THAT(stopped.text, Catch::Contains("\n  " + has_met(place, 4)));
  CHECK_THAT(stopped.text, Catch::EndsWith("  at position 0\n"));
  CHECK(stopped.stack_errors.at(fmt::format("stack{}", place.stack)) == 4);
}

void check_transient_embedding(const std::string& data) {
  const Place place = embedding(*prepare(data, config::Json::array()));
  const Run retried = run(*prepare(data, double_error(place, "transient")));
  INFO(retried.text);
  CHECK(retried.exit_code == 0);
  CHECK_THAT(retried.text, Catch::StartsWith("Once upon") && !Catch::Contains("error"));
  CHECK(retried.stack_errors.at(fmt::format("stack{}", place.stack)) == 1);
}

void check_key(const std::string& data) {
  const Place place = first_key(*prepare(data, config::Json::array()));
  const Run stopped = run(*prepare(data, double_error(place, "transient")));
  INFO(stopped.text);
  CHECK(stopped.exit_code == 4);
  CHECK_THAT(stopped.text,
             Catch::Contains("error: SRAM-PIM dispatcher 0 stopped with PROGRAM_TRAP at address"));
  CHECK_THAT(stopped.text, Catch::Contains(" \"layer0.attention_scores\" of layer 0"));
  CHECK_THAT(stopped.text, Catch::Contains("\n  tile 0: trap BUS_ERROR at program counter 0x"));
  CHECK_THAT(stopped.text, Catch::Contains(fmt::format(", value 0x{:016x}\n", place.address)));
  CHECK_THAT(stopped.text, Catch::Contains("\n  " + has_met(place, 1)));
}

void check_load(const std::string& data) {
  const auto plain = prepare(data, config::Json::array());
  const plan::Device& stack = plain->plan.machine.devices[plain->plan.machine.stacks[0].device];
  const Place place = place_of(*plain, stack.memory_address + stack.memory_bytes - 32);
  const Run stopped =
      run(*prepare(data, double_error(place, "stored"), "firmware_test_memory_error"));
  INFO(stopped.text);
  CHECK(stopped.exit_code == 128 + 5);
  CHECK_THAT(stopped.text, Catch::StartsWith("the word before: 0\n"));
  CHECK_THAT(stopped.text, Catch::Contains("fault: load access fault (mcause 5)"));
  CHECK_THAT(stopped.text, Catch::Contains(fmt::format(" mtval 0x{:016x}", place.address + 24)));
  CHECK_THAT(stopped.text, Catch::EndsWith("\n  " + has_met(place, 1)));
}

}  // namespace

// SystemC has one simulation per process: a test case each.
TEST_CASE("a wrong embedding stops the DMA engine and the run", "[scenario]") {
  check_stored_embedding("functional");
}
TEST_CASE("a wrong embedding stops the DMA engine and the run: timing mode", "[scenario]") {
  check_stored_embedding("timing");
}
TEST_CASE("an embedding that is wrong once is copied again", "[scenario]") {
  check_transient_embedding("functional");
}
TEST_CASE("an embedding that is wrong once is copied again: timing mode", "[scenario]") {
  check_transient_embedding("timing");
}
TEST_CASE("a wrong key stops a tile and the run", "[scenario]") {
  check_key("functional");
}
TEST_CASE("a wrong key stops a tile and the run: timing mode", "[scenario]") {
  check_key("timing");
}
TEST_CASE("a wrong word that the CPU loads is a fault with its place", "[scenario]") {
  check_load("functional");
}
TEST_CASE("a wrong word that the CPU loads is a fault with its place: timing mode", "[scenario]") {
  check_load("timing");
}
