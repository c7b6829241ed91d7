// Tokenizers, right and wrong.
#include "platform/compiler/tokenizer.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "platform/compiler/model_error.h"
#include "platform/compiler/pre_tokenizer.h"
#include "tests/support/shared_data.h"

using namespace hpimvp;
using Catch::Matchers::Contains;
using compiler::ModelError;
using compiler::SplitRule;

namespace {

using Json = nlohmann::json;
using Tokens = std::vector<std::uint32_t>;

struct Piece {
  std::string bytes;
  float score;
};

std::vector<std::byte> tokenizer_bin(const std::vector<Piece>& pieces) {
  std::vector<std::byte> file(4);
  const auto put = [&](const void* data, std::size_t size) {
    const auto* begin = static_cast<const std::byte*>(data);
    file.insert(file.end(), begin, begin + size);
  };
  for (const Piece& piece : pieces) {
    const auto length = static_cast<std::int32_t>(piece.bytes.size());
    put(&piece.score, 4);
    put(&length, 4);
    put(piece.bytes.data(), piece.bytes.size());
  }
  return file;
}

// The three control tokens, the 256 bytes, and what is given.
std::vector<Piece> with_bytes(const std::vector<Piece>& more) {
  std::vector<Piece> pieces{{"<unk>", 0}, {"\n<s>\n", 0}, {"\n</s>\n", 0}};
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof text, "<0x%02X>", byte);
    pieces.push_back({text, 0});
  }
  pieces.insert(pieces.end(), more.begin(), more.end());
  return pieces;
}

std::unique_ptr<compiler::Tokenizer> llama2c(const std::vector<Piece>& pieces) {
  return compiler::parse_llama2c_tokenizer(tokenizer_bin(pieces),
                                           static_cast<std::uint32_t>(pieces.size()), "t.bin");
}

std::string utf8(std::uint32_t code) {
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
}

// GPT-2's alphabet: all bytes as single-character pieces, ids by byte.
Json byte_level_tokenizer() {
  Json vocabulary;
  std::uint32_t next = 256;
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    vocabulary[utf8(printable ? byte : next++)] = byte;
  }
  Json json;
  json["model"] = {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", Json::array()}};
  json["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  json["decoder"] = {{"type", "ByteLevel"}};
  return json;
}

void add_merge(Json& json, const std::string& left, const std::string& right, std::uint32_t id) {
  json["model"]["merges"].push_back(left + " " + right);
  json["model"]["vocab"][left + right] = id;
}

std::unique_ptr<compiler::Tokenizer> parse(const Json& json) {
  return compiler::parse_json_tokenizer(json.dump(), "tokenizer.json");
}

std::vector<std::string> split(const std::string& text, SplitRule rule) {
  std::vector<std::string> words;
  for (const auto word : compiler::split_words(text, rule)) words.emplace_back(word);
  return words;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("llama2.c: the best score merges first, the leftmost of equals") {
  const auto tokenizer = llama2c(with_bytes(
      {{" ", -9}, {"a", -9}, {"b", -9}, {"ab", -2}, {"ba", -1}, {"aba", -3}, {" a", -5}}));
  // Ids: 259 " ", 260 "a", 261 "b", 262 "ab", 263 "ba", 264 "aba", 265 " a".
  CHECK(tokenizer->encode("ab") == Tokens{1, 259, 262});
  CHECK(tokenizer->encode("aba") == Tokens{1, 259, 264});  // "ba" first, then "aba", not " a"
  CHECK(tokenizer->encode("abab", false) == Tokens{259, 264, 261});
  CHECK(tokenizer->encode("") == Tokens{1});
}

TEST_CASE("llama2.c: characters without a piece are spelled in bytes and print as bytes") {
  const auto tokenizer = llama2c(with_bytes({{" ", -1}, {"a", -2}}));
  CHECK(tokenizer->encode("a\xC3\xA9\n\xFF", false) ==
        Tokens{259, 260, 3 + 0xC3, 3 + 0xA9, 3 + '\n', 3 + 0xFF});
  CHECK(tokenizer->piece_bytes(3 + 0xC3) == "\xC3");
  CHECK(tokenizer->piece_bytes(3) == std::string_view("\0", 1));
  CHECK(tokenizer->piece_bytes(1).empty());
  CHECK(tokenizer->piece_bytes(99999).empty());
}

TEST_CASE("llama2.c: text survives encoding and decoding") {
  const auto tokenizer = compiler::load_tokenizer(test::shared_data("tok512.bin"), 512);
  std::mt19937 random(77);
  for (int round = 0; round < 200; ++round) {
    std::string text;
    const std::size_t length = random() % 60;
    for (std::size_t i = 0; i < length; ++i) {
      text.push_back(static_cast<char>(random() % 4 == 0 ? random() % 256 : 'a' + random() % 26));
    }
    if (text.starts_with('\0')) continue;
    CHECK(tokenizer->decode(tokenizer->encode(text)) == text);
  }
  CHECK(tokenizer->decode(tokenizer->encode("Once upon a time")) == "Once upon a time");
}

TEST_CASE("llama2.c: wrong files are refused") {
  const std::vector<std::byte> file = tokenizer_bin(with_bytes({{"a", -1}}));
  for (std::size_t length = 0; length < file.size(); length += 13) {
    CHECK_THROWS_AS(compiler::parse_llama2c_tokenizer(std::span(file).first(length), 260, "t.bin"),
                    ModelError);
  }
  CHECK_THROWS_WITH(compiler::parse_llama2c_tokenizer(file, 259, "t.bin"),
                    Contains("t.bin") && Contains("258"));
  CHECK_THROWS_WITH(compiler::parse_llama2c_tokenizer(file, 261, "t.bin"),
                    Contains("score of token 260"));
  CHECK_THROWS_WITH(llama2c({{"a", std::numeric_limits<float>::quiet_NaN()}}),
                    Contains("score of token 0"));
  std::vector<std::byte> negative = tokenizer_bin({{"a", 0}});
  const std::int32_t length = -5;
  std::memcpy(negative.data() + 8, &length, 4);
  CHECK_THROWS_WITH(compiler::parse_llama2c_tokenizer(negative, 1, "t.bin"), Contains("is -5"));
}

TEST_CASE("GPT-2's words") {
  CHECK(split("Hello world", SplitRule::kGpt2) == Words{"Hello", " world"});
  CHECK(split("I'm sure they'll don't", SplitRule::kGpt2) ==
        Words{"I", "'m", " sure", " they", "'ll", " don", "'t"});
  CHECK(split("I'M", SplitRule::kGpt2) == Words{"I", "'", "M"});
  CHECK(split("a  b", SplitRule::kGpt2) == Words{"a", " ", " b"});
  CHECK(split("a \n\n b  ", SplitRule::kGpt2) == Words{"a", " \n\n", " b", "  "});
  CHECK(split("x=12345!! ok", SplitRule::kGpt2) == Words{"x", "=", "12345", "!!", " ok"});
  CHECK(split(" 42\n", SplitRule::kGpt2) == Words{" 42", "\n"});
  CHECK(split("na\xC3\xAFve caf\xC3\xA9", SplitRule::kGpt2) ==
        Words{"na\xC3\xAFve", " caf\xC3\xA9"});
  CHECK(split("a\tb", SplitRule::kGpt2) == Words{"a", "\t", "b"});
  CHECK(split("", SplitRule::kGpt2).empty());
}

TEST_CASE("LLaMA-3's and Qwen2's words") {
  CHECK(split("I'M 12345 ok", SplitRule::kLlama3) == Words{"I", "'M", " ", "123", "45", " ok"});
  CHECK(split("I'M 123", SplitRule::kQwen2) == Words{"I", "'M", " ", "1", "2", "3"});
  CHECK(split("(hello) {x}\n\nnext", SplitRule::kLlama3) ==
        Words{"(hello", ")", " {", "x", "}\n\n", "next"});
  CHECK(split("a  \n  b", SplitRule::kLlama3) == Words{"a", "  \n", " ", " b"});
  CHECK(split("\tx\ny", SplitRule::kLlama3) == Words{"\tx", "\n", "y"});
  CHECK(split("end.  ", SplitRule::kLlama3) == Words{"end", ".", "  "});
  CHECK(split("\xE4\xBD\xA0\xE5\xA5\xBD\xE3\x80\x82", SplitRule::kLlama3) ==
        Words{"\xE4\xBD\xA0\xE5\xA5\xBD", "\xE3\x80\x82"});
}

TEST_CASE("the words of any bytes are the text") {
  std::mt19937 random(78);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (std::size_t i = random() % 40; i > 0; --i) {
      static constexpr const char* kParts[] = {" ",   "\n", "a", "Z", "'s",       "'LL",
                                               "7",   "\t", ".", "(", "\xC3\xA9", "\xE2\x82\xAC",
                                               "\xFF"};
      text += kParts[random() % std::size(kParts)];
    }
    for (const SplitRule rule : {SplitRule::kGpt2, SplitRule::kLlama3, SplitRule::kQwen2}) {
      std::string joined;
      for (const std::string& word : split(text, rule)) {
        CHECK_FALSE(word.empty());
        joined += word;
      }
      CHECK(joined == text);
    }
  }
}

TEST_CASE("byte-level BPE merges by rank inside words only") {
  Json json = byte_level_tokenizer();
  add_merge(json, "l", "o", 256);
  add_merge(json, "h", "e", 257);
  add_merge(json, "he", "l", 258);
  const std::string space = utf8(0x120);  // how a space is spelled
  add_merge(json, space, "w", 259);
  const auto tokenizer = parse(json);
  CHECK(tokenizer->encode("hello w") == Tokens{258, 256, 259});
  CHECK(tokenizer->encode("heel") == Tokens{257, 'e', 'l'});
  CHECK(tokenizer->piece_bytes(259) == " w");
  CHECK(tokenizer->piece_bytes(10) == "\n");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  CHECK(tokenizer->decode(tokenizer->encode(all)) == all);
}

TEST_CASE("whole words of the vocabulary win where merges are to be ignored") {
  Json json = byte_level_tokenizer();
  json["model"]["vocab"]["cat"] = 256;
  CHECK(parse(json)->encode("cat") == Tokens{'c', 'a', 't'});
  json["model"]["ignore_merges"] = true;
  CHECK(parse(json)->encode("cat cats") == Tokens{256, ' ', 'c', 'a', 't', 's'});
}

TEST_CASE(
    "added tokens are found in the text; special ones print nothing; templates begin a text") {
  Json json = byte_level_tokenizer();
  json["added_tokens"] = {{{"id", 256}, {"content", "<|start|>"}, {"special", true}},
                          {{"id", 257}, {"content", "<|tool|>"}, {"special", false}}};
  json["post_processor"] = {{"type", "Sequence"},
                            {"processors",
                             {{{"type", "ByteLevel"}},
                              {{"type", "TemplateProcessing"},
                               {"single",
                                {{{"SpecialToken", {{"id", "<|start|>"}, {"type_id", 0}}}},
                                 {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}}}}}};
  const auto tokenizer = parse(json);
  CHECK(tokenizer->encode("a<|tool|>b<|start|>") == Tokens{256, 'a', 257, 'b', 256});
  CHECK(tokenizer->piece_bytes(256).empty());
  CHECK(tokenizer->piece_bytes(257) == "<|tool|>");
}

TEST_CASE("sentencepiece-like BPE marks spaces and falls back to bytes") {
  const std::string mark = "\xE2\x96\x81";
  Json vocabulary{{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}, {mark, 3}, {"a", 4}, {mark + "a", 5}};
  vocabulary["<0xC3>"] = 6;
  vocabulary["<0xA9>"] = 7;
  Json json;
  json["model"] = {{"type", "BPE"},
                   {"vocab", vocabulary},
                   {"merges", {mark + " a"}},
                   {"byte_fallback", true},
                   {"unk_token", "<unk>"}};
  SECTION("by normalizers") {
    json["normalizer"] = {
        {"type", "Sequence"},
        {"normalizers",
         {{{"type", "Prepend"}, {"prepend", mark}},
          {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", mark}}}}};
  }
  SECTION("by Metaspace") {
    json["pre_tokenizer"] = {{"type", "Metaspace"},
                             {"replacement", mark},
                             {"prepend_scheme", "first"},
                             {"split", false}};
  }
  const auto tokenizer = parse(json);
  CHECK(tokenizer->encode("a a") == Tokens{5, 5});
  CHECK(tokenizer->encode("\xC3\xA9!") == Tokens{3, 6, 7, 0});
  CHECK(tokenizer->decode(Tokens{5, 5, 6, 7}) == "a a\xC3\xA9");
}

TEST_CASE("wrong tokenizer.json files are refused with the place") {
  const auto refuses = [](const Json& json, const char* place) {
    CHECK_THROWS_WITH(parse(json), Contains("tokenizer.json") && Contains(place));
  };
  Json json = byte_level_tokenizer();
  json["model"]["type"] = "Unigram";
  refuses(json, "/model/type");
  json = byte_level_tokenizer();
  json["model"]["merges"].push_back("q");
  refuses(json, "/model/merges/0");
  json = byte_level_tokenizer();
  json["model"]["merges"].push_back("a b");
  refuses(json, "/model/merges/0");
  json = byte_level_tokenizer();
  json["model"]["vocab"]["zz"] = -1;
  refuses(json, "/model/vocab/zz");
  json = byte_level_tokenizer();
  json["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", "x+"}}}};
  refuses(json, "/pre_tokenizer/pattern/Regex");
  json = byte_level_tokenizer();
  json["normalizer"] = {{"type", "Lowercase"}};
  refuses(json, "/normalizer/type");
  json = byte_level_tokenizer();
  json["added_tokens"] = {{{"id", 1}}};
  refuses(json, "/added_tokens/0/content");
  json = byte_level_tokenizer();
  json.erase("model");
  refuses(json, "/model");
  CHECK_THROWS_WITH(compiler::parse_json_tokenizer("{\"model\":", "tokenizer.json"),
                    Contains("not valid JSON"));
}
