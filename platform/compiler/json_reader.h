// Checked access to JSON objects: every error names the file, the JSON pointer, what was found and
// what is expected, and keys that nobody asked for can be reported.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace hpimvp::compiler {

// ModelError with the position of the mistake if `text` is not JSON or nests deeper than 64 levels.
nlohmann::json parse_json(std::string_view text, std::string_view file);

// A short form of a value for messages.
std::string describe(const nlohmann::json& value);

// Of `allowed`, the name that is closest to `word`; empty if none is close.
std::string nearest_name(std::string_view word, const std::set<std::string>& allowed);

class JsonObject {
 public:
  // ModelError if `value` is not an object. `value` must outlive the reader.
  JsonObject(const nlohmann::json& value, std::string_view file, std::string_view pointer);

  bool has(const std::string& key);  // present and not null
  const nlohmann::json& at(const std::string& key);
  JsonObject object(const std::string& key);
  std::string pointer(const std::string& key) const { return pointer_ + "/" + key; }

  std::uint32_t u32(const std::string& key);
  std::uint32_t u32_or(const std::string& key, std::uint32_t otherwise);
  double number(const std::string& key);  // finite
  double number_or(const std::string& key, double otherwise);
  bool boolean_or(const std::string& key, bool otherwise);
  std::string string(const std::string& key);
  std::string string_or(const std::string& key, const std::string& otherwise);

  // ModelError for the first key that none of the calls above has named.
  void reject_unknown() const;
  [[noreturn]] void fail(const std::string& key, const std::string& expected) const;

 private:
  const nlohmann::json* value_;
  std::string file_;
  std::string pointer_;
  std::set<std::string> known_;
};

}  // namespace hpimvp::compiler
