// Text to token ids and back: byte-pair encoding as llama2.c's tokenizer.bin and Hugging Face's
// tokenizer.json describe it.
//
// tokenizer.json: model type BPE with
//  - byte-level pieces (GPT-2 and OPT, LLaMA-3, Qwen2): pre-tokenizer ByteLevel, or Split by one of
//    the three families' regular expressions followed by ByteLevel;
//  - sentencepiece-like pieces (LLaMA-2): spaces as U+2581 by Prepend/Replace normalizers or a
//    Metaspace pre-tokenizer, bytes without a piece as <0xNN> (byte_fallback).
// Everything else is reported as an error. Text is not Unicode-normalised (Qwen2's NFC): text that
// is not in composed form gets other tokens than the original's. See pre_tokenizer.h for how
// characters are classified.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hpimvp::compiler {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  std::uint32_t vocabulary() const { return static_cast<std::uint32_t>(pieces_.size()); }

  // Token ids of `text`, after the tokens that begin a sequence if `begin`. Any bytes are accepted:
  // what is not UTF-8 is encoded byte by byte.
  std::vector<std::uint32_t> encode(std::string_view text, bool begin = true) const;

  // What is printed for a token: empty for control tokens and ids beyond the vocabulary.
  std::string_view piece_bytes(std::uint32_t token) const;

  // The text of a sequence. Sentencepiece-like tokenizers begin each text with a space that was not
  // there: as the original decoders do, it is dropped from the first printed piece.
  std::string decode(std::span<const std::uint32_t> tokens) const;
  bool adds_leading_space() const { return adds_leading_space_; }

  const std::vector<std::uint32_t>& begin_tokens() const { return begin_tokens_; }
  void set_begin_tokens(std::vector<std::uint32_t> tokens) { begin_tokens_ = std::move(tokens); }

 protected:
  virtual void encode_text(std::string_view text, std::vector<std::uint32_t>& tokens) const = 0;

  std::vector<std::string> pieces_;  // as printed
  std::vector<std::uint32_t> begin_tokens_;
  bool adds_leading_space_ = false;
};

// tokenizer.bin: i32 length of the longest piece, then per token f32 score, i32 length, bytes. The
// format does not say how many tokens there are: `vocabulary` is the model's. ModelError if the
// file does not hold exactly that many.
std::unique_ptr<Tokenizer> parse_llama2c_tokenizer(std::span<const std::byte> bytes,
                                                   std::uint32_t vocabulary, std::string_view file);

std::unique_ptr<Tokenizer> parse_json_tokenizer(std::string_view json, std::string_view file);

// By the file's name: *.json, else tokenizer.bin. ModelError if it has more tokens than
// `vocabulary` (fewer are allowed: models pad their tables).
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path,
                                          std::uint32_t vocabulary);

}  // namespace hpimvp::compiler
