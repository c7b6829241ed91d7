#include "platform/config/object_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "platform/config/nearest.h"

namespace hpimvp::config {

std::string place_of(const Document& document, const std::string& pointer) {
  const Location location = document.location(pointer);
  const std::string line = location.line == 0 ? "" : fmt::format(":{}", location.line);
  return fmt::format("{}{}: {}", location.file, line, pointer.empty() ? "/" : pointer);
}

void fail_at(const Document& document, const std::string& pointer, const std::string& what) {
  throw ConfigError(fmt::format("{}: {}", place_of(document, pointer), what));
}

std::string describe_value(const Json& value) {
  constexpr std::size_t kLongest = 60;
  if (value.is_object()) return "an object";
  if (value.is_array()) return fmt::format("an array of {} elements", value.size());
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

ObjectReader::ObjectReader(const Document& document, std::string pointer)
    : document_(document), pointer_(std::move(pointer)) {
  object_ = &document.root().at(Json::json_pointer(pointer_));
  if (!object_->is_object()) {
    fail_at(document_, pointer_, "expected an object, found " + describe_value(*object_));
  }
}

std::string ObjectReader::child_pointer(std::string_view key) const {
  return pointer_ + "/" + pointer_token(key);
}

const Json* ObjectReader::find(std::string_view key) {
  const std::string name(key);
  if (std::find(asked_.begin(), asked_.end(), name) == asked_.end()) asked_.push_back(name);
  const auto found = object_->find(name);
  return found == object_->end() ? nullptr : &*found;
}

bool ObjectReader::has(std::string_view key) {
  return find(key) != nullptr;
}

void ObjectReader::fail(std::string_view key, const std::string& what) const {
  fail_at(document_, child_pointer(key), what);
}

void ObjectReader::fail_missing(std::string_view key, const std::string& what) const {
  fail_at(document_, pointer_, fmt::format("'{}' is missing: {}", key, what));
}

std::uint64_t ObjectReader::to_integer(std::string_view key, const Json& value, std::uint64_t min,
                                       std::uint64_t max) const {
  const auto bad = [&]() {
    fail(key, fmt::format("expected a whole number from {} to {}, found {}", min, max,
                          describe_value(value)));
  };
  std::uint64_t number = 0;
  if (value.is_number_unsigned()) {
    number = value.get<std::uint64_t>();
  } else if (value.is_number_float() && value.get<double>() >= 0 && value.get<double>() < 9e15 &&
             std::floor(value.get<double>()) == value.get<double>()) {
    number = static_cast<std::uint64_t>(value.get<double>());  // 1e6
  } else if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    const bool hex = text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char* first = text.data() + (hex ? 2 : 0);
    const auto result = std::from_chars(first, text.data() + text.size(), number, hex ? 16 : 10);
    if (text.empty() || result.ec != std::errc() || result.ptr != text.data() + text.size()) bad();
  } else {
    bad();
  }
  if (number < min || number > max) bad();
  return number;
}

void ObjectReader::read_number(std::string_view key, double& value, double min, double max,
                               bool above_min) {
  const Json* found = find(key);
  if (found == nullptr) return;
  const bool in_range = found->is_number() && found->get<double>() >= min &&
                        found->get<double>() <= max && !(above_min && found->get<double>() <= min);
  if (!in_range) {
    fail(key, fmt::format("expected a number {} {} and at most {}, found {}",
                          above_min ? "above" : "of at least", min, max, describe_value(*found)));
  }
  value = found->get<double>();
}

void ObjectReader::read_string(std::string_view key, std::string& value) {
  const Json* found = find(key);
  if (found == nullptr) return;
  if (!found->is_string()) fail(key, "expected a string, found " + describe_value(*found));
  value = found->get<std::string>();
}

void ObjectReader::read_boolean(std::string_view key, bool& value) {
  const Json* found = find(key);
  if (found == nullptr) return;
  if (!found->is_boolean()) fail(key, "expected true or false, found " + describe_value(*found));
  value = found->get<bool>();
}

std::optional<ObjectReader> ObjectReader::child(std::string_view key) {
  if (find(key) == nullptr) return std::nullopt;
  return ObjectReader(document_, child_pointer(key));
}

void ObjectReader::finish() const {
  for (const auto& [key, value] : object_->items()) {
    if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) {
      fail(key, fmt::format("unknown key '{}'; allowed: {}{}", key, join(asked_),
                            suggestion(key, asked_)));
    }
  }
}

void ObjectReader::fail_choice(std::string_view key, const Json& found,
                               const std::vector<std::string>& names) const {
  const std::string hint =
      found.is_string() ? suggestion(found.get_ref<const std::string&>(), names) : "";
  fail(key,
       fmt::format("expected one of {}, found {}{}", join(names), describe_value(found), hint));
}

}  // namespace hpimvp::config
