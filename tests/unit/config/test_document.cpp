#include <catch2/catch.hpp>

#include "platform/config/document.h"
#include "platform/config/nearest.h"
#include "platform/config/object_reader.h"

using namespace hpimvp::config;

namespace {

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a document remembers the line of every value", "[config]") {
  const auto document = Document::parse(
      "// comment\n"
      "{\n"
      "  \"a\": 1,\n"
      "  \"b\": [10,\n"
      "    20\n"
      "  ],\n"
      "  \"c\": { \"d/e\": true }\n"
      "}\n",
      "file.json");
  CHECK(document.location("/a").line == 3);
  CHECK(document.location("/b").line == 4);
  CHECK(document.location("/b/0").line == 4);
  CHECK(document.location("/b/1").line == 5);
  CHECK(document.location("/c").line == 7);
  CHECK(document.location("/c/d~1e").line == 7);
  CHECK(document.location("/c/absent/deeper").line == 7);
  CHECK(document.location("/b/1").file == "file.json");
}

TEST_CASE("a syntax error names file and line", "[config]") {
  CHECK_THAT(message_of([] { Document::parse("{\n \"a\": 1,\n \"b\" 2 }", "x.json"); }),
             Catch::StartsWith("x.json:3: "));
  CHECK_THAT(message_of([] { Document::parse("", "x.json"); }), Catch::StartsWith("x.json:1: "));
  CHECK_THAT(message_of([] { Document::parse("{\"a\":1}\n{}", "x.json"); }),
             Catch::StartsWith("x.json:2: "));
}

TEST_CASE("a key given twice, or endless nesting, is an error", "[config]") {
  CHECK_THAT(message_of([] { Document::parse("{ \"a\": 1,\n\"a\": 2 }", "x.json"); }),
             Catch::Contains("x.json:2: /a: 'a' is given twice"));
  CHECK_THAT(message_of([] { Document::parse(std::string(100, '['), "x.json"); }),
             Catch::Contains("nested deeper"));
}

TEST_CASE("merging keeps what only one side has and takes locations along", "[config]") {
  auto base = Document::parse("{\n\"machine\": { \"hbm\": { \"stacks\": 2 } }\n}", "base.json");
  const auto preset = Document::parse(
      "{\n\n\n\"hbm\": { \"stacks\": 4, \"rows\": 8 },\n\"tiles\": 3 }", "preset.json");
  base.merge_below("/machine", preset);
  CHECK(base.root()["machine"]["hbm"]["stacks"] == 2);
  CHECK(base.root()["machine"]["hbm"]["rows"] == 8);
  CHECK(base.root()["machine"]["tiles"] == 3);
  CHECK(base.location("/machine/hbm/stacks").file == "base.json");
  CHECK(base.location("/machine/hbm/rows").file == "preset.json");
  CHECK(base.location("/machine/tiles").line == 5);
}

TEST_CASE("overrides take JSON values or strings by path", "[config]") {
  auto document = Document::parse("{ \"a\": { \"b\": 1 }, \"list\": [1, 2] }", "x.json");
  document.set("a.b=2");
  document.set("a.new.deep=hello world");
  document.set("list.1={\"x\": true}");
  CHECK(document.root()["a"]["b"] == 2);
  CHECK(document.root()["a"]["new"]["deep"] == "hello world");
  CHECK(document.root()["list"][1]["x"] == true);
  CHECK(document.location("/a/b").file == "--set a.b=2");
  CHECK_THAT(message_of([&] { document.set("a.b.c=1"); }),
             Catch::Contains("/a/b is not an object"));
  CHECK_THAT(message_of([&] { document.set("list.7=1"); }), Catch::Contains("not an index"));
  CHECK_THAT(message_of([&] { document.set("nothing"); }), Catch::Contains("PATH=VALUE"));
}

TEST_CASE("an object reader checks types, ranges and unknown keys", "[config]") {
  const auto document = Document::parse(
      "{ \"count\": 70000,\n \"hex\": \"0x1000\",\n \"name\": 5,\n \"kind\": \"fsat\",\n "
      "\"stack\": 1 }",
      "x.json");
  ObjectReader reader(document, "");
  std::uint32_t number = 0;
  reader.read_integer("hex", number);
  CHECK(number == 0x1000);
  CHECK(message_of([&] { reader.read_integer("count", number, 1, 4096); }) ==
        "x.json:1: /count: expected a whole number from 1 to 4096, found 70000");
  std::string text;
  CHECK(message_of([&] { reader.read_string("name", text); }) ==
        "x.json:3: /name: expected a string, found 5");
  int kind = 0;
  CHECK(message_of([&] {
          reader.read_choice<int>("kind", kind, {{"slow", 1}, {"fast", 2}});
        }) == "x.json:4: /kind: expected one of slow, fast, found \"fsat\"; did you mean 'fast'?");
  reader.find("stacks");
  CHECK_THAT(message_of([&] { reader.finish(); }),
             Catch::StartsWith("x.json:5: /stack: unknown key 'stack'; allowed: ") &&
                 Catch::EndsWith("did you mean 'stacks'?"));
}

TEST_CASE("nearest finds a misspelling and nothing else", "[config]") {
  const std::vector<std::string> names = {"stacks", "channels", "rows"};
  CHECK(nearest("stcks", names) == "stacks");
  CHECK(nearest("chanels", names) == "channels");
  CHECK(nearest("temperature", names).empty());
  CHECK(nearest("", names).empty());
  CHECK(nearest(std::string(5000, 'x'), names).empty());
}
