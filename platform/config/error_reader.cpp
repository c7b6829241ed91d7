#include "platform/config/error_reader.h"

#include <fmt/format.h>

#include <cmath>
#include <string>

namespace hpimvp::config {

namespace {

using hbm_pim::ErrorConfig;
using hbm_pim::ErrorInjection;
using hbm_pim::ErrorKind;

// Far beyond any run, and exact in picoseconds.
constexpr double kLatestUs = 3.6e9;

std::optional<std::uint64_t> read_optional(ObjectReader& reader, const char* key,
                                           std::uint64_t max) {
  if (!reader.has(key)) return std::nullopt;
  std::uint64_t value = 0;
  reader.read_integer(key, value, 0, max);
  return value;
}

ErrorInjection read_injection(const Document& document, const std::string& pointer,
                              std::uint32_t stacks, std::uint64_t stack_bytes) {
  ObjectReader reader(document, pointer);
  if (!reader.has("stack")) reader.fail_missing("stack", "which stack has the error");
  ErrorInjection one;
  reader.read_integer("stack", one.stack, 0, stacks - 1);
  reader.read_integer("bits", one.bits, 1, 2);
  reader.read_choice<ErrorKind>(
      "kind", one.kind, {{"transient", ErrorKind::kTransient}, {"stored", ErrorKind::kStored}});
  one.offset = read_optional(reader, "offset", stack_bytes - 1);
  one.gemv = read_optional(reader, "gemv", 1ull << 62);
  if (!one.offset && !one.gemv) {
    reader.fail_missing("offset", "where in the stack's memory; or 'gemv', for its first weights");
  }
  if (one.gemv && reader.has("from_us")) {
    reader.fail("from_us", "an error comes with a GEMV or at a time, not both");
  }
  double from_us = 0;
  reader.read_number("from_us", from_us, 0, kLatestUs);
  one.from_ps = static_cast<std::uint64_t>(std::llround(from_us * 1e6));
  reader.finish();
  return one;
}

}  // namespace

void read_errors(const Document& document, ObjectReader& hbm, std::uint32_t stacks,
                 std::uint64_t stack_bytes, ErrorConfig& errors) {
  auto reader = hbm.child("errors");
  if (!reader) return;
  reader->read_integer("seed", errors.seed);
  reader->read_number("rate", errors.rate, 0, hbm_pim::kHighestErrorRate);
  if (errors.rate != 0 && errors.rate < hbm_pim::kLowestErrorRate) {
    reader->fail("rate", fmt::format("expected 0, or at least {} (errors per 10^12 bits read)",
                                     hbm_pim::kLowestErrorRate));
  }
  reader->read_number("double_share", errors.double_share, 0, 1);
  reader->read_number("transient_share", errors.transient_share, 0, 1);
  reader->read_boolean("correctable_interrupt", errors.corrected_interrupt);
  if (const Json* list = reader->find("list")) {
    if (!list->is_array()) {
      reader->fail("list", "expected an array of errors, found " + describe_value(*list));
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
      const std::string pointer = fmt::format("{}/{}", reader->child_pointer("list"), i);
      errors.list.push_back(read_injection(document, pointer, stacks, stack_bytes));
    }
  }
  reader->finish();
}

}  // namespace hpimvp::config
