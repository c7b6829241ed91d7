#include "platform/config/document.h"

#include <fmt/format.h>

#include <array>
#include <fstream>
#include <iterator>
#include <sstream>
#include <vector>

namespace hpimvp::config {

namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxFileBytes = 16u << 20;

// Counts lines while nlohmann's lexer reads.
struct Progress {
  unsigned line = 1;
  bool last_was_newline = false;
};

class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, Progress* progress) : at_(at), progress_(progress) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    progress_->last_was_newline = *at_ == '\n';
    progress_->line += progress_->last_was_newline ? 1 : 0;
    ++at_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator old = *this;
    ++*this;
    return old;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  Progress* progress_;
};

}  // namespace

std::string pointer_token(std::string_view key) {
  std::string token;
  for (const char c : key) {
    if (c == '~') {
      token += "~0";
    } else if (c == '/') {
      token += "~1";
    } else {
      token += c;
    }
  }
  return token;
}

// Receives nlohmann's SAX events and builds the document.
class DocumentBuilder : public nlohmann::json_sax<Json> {
 public:
  DocumentBuilder(Document& document, std::string file, const Progress& progress)
      : document_(document), file_(std::move(file)), progress_(progress) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add_number(value); }
  bool number_unsigned(number_unsigned_t value) override { return add_number(value); }
  bool number_float(number_float_t value, const string_t& /*text*/) override {
    return add_number(value);
  }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*size*/) override { return open(Json::object()); }
  bool start_array(std::size_t /*size*/) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& value) override {
    key_ = value;
    key_line_ = progress_.line;
    if (stack_.back().value->contains(key_)) {
      fail(fmt::format("{}: '{}' is given twice", key_pointer(), key_));
    }
    return true;
  }

  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    std::string what = error.what();
    const auto colon = what.find(": ", what.find("column"));
    if (colon != std::string::npos) what = what.substr(colon + 2);
    fail(what);
  }

 private:
  struct Level {
    Json* value;
    std::string pointer;
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw ConfigError(fmt::format("{}:{}: {}", file_, progress_.line, what));
  }

  std::string key_pointer() const { return stack_.back().pointer + "/" + pointer_token(key_); }

  // A number ends where the next character has been read: a line break there is not the number's.
  bool add_number(Json value) {
    return add_at(std::move(value), progress_.line - (progress_.last_was_newline ? 1 : 0)) !=
           nullptr;
  }
  bool add(Json value) { return add_at(std::move(value), progress_.line) != nullptr; }

  Json* add_at(Json value, unsigned line) {
    if (stack_.empty()) {
      document_.root_ = std::move(value);
      document_.locations_[""] = {file_, line};
      pointer_ = "";
      return &document_.root_;
    }
    Level& parent = stack_.back();
    if (parent.value->is_array()) {
      pointer_ = parent.pointer + "/" + std::to_string(parent.value->size());
      parent.value->push_back(std::move(value));
      document_.locations_[pointer_] = {file_, line};
      return &parent.value->back();
    }
    pointer_ = key_pointer();
    document_.locations_[pointer_] = {file_, key_line_};
    return &((*parent.value)[key_] = std::move(value));
  }

  bool open(Json value) {
    if (stack_.size() >= kMaxDepth) fail(fmt::format("nested deeper than {} levels", kMaxDepth));
    Json* added = add_at(std::move(value), progress_.line);
    stack_.push_back({added, pointer_});
    return true;
  }

  bool close() {
    stack_.pop_back();
    return true;
  }

  Document& document_;
  std::string file_;
  const Progress& progress_;
  std::vector<Level> stack_;  // open containers; adding to one never moves those below it
  std::string key_;
  unsigned key_line_ = 0;
  std::string pointer_;  // of the value added last
};

Document Document::parse(std::string_view text, const std::string& file) {
  Document document;
  Progress progress;
  DocumentBuilder builder(document, file, progress);
  Json::sax_parse(CountingIterator(text.data(), &progress),
                  CountingIterator(text.data() + text.size(), &progress), &builder,
                  nlohmann::detail::input_format_t::json, /*strict=*/true,
                  /*ignore_comments=*/true);
  return document;
}

Document Document::load(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw ConfigError(fmt::format("{}: cannot be opened", path));
  // In pieces: most files are small, and some have no size.
  std::string text;
  std::array<char, 65536> piece;
  do {
    stream.read(piece.data(), piece.size());
    text.append(piece.data(), static_cast<std::size_t>(stream.gcount()));
  } while (stream && text.size() <= kMaxFileBytes);
  if (stream.bad()) throw ConfigError(fmt::format("{}: cannot be read", path));
  if (text.size() > kMaxFileBytes) {
    throw ConfigError(fmt::format("{}: larger than {} MiB", path, kMaxFileBytes >> 20));
  }
  return parse(text, path);
}

Location Document::location(const std::string& pointer) const {
  std::string at = pointer;
  while (true) {
    const auto found = locations_.find(at);
    if (found != locations_.end()) return found->second;
    if (at.empty()) return {};
    at.erase(at.rfind('/'));
  }
}

namespace {

// RFC 7396, member by member, reporting which pointers were replaced.
// What a merge has changed.
struct MergedPointers {
  std::vector<std::string> replaced;
  std::vector<std::string> objects;  // that have something of both
};

void merge_value(Json& target, const Json& patch, const std::string& pointer,
                 MergedPointers& merged) {
  if (!patch.is_object() || !target.is_object()) {
    target = patch;
    merged.replaced.push_back(pointer);
    return;
  }
  merged.objects.push_back(pointer);
  for (const auto& [key, value] : patch.items()) {
    const std::string child = pointer + "/" + pointer_token(key);
    if (value.is_null()) {
      target.erase(key);
    } else if (!target.contains(key)) {
      target[key] = value;
      merged.replaced.push_back(child);
    } else {
      merge_value(target[key], value, child, merged);
    }
  }
}

bool is_at_or_below(const std::string& pointer, const std::string& parent) {
  return pointer.compare(0, parent.size(), parent) == 0 &&
         (pointer.size() == parent.size() || pointer[parent.size()] == '/');
}

}  // namespace

void Document::merge(const std::string& pointer, const Document& other) {
  MergedPointers merged;
  merge_value(root_[Json::json_pointer(pointer)], other.root_, pointer, merged);
  // What is wrong with an object as a whole is more likely to be wrong in what overrides it.
  for (const std::string& at : merged.objects) {
    const auto location = other.locations_.find(at.substr(pointer.size()));
    if (location != other.locations_.end()) locations_[at] = location->second;
  }
  for (const std::string& at : merged.replaced) {
    for (auto it = locations_.lower_bound(at); it != locations_.end();) {
      if (it->first.compare(0, at.size(), at) != 0) break;
      it = is_at_or_below(it->first, at) ? locations_.erase(it) : std::next(it);
    }
    const std::string in_other = at.substr(pointer.size());
    for (auto it = other.locations_.lower_bound(in_other); it != other.locations_.end(); ++it) {
      if (it->first.compare(0, in_other.size(), in_other) != 0) break;
      if (is_at_or_below(it->first, in_other)) locations_[pointer + it->first] = it->second;
    }
  }
}

void Document::merge_below(const std::string& pointer, const Document& other) {
  Document upper;
  upper.root_ = root_.at(Json::json_pointer(pointer));
  for (const auto& [at, location] : locations_) {
    if (is_at_or_below(at, pointer)) upper.locations_[at.substr(pointer.size())] = location;
  }
  root_[Json::json_pointer(pointer)] = Json();
  merge(pointer, other);
  merge(pointer, upper);
}

void Document::erase(const std::string& pointer) {
  const auto slash = pointer.rfind('/');
  root_.at(Json::json_pointer(pointer.substr(0, slash))).erase(pointer.substr(slash + 1));
}

void Document::expand_string(const std::string& pointer, const std::string& key) {
  Json& value = root_.at(Json::json_pointer(pointer));
  value = Json{{key, value}};
  locations_[pointer + "/" + pointer_token(key)] = location(pointer);
}

void Document::set(std::string_view assignment) {
  const std::string origin = fmt::format("--set {}", assignment);
  const auto equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    throw ConfigError(origin + ": expected PATH=VALUE, as in machine.hbm.stacks=2");
  }
  const std::string value_text(assignment.substr(equals + 1));
  Json value = Json::parse(value_text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) value = value_text;

  Json* at = &root_;
  std::string pointer;
  std::istringstream path{std::string(assignment.substr(0, equals))};
  for (std::string key; std::getline(path, key, '.');) {
    if (key.empty()) throw ConfigError(origin + ": a path has no empty parts");
    if (at->is_null()) *at = Json::object();
    if (at->is_array()) {
      const bool is_index =
          key.size() < 9 && key.find_first_not_of("0123456789") == std::string::npos;
      if (!is_index || std::stoul(key) >= at->size()) {
        throw ConfigError(
            fmt::format("{}: {} is an array of {} elements; '{}' is not an index in it", origin,
                        pointer, at->size(), key));
      }
      at = &(*at)[std::stoul(key)];
    } else if (at->is_object()) {
      at = &(*at)[key];
    } else {
      throw ConfigError(
          fmt::format("{}: {} is not an object, so it has no member '{}'", origin, pointer, key));
    }
    pointer += "/" + pointer_token(key);
  }
  *at = std::move(value);
  for (auto it = locations_.lower_bound(pointer); it != locations_.end();) {
    if (it->first.compare(0, pointer.size(), pointer) != 0) break;
    it = is_at_or_below(it->first, pointer) ? locations_.erase(it) : std::next(it);
  }
  locations_[pointer] = {origin, 0};
}

}  // namespace hpimvp::config
