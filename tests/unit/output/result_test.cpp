#include "platform/output/result.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

using hpimvp::output::add_operations;
using hpimvp::output::Json;
using hpimvp::output::OperationLog;
using hpimvp::output::OperatorInfo;
using hpimvp::output::Result;
using hpimvp::output::to_json;
using hpimvp::output::write_file;
using hpimvp::output::write_result;

namespace {

Result example() {
  Result result;
  result.status = "done";
  result.scenario = Json::parse(R"({"name": "x", "a": 1})");
  result.text = "Once";
  result.prompt_tokens = {1, 2};
  result.tokens = {7, 8, 9};
  result.time = {0.1, 100'000'000, 0.01, 0.3, 1.0 / 3, {0.3, 1.0 / 3, 1.0 / 3}};
  result.firmware = {1000, 2000, 0};
  result.components = {{"noc", {{"flits", 5}, {"address_errors", 0}}}, {"dma", {{"bursts", 1}}}};
  result.energy = {{"stack0", {{"mac", 1.5e12}, {"refresh", 5e11}}}};
  result.host.wall_s = 1.5;

  OperationLog log;
  const auto dma = log.declare_engine("dma");
  const auto stack = log.declare_engine("hbm.stack0");
  log.operation(stack, 0, 1'000'000, 3'000'000);
  log.operation(stack, 1, 4'000'000, 5'000'000);
  log.operation(dma, 1, 4'500'000, 5'000'000);
  log.operation(dma, 0xFFFFFFFF, 0, 500'000);
  add_operations(result, log, {{"layer0.query", "query", 0}, {"classifier", "classifier", {}}},
                 10e-6);
  return result;
}

std::string contents(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

struct TemporaryFolder {
  std::string path = "/tmp/hpimvp_result_test_" + std::to_string(getpid());
  TemporaryFolder() { REQUIRE(mkdir(path.c_str(), 0755) == 0); }
  ~TemporaryFolder() {
    std::remove((path + "/result.json").c_str());
    rmdir(path.c_str());
  }
};

}  // namespace

TEST_CASE("operations are added up by operator, kind and engine") {
  const Result result = example();
  REQUIRE(result.operators.size() == 2);
  CHECK(result.operators[0].info.name == "layer0.query");
  CHECK(result.operators[0].busy_s == Approx(2e-6));
  CHECK(result.operators[1].commands == 2);
  CHECK(result.operators[1].busy_s == Approx(1.5e-6));
  CHECK(result.operators[1].first_start_s == Approx(4e-6));
  CHECK(result.operators[1].last_end_s == Approx(5e-6));
  REQUIRE(result.kinds.size() == 3);
  CHECK(result.kinds[1].kind == "other");
  CHECK(result.kinds[1].busy_s == Approx(0.5e-6));
  CHECK(result.engines[1].utilisation == Approx(0.3));
}

TEST_CASE("a result is written with its keys in a fixed order and exact numbers") {
  const Json json = to_json(example());
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  CHECK(keys == std::vector<std::string>{"version", "status", "text", "prompt_tokens", "tokens",
                                         "predictions", "time", "firmware", "kinds", "operators",
                                         "engines", "components", "links", "energy", "machine",
                                         "scenario", "host"});
  CHECK(json["time"]["per_token_s"].dump() == "[0.3,0.3333333333333333,0.3333333333333333]");
  CHECK(json["time"]["mean_token_s"].get<double>() == 1.0 / 3);
  CHECK(json["components"].dump() ==
        R"({"noc":{"flits":5,"address_errors":0},"dma":{"bursts":1}})");
  CHECK(json["energy"].dump() ==
        R"({"total_j":2.0,"components":{"stack0":{"total_j":2.0,"mac_j":1.5,"refresh_j":0.5}}})");
  CHECK_FALSE(json.contains("dram_check"));
  CHECK(json["scenario"].dump() == R"({"name":"x","a":1})");
  CHECK(json["operators"][0]["layer"] == 0);
  CHECK_FALSE(json["operators"][1].contains("layer"));
  CHECK(to_json(example()).dump() == json.dump());
}

TEST_CASE("the result file replaces an old one as a whole") {
  const TemporaryFolder folder;
  const std::string path = folder.path + "/result.json";
  write_file(path, "old");
  write_result(path, example());
  const std::string text = contents(path);
  CHECK(Json::parse(text) == to_json(example()));
  CHECK(text.back() == '\n');
  CHECK(access((path + ".tmp").c_str(), F_OK) != 0);
}

TEST_CASE("text that is not UTF-8 is replaced rather than refused") {
  const TemporaryFolder folder;
  const std::string path = folder.path + "/result.json";
  Result result = example();
  result.text = "a\xFFz";
  write_result(path, result);
  CHECK(Json::parse(contents(path))["text"] == "a\xEF\xBF\xBDz");
}

TEST_CASE("a folder that is not there is an error that names the file") {
  CHECK_THROWS_WITH(
      write_file("/nonexistent/result.json", "x"),
      Catch::Contains("/nonexistent/result.json") && Catch::Contains("No such file or directory"));
}

TEST_CASE("the summary tells the times and where they went") {
  const std::string text = hpimvp::output::summary(example());
  CHECK_THAT(text, Catch::Contains("simulated time    100.000 ms\n"));
  CHECK_THAT(text, Catch::Contains("3 from a prompt of 2"));
  CHECK_THAT(text, Catch::Contains("333.333 ms each, 3.0 a second"));
  CHECK(text.find("query") < text.find("classifier"));
}
