#include <catch2/catch.hpp>
#include <functional>

#include "platform/config/scenario.h"

using namespace hpimvp;
using namespace hpimvp::config;

namespace {

constexpr const char* kPresets = HPIMVP_SOURCE_DIR "/scenarios/presets";

Scenario read(const std::string& text) {
  return read_scenario(Document::parse(text, "/folder/test.json"), "/folder", kPresets);
}

std::string error_of(const std::string& text) {
  try {
    read(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a minimal scenario has every default", "[config]") {
  const Scenario scenario = read(R"({
    "machine": "hpim",
    "model": { "path": "m.bin", "tokenizer": "t.bin" },
    "workload": { "prompt": "Once" }
  })");
  CHECK(scenario.machine.hbm.stacks == 4);
  CHECK(scenario.machine.sram_pim.tiles == 32);
  CHECK(scenario.machine.data_mode == hpim::DataMode::kFunctional);
  CHECK(scenario.model.path == "/folder/m.bin");
  CHECK(scenario.workload.prompt == "Once");
  CHECK(scenario.workload.sampling.temperature == 0);
  CHECK(scenario.workload.stop_at_end_token);
  CHECK_FALSE(scenario.trace.vcd);
}

TEST_CASE("a scenario's values reach the machine's configuration", "[config]") {
  const Scenario scenario = read(R"({
    "machine": {
      "preset": "hpim",
      "host": { "clock_mhz": 1500, "quantum_us": 5, "memory_latency_ns": 45.5 },
      "hbm": { "stacks": 2, "rows": 1000, "timing": { "four_activates": 24 }, "pim": { "mac_period": 4 } },
      "sram_pim": { "tiles": 8 },
      "noc": { "flit_bits": 512, "columns": 6, "placement": { "dma": { "x": 5, "y": 2 } } },
      "extra_blocks": [
        { "block": "uart16550", "name": "uart1", "address": "0x10009000", "size": 4096, "interrupt": 9 }
      ]
    },
    "model": { "preset": "opt-1.3b" },
    "data": "timing",
    "workload": { "prompt_tokens": 16, "output_tokens": 4, "replay_tokens": [1, 2] }
  })");
  CHECK(scenario.machine.host.clock_mhz == 1500);
  CHECK(scenario.machine.hbm.stacks == 2);
  CHECK(scenario.machine.hbm.stack.organisation.rows == 1000);
  CHECK(scenario.machine.hbm.stack.timing.four_activates == 24);
  CHECK(scenario.machine.hbm.stack.pim.mac_period == 4);
  CHECK(scenario.machine.sram_pim.tiles == 8);
  CHECK(scenario.machine.host.memory_latency_ns == 45.5);
  CHECK(scenario.machine.noc.flit_bits == 512);
  CHECK(scenario.machine.noc.columns == 6);
  REQUIRE(scenario.machine.noc.placement.size() == 1);
  CHECK(scenario.machine.noc.placement[0].name == "dma");
  CHECK(scenario.machine.noc.placement[0].x == 5);
  CHECK(scenario.machine.noc.placement[0].y == 2);
  REQUIRE(scenario.machine.extra_blocks.size() == 1);
  CHECK(scenario.machine.extra_blocks[0].address == 0x10009000);
  CHECK_THAT(scenario.machine.extra_blocks[0].place,
             Catch::Contains("test.json:9: /machine/extra_blocks/0"));
  CHECK(scenario.machine.data_mode == hpim::DataMode::kTiming);
  CHECK(scenario.workload.synthetic_prompt_tokens == 16);
  CHECK(scenario.workload.replay_tokens == std::vector<std::uint32_t>{1, 2});
}

TEST_CASE("the resolved scenario holds preset and overrides", "[config]") {
  const Scenario scenario = read(R"({
    "machine": { "preset": "hpim", "hbm": { "stacks": 3 } },
    "model": { "preset": "opt-1.3b" }, "data": "timing", "workload": { "prompt_tokens": [5, 6] }
  })");
  CHECK(scenario.resolved["machine"]["hbm"]["stacks"] == 3);
  CHECK(scenario.resolved["machine"]["sram_pim"]["tiles"] == 32);
}

TEST_CASE("a model without weights needs timing mode", "[config]") {
  CHECK_THAT(error_of(R"({ "machine": "hpim", "model": { "preset": "opt-1.3b" },
                           "workload": { "prompt_tokens": 4 } })"),
             Catch::Contains("timing"));
}

TEST_CASE("a text prompt needs a tokenizer", "[config]") {
  CHECK_THAT(error_of(R"({ "machine": "hpim", "model": { "path": "m.bin" },
                           "workload": { "prompt": "Once" } })"),
             Catch::Contains("/workload/prompt") && Catch::Contains("tokenizer"));
}
