// machine.hbm.errors: what reaches the model, and what is refused and how.
#include "platform/config/error_reader.h"

#include <catch2/catch.hpp>

using namespace hpimvp;
using namespace hpimvp::config;
using hbm_pim::ErrorConfig;
using hbm_pim::ErrorKind;

namespace {

ErrorConfig read(const std::string& text) {
  const Document document = Document::parse(text, "errors.json");
  ObjectReader hbm(document, "");
  ErrorConfig errors;
  read_errors(document, hbm, 4, 1 << 20, errors);
  hbm.finish();
  hbm_pim::check(errors, 4, 1 << 20);  // what the reader lets through makes sense
  return errors;
}

std::string error_of(const std::string& text) {
  try {
    read(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

std::string error_of_entry(const std::string& entry) {
  return error_of("{ \"errors\": {\n \"list\": [\n {\"stack\": 0, \"offset\": 0},\n" + entry +
                  "] } }");
}

}  // namespace

TEST_CASE("no errors are the default", "[config]") {
  CHECK(read("{}") == ErrorConfig{});
  CHECK(read(R"({ "errors": {} })") == ErrorConfig{});
}

TEST_CASE("errors of a scenario reach the model", "[config]") {
  const ErrorConfig errors = read(R"({ "errors": {
    "seed": 7, "rate": 0.5, "double_share": 0.25, "transient_share": 0.75,
    "correctable_interrupt": true,
    "list": [
      { "stack": 3, "offset": "0x40", "bits": 2, "kind": "stored", "from_us": 1.5 },
      { "stack": 1, "gemv": 12 }
    ] } })");
  CHECK(errors.seed == 7);
  CHECK(errors.rate == 0.5);
  CHECK(errors.double_share == 0.25);
  CHECK(errors.transient_share == 0.75);
  CHECK(errors.corrected_interrupt);
  REQUIRE(errors.list.size() == 2);
  CHECK(errors.list[0].stack == 3);
  CHECK(errors.list[0].offset == 0x40u);
  CHECK(errors.list[0].bits == 2);
  CHECK(errors.list[0].kind == ErrorKind::kStored);
  CHECK(errors.list[0].from_ps == 1'500'000);
  CHECK_FALSE(errors.list[0].gemv);
  CHECK(errors.list[1].stack == 1);
  CHECK(errors.list[1].gemv == 12u);
  CHECK_FALSE(errors.list[1].offset);
  CHECK(errors.list[1].bits == 1);
  CHECK(errors.list[1].kind == ErrorKind::kTransient);
}

TEST_CASE("errors that make no sense are refused at their place", "[config]") {
  using Catch::Contains;
  CHECK_THAT(error_of(R"({ "errors": [] })"), Contains("/errors: expected an object"));
  CHECK_THAT(error_of(R"({ "errors": { "rates": 1 } })"), Contains("did you mean 'rate'?"));
  CHECK_THAT(error_of(R"({ "errors": { "rate": -1 } })"), Contains("/errors/rate"));
  CHECK_THAT(error_of(R"({ "errors": { "rate": 1e-9 } })"), Contains("expected 0, or at least"));
  CHECK_THAT(error_of(R"({ "errors": { "double_share": 2 } })"),
             Contains("/errors/double_share: expected a number of at least 0 and at most 1"));
  CHECK_THAT(error_of(R"({ "errors": { "correctable_interrupt": 1 } })"),
             Contains("expected true or false"));
  CHECK_THAT(error_of(R"({ "errors": { "list": {} } })"), Contains("expected an array of errors"));
  CHECK_THAT(error_of_entry(R"({ "offset": 0 })"),
             Contains("errors.json:4: /errors/list/1: 'stack' is missing"));
  CHECK_THAT(error_of_entry(R"({ "stack": 4, "offset": 0 })"),
             Contains("/errors/list/1/stack: expected a whole number from 0 to 3, found 4"));
  CHECK_THAT(error_of_entry(R"({ "stack": 0, "offset": 1048576 })"),
             Contains("/errors/list/1/offset: expected a whole number from 0 to 1048575"));
  CHECK_THAT(error_of_entry(R"({ "stack": 0, "offset": 0, "bits": 3 })"),
             Contains("/errors/list/1/bits: expected a whole number from 1 to 2, found 3"));
  CHECK_THAT(error_of_entry(R"({ "stack": 0, "offset": 0, "kind": "stord" })"),
             Contains("did you mean 'stored'?"));
  CHECK_THAT(error_of_entry(R"({ "stack": 0 })"), Contains("'offset' is missing"));
  CHECK_THAT(error_of_entry(R"({ "stack": 0, "gemv": 1, "from_us": 1 })"), Contains("not both"));
}
