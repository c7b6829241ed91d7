// Tile programs with bugs, end to end: a plan whose activation program, of a token or of a chunk of
// the prompt, is replaced by a broken one runs on the whole machine. The run ends, and what it
// prints names tile, program counter, instruction, cause and operator.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "models/sram_pim/assembler.h"
#include "platform/cli/session.h"
#include "platform/compiler/tile_programs.h"
#include "platform/config/document.h"
#include "platform/hpim/hpim_machine.h"

using namespace hpimvp;

namespace {

struct Broken {
  hpim::RunStatus status;
  std::string uart;
  std::vector<std::string> diagnostics;
  std::uint32_t entry = 0;  // of the broken program
};

enum class Part { kToken, kChunk };

std::unique_ptr<cli::Session> prepare(const config::Json& tile, Part part) {
  const std::string folder = HPIMVP_SOURCE_DIR "/scenarios/models/tale/";
  config::Json scenario = {
      {"machine", {{"preset", "hpim"}, {"sram_pim", tile}}},
      {"model", {{"path", folder + "model.bin"}, {"tokenizer", folder + "tokenizer.bin"}}},
      {"workload", {{"prompt", "Once"}, {"output_tokens", 3}}},
  };
  if (part == Part::kChunk) {
    scenario["schedule"] = {{"prefill", "tiles"}};
    scenario["workload"]["prompt"] = "Once upon a time there was a tile";
    scenario["machine"]["hbm"] = {
        {"mapping", "row:channel:pseudo_channel:stack_id:bank:bank_group:column"}};
  }
  return cli::prepare(config::read_scenario(config::Document::parse(scenario.dump(), "test.json"),
                                            ".", HPIMVP_PRESETS));
}

std::string activation_program(const compiler::CompiledPlan& plan, Part part) {
  if (part == Part::kToken) return "activation";
  const auto& operators = plan.prefill.operators;
  const auto found = std::find_if(operators.begin(), operators.end(), [](const auto& op) {
    return op.kind == plan::OperatorKind::kActivation;
  });
  REQUIRE(found != operators.end());
  return found->program;
}

// `source`: the program that stands where the activation program did; ends are not needed.
Broken run(const std::string& source, const config::Json& tile = config::Json::object(),
           Part part = Part::kToken) {
  const std::unique_ptr<cli::Session> session = prepare(tile, part);
  compiler::CompiledPlan& plan = session->plan;
  const auto as_byte = [](std::uint8_t octet) { return static_cast<std::byte>(octet); };
  std::vector<std::byte> programs;
  std::transform(plan.programs.image.begin(), plan.programs.image.end(),
                 std::back_inserter(programs), as_byte);
  const auto place =
      std::search(plan.image.begin(), plan.image.end(), programs.begin(), programs.end());
  REQUIRE(place != plan.image.end());
  Broken broken;
  broken.entry = plan.programs.entries.at(activation_program(plan, part));
  const std::vector<std::uint8_t> code = sram_pim::assemble(source, "broken", broken.entry).bytes();
  REQUIRE(broken.entry + code.size() <= programs.size());
  std::transform(code.begin(), code.end(), place + broken.entry, as_byte);

  hpim::MachineOptions options;
  options.boot_parameter = plan.address;
  options.on_uart_byte = [&](std::uint8_t byte) { broken.uart += static_cast<char>(byte); };
  options.on_diagnostic = [&](const std::string& text) { broken.diagnostics.push_back(text); };
  options.operation_name = [&](std::uint32_t operation) {
    return cli::operator_text(plan, operation);
  };
  hpim::HpimMachine machine("hpim", session->topology, options);
  cli::load(*session, machine);
  broken.status = machine.run(2'000'000'000'000);
  return broken;
}

// All tiles run the activation program; tile 0 is one of those that must be named.
void check_names(const Broken& broken, const std::string& cause) {
  INFO(broken.uart);
  CHECK(broken.status.reason == hpim::StopReason::kExit);
  CHECK(broken.status.exit_code != 0);
  CHECK(broken.status.time_ps < 1'900'000'000'000);
  REQUIRE_FALSE(broken.diagnostics.empty());
  const std::string& text = broken.diagnostics.front();
  INFO(text);
  CHECK(text.starts_with("tile "));
  CHECK(text.find("): " + cause + " ") != std::string::npos);
  CHECK(text.find(", in operator ") != std::string::npos);
  CHECK(text.find(" of layer 0") != std::string::npos);
  CHECK(text.find("activation") != std::string::npos);
  // And the firmware says what it can know.
  CHECK(broken.uart.find("PROGRAM_TRAP") != std::string::npos);
  CHECK(broken.uart.find("trap " + cause) != std::string::npos);
  CHECK(broken.uart.find("of layer 0") != std::string::npos);
}

std::string place_text(const char* format, std::uint32_t address) {
  char text[64];
  std::snprintf(text, sizeof text, format, address);
  return text;
}

// The same, where every tile stops at the same place.
void check_report(const Broken& broken, std::uint32_t offset, const std::string& instruction,
                  const std::string& cause) {
  check_names(broken, cause);
  const std::uint32_t address = broken.entry + offset;
  CHECK(broken.diagnostics.front().find(place_text("stopped at %#x (", address) + instruction +
                                        "): ") != std::string::npos);
  CHECK(broken.uart.find(place_text("at program counter 0x%016x", address)) != std::string::npos);
}

}  // namespace

TEST_CASE("a bad address in a tile program ends the run and is named") {
  check_report(run("lc r1, 0x60000\nli r2, 16\nvh.relu r1, r1, r2\nhalt"), 8, "vh.relu r1, r1, r2",
               "BAD_ADDRESS");
}

TEST_CASE("a bad address in a program for chunks of the prompt ends the run and is named") {
  const Broken broken = run("lc r1, 0x60000\nli r2, 16\nvh.relu r1, r1, r2\nhalt",
                            config::Json::object(), Part::kChunk);
  check_report(broken, 8, "vh.relu r1, r1, r2", "BAD_ADDRESS");
  CHECK(broken.diagnostics.front().find("\"prefill.layer0.activation\"") != std::string::npos);
  CHECK(broken.uart.find("\"prefill.layer0.activation\" of layer 0") != std::string::npos);
  CHECK(broken.uart.find("at position 0\n") != std::string::npos);
}

TEST_CASE("a transfer to nowhere in a tile program ends the run and is named") {
  check_report(run("lc r1, 0xDEAD0000\nli r2, 16\nxlda r0, r1, r2\nsync XFER\nhalt"), 16, "sync 4",
               "BUS_ERROR");
}

TEST_CASE("a word that is no instruction ends the run and is named") {
  check_report(run("li r1, 1\n.word 0xFFFFFFFF"), 4, ".word 0xffffffff", "ILLEGAL_INSTRUCTION");
}

TEST_CASE("a missing sync in a tile program ends the run and is named") {
  check_report(run("lc r1, 0x1000\nli r2, 16\nvh.relu r1, r1, r2\nvs.copy r1, r1, r2\n"
                   "trn.cfg r2, r2, r1\nlc r4, 0x2000\nli r5, 64\ntcu.cfg r2, r2, r2\n"
                   "tcu.dist r5, r5, r5\ntcu.ws r4, r1, r0\nhalt"),
               36, "tcu.ws r4, r1, r0", "HAZARD");
}

TEST_CASE("the watchdog ends a tile program that loops for ever") {
  check_report(run("loop: addi r1, r1, 1\nj loop", {{"max_instructions", 100'000}}), 0,
               "addi r1, r1, 1", "WATCHDOG");
}

TEST_CASE("the watchdog ends a tile program that waits for what never comes") {
  // It polls a word of tile 0's activation memory, through the interconnect, for a flag that nobody
  // sets: few instructions, many cycles. Tiles stop anywhere in the loop.
  const Broken broken =
      run("lc r1, 0x40000000\nli r2, 4\nlc r6, 0x7000\nlc r8, 0x12345678\n"
          "loop: xldc r6, r1, r2\nsync XFER\nldw r7, 0(r6)\nbne r7, r8, loop\nhalt",
          {{"max_cycles", 50'000}});
  check_names(broken, "WATCHDOG");
  const std::size_t at = broken.diagnostics.front().find("stopped at ");
  REQUIRE(at != std::string::npos);
  const auto address = std::stoul(broken.diagnostics.front().substr(at + 11), nullptr, 16);
  CHECK(address >= broken.entry);
  CHECK(address < broken.entry + 16 * 4);
}
