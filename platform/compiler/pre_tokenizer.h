// Splitting of text into the words inside which byte-level BPE merges, by the rules of three model
// families. The originals are regular expressions over Unicode classes; here they are coded by
// hand.
//
// Classification: letters are A-Z, a-z and every code point from U+00AA on that is not listed as
// a number, space, punctuation or symbol in pre_tokenizer.cpp. The lists cover Latin-1, general
// punctuation, currency, arrows, mathematical and technical symbols, dingbats, CJK punctuation,
// full-width forms and emoji; combining marks, which the originals split from letters, count as
// letters. So text of European and East Asian languages is split as the originals do it, and exotic
// symbols may not be: tokens then differ, the text decodes all the same.
#pragma once

#include <string_view>
#include <vector>

namespace hpimvp::compiler {

enum class SplitRule {
  kGpt2,    // OPT and GPT-2: contractions, " ?" letters, " ?" numbers, " ?" others, spaces
  kLlama3,  // contractions of either case, one leading non-letter, numbers by threes, newlines
  kQwen2,   // as LLaMA-3 with single digits
};

// The words of `text` in order; together they are the text.
std::vector<std::string_view> split_words(std::string_view text, SplitRule rule);

// The regular expressions of the families as their tokenizer.json files spell them.
extern const std::string_view kLlama3Pattern;
extern const std::string_view kQwen2Pattern;

}  // namespace hpimvp::compiler
