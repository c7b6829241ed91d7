// Reads an object whose members are [value, "where the value comes from"], as presets of hardware
// have them.
#pragma once

#include <string>

#include "platform/config/object_reader.h"

namespace hpimvp::config {

inline bool is_sourced(const Json& value) {
  return value.is_array() && value.size() == 2 && value[1].is_string() &&
         !value[1].get_ref<const std::string&>().empty();
}

class SourcedReader {
 public:
  // `sources_required`: a value without its source is an error.
  SourcedReader(const Document& document, const std::string& pointer, bool sources_required)
      : reader_(document, pointer), sources_required_(sources_required) {}

  // The value, whatever its type. Throws ConfigError if it is absent, as number() does.
  const Json& required(const char* key) {
    const Json* found = reader_.find(key);
    if (found == nullptr) reader_.fail_missing(key, "expected [value, \"source\"]");
    if (!found->is_array() && !sources_required_) return *found;
    if (!is_sourced(*found)) {
      reader_.fail(key, "expected [value, \"source\"], found " + describe_value(*found));
    }
    return (*found)[0];
  }
  // From 0 to 1e12.
  void number(const char* key, double& value) {
    const Json& found = required(key);
    if (!found.is_number() || found.get<double>() < 0 || found.get<double>() > 1e12) {
      reader_.fail(key, "expected a number from 0 to 1e12, found " + describe_value(found));
    }
    value = found.get<double>();
  }
  // Where required() found it.
  std::string value_pointer(const char* key) {
    const Json* found = reader_.find(key);
    const bool pair = found != nullptr && found->is_array();
    return reader_.child_pointer(key) + (pair ? "/0" : "");
  }
  ObjectReader& reader() { return reader_; }
  void finish() const { reader_.finish(); }

 private:
  ObjectReader reader_;
  bool sources_required_;
};

}  // namespace hpimvp::config
