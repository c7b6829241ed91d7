// Device presets: the shipped ones, what may be written, and the messages about what may not.
#include "platform/config/device_reader.h"

#include <catch2/catch.hpp>

#include "tests/unit/hbm_pim/device_presets.h"

using namespace hpimvp;  // NOLINT
using hbm_pim::Parameter;
using test_support::device_preset;

namespace {

const std::string kFolder = std::string(HPIMVP_SOURCE_DIR) + "/scenarios/presets/hbm";

hbm_pim::DeviceDescription parse(const std::string& text) {
  return config::read_device(config::Document::parse(text, "device.json"), kFolder);
}

std::string message_of(const std::string& text) {
  try {
    parse(text);
  } catch (const config::ConfigError& error) {
    return error.what();
  }
  return "no error";
}

// A preset on top of a shipped one.
std::string on_top(const std::string& members) {
  return "{\"base\": \"hbm3_hpim.json\",\n" + members + "}";
}

}  // namespace

TEST_CASE("The shipped presets have the sizes and the bandwidth of their devices") {
  const auto hpim = device_preset("hbm3_hpim");
  CHECK(hpim.organisation.stack_bytes() == 24ull << 30);
  CHECK(hpim.organisation.rows == 24576);
  CHECK(hpim.organisation.banks() == 32);
  CHECK(hpim.organisation.pseudo_channels() == 32);
  CHECK(hpim.activate_groups() == 8);
  CHECK(device_preset("hbm3_attacc").organisation.stack_bytes() == 16ull << 30);
  CHECK(device_preset("hbm3_attacc")[Parameter::kTMAC] == 4);
  CHECK(device_preset("hbm3_attacc_power")[Parameter::kTMAC] == 6);

  const auto samsung = device_preset("hbm2_samsung_pim");
  CHECK(samsung.units() == 8);
  CHECK(samsung.operand_groups() == 2);
  CHECK(samsung.activate_groups() == 2);
  const auto bytes_per_second = [](const hbm_pim::DeviceDescription& device, double bursts,
                                   Parameter period) {
    return bursts * device.organisation.burst_bytes * device.organisation.pseudo_channels() /
           (device[period] * device.clock_period_ps * 1e-12);
  };
  // 128 units of a stack at 300 MHz, and 1024 pins at 2.4 Gb/s.
  CHECK(bytes_per_second(samsung, samsung.units(), Parameter::kTMAC) ==
        Approx(1.23e12).epsilon(0.01));
  CHECK(bytes_per_second(samsung, 1, Parameter::kTCCDS) == Approx(0.307e12).epsilon(0.01));
  CHECK(bytes_per_second(device_preset("hbm3_6400"), 1, Parameter::kTCCDS) ==
        Approx(819.2e9).epsilon(0.001));
}

TEST_CASE("Expressions follow the usual precedence and divide upwards") {
  const std::map<std::string, std::int64_t, std::less<>> values = {{"tRL", 20}, {"tWL", 8}};
  const auto value = [&values](const char* text) {
    return config::evaluate_expression(text, values);
  };
  CHECK(value("tRL + 2 * 3 - tWL") == 18);
  CHECK(value("(tRL + 2) * 3") == 66);
  CHECK(value("7 / 2") == 4);
  CHECK(value("8 / 2 / 2") == 2);
  CHECK(value("10 - 3 - 2") == 5);
  CHECK(value("max(tRL, tWL) - min(tRL, 1 + tWL)") == 11);
  CHECK(value("-tWL + 10") == 2);
  for (const char* bad : {"", "1 +", "tXX", "(1", "1)", "1 2", "1 / 0", "1 / (2 - 3)", "max(1)",
                          "99999999999", "2147483647 * 2147483647", "3 $ 4"}) {
    INFO(bad);
    CHECK_THROWS_AS(value(bad), std::invalid_argument);
  }
  CHECK_THROWS_AS(value(std::string(100'000, '(').c_str()), std::invalid_argument);
  CHECK_THROWS_AS(value(std::string(100'000, '-').c_str()), std::invalid_argument);
}

TEST_CASE("An architect's preset changes numbers and rules of another one") {
  const auto device = parse(on_top(R"(
    "name": "mine",
    "parameters": {"tRCDRD": [25, "guess"], "tRRDL": ["tRRDS * 2", "guess"]},
    "without": ["tCCDR"],
    "sets": {"accesses": ["RD", "WR"]},
    "constraints": [{"name": "tMINE", "level": "bank", "before": ["accesses"], "after": ["PRE"],
                     "latency": "max(tRCDRD, tRP) + 1"}]
  )"));
  CHECK(device.name == "mine");
  CHECK(device[Parameter::kTRCDRD] == 25);
  CHECK(device[Parameter::kTRRDL] == 4);
  CHECK(device[Parameter::kTRP] == 19);
  bool found = false;
  for (const auto& row : device.constraints) {
    CHECK(row.name != "tCCDR");
    if (row.name == "tRCDRD" && row.level == hbm_pim::ConstraintLevel::kBank) {
      CHECK(row.latency == 25);
    }
    if (row.name != "tMINE") continue;
    found = true;
    CHECK(row.latency == 26);
    CHECK(row.before == (hbm_pim::command_bit(hbm_pim::DramCommand::kRead) |
                         hbm_pim::command_bit(hbm_pim::DramCommand::kWrite)));
  }
  CHECK(found);
}

TEST_CASE("Errors in a preset name file, line and place") {
  using Catch::Contains;
  CHECK_THAT(message_of("[]"), Contains("expected an object"));
  CHECK_THAT(message_of("{}"), Contains("'name' is missing"));
  CHECK_THAT(message_of(on_top("\"parameters\": {\n\"tRCDXX\": [1, \"a\"]}")),
             Contains("device.json:3: /parameters/tRCDXX") && Contains("did you mean"));
  CHECK_THAT(message_of(on_top("\"parameters\": {\n\"tRP\": 19}")),
             Contains("device.json:3: /parameters/tRP") && Contains("[value, \"source\"]"));
  CHECK_THAT(message_of(on_top("\"parameters\": {\"tRP\": [19, \"\"]}")),
             Contains("[value, \"source\"]"));
  CHECK_THAT(message_of(on_top("\"parameters\": {\"tRP\": [\"tXY + 1\", \"a\"]}")),
             Contains("unknown name 'tXY'"));
  CHECK_THAT(message_of(on_top("\"parameters\": {\"tRP\": [\"1 - tRC\", \"a\"]}")),
             Contains("expected a value from 0"));
  CHECK_THAT(message_of(on_top("\"parameters\": {\"tRFC\": [99999, \"a\"]}")), Contains("tREFI"));
  CHECK_THAT(message_of(on_top("\"pim\": {\"banks_per_unit\": [3, \"a\"]}")),
             Contains("banks_per_unit is 3"));
  CHECK_THAT(message_of(on_top("\"organisation\": {\"rows\": [0, \"a\"]}")), Contains("rows is 0"));
  CHECK_THAT(message_of(on_top("\"organisation\": {\"channels\": [129, \"a\"]}")),
             Contains("a stack has 258 pseudo-channels; allowed are 256"));
  CHECK_THAT(message_of(on_top("\"without\": [\"tNONE\"]")), Contains("no rule has that name"));
  CHECK_THAT(message_of(on_top("\"rules\": [\"none.json\"]")), Contains("none.json"));
  const auto with_row = [](const std::string& row) {
    return message_of(on_top("\"constraints\": [\n" + row + "]"));
  };
  CHECK_THAT(with_row("1"), Contains("device.json:3: /constraints/0"));
  CHECK_THAT(with_row(R"({"name": "a", "level": "bank", "before": ["RD"], "after": ["PRR"],
                          "latency": 1})"),
             Contains("unknown command or set 'PRR'") && Contains("device.json:3"));
  CHECK_THAT(with_row(R"({"name": "a", "level": "bonk", "before": ["RD"], "after": ["PRE"],
                          "latency": 1})"),
             Contains("did you mean 'bank'"));
  CHECK_THAT(with_row(R"({"name": "a", "level": "bank", "before": ["RD"], "after": ["PREA"],
                          "latency": 1})"),
             Contains("PREA does not act on one bank"));
  CHECK_THAT(with_row(R"({"name": "a", "level": "bank", "before": ["RD"], "after": ["PRE"]})"),
             Contains("'latency' is missing"));
  const std::string window = R"({"name": "a", "level": "bank", "before": ["RD"], "after": ["PRE"],
                                 "latency": 1, "window": 256})";
  std::string windows = window;
  for (int i = 0; i < 20; ++i) windows += "," + window;
  CHECK_THAT(with_row(windows), Contains("the windows of the constraints remember"));
}
