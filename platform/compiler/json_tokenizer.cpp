// Hugging Face's tokenizer.json, the BPE subset that tokenizer.h describes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <unordered_map>

#include "platform/compiler/bpe_merge.h"
#include "platform/compiler/json_reader.h"
#include "platform/compiler/model_error.h"
#include "platform/compiler/pre_tokenizer.h"
#include "platform/compiler/tokenizer.h"
#include "platform/compiler/utf8.h"

namespace hpimvp::compiler {
namespace {

constexpr std::uint32_t kMaxVocabulary = 1U << 22;
constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581
constexpr std::uint32_t kAbsent = 0xFFFFFFFF;

// GPT-2's alphabet: printable bytes stand for themselves as code points, the others for the code
// points from 256 on in order.
class ByteAlphabet {
 public:
  ByteAlphabet() {
    std::uint32_t next = 256;
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) ||
                             (byte >= 0xAE && byte <= 0xFF);
      const std::uint32_t code = printable ? byte : next++;
      append_utf8(code, characters_[byte]);
      bytes_[code] = static_cast<char>(byte);
    }
  }

  const std::string& character(char byte) const {
    return characters_[static_cast<unsigned char>(byte)];
  }

  // Characters outside of the alphabet (in added tokens) are kept.
  std::string to_bytes(std::string_view piece) const {
    std::string bytes;
    for (std::size_t i = 0; i < piece.size();) {
      const Character character = decode_utf8(piece, i);
      const auto found = bytes_.find(character.code_point);
      if (found != bytes_.end()) {
        bytes.push_back(found->second);
      } else {
        bytes += piece.substr(i, character.bytes);
      }
      i += character.bytes;
    }
    return bytes;
  }

 private:
  std::array<std::string, 256> characters_;
  std::unordered_map<std::uint32_t, char> bytes_;
};

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  while (true) {
    const std::size_t at = text.find(from);
    if (at == std::string_view::npos) return result.append(text);
    result.append(text.substr(0, at)).append(to);
    text.remove_prefix(at + from.size());
  }
}

std::optional<char> byte_piece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return std::nullopt;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(piece.data() + 3, piece.data() + 5, value, 16);
  if (error != std::errc() || end != piece.data() + 5) return std::nullopt;
  return static_cast<char>(value);
}

class JsonTokenizer : public Tokenizer {
 public:
  JsonTokenizer(const nlohmann::json& document, std::string_view file) : file_(file) {
    JsonObject root(document, file, "");
    read_splitting(root);
    JsonObject model = root.object("model");
    if (model.string_or("type", "BPE") != "BPE") model.fail("type", R"("BPE")");
    byte_fallback_ = model.boolean_or("byte_fallback", false);
    ignore_merges_ = model.boolean_or("ignore_merges", false);
    reject_affixes(model);
    read_vocabulary(model);
    read_merges(model);
    if (model.has("unk_token")) unknown_ = find(model.string("unk_token"));
    read_added_tokens(root);
    read_post_processor(root);
    make_printed_pieces();
  }

 private:
  [[noreturn]] void fail(const std::string& pointer, const std::string& problem) const {
    throw ModelError(file_, pointer, problem);
  }

  std::uint32_t find(const std::string& piece) const {
    const auto found = tokens_.find(piece);
    return found == tokens_.end() ? kAbsent : found->second;
  }

  static void reject_affixes(JsonObject& model) {
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (!model.string_or(key, "").empty()) model.fail(key, "an empty string or null");
    }
    if (model.has("dropout")) model.fail("dropout", "null");
  }

  void read_splitting(JsonObject& root) {
    if (root.has("normalizer")) read_step(root.object("normalizer"), "normalizers", true);
    if (root.has("pre_tokenizer")) read_step(root.object("pre_tokenizer"), "pretokenizers", false);
    if (byte_level_ && space_marks_) {
      fail("/pre_tokenizer", "mixes ByteLevel with U+2581 for spaces");
    }
  }

  // A normalizer or pre-tokenizer, or a Sequence of them.
  void read_step(JsonObject step, const std::string& list, bool normalizer) {
    if (step.string("type") != "Sequence") {
      normalizer ? read_normalizer(step) : read_pre_tokenizer(step);
      return;
    }
    const nlohmann::json& entries = step.at(list);
    if (!entries.is_array()) step.fail(list, "an array");
    for (std::size_t i = 0; i < entries.size(); ++i) {
      JsonObject entry(entries[i], file_, step.pointer(list) + "/" + std::to_string(i));
      normalizer ? read_normalizer(entry) : read_pre_tokenizer(entry);
    }
  }

  void read_normalizer(JsonObject& entry) {
    const std::string type = entry.string("type");
    if (type == "NFC") return;  // see tokenizer.h
    if (type == "Prepend") {
      if (entry.string("prepend") != kSpaceMark) entry.fail("prepend", "U+2581");
      adds_leading_space_ = space_marks_ = true;
    } else if (type == "Replace") {
      JsonObject pattern = entry.object("pattern");
      if (pattern.string("String") != " ") pattern.fail("String", "a space");
      if (entry.string("content") != kSpaceMark) entry.fail("content", "U+2581");
      space_marks_ = true;
    } else {
      entry.fail("type", R"("NFC", "Prepend" or "Replace")");
    }
  }

  void read_pre_tokenizer(JsonObject& entry) {
    const std::string type = entry.string("type");
    if (type == "ByteLevel") {
      byte_level_ = true;
      prefix_space_ = entry.boolean_or("add_prefix_space", false);
      if (entry.boolean_or("use_regex", true)) split_ = SplitRule::kGpt2;
    } else if (type == "Split") {
      read_split(entry);
    } else if (type == "Metaspace") {
      if (entry.string("replacement") != kSpaceMark) entry.fail("replacement", "U+2581");
      if (entry.boolean_or("split", false)) entry.fail("split", "false");
      space_marks_ = true;
      adds_leading_space_ = entry.has("prepend_scheme")
                                ? entry.string("prepend_scheme") != "never"
                                : entry.boolean_or("add_prefix_space", true);
    } else {
      entry.fail("type", R"("ByteLevel", "Split" or "Metaspace")");
    }
  }

  void read_split(JsonObject& entry) {
    JsonObject pattern = entry.object("pattern");
    const std::string regex = pattern.string("Regex");
    if (regex == kLlama3Pattern) {
      split_ = SplitRule::kLlama3;
    } else if (regex == kQwen2Pattern) {
      split_ = SplitRule::kQwen2;
    } else {
      pattern.fail("Regex", "the expression of LLaMA-3 or Qwen2");
    }
    if (entry.string_or("behavior", "Isolated") != "Isolated") {
      entry.fail("behavior", R"("Isolated")");
    }
    if (entry.boolean_or("invert", false)) entry.fail("invert", "false");
  }

  void set_piece(std::uint32_t token, const std::string& piece) {
    if (token >= pieces_.size()) pieces_.resize(token + 1);
    pieces_[token] = piece;
    tokens_.insert_or_assign(piece, token);
  }

  void read_vocabulary(JsonObject& model) {
    const nlohmann::json& vocabulary = model.at("vocab");
    if (!vocabulary.is_object() || vocabulary.empty()) model.fail("vocab", "pieces with their ids");
    for (const auto& [piece, id] : vocabulary.items()) {
      if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= kMaxVocabulary) {
        fail(model.pointer("vocab") + "/" + piece,
             fmt::format("found {}, expected a token id below {}", describe(id), kMaxVocabulary));
      }
      set_piece(id.get<std::uint32_t>(), piece);
    }
  }

  void read_merges(JsonObject& model) {
    const nlohmann::json& merges = model.at("merges");
    if (!merges.is_array()) model.fail("merges", "an array");
    for (std::size_t i = 0; i < merges.size(); ++i) {
      const std::string pointer = model.pointer("merges") + "/" + std::to_string(i);
      const auto [left, right] = parse_merge(merges[i], pointer);
      const std::uint32_t left_token = find(left);
      const std::uint32_t right_token = find(right);
      const std::uint32_t joined = find(left + right);
      if (left_token == kAbsent || right_token == kAbsent || joined == kAbsent) {
        fail(pointer, fmt::format("found {}, expected two pieces of the vocabulary whose joined "
                                  "form is one too",
                                  describe(merges[i])));
      }
      merges_.emplace(pair_key(left_token, right_token), BpeMerge{static_cast<double>(i), joined});
    }
  }

  std::pair<std::string, std::string> parse_merge(const nlohmann::json& merge,
                                                  const std::string& pointer) const {
    if (merge.is_string()) {
      const auto& text = merge.get_ref<const std::string&>();
      const std::size_t space = text.find(' ');
      if (space != std::string::npos) return {text.substr(0, space), text.substr(space + 1)};
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      return {merge[0].get<std::string>(), merge[1].get<std::string>()};
    }
    fail(pointer,
         fmt::format("found {}, expected \"left right\" or [left, right]", describe(merge)));
  }

  static std::uint64_t pair_key(std::uint32_t left, std::uint32_t right) {
    return (std::uint64_t{left} << 32) | right;
  }

  void read_added_tokens(JsonObject& root) {
    if (!root.has("added_tokens")) return;
    const nlohmann::json& added = root.at("added_tokens");
    if (!added.is_array()) root.fail("added_tokens", "an array");
    for (std::size_t i = 0; i < added.size(); ++i) {
      JsonObject entry(added[i], file_, root.pointer("added_tokens") + "/" + std::to_string(i));
      const std::uint32_t id = entry.u32("id");
      const std::string content = entry.string("content");
      if (id >= kMaxVocabulary) entry.fail("id", fmt::format("less than {}", kMaxVocabulary));
      if (content.empty()) entry.fail("content", "a text that is not empty");
      set_piece(id, content);
      added_[content] = id;
      longest_added_ = std::max(longest_added_, content.size());
      if (entry.boolean_or("special", false)) control_.push_back(id);
    }
  }

  // TemplateProcessing says which tokens begin a sequence.
  void read_post_processor(JsonObject& root) {
    if (!root.has("post_processor")) return;
    read_processor(root.object("post_processor"));
  }

  void read_processor(JsonObject processor) {
    const std::string type = processor.string("type");
    if (type == "Sequence") {
      const nlohmann::json& entries = processor.at("processors");
      if (!entries.is_array()) processor.fail("processors", "an array");
      for (std::size_t i = 0; i < entries.size(); ++i) {
        JsonObject entry(entries[i], file_,
                         processor.pointer("processors") + "/" + std::to_string(i));
        if (entry.string("type") == "Sequence") entry.fail("type", "a processor, no Sequence");
        read_processor(entry);
      }
    } else if (type == "TemplateProcessing") {
      read_template(processor);
    } else if (type != "ByteLevel") {
      processor.fail("type", R"("TemplateProcessing", "ByteLevel" or "Sequence")");
    }
  }

  void read_template(JsonObject& processor) {
    const nlohmann::json& single = processor.at("single");
    if (!single.is_array()) processor.fail("single", "an array");
    for (std::size_t i = 0; i < single.size(); ++i) {
      JsonObject entry(single[i], file_, processor.pointer("single") + "/" + std::to_string(i));
      if (!entry.has("SpecialToken")) return;  // the text itself: what follows would end it
      JsonObject special = entry.object("SpecialToken");
      const std::uint32_t token = find(special.string("id"));
      if (token == kAbsent) special.fail("id", "a token of the vocabulary");
      begin_tokens_.push_back(token);
    }
  }

  void make_printed_pieces() {
    for (std::string& piece : pieces_) {
      if (byte_level_) {
        piece = alphabet_.to_bytes(piece);
      } else if (const auto byte = byte_piece(piece); byte && byte_fallback_) {
        piece = std::string(1, *byte);
      } else if (space_marks_) {
        piece = replace_all(piece, kSpaceMark, " ");
      }
    }
    for (const auto& [content, token] : added_) pieces_[token] = content;
    for (const std::uint32_t token : control_) pieces_[token].clear();
    if (unknown_ != kAbsent) pieces_[unknown_].clear();
  }

  // Added tokens are found in the text before anything else, the longest first.
  void encode_text(std::string_view text, std::vector<std::uint32_t>& tokens) const override {
    std::size_t start = 0;
    bool first = true;
    for (std::size_t at = 0; at < text.size();) {
      const auto [token, length] = added_at(text.substr(at));
      if (length == 0) {
        ++at;
        continue;
      }
      encode_section(text.substr(start, at - start), first, tokens);
      tokens.push_back(token);
      at += length;
      start = at;
      first = false;
    }
    encode_section(text.substr(start), first, tokens);
  }

  std::pair<std::uint32_t, std::size_t> added_at(std::string_view text) const {
    for (std::size_t length = std::min(longest_added_, text.size()); length > 0; --length) {
      const auto found = added_.find(text.substr(0, length));
      if (found != added_.end()) return {found->second, length};
    }
    return {0, 0};
  }

  void encode_section(std::string_view text, bool first, std::vector<std::uint32_t>& tokens) const {
    if (text.empty()) return;
    if (byte_level_) {
      const std::string prefixed =
          prefix_space_ && text.front() != ' ' ? " " + std::string(text) : std::string(text);
      for (const std::string_view word : words(prefixed)) encode_byte_level(word, tokens);
      return;
    }
    std::string marked = space_marks_ ? replace_all(text, " ", kSpaceMark) : std::string(text);
    if (adds_leading_space_ && first) marked.insert(0, kSpaceMark);
    encode_characters(marked, tokens);
  }

  std::vector<std::string_view> words(std::string_view text) const {
    return split_ ? split_words(text, *split_) : std::vector<std::string_view>{text};
  }

  void encode_byte_level(std::string_view word, std::vector<std::uint32_t>& tokens) const {
    std::string spelled;
    for (const char byte : word) spelled += alphabet_.character(byte);
    encode_characters(spelled, tokens);
  }

  void encode_characters(std::string_view word, std::vector<std::uint32_t>& tokens) const {
    if (ignore_merges_) {
      const std::uint32_t whole = find(std::string(word));
      if (whole != kAbsent) {
        tokens.push_back(whole);
        return;
      }
    }
    std::vector<std::uint32_t> symbols;
    for (std::size_t i = 0; i < word.size();) {
      const Character character = decode_utf8(word, i);
      append_character(word.substr(i, character.bytes), symbols);
      i += character.bytes;
    }
    merge_symbols(symbols, [&](std::uint32_t left, std::uint32_t right) -> std::optional<BpeMerge> {
      const auto found = merges_.find(pair_key(left, right));
      return found == merges_.end() ? std::nullopt : std::optional<BpeMerge>(found->second);
    });
    tokens.insert(tokens.end(), symbols.begin(), symbols.end());
  }

  void append_character(std::string_view bytes, std::vector<std::uint32_t>& symbols) const {
    const std::uint32_t token = find(std::string(bytes));
    if (token != kAbsent) {
      symbols.push_back(token);
      return;
    }
    for (const char byte : bytes) {
      std::uint32_t fallback = unknown_;
      if (byte_fallback_) {
        const std::uint32_t found =
            find(fmt::format("<0x{:02X}>", static_cast<unsigned char>(byte)));
        if (found != kAbsent) fallback = found;
      }
      if (fallback == unknown_) {
        // One unknown token stands for the whole character.
        if (unknown_ == kAbsent) {
          fail("/model/vocab", fmt::format("has no piece for byte 0x{:02X} of the text",
                                           static_cast<unsigned char>(byte)));
        }
        symbols.push_back(unknown_);
        return;
      }
      symbols.push_back(fallback);
    }
  }

  std::string file_;
  ByteAlphabet alphabet_;
  bool byte_level_ = false;
  bool prefix_space_ = false;
  bool space_marks_ = false;
  bool byte_fallback_ = false;
  bool ignore_merges_ = false;
  std::optional<SplitRule> split_;
  std::uint32_t unknown_ = kAbsent;
  std::unordered_map<std::string, std::uint32_t> tokens_;
  std::unordered_map<std::uint64_t, BpeMerge> merges_;
  std::map<std::string, std::uint32_t, std::less<>> added_;
  std::size_t longest_added_ = 0;
  std::vector<std::uint32_t> control_;
};

}  // namespace

std::unique_ptr<Tokenizer> parse_json_tokenizer(std::string_view json, std::string_view file) {
  const nlohmann::json document = parse_json(json, file);
  return std::make_unique<JsonTokenizer>(document, file);
}

}  // namespace hpimvp::compiler
