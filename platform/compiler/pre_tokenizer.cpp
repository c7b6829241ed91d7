#include "platform/compiler/pre_tokenizer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>

#include "platform/compiler/utf8.h"

namespace hpimvp::compiler {

const std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

namespace {

enum class Class : std::uint8_t { kSpace, kNewline, kLetter, kNumber, kOther };

struct Range {
  std::uint32_t first;
  std::uint32_t last;
};

bool in_ranges(std::uint32_t code, const Range* begin, const Range* end) {
  const Range* range = std::lower_bound(begin, end, code,
                                        [](const Range& r, std::uint32_t c) { return r.last < c; });
  return range != end && code >= range->first;
}

// Unicode's White_Space property beyond ASCII.
constexpr Range kSpaces[] = {{0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
                             {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F},
                             {0x205F, 0x205F}, {0x3000, 0x3000}};
// General categories Nd, Nl and No, the common scripts.
constexpr Range kNumbers[] = {
    {0xB2, 0xB3},     {0xB9, 0xB9},     {0xBC, 0xBE},     {0x660, 0x669},   {0x6F0, 0x6F9},
    {0x966, 0x96F},   {0x9E6, 0x9EF},   {0xE50, 0xE59},   {0x2070, 0x2070}, {0x2074, 0x2079},
    {0x2080, 0x2089}, {0x2150, 0x2189}, {0x2460, 0x249B}, {0x2776, 0x2793}, {0x3007, 0x3007},
    {0x3021, 0x3029}, {0x3220, 0x3229}, {0x3280, 0x3289}, {0xFF10, 0xFF19}};
// Punctuation and symbols.
constexpr Range kOthers[] = {
    {0x80, 0xA9},     {0xAB, 0xB4},     {0xB6, 0xB9},      {0xBB, 0xBF},     {0xD7, 0xD7},
    {0xF7, 0xF7},     {0x2C2, 0x2C5},   {0x2D2, 0x2DF},    {0x37E, 0x37E},   {0x387, 0x387},
    {0x55A, 0x55F},   {0x589, 0x58A},   {0x5BE, 0x5BE},    {0x60C, 0x60D},   {0x61B, 0x61B},
    {0x61F, 0x61F},   {0x66A, 0x66D},   {0x6D4, 0x6D4},    {0x964, 0x965},   {0x200B, 0x206F},
    {0x207A, 0x207E}, {0x208A, 0x208E}, {0x20A0, 0x20CF},  {0x2100, 0x2101}, {0x2103, 0x2106},
    {0x2108, 0x2109}, {0x2114, 0x2114}, {0x2116, 0x2118},  {0x211E, 0x2123}, {0x2190, 0x245F},
    {0x249C, 0x24E9}, {0x2500, 0x2775}, {0x2794, 0x2BFF},  {0x2E00, 0x2E7F}, {0x2E80, 0x2FFF},
    {0x3001, 0x3004}, {0x3008, 0x3020}, {0x3030, 0x3030},  {0x303D, 0x303F}, {0x30FB, 0x30FB},
    {0xFE10, 0xFE1F}, {0xFE30, 0xFE6F}, {0xFF01, 0xFF0F},  {0xFF1A, 0xFF20}, {0xFF3B, 0xFF40},
    {0xFF5B, 0xFF65}, {0xFFE0, 0xFFFF}, {0x1F000, 0x1FAFF}};

Class classify(std::uint32_t code) {
  if (code == '\r' || code == '\n') return Class::kNewline;
  if (code < 0x80) {
    if (code == ' ' || (code >= '\t' && code <= '\r')) return Class::kSpace;
    const std::uint32_t lower = code | 0x20;
    if (lower >= 'a' && lower <= 'z') return Class::kLetter;
    return code >= '0' && code <= '9' ? Class::kNumber : Class::kOther;
  }
  if (code == kInvalidCodePoint) return Class::kOther;
  if (in_ranges(code, std::begin(kSpaces), std::end(kSpaces))) return Class::kSpace;
  if (in_ranges(code, std::begin(kNumbers), std::end(kNumbers))) return Class::kNumber;
  if (in_ranges(code, std::begin(kOthers), std::end(kOthers))) return Class::kOther;
  return Class::kLetter;
}

bool is_space(Class kind) {
  return kind == Class::kSpace || kind == Class::kNewline;
}

struct Classified {
  std::size_t start;  // byte offset in the text
  std::uint32_t code;
  Class kind;
};

// One word after the other; positions count characters.
class Splitter {
 public:
  Splitter(std::string_view text, SplitRule rule) : text_(text), rule_(rule) {
    for (std::size_t i = 0; i < text.size();) {
      const Character character = decode_utf8(text, i);
      characters_.push_back({i, character.code_point, classify(character.code_point)});
      i += character.bytes;
    }
  }

  std::vector<std::string_view> split() {
    std::vector<std::string_view> words;
    for (std::size_t at = 0; at < characters_.size();) {
      const std::size_t end = rule_ == SplitRule::kGpt2 ? gpt2_end(at) : llama3_end(at);
      words.push_back(text_.substr(offset(at), offset(end) - offset(at)));
      at = end;
    }
    return words;
  }

 private:
  std::size_t offset(std::size_t index) const {
    return index < characters_.size() ? characters_[index].start : text_.size();
  }
  bool is(std::size_t index, Class kind) const {
    return index < characters_.size() && characters_[index].kind == kind;
  }
  std::size_t run_end(std::size_t at, Class kind) const {
    while (is(at, kind)) ++at;
    return at;
  }

  // 's, 't, 're, 've, 'm, 'll, 'd; the position itself if there is none.
  std::size_t contraction_end(std::size_t at, bool any_case) const {
    if (characters_[at].code != '\'') return at;
    const auto letter = [&](std::size_t i) -> std::uint32_t {
      if (i >= characters_.size()) return 0;
      const std::uint32_t code = characters_[i].code;
      return any_case && code >= 'A' && code <= 'Z' ? code + 32 : code;
    };
    const std::uint32_t first = letter(at + 1);
    const std::uint32_t second = letter(at + 2);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
    if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
        (first == 'l' && second == 'l')) {
      return at + 3;
    }
    return at;
  }

  // \s+(?!\S)|\s+ : a run of spaces leaves its last one to the word that follows.
  std::size_t spaces_end(std::size_t at) const {
    std::size_t end = at;
    while (end < characters_.size() && is_space(characters_[end].kind)) ++end;
    return end < characters_.size() && end - at > 1 ? end - 1 : end;
  }

  std::size_t gpt2_end(std::size_t at) const {
    const std::size_t contraction = contraction_end(at, false);
    if (contraction != at) return contraction;
    const std::size_t first = characters_[at].code == ' ' ? at + 1 : at;
    for (const Class kind : {Class::kLetter, Class::kNumber, Class::kOther}) {
      if (is(first, kind)) return run_end(first, kind);
    }
    return spaces_end(at);
  }

  std::size_t llama3_end(std::size_t at) const {
    const std::size_t contraction = contraction_end(at, true);
    if (contraction != at) return contraction;
    const Class kind = characters_[at].kind;
    if (kind == Class::kLetter) return run_end(at, Class::kLetter);
    if (kind != Class::kNewline && kind != Class::kNumber && is(at + 1, Class::kLetter)) {
      return run_end(at + 1, Class::kLetter);
    }
    if (kind == Class::kNumber) {
      const std::size_t most = at + (rule_ == SplitRule::kLlama3 ? 3 : 1);
      return std::min(run_end(at, Class::kNumber), most);
    }
    const std::size_t first = characters_[at].code == ' ' ? at + 1 : at;
    if (is(first, Class::kOther)) {
      return run_end(run_end(first, Class::kOther), Class::kNewline);
    }
    return llama3_spaces_end(at);
  }

  // \s*[\r\n]+ : up to the last newline of the run, if it has one.
  std::size_t llama3_spaces_end(std::size_t at) const {
    std::size_t last_newline_end = at;
    for (std::size_t i = at; i < characters_.size() && is_space(characters_[i].kind); ++i) {
      if (characters_[i].kind == Class::kNewline) last_newline_end = i + 1;
    }
    return last_newline_end != at ? last_newline_end : spaces_end(at);
  }

  std::string_view text_;
  SplitRule rule_;
  std::vector<Classified> characters_;
};

}  // namespace

std::vector<std::string_view> split_words(std::string_view text, SplitRule rule) {
  return Splitter(text, rule).split();
}

}  // namespace hpimvp::compiler
