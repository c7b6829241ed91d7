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
      "hbm": {
        "stacks": 2, "mapping": "row:bank:stack_id:bank_group:channel:pseudo_channel:column",
        "controller": { "page_policy": "closed", "refresh": "per_bank", "drain_from": 40 },
        "controller_latency": 20, "errors": { "rate": 5 }
      },
      "sram_pim": { "tiles": 8 },
      "noc": { "flit_bits": 512, "columns": 6, "stack_ports": 3,
               "energy": { "router_pj_per_bit": 0.03, "hop_mm": 2 }, "placement": { "dma": { "x": 5, "y": 2 } } },
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
  const hbm_pim::HbmPimConfig& stack = scenario.machine.hbm.stack;
  CHECK(stack.mapping == "row:bank:stack_id:bank_group:channel:pseudo_channel:column");
  CHECK(stack.controller.page_policy == hbm_pim::PagePolicy::kClosed);
  CHECK(stack.controller.refresh == hbm_pim::RefreshPolicy::kPerBank);
  CHECK(stack.controller.arbitration == hbm_pim::Arbitration::kBoundedInterleave);
  CHECK(stack.controller.drain_from == 40);
  CHECK(stack.controller_latency == 20);
  CHECK(stack.errors.rate == 5);
  CHECK(scenario.machine.sram_pim.tiles == 8);
  CHECK(scenario.machine.host.memory_latency_ns == 45.5);
  CHECK(scenario.machine.noc.flit_bits == 512);
  CHECK(scenario.machine.noc.columns == 6);
  CHECK(scenario.machine.noc.stack_ports == 3);
  CHECK(scenario.machine.noc.energy.router_pj_per_bit == 0.03);
  CHECK(scenario.machine.noc.energy.link_pj_per_bit_mm == 0.1);
  CHECK(scenario.machine.noc.energy.hop_mm == 2);
  REQUIRE(scenario.machine.noc.placement.size() == 1);
  CHECK(scenario.machine.noc.placement[0].name == "dma");
  CHECK(scenario.machine.noc.placement[0].x == 5);
  CHECK(scenario.machine.noc.placement[0].y == 2);
  REQUIRE(scenario.machine.extra_blocks.size() == 1);
  CHECK(scenario.machine.extra_blocks[0].address == 0x10009000);
  CHECK_THAT(scenario.machine.extra_blocks[0].place,
             Catch::Contains("test.json:14: /machine/extra_blocks/0"));
  CHECK(scenario.machine.data_mode == hpim::DataMode::kTiming);
  CHECK(scenario.workload.synthetic_prompt_tokens == 16);
  CHECK(scenario.workload.replay_tokens == std::vector<std::uint32_t>{1, 2});
}

namespace {

// The device of a machine that says `machine` in a scenario.
hbm_pim::DeviceDescription device_of(const std::string& machine) {
  return read("{ \"machine\": " + machine + R"(, "model": { "preset": "opt-1.3b" },
                "data": "timing", "workload": { "prompt_tokens": 4 } })")
      .machine.hbm.stack.device;
}

}  // namespace

TEST_CASE("schedule and mapping are chosen by name", "[config]") {
  const std::string rest =
      R"("machine": "hpim", "model": { "path": "m.bin" }, "workload": { "prompt_tokens": 1 } })";
  const Scenario plain = read("{" + rest);
  CHECK(plain.policy == plan::SchedulePolicy::kOverlapped);
  CHECK(plain.prefill == compiler::PrefillChoice::kAuto);
  CHECK(plain.mapping.qkv == compiler::SlicingChoice::kAuto);
  CHECK(plain.mapping.attention_pipeline);
  CHECK(plain.mapping.attention == compiler::AttentionChoice::kTiles);
  const Scenario chosen = read(R"({ "schedule": { "policy": "serial", "prefill": "tiles" },
    "mapping": { "qkv": "columns", "attention_pipeline": false, "attention": "hbm_pim" }, )" +
                               rest);
  CHECK(chosen.policy == plan::SchedulePolicy::kSerial);
  CHECK(chosen.prefill == compiler::PrefillChoice::kTiles);
  CHECK(chosen.mapping.qkv == compiler::SlicingChoice::kColumns);
  CHECK_FALSE(chosen.mapping.attention_pipeline);
  CHECK(chosen.mapping.attention == compiler::AttentionChoice::kHbmPim);
  CHECK(read(R"({ "mapping": { "attention": "tiles" }, )" + rest).mapping.attention ==
        compiler::AttentionChoice::kTiles);
  CHECK(read(R"({ "mapping": { "qkv": "rows" }, )" + rest).mapping.qkv ==
        compiler::SlicingChoice::kRows);
  CHECK(read(R"({ "schedule": { "prefill": "tokens" }, )" + rest).prefill ==
        compiler::PrefillChoice::kTokens);
  CHECK(read(R"({ "schedule": { "prefill": "auto" }, )" + rest).prefill ==
        compiler::PrefillChoice::kAuto);

  const auto check_error = [&](const std::string& part, const std::string& pointer,
                               const std::string& hint) {
    const std::string error = error_of("{\n" + part + ",\n" + rest);
    CHECK_THAT(error, Catch::Contains("/folder/test.json:2: " + pointer));
    CHECK_THAT(error, Catch::Contains(hint));
  };
  check_error(R"("schedule": { "policy": "seriel" })", "/schedule/policy",
              "did you mean 'serial'?");
  check_error(R"("schedule": { "prefill": "tile" })", "/schedule/prefill", "did you mean 'tiles'?");
  check_error(R"("schedule": { "prefil": "tiles" })", "/schedule/prefil",
              "did you mean 'prefill'?");
  check_error(R"("schedule": { "polcy": "serial" })", "/schedule/polcy", "did you mean 'policy'?");
  check_error(R"("mapping": { "qkv": "colums" })", "/mapping/qkv", "did you mean 'columns'?");
  check_error(R"("mapping": { "attention": "hbm-pim" })", "/mapping/attention",
              "did you mean 'hbm_pim'?");
  check_error(R"("mapping": { "attention_pipeline": 1 })", "/mapping/attention_pipeline",
              "found 1");
}

TEST_CASE("a machine without a device has the default one", "[config]") {
  for (const char* machine : {R"("hpim")", "{}", R"({ "hbm": { "stacks": 2 } })",
                              R"({ "preset": "hpim", "hbm": { "device": null } })"}) {
    CAPTURE(machine);
    CHECK(device_of(machine).name == "hbm3_hpim");
  }
}

TEST_CASE("a device is a name, or an object whose values override its base's", "[config]") {
  using hbm_pim::Parameter;
  const auto attacc = device_of(R"({ "preset": "hpim", "hbm": { "device": "hbm3_attacc" } })");
  CHECK(attacc.name == "hbm3_attacc");
  CHECK(attacc[Parameter::kTMAC] == 4);
  const auto changed = device_of(R"({ "preset": "hpim", "hbm": { "device": {
      "base": "hbm3_attacc", "parameters": { "tMAC": 5 } } } })");
  CHECK(changed[Parameter::kTMAC] == 5);
  CHECK(changed.organisation == attacc.organisation);
  // Without a base of its own it changes the preset's device.
  const auto smaller = device_of(
      R"({ "preset": "hpim", "hbm": { "device": { "organisation": { "rows": 1000 } } } })");
  CHECK(smaller.name == "hbm3_hpim");
  CHECK(smaller.organisation.rows == 1000);
  CHECK(smaller.organisation.stack_ids == 2);
}

TEST_CASE("overrides name a device or change its values, in any order of files", "[config]") {
  using hbm_pim::Parameter;
  const auto device = [](const std::vector<std::string>& overrides) {
    return load_scenario(HPIMVP_SOURCE_DIR "/scenarios/first_light.json", overrides, kPresets)
        .machine.hbm.stack.device;
  };
  CHECK(device({"machine.hbm.device=hbm3_attacc"}).name == "hbm3_attacc");
  const auto slower = device({"machine.hbm.device.parameters.tRP=20"});
  CHECK(slower.name == "hbm3_hpim");
  CHECK(slower[Parameter::kTRP] == 20);
  const auto both =
      device({"machine.hbm.device=hbm3_attacc", "machine.hbm.device.parameters.tRP=20"});
  CHECK(both.name == "hbm3_attacc");
  CHECK(both[Parameter::kTRP] == 20);
  CHECK(device({std::string("machine.hbm.device=") + kPresets + "/hbm/hbm3_6400.json"}).name ==
        "hbm3_6400");
}

TEST_CASE("what is wrong with the memory is said where it is", "[config]") {
  const auto error_of_hbm = [](const std::string& hbm) {
    return error_of(R"({ "machine": { "preset": "hpim", "hbm": )" + hbm + R"( },
      "model": { "preset": "opt-1.3b" }, "data": "timing", "workload": { "prompt_tokens": 4 } })");
  };
  using Catch::Contains;
  CHECK_THAT(
      error_of_hbm(R"({ "device": "hbm3_hpmi" })"),
      Contains("test.json:1: /machine/hbm/device/base") && Contains("did you mean 'hbm3_hpim'?"));
  CHECK_THAT(error_of_hbm(R"({ "device": 5 })"), Contains("/machine/hbm/device"));
  CHECK_THAT(error_of_hbm(R"({ "device": { "parameters": { "tRPP": 5 } } })"),
             Contains("/machine/hbm/device/parameters/tRPP") && Contains("did you mean 'tRP'?"));
  CHECK_THAT(error_of_hbm(R"({ "controller": { "page_policy": "opn" } })"),
             Contains("/machine/hbm/controller/page_policy") && Contains("did you mean 'open'?"));
  CHECK_THAT(error_of_hbm(R"({ "mapping": "row:bnak" })"),
             Contains("test.json:1: /machine/hbm/mapping") && Contains("'bnak'"));
  CHECK_THAT(error_of_hbm(R"({ "controller": { "drain_to": 60 } })"),
             Contains("test.json:1: /machine/hbm/controller") && Contains("drain_to"));
  CHECK_THAT(error_of_hbm(R"({ "timing": { "burst": 2 } })"), Contains("/machine/hbm/timing"));
  CHECK_THAT(error_of_hbm(R"({ "errors": { "list": [ { "stack": 4, "gemv": 0 } ] } })"),
             Contains("/machine/hbm/errors/list/0/stack"));
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
