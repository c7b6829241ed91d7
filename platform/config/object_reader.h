// Reads a JSON object into typed values: every key that nobody asked for is an error at the end,
// every wrong type or range an error at once, and each names the place.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/config/document.h"

namespace hpimvp::config {

class ObjectReader {
 public:
  // Throws ConfigError if the value at `pointer` is not an object.
  ObjectReader(const Document& document, std::string pointer);

  bool has(std::string_view key);

  // Absent keys leave `value` as it is. Numbers are whole; a string such as "0x1000" counts as one.
  template <typename T>
  void read_integer(std::string_view key, T& value, std::uint64_t min = 0,
                    std::uint64_t max = std::numeric_limits<T>::max()) {
    if (const Json* found = find(key)) value = static_cast<T>(to_integer(key, *found, min, max));
  }
  // With `above_min`, `min` itself is not allowed.
  void read_number(std::string_view key, double& value, double min, double max,
                   bool above_min = false);
  void read_string(std::string_view key, std::string& value);
  void read_boolean(std::string_view key, bool& value);

  // One of a few names.
  template <typename Enum>
  void read_choice(std::string_view key, Enum& value,
                   const std::vector<std::pair<std::string, Enum>>& choices) {
    const Json* found = find(key);
    if (found == nullptr) return;
    std::vector<std::string> names;
    for (const auto& [name, choice] : choices) {
      if (found->is_string() && found->get_ref<const std::string&>() == name) {
        value = choice;
        return;
      }
      names.push_back(name);
    }
    fail_choice(key, *found, names);
  }

  // The member as it is, or null; counts as asked for.
  const Json* find(std::string_view key);
  // A reader of the object under `key`; empty if it is absent.
  std::optional<ObjectReader> child(std::string_view key);
  std::string child_pointer(std::string_view key) const;

  // Throws ConfigError if the object has a key that was never asked for.
  void finish() const;

  [[noreturn]] void fail(std::string_view key, const std::string& what) const;
  [[noreturn]] void fail_missing(std::string_view key, const std::string& what) const;

 private:
  std::uint64_t to_integer(std::string_view key, const Json& value, std::uint64_t min,
                           std::uint64_t max) const;
  [[noreturn]] void fail_choice(std::string_view key, const Json& found,
                                const std::vector<std::string>& names) const;

  const Document& document_;
  std::string pointer_;
  const Json* object_;
  std::vector<std::string> asked_;
};

// "scenario.json:12: /machine/hbm", for messages that come later.
std::string place_of(const Document& document, const std::string& pointer);

// "scenario.json:12: /machine/hbm: what": throws ConfigError.
[[noreturn]] void fail_at(const Document& document, const std::string& pointer,
                          const std::string& what);

// A value in an error message: short, with its type where that helps.
std::string describe_value(const Json& value);

}  // namespace hpimvp::config
