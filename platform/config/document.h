// A JSON document that remembers on which line of which file each value stood, so that an error can
// name the place even after a preset and overrides have been merged.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

namespace hpimvp::config {

// Members keep the order in which they were written.
using Json = nlohmann::ordered_json;

// Bad input: the message names file, line and JSON pointer, what was found and what is allowed.
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Location {
  std::string file;
  unsigned line = 0;  // 0: the value stands in no file (the command line)
};

class Document {
 public:
  // Parses JSON with // and /* */ comments. Duplicate keys and nesting deeper than 64 are errors.
  // Throws ConfigError; `file` is the name in messages.
  static Document parse(std::string_view text, const std::string& file);
  // Reads and parses a file of at most 16 MiB.
  static Document load(const std::string& path);

  const Json& root() const { return root_; }

  // Where the value at a JSON pointer was written; for one that is absent, its nearest parent.
  Location location(const std::string& pointer) const;

  // Merges `other` over this document (RFC 7396: null removes a member) at `pointer`, which may not
  // exist yet. Locations come along; an object that has something of both is where `other` has it.
  void merge(const std::string& pointer, const Document& other);
  // Puts this document's value under `pointer` below `other`: `other` supplies what is missing.
  void merge_below(const std::string& pointer, const Document& other);
  // Removes the member at `pointer`.
  void erase(const std::string& pointer);

  // Replaces the string at `pointer` by an object that holds it under `key`.
  void expand_string(const std::string& pointer, const std::string& key);

  // Applies "machine.hbm.stacks=2": the value is JSON if it parses as JSON, else a string. Array
  // elements are named by their index. Throws ConfigError, also where a parent is not an object.
  void set(std::string_view assignment);

 private:
  friend class DocumentBuilder;
  Json root_;
  std::map<std::string, Location> locations_;
};

// `key` as a token of a JSON pointer: "~" and "/" are escaped.
std::string pointer_token(std::string_view key);

}  // namespace hpimvp::config
