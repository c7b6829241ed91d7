// llama2.c's tokenizer.bin: sentencepiece BPE where a merge is any two neighbours whose joined
// bytes are a piece, best score first.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <unordered_map>

#include "platform/compiler/bpe_merge.h"
#include "platform/compiler/byte_reader.h"
#include "platform/compiler/tokenizer.h"
#include "platform/compiler/utf8.h"

namespace hpimvp::compiler {
namespace {

constexpr std::uint32_t kUnknownToken = 0;
constexpr std::uint32_t kBeginToken = 1;
constexpr std::uint32_t kEndToken = 2;
constexpr std::uint32_t kFirstByteToken = 3;
constexpr std::uint32_t kMaxPieceBytes = 1U << 16;

class Llama2cTokenizer : public Tokenizer {
 public:
  Llama2cTokenizer(std::span<const std::byte> bytes, std::uint32_t vocabulary,
                   std::string_view file) {
    ByteReader reader(bytes, file);
    reader.read<std::int32_t>("length of the longest piece");
    for (std::uint32_t token = 0; token < vocabulary; ++token) read_piece(reader, token, file);
    if (reader.remaining() != 0) {
      throw ModelError(file, "end of file",
                       fmt::format("{} bytes follow token {}, the last of the model's vocabulary",
                                   reader.remaining(), vocabulary - 1));
    }
    adds_leading_space_ = true;
    if (vocabulary > kBeginToken) begin_tokens_ = {kBeginToken};
  }

 private:
  void read_piece(ByteReader& reader, std::uint32_t token, std::string_view file) {
    const auto score = reader.read<float>(fmt::format("score of token {}", token));
    const auto length = reader.read<std::int32_t>(fmt::format("length of token {}", token));
    if (!std::isfinite(score)) {
      throw ModelError(file, fmt::format("score of token {}", token), "is not a finite number");
    }
    if (length < 0 || static_cast<std::uint32_t>(length) > kMaxPieceBytes) {
      throw ModelError(file, fmt::format("length of token {}", token),
                       fmt::format("is {}, expected 0 to {}", length, kMaxPieceBytes));
    }
    const auto piece =
        reader.take(static_cast<std::uint64_t>(length), fmt::format("bytes of token {}", token));
    const std::string text(reinterpret_cast<const char*>(piece.data()), piece.size());
    pieces_.push_back(printed(token, text));
    scores_.push_back(score);
    joins_.push_back(!text.empty() && pieces_.back() == text);
    // Of two tokens with the same bytes the first one is found.
    if (joins_.back()) tokens_.emplace(text, token);
  }

  static std::string printed(std::uint32_t token, const std::string& piece) {
    if (token == kUnknownToken || token == kBeginToken || token == kEndToken) return "";
    if (piece.size() == 6 && piece.starts_with("<0x") && piece.ends_with('>')) {
      unsigned value = 0;
      const auto [end, error] = std::from_chars(piece.data() + 3, piece.data() + 5, value, 16);
      if (error == std::errc() && end == piece.data() + 5) {
        return std::string(1, static_cast<char>(value));
      }
    }
    return piece;
  }

  void append_character(std::string_view bytes, std::vector<std::uint32_t>& tokens) const {
    const auto found = tokens_.find(std::string(bytes));
    if (found != tokens_.end()) {
      tokens.push_back(found->second);
      return;
    }
    for (const char byte : bytes) {
      const std::uint32_t token = kFirstByteToken + static_cast<unsigned char>(byte);
      tokens.push_back(token < vocabulary() ? token : kUnknownToken);
    }
  }

  void encode_text(std::string_view text, std::vector<std::uint32_t>& tokens) const override {
    std::vector<std::uint32_t> symbols;
    const auto space = tokens_.find(" ");
    if (space != tokens_.end()) symbols.push_back(space->second);
    for (std::size_t i = 0; i < text.size();) {
      const Character character = decode_utf8(text, i);
      append_character(text.substr(i, character.bytes), symbols);
      i += character.bytes;
    }
    merge_symbols(symbols, [&](std::uint32_t left, std::uint32_t right) -> std::optional<BpeMerge> {
      if (!joins_[left] || !joins_[right]) return std::nullopt;
      const auto found = tokens_.find(pieces_[left] + pieces_[right]);
      if (found == tokens_.end()) return std::nullopt;
      return BpeMerge{-double{scores_[found->second]}, found->second};
    });
    tokens.insert(tokens.end(), symbols.begin(), symbols.end());
  }

  std::vector<float> scores_;
  std::vector<bool> joins_;  // pieces of text, as opposed to control tokens and single bytes
  std::unordered_map<std::string, std::uint32_t> tokens_;
};

}  // namespace

std::unique_ptr<Tokenizer> parse_llama2c_tokenizer(std::span<const std::byte> bytes,
                                                   std::uint32_t vocabulary,
                                                   std::string_view file) {
  if (vocabulary == 0) throw ModelError(file, "vocabulary", "is 0, expected at least 1");
  return std::make_unique<Llama2cTokenizer>(bytes, vocabulary, file);
}

}  // namespace hpimvp::compiler
