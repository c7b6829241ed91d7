#include "platform/compiler/tokenizer.h"

#include <fmt/format.h>

#include "platform/compiler/mapped_file.h"
#include "platform/compiler/model_error.h"

namespace hpimvp::compiler {

std::vector<std::uint32_t> Tokenizer::encode(std::string_view text, bool begin) const {
  std::vector<std::uint32_t> tokens;
  if (begin) tokens = begin_tokens_;
  if (!text.empty()) encode_text(text, tokens);
  return tokens;
}

std::string_view Tokenizer::piece_bytes(std::uint32_t token) const {
  return token < pieces_.size() ? std::string_view(pieces_[token]) : std::string_view();
}

std::string Tokenizer::decode(std::span<const std::uint32_t> tokens) const {
  std::string text;
  for (const std::uint32_t token : tokens) {
    std::string_view piece = piece_bytes(token);
    if (text.empty() && adds_leading_space_ && piece.starts_with(' ')) piece.remove_prefix(1);
    text += piece;
  }
  return text;
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path,
                                          std::uint32_t vocabulary) {
  const auto file = MappedFile::open(path);
  if (path.extension() != ".json") {
    return parse_llama2c_tokenizer(file->bytes(), vocabulary, path.string());
  }
  auto tokenizer = parse_json_tokenizer(file->text(), path.string());
  if (tokenizer->vocabulary() > vocabulary) {
    throw ModelError(path.string(), "/model/vocab",
                     fmt::format("has {} tokens, but the model's vocabulary has {}",
                                 tokenizer->vocabulary(), vocabulary));
  }
  return tokenizer;
}

}  // namespace hpimvp::compiler
