#include "platform/compiler/json_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "platform/compiler/model_error.h"

namespace hpimvp::compiler {
namespace {

// Real model files nest about five levels deep; the limit keeps hostile ones off the stack.
constexpr int kMaxDepth = 64;

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

nlohmann::json parse_json(std::string_view text, std::string_view file) {
  const auto check_depth = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > kMaxDepth) {
      throw ModelError(file, "", fmt::format("JSON nested deeper than {} levels", kMaxDepth));
    }
    return true;
  };
  try {
    return nlohmann::json::parse(text.begin(), text.end(), check_depth);
  } catch (const nlohmann::json::exception& error) {
    throw ModelError(file, "", fmt::format("not valid JSON: {}", error.what()));
  }
}

std::string describe(const nlohmann::json& value) {
  if (value.is_structured()) {
    return fmt::format("an {} of {} entries", value.type_name(), value.size());
  }
  std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

std::string nearest_name(std::string_view word, const std::set<std::string>& allowed) {
  std::string best;
  std::size_t best_distance = word.size() / 2 + 1;
  if (word.size() > 64) return best;
  for (const std::string& name : allowed) {
    const std::size_t distance = edit_distance(word, name);
    if (distance < best_distance) {
      best_distance = distance;
      best = name;
    }
  }
  return best;
}

JsonObject::JsonObject(const nlohmann::json& value, std::string_view file, std::string_view pointer)
    : value_(&value), file_(file), pointer_(pointer) {
  if (!value.is_object()) {
    throw ModelError(file_, pointer_.empty() ? "/" : pointer_,
                     "found " + describe(value) + ", expected an object");
  }
}

bool JsonObject::has(const std::string& key) {
  known_.insert(key);
  const auto entry = value_->find(key);
  return entry != value_->end() && !entry->is_null();
}

const nlohmann::json& JsonObject::at(const std::string& key) {
  known_.insert(key);
  const auto entry = value_->find(key);
  if (entry == value_->end()) throw ModelError(file_, pointer(key), "is missing");
  return *entry;
}

JsonObject JsonObject::object(const std::string& key) {
  return JsonObject(at(key), file_, pointer(key));
}

std::uint32_t JsonObject::u32(const std::string& key) {
  const nlohmann::json& value = at(key);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > 0xFFFFFFFFU) {
    fail(key, "an integer from 0 to 4294967295");
  }
  return value.get<std::uint32_t>();
}

std::uint32_t JsonObject::u32_or(const std::string& key, std::uint32_t otherwise) {
  return has(key) ? u32(key) : otherwise;
}

double JsonObject::number(const std::string& key) {
  const nlohmann::json& value = at(key);
  if (!value.is_number() || !std::isfinite(value.get<double>())) fail(key, "a finite number");
  return value.get<double>();
}

double JsonObject::number_or(const std::string& key, double otherwise) {
  return has(key) ? number(key) : otherwise;
}

bool JsonObject::boolean_or(const std::string& key, bool otherwise) {
  if (!has(key)) return otherwise;
  if (!at(key).is_boolean()) fail(key, "true or false");
  return at(key).get<bool>();
}

std::string JsonObject::string(const std::string& key) {
  if (!at(key).is_string()) fail(key, "a string");
  return at(key).get<std::string>();
}

std::string JsonObject::string_or(const std::string& key, const std::string& otherwise) {
  return has(key) ? string(key) : otherwise;
}

void JsonObject::reject_unknown() const {
  for (const auto& [key, value] : value_->items()) {
    if (known_.contains(key)) continue;
    const std::string nearest = nearest_name(key, known_);
    throw ModelError(file_, pointer(key),
                     nearest.empty() ? "is not a known key"
                                     : "is not a known key; did you mean '" + nearest + "'?");
  }
}

void JsonObject::fail(const std::string& key, const std::string& expected) const {
  const auto entry = value_->find(key);
  throw ModelError(file_, pointer(key),
                   fmt::format("found {}, expected {}",
                               entry == value_->end() ? "nothing" : describe(*entry), expected));
}

}  // namespace hpimvp::compiler
