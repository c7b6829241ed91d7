#include "models/sram_pim/assembler.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <map>
#include <optional>

namespace hpimvp::sram_pim {
namespace {

constexpr std::size_t kMaxDiagnostics = 50;
constexpr std::int64_t kMaxFillBytes = 1 << 20;
constexpr unsigned kMaxNesting = 100;

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name_part(char c) {
  return is_name_start(c) || is_digit(c);
}

// Thrown inside a line, and turned into a diagnostic.
struct LineError {
  std::size_t position;
  std::string message;
};

// Reads the parts of one line.
class LineReader {
 public:
  explicit LineReader(std::string_view line) : text_(line) {}

  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  bool at_end() {
    skip_spaces();
    return at_ == text_.size() || starts_comment();
  }
  std::size_t position() {
    skip_spaces();
    return at_;
  }
  bool take(std::string_view token) {
    skip_spaces();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!take(token)) fail(fmt::format("expected '{}'", token));
  }
  std::optional<std::string> take_name() {
    skip_spaces();
    if (at_ == text_.size() || !is_name_start(text_[at_])) return std::nullopt;
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_name_part(text_[at_])) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  // A decimal, 0x or 0b number; nothing if no digit stands here.
  std::optional<std::uint64_t> take_number();
  double take_real();
  // What stands here is a name and nothing but a comma or the end follows it.
  bool is_lone_name();
  void rewind(std::size_t position) { at_ = position; }

  [[noreturn]] void fail(std::string message) { throw LineError{position(), std::move(message)}; }

 private:
  bool starts_comment() const {
    return text_[at_] == '#' || text_[at_] == ';' || text_.substr(at_, 2) == "//";
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::optional<std::uint64_t> LineReader::take_number() {
  skip_spaces();
  if (at_ == text_.size() || !is_digit(text_[at_])) return std::nullopt;
  const std::size_t begin = at_;
  while (at_ < text_.size() && is_name_part(text_[at_])) ++at_;
  std::string_view digits = text_.substr(begin, at_ - begin);
  int radix = 10;
  if (digits.starts_with("0x") || digits.starts_with("0X")) radix = 16;
  if (digits.starts_with("0b") || digits.starts_with("0B")) radix = 2;
  if (radix != 10) digits.remove_prefix(2);
  std::uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto result = std::from_chars(digits.data(), end, value, radix);
  if (result.ec == std::errc::result_out_of_range) {
    throw LineError{begin, "number does not fit in 64 bits"};
  }
  if (result.ec != std::errc{} || result.ptr != end) {
    throw LineError{begin, fmt::format("'{}' is no number", text_.substr(begin, at_ - begin))};
  }
  return value;
}

double LineReader::take_real() {
  skip_spaces();
  double value = 0;
  const char* begin = text_.data() + at_;
  const auto result = std::from_chars(begin, text_.data() + text_.size(), value);
  if (result.ec == std::errc::result_out_of_range) fail("number is too large or too small");
  if (result.ec != std::errc{}) fail("expected a number");
  at_ += static_cast<std::size_t>(result.ptr - begin);
  return value;
}

bool LineReader::is_lone_name() {
  const std::size_t begin = position();
  const bool lone = take_name().has_value() && (at_end() || text_[at_] == ',');
  at_ = begin;
  return lone;
}

class Assembler {
 public:
  explicit Assembler(std::uint32_t base) : program_(base) {
    symbols_ = {{"VCU", 1}, {"PIM", 2}, {"XFER", 4}, {"TCU", 8}, {"TRN", 16}};
  }

  Program run(std::string_view source, std::string_view source_name);

 private:
  struct LabelUse {
    Label label;
    unsigned line = 0;  // of the first use
    std::size_t column = 0;
  };

  void assemble_line(std::string_view text);
  void define_label(const std::string& name, std::size_t position);
  void statement(const std::string& name, std::size_t position, LineReader& reader);
  bool short_form(const std::string& name, LineReader& reader);
  void directive(const std::string& name, std::size_t position, LineReader& reader);
  void define_symbol(LineReader& reader);
  void fill(LineReader& reader, bool align);
  void instruction(Opcode opcode, LineReader& reader);
  unsigned register_operand(LineReader& reader);
  Operand target_operand(LineReader& reader);
  Label label_of(const std::string& name, std::size_t position);

  std::int64_t expression(LineReader& reader, unsigned lowest_precedence = 0);
  std::int64_t primary(LineReader& reader);
  std::int64_t symbol_value(const std::string& name, std::size_t position);
  void check_labels();
  void report(std::size_t position, std::string message);

  Program program_;
  std::map<std::string, std::int64_t, std::less<>> symbols_;
  std::map<std::string, LabelUse, std::less<>> labels_;
  std::vector<AssemblyDiagnostic> diagnostics_;
  unsigned line_ = 0;
  unsigned nesting_ = 0;
};

void Assembler::report(std::size_t position, std::string message) {
  if (diagnostics_.size() < kMaxDiagnostics) {
    diagnostics_.push_back({line_, static_cast<unsigned>(position + 1), std::move(message)});
  }
}

Program Assembler::run(std::string_view source, std::string_view source_name) {
  while (!source.empty()) {
    line_ += 1;
    const std::size_t end = std::min(source.find('\n'), source.size());
    assemble_line(source.substr(0, end));
    source.remove_prefix(std::min(end + 1, source.size()));
  }
  check_labels();
  if (diagnostics_.empty()) {
    try {
      program_.words();
    } catch (const ProgramError& error) {  // a target out of reach
      report(0, error.what());
    }
  }
  if (!diagnostics_.empty()) throw AssemblyError(source_name, std::move(diagnostics_));
  return std::move(program_);
}

void Assembler::check_labels() {
  for (const auto& [name, use] : labels_) {
    if (program_.is_bound(use.label)) continue;
    line_ = use.line;
    report(use.column, fmt::format("label '{}' is not defined", name));
  }
}

void Assembler::assemble_line(std::string_view text) {
  LineReader reader(text);
  nesting_ = 0;
  std::size_t position = 0;
  try {
    while (!reader.at_end()) {
      position = reader.position();
      const std::optional<std::string> name = reader.take_name();
      if (!name) reader.fail("expected a label, an instruction or a directive");
      if (reader.take(":")) {
        define_label(*name, position);
        continue;
      }
      statement(*name, position, reader);
      if (!reader.at_end()) reader.fail("expected the end of the line");
    }
  } catch (const LineError& error) {
    report(error.position, error.message);
  } catch (const ProgramError& error) {
    report(position, error.what());
  }
}

Label Assembler::label_of(const std::string& name, std::size_t position) {
  const auto found = labels_.find(name);
  if (found != labels_.end()) return found->second.label;
  const Label label = program_.label(name);
  labels_.emplace(name, LabelUse{label, line_, position});
  return label;
}

void Assembler::define_label(const std::string& name, std::size_t position) {
  if (symbols_.contains(name)) {
    throw LineError{position, fmt::format("'{}' is already a symbol", name)};
  }
  const Label label = label_of(name, position);
  if (program_.is_bound(label)) {
    throw LineError{position, fmt::format("label '{}' is already defined", name)};
  }
  program_.bind(label);
}

void Assembler::statement(const std::string& name, std::size_t position, LineReader& reader) {
  if (name.front() == '.') return directive(name, position, reader);
  if (const std::optional<Opcode> opcode = find_mnemonic(name)) return instruction(*opcode, reader);
  if (!short_form(name, reader)) {
    throw LineError{position, fmt::format("unknown instruction '{}'", name)};
  }
}

bool Assembler::short_form(const std::string& name, LineReader& reader) {
  if (name == "lc") {
    const unsigned rd = register_operand(reader);
    reader.expect(",");
    program_.load_constant(rd, static_cast<std::uint64_t>(expression(reader)));
  } else if (name == "mv") {
    const unsigned rd = register_operand(reader);
    reader.expect(",");
    program_.move(rd, register_operand(reader));
  } else if (name == "j") {
    program_.emit(Opcode::kJal, {0, target_operand(reader)});
  } else {
    return false;
  }
  return true;
}

void Assembler::directive(const std::string& name, std::size_t position, LineReader& reader) {
  if (name == ".equ") return define_symbol(reader);
  if (name == ".zero" || name == ".align") return fill(reader, name == ".align");
  if (name != ".word" && name != ".dword" && name != ".float") {
    throw LineError{position, fmt::format("unknown directive '{}'", name)};
  }
  do {
    const std::size_t at = reader.position();
    if (name == ".float") {
      program_.word(std::bit_cast<std::uint32_t>(static_cast<float>(reader.take_real())));
      continue;
    }
    const std::int64_t value = expression(reader);
    if (name == ".dword") {
      program_.double_word(static_cast<std::uint64_t>(value));
    } else if (value < -0x80000000LL || value > 0xFFFFFFFFLL) {
      throw LineError{at, fmt::format("{} does not fit in 32 bits", value)};
    } else {
      program_.word(static_cast<std::uint32_t>(value));
    }
  } while (reader.take(","));
}

void Assembler::define_symbol(LineReader& reader) {
  const std::size_t position = reader.position();
  const std::optional<std::string> name = reader.take_name();
  if (!name) reader.fail("expected a name");
  if (symbols_.contains(*name) || labels_.contains(*name)) {
    throw LineError{position, fmt::format("'{}' is already defined", *name)};
  }
  reader.expect(",");
  symbols_.emplace(*name, expression(reader));
}

void Assembler::fill(LineReader& reader, bool align) {
  const std::size_t position = reader.position();
  const std::int64_t bytes = expression(reader);
  if (bytes < 0 || bytes > kMaxFillBytes || bytes % kInstructionBytes != 0) {
    throw LineError{position,
                    fmt::format("{} is no multiple of 4 from 0 to {}", bytes, kMaxFillBytes)};
  }
  if (align) {
    program_.align(static_cast<std::uint32_t>(bytes));
    return;
  }
  for (std::int64_t done = 0; done < bytes; done += kInstructionBytes) program_.word(0);
}

unsigned Assembler::register_operand(LineReader& reader) {
  const std::size_t position = reader.position();
  const std::optional<std::string> name = reader.take_name();
  unsigned number = kScalarRegisters;
  if (name && name->size() >= 2 && name->front() == 'r') {
    const char* begin = name->data() + 1;
    const char* end = name->data() + name->size();
    const auto result = std::from_chars(begin, end, number);
    const bool leading_zero = *begin == '0' && end - begin > 1;
    if (result.ec != std::errc{} || result.ptr != end || leading_zero) number = kScalarRegisters;
  }
  if (number >= kScalarRegisters) throw LineError{position, "expected a register, r0 to r31"};
  return number;
}

// An address, or a label that may be defined later.
Operand Assembler::target_operand(LineReader& reader) {
  const std::size_t position = reader.position();
  if (reader.is_lone_name()) {
    const std::string name = *reader.take_name();
    if (!symbols_.contains(name)) return label_of(name, position);
    reader.rewind(position);
  }
  return static_cast<long>(expression(reader));
}

void Assembler::instruction(Opcode opcode, LineReader& reader) {
  std::vector<Operand> operands;
  bool first = true;
  for (const char* kind = instruction_info(opcode).operands; *kind != '\0'; ++kind) {
    if (!first) reader.expect(",");
    first = false;
    if (*kind == 't' || (*kind == 'i' && opcode == Opcode::kLi)) {
      operands.push_back(target_operand(reader));
    } else if (*kind == 'i' || *kind == 'm') {
      operands.emplace_back(static_cast<long>(expression(reader)));
      if (*kind == 'm') {
        reader.expect("(");
        operands.emplace_back(register_operand(reader));
        reader.expect(")");
      }
    } else {
      operands.emplace_back(register_operand(reader));
    }
  }
  program_.emit(opcode, std::span<const Operand>(operands));
}

// ------------------------------------------------------------------ expressions

struct BinaryOperator {
  const char* token;
  unsigned precedence;
};
// `<<` and `>>` before anything that begins like them.
constexpr BinaryOperator kOperators[] = {{"<<", 4}, {">>", 4}, {"|", 1}, {"^", 2}, {"&", 3},
                                         {"+", 5},  {"-", 5},  {"*", 6}, {"/", 6}, {"%", 6}};

std::int64_t combine(char op, std::int64_t left, std::int64_t right, LineReader& reader) {
  const auto a = static_cast<std::uint64_t>(left);
  const auto b = static_cast<std::uint64_t>(right);
  switch (op) {
    case '<':
      return static_cast<std::int64_t>(b > 63 ? 0 : a << b);
    case '>':
      return static_cast<std::int64_t>(b > 63 ? 0 : a >> b);
    case '|':
      return static_cast<std::int64_t>(a | b);
    case '^':
      return static_cast<std::int64_t>(a ^ b);
    case '&':
      return static_cast<std::int64_t>(a & b);
    case '+':
      return static_cast<std::int64_t>(a + b);
    case '-':
      return static_cast<std::int64_t>(a - b);
    case '*':
      return static_cast<std::int64_t>(a * b);
    default:
      break;
  }
  if (right == 0) reader.fail("division by zero");
  if (right == -1) return op == '/' ? static_cast<std::int64_t>(0 - a) : 0;
  return op == '/' ? left / right : left % right;
}

std::int64_t Assembler::expression(LineReader& reader, unsigned lowest_precedence) {
  std::int64_t left = primary(reader);
  for (;;) {
    if (reader.at_end()) return left;
    const std::size_t position = reader.position();
    const auto* op = std::find_if(std::begin(kOperators), std::end(kOperators),
                                  [&](const BinaryOperator& o) { return reader.take(o.token); });
    if (op == std::end(kOperators)) return left;
    if (op->precedence <= lowest_precedence) {
      reader.rewind(position);
      return left;
    }
    left = combine(op->token[0], left, expression(reader, op->precedence), reader);
  }
}

std::int64_t Assembler::primary(LineReader& reader) {
  if (++nesting_ > kMaxNesting) reader.fail("expression is nested too deeply");
  const std::size_t position = reader.position();
  std::int64_t value = 0;
  if (reader.take("(")) {
    value = expression(reader);
    reader.expect(")");
  } else if (reader.take("-")) {
    value = static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(primary(reader)));
  } else if (reader.take("~")) {
    value = ~primary(reader);
  } else if (const std::optional<std::uint64_t> number = reader.take_number()) {
    value = static_cast<std::int64_t>(*number);
  } else if (const std::optional<std::string> name = reader.take_name()) {
    value = symbol_value(*name, position);
  } else {
    reader.fail("expected a number, a symbol or a label");
  }
  --nesting_;
  return value;
}

std::int64_t Assembler::symbol_value(const std::string& name, std::size_t position) {
  const auto symbol = symbols_.find(name);
  if (symbol != symbols_.end()) return symbol->second;
  const auto label = labels_.find(name);
  if (label != labels_.end() && program_.is_bound(label->second.label)) {
    return program_.label_address(label->second.label);
  }
  throw LineError{position, fmt::format("'{}' is not defined (yet)", name)};
}

std::string diagnostics_text(std::string_view source_name,
                             const std::vector<AssemblyDiagnostic>& diagnostics) {
  std::string text;
  for (const AssemblyDiagnostic& diagnostic : diagnostics) {
    if (!text.empty()) text += '\n';
    text += fmt::format("{}:{}:{}: {}", source_name, diagnostic.line, diagnostic.column,
                        diagnostic.message);
  }
  return text;
}

}  // namespace

AssemblyError::AssemblyError(std::string_view source_name,
                             std::vector<AssemblyDiagnostic> diagnostics)
    : ProgramError(diagnostics_text(source_name, diagnostics)),
      diagnostics_(std::move(diagnostics)) {}

Program assemble(std::string_view source, std::string_view source_name, std::uint32_t base) {
  return Assembler(base).run(source, source_name);
}

}  // namespace hpimvp::sram_pim
