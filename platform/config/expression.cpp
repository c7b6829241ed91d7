#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "platform/config/device_reader.h"

namespace hpimvp::config {

namespace {

using Values = std::map<std::string, std::int64_t, std::less<>>;

// Intermediate results stay below this, so that no operation on two of them overflows.
constexpr std::int64_t kLargest = std::int64_t{1} << 31;
constexpr unsigned kDeepest = 32;

// Recursive descent: sum = product {("+" | "-") product}, product = factor {("*" | "/") factor},
// factor = number | name | min(sum, sum) | max(sum, sum) | "(" sum ")" | "-" factor.
class ExpressionParser {
 public:
  ExpressionParser(std::string_view text, const Values& values) : text_(text), values_(values) {}

  std::int64_t parse() {
    const std::int64_t value = sum();
    skip_spaces();
    if (position_ != text_.size()) fail("unexpected '" + std::string(1, text_[position_]) + "'");
    return value;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw std::invalid_argument(
        fmt::format("{} at character {} of \"{}\"", what, position_ + 1, text_));
  }

  void skip_spaces() {
    while (position_ < text_.size() && text_[position_] == ' ') ++position_;
  }

  bool accept(char wanted) {
    skip_spaces();
    if (position_ == text_.size() || text_[position_] != wanted) return false;
    ++position_;
    return true;
  }

  void expect(char wanted) {
    if (!accept(wanted)) fail(fmt::format("'{}' expected", wanted));
  }

  std::int64_t bounded(std::int64_t value) const {
    if (value > kLargest || value < -kLargest) fail("a value out of range");
    return value;
  }

  std::int64_t sum() {
    if (++depth_ > kDeepest) fail("too deeply nested");
    std::int64_t value = product();
    while (true) {
      if (accept('+')) {
        value = bounded(value + product());
      } else if (accept('-')) {
        value = bounded(value - product());
      } else {
        --depth_;
        return value;
      }
    }
  }

  std::int64_t product() {
    std::int64_t value = factor();
    while (true) {
      if (accept('*')) {
        value = bounded(value * factor());
      } else if (accept('/')) {
        value = divide(value, factor());
      } else {
        return value;
      }
    }
  }

  std::int64_t divide(std::int64_t dividend, std::int64_t divisor) const {
    if (divisor <= 0) fail("division by a value that is not positive");
    if (dividend < 0) fail("division of a negative value");
    return (dividend + divisor - 1) / divisor;
  }

  std::int64_t factor() {
    skip_spaces();
    if (accept('-')) {
      if (++depth_ > kDeepest) fail("too deeply nested");
      const std::int64_t value = -factor();
      --depth_;
      return value;
    }
    if (accept('(')) {
      const std::int64_t value = sum();
      expect(')');
      return value;
    }
    if (position_ < text_.size() && is_digit(text_[position_])) return number();
    if (position_ < text_.size() && is_letter(text_[position_])) return name();
    fail("a number or a name expected");
  }

  std::int64_t number() {
    std::int64_t value = 0;
    while (position_ < text_.size() && is_digit(text_[position_])) {
      value = bounded(value * 10 + (text_[position_++] - '0'));
    }
    return value;
  }

  std::int64_t name() {
    const std::size_t begin = position_;
    while (position_ < text_.size() &&
           (is_letter(text_[position_]) || is_digit(text_[position_]))) {
      ++position_;
    }
    const std::string_view found = text_.substr(begin, position_ - begin);
    if (found == "min" || found == "max") return smaller_or_larger(found == "max");
    const auto value = values_.find(found);
    if (value == values_.end()) fail(fmt::format("unknown name '{}'", found));
    return bounded(value->second);
  }

  std::int64_t smaller_or_larger(bool larger) {
    expect('(');
    const std::int64_t first = sum();
    expect(',');
    const std::int64_t second = sum();
    expect(')');
    return larger ? std::max(first, second) : std::min(first, second);
  }

  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  }

  std::string_view text_;
  const Values& values_;
  std::size_t position_ = 0;
  unsigned depth_ = 0;
};

}  // namespace

std::int64_t evaluate_expression(std::string_view text, const Values& values) {
  return ExpressionParser(text, values).parse();
}

}  // namespace hpimvp::config
