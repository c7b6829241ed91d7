// Encodings, builder, text assembler and disassembler.
#include "models/sram_pim/assembler.h"

#include <catch2/catch.hpp>
#include <iterator>
#include <random>
#include <set>

#include "tests/unit/common/random_seed.h"

using namespace hpimvp::sram_pim;  // NOLINT: the subject of the test
using Catch::Contains;

namespace {

using Random = std::mt19937_64;

bool has(const InstructionInfo& info, char operand) {
  return std::string_view(info.operands).find(operand) != std::string_view::npos;
}

Instruction random_instruction(Random& random, const InstructionInfo& info) {
  const auto reg = [&] { return static_cast<std::uint8_t>(random() % 32); };
  Instruction instruction;
  instruction.opcode = info.id;
  if (has(info, 'd')) instruction.rd = reg();
  if (has(info, 'a') || has(info, 'm')) instruction.rs1 = reg();
  if (has(info, 'b')) instruction.rs2 = reg();
  if (has(info, 'c')) instruction.rs3 = reg();
  if (has(info, 'i') || has(info, 'm') || has(info, 't')) {
    const std::int32_t bits = info.format == Format::kU ? 20 : 15;
    instruction.immediate = static_cast<std::int32_t>(random() % (1U << bits)) - (1 << (bits - 1));
  }
  return instruction;
}

std::vector<std::uint32_t> words_of(std::string_view source) {
  return assemble(source).words();
}

std::string error_of(std::string_view source) {
  try {
    assemble(source, "test.s");
  } catch (const AssemblyError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("every instruction has its own encoding and mnemonic") {
  std::set<std::string> mnemonics;
  std::set<std::pair<unsigned, unsigned>> encodings;
  for (const InstructionInfo& info : kInstructions) {
    CHECK(mnemonics.insert(info.mnemonic).second);
    CHECK(encodings.insert({info.opcode, info.format == Format::kR ? info.fn : 99}).second);
    CHECK(find_mnemonic(info.mnemonic) == info.id);
    CHECK(info.opcode < 128);
    CHECK(info.fn < 32);
    // One format per opcode, or the function field could not be found.
    for (const InstructionInfo& other : kInstructions) {
      if (other.opcode == info.opcode) CHECK(other.format == info.format);
    }
  }
  CHECK_FALSE(decode(0).has_value());
}

TEST_CASE("fields stand where isa.h says") {
  // vh.add r1, r2, r3, r4 in format R, addi r5, r6, -2 in format I, beq in format B, li in format
  // U.
  CHECK(encode({Opcode::kVhAdd, 1, 2, 3, 4, 0}) ==
        (0x20U | 1U << 7 | 2U << 12 | 3U << 17 | 4U << 22));
  CHECK(encode({Opcode::kVhSub, 1, 2, 3, 4, 0}) ==
        (1U << 27 | 0x20U | 1U << 7 | 2U << 12 | 3U << 17 | 4U << 22));
  CHECK(encode({Opcode::kAddi, 5, 6, 0, 0, -2}) == (0x7FFEU << 17 | 6U << 12 | 5U << 7 | 0x08U));
  CHECK(encode({Opcode::kBeq, 0, 7, 8, 0, 3}) == (3U << 17 | 8U << 12 | 7U << 7 | 0x18U));
  CHECK(encode({Opcode::kLi, 9, 0, 0, 0, -1}) == (0xFFFFFU << 12 | 9U << 7 | 0x09U));
}

TEST_CASE("all instructions survive encoding, decoding, disassembly and assembly") {
  const std::uint64_t seed = hpimvp::random_seed(31);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (const InstructionInfo& info : kInstructions) {
    for (int i = 0; i < 200; ++i) {
      Instruction instruction = random_instruction(random, info);
      const std::uint32_t address = 0x100000 + 4 * static_cast<std::uint32_t>(random() % 1000);
      if (info.format == Format::kU && has(info, 't')) {  // targets are addresses, not negative
        instruction.immediate = std::max<std::int32_t>(instruction.immediate, -0x40000);
      }
      const std::uint32_t word = encode(instruction);
      REQUIRE(decode(word) == instruction);
      const std::string text = disassemble(word, address);
      INFO(text);
      REQUIRE(assemble(text, "line", address).words() == std::vector<std::uint32_t>{word});
    }
  }
}

TEST_CASE("random words disassemble to text that assembles to them") {
  const std::uint64_t seed = hpimvp::random_seed(32);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  unsigned legal = 0;
  for (int i = 0; i < 200'000; ++i) {
    const auto word = static_cast<std::uint32_t>(random());
    const std::string text = disassemble(word, 0x200000);
    legal += decode(word) ? 1 : 0;
    INFO(text);
    REQUIRE(assemble(text, "line", 0x200000).words() == std::vector<std::uint32_t>{word});
  }
  CHECK(legal > 1000);
}

TEST_CASE("bits in unused fields make a word illegal") {
  for (const InstructionInfo& info : kInstructions) {
    Instruction instruction;
    instruction.opcode = info.id;
    const std::uint32_t word = encode(instruction);
    for (unsigned bit = 7; bit < 32; ++bit) {
      const std::optional<Instruction> decoded = decode(word | 1U << bit);
      // Either the bit is illegal, or it belongs to a field (or selects another function).
      if (decoded) CHECK(encode(*decoded) == (word | 1U << bit));
    }
  }
  CHECK_FALSE(decode(encode({Opcode::kHalt, 0, 0, 0, 0, 0}) | 1U << 7).has_value());
  CHECK_FALSE(decode(encode({Opcode::kVhCopy, 1, 2, 0, 3, 0}) | 1U << 17).has_value());
  CHECK_FALSE(decode(encode({Opcode::kLi, 1, 0, 0, 0, 0}) ^ 0x7F).has_value());
}

TEST_CASE("encoding refuses what does not fit") {
  CHECK_THROWS_AS(encode({Opcode::kAddi, 1, 2, 0, 0, 16384}), std::out_of_range);
  CHECK_THROWS_AS(encode({Opcode::kAddi, 32, 2, 0, 0, 0}), std::out_of_range);
  CHECK_THROWS_AS(encode({Opcode::kVhCopy, 1, 2, 3, 4, 0}), std::invalid_argument);
  CHECK_THROWS_AS(encode({Opcode::kHalt, 0, 0, 0, 0, 1}), std::invalid_argument);
}

TEST_CASE("builder and text give the same program") {
  Program program;
  const Label loop = program.label("loop");
  const Label done = program.label("done");
  program.load_constant(6, 1000);
  program.bind(loop);
  program.emit(Opcode::kVhAdd, {1, 2, 3, 4});
  program.emit(Opcode::kLdd, {7, 8, 1});
  program.emit(Opcode::kAddi, {6, 6, -1});
  program.emit(Opcode::kBeq, {6, 0, done});
  program.jump(loop);
  program.bind(done);
  program.emit(Opcode::kHalt);
  const std::string source = R"(
      lc r6, 1000           # a constant
loop: vh.add r1, r2, r3, r4 ; the work
      ldd r7, 8(r1)
      addi r6, r6, -1
      beq r6, r0, done      // forwards
      j loop
done:
      halt
  )";
  CHECK(program.words() == words_of(source));
  CHECK_THAT(program.listing(), Contains("loop:\n") && Contains("beq r6, r0, 0x18"));
}

TEST_CASE("any 64-bit constant is loaded in at most four instructions") {
  const std::uint64_t seed = hpimvp::random_seed(33);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t value =
        i < 128 ? (i % 2 == 0 ? 1ULL << i / 2 : ~(1ULL << i / 2)) : random() >> random() % 64;
    Program program;
    program.load_constant(3, value);
    const std::vector<std::uint32_t> words = program.words();
    REQUIRE(words.size() <= 4);
    std::uint64_t result = 0;
    for (const std::uint32_t word : words) {
      const Instruction instruction = *decode(word);
      const auto immediate = static_cast<std::uint64_t>(std::int64_t{instruction.immediate});
      result = instruction.opcode == Opcode::kLi ? immediate : result << 15 | (immediate & 0x7FFF);
    }
    REQUIRE(result == value);
  }
}

TEST_CASE("expressions follow C's precedence") {
  CHECK(words_of(".word 1 + 2 * 3") == std::vector<std::uint32_t>{7});
  CHECK(words_of(".word (1 + 2) * 3, 10 - 4 - 3, 1 << 4 | 1, 6 & 3 ^ 1") ==
        std::vector<std::uint32_t>{9, 3, 17, 3});
  CHECK(words_of(".word -1, ~0, 0x10, 0b101, 7 / 2, 7 % 4, - -5") ==
        std::vector<std::uint32_t>{0xFFFFFFFF, 0xFFFFFFFF, 16, 5, 3, 3, 5});
  CHECK(words_of(".equ A, 3\n.equ B, A * A\n.word B + 1") == std::vector<std::uint32_t>{10});
  CHECK(words_of("sync VCU | XFER") == words_of("sync 5"));
  CHECK(words_of(".float 1.5, -2e3") == std::vector<std::uint32_t>{0x3FC00000, 0xC4FA0000});
}

TEST_CASE("data and labels can be addressed") {
  const std::vector<std::uint32_t> words = words_of(R"(
      li r1, table
      halt
      .align 8
table: .dword 0x1122334455667788
      ldd r2, table(r0)
  )");
  REQUIRE(words.size() == 5);
  CHECK(decode(words[0])->immediate == 8);
  CHECK(words[2] == 0x55667788);
  CHECK(words[3] == 0x11223344);
  CHECK(decode(words[4])->immediate == 8);
  // At another base everything moves along.
  const std::vector<std::uint32_t> moved =
      assemble("li r1, here\nhere: halt", "moved", 0x40).words();
  CHECK(decode(moved[0])->immediate == 0x44);
}

TEST_CASE("errors name line and column, and several are reported at once") {
  CHECK_THAT(error_of("halt\n  frob r1\n"), Contains("test.s:2:3: unknown instruction 'frob'"));
  CHECK_THAT(error_of("addi r1, r2"), Contains("test.s:1:12: expected ','"));
  CHECK_THAT(error_of("addi r1, r32, 0"), Contains("test.s:1:10: expected a register"));
  CHECK_THAT(error_of("addi r1, r2, 20000"), Contains("outside -16384 to 16383"));
  CHECK_THAT(error_of("halt halt"), Contains("test.s:1:6: expected the end of the line"));
  CHECK_THAT(error_of("j nowhere"), Contains("test.s:1:3: label 'nowhere' is not defined"));
  CHECK_THAT(error_of("a:\na:"), Contains("test.s:2:1: label 'a' is already defined"));
  CHECK_THAT(error_of(".equ A, B"), Contains("test.s:1:9: 'B' is not defined"));
  CHECK_THAT(error_of(".word 1 / 0"), Contains("division by zero"));
  CHECK_THAT(error_of(".word 0x1ffffffff"), Contains("does not fit in 32 bits"));
  CHECK_THAT(error_of(".word 99999999999999999999"), Contains("does not fit in 64 bits"));
  CHECK_THAT(error_of(".zero 3"), Contains("no multiple of 4"));
  CHECK_THAT(error_of(".what"), Contains("unknown directive '.what'"));
  CHECK_THAT(error_of("beq r1, r2, 0x101"), Contains("not 4-byte aligned"));
  CHECK_THAT(error_of("beq r1, r2, 0x100000"), Contains("too far"));
  try {
    assemble("bad1\nhalt\nbad2\n");
    FAIL("no error");
  } catch (const AssemblyError& error) {
    REQUIRE(error.diagnostics().size() == 2);
    CHECK(error.diagnostics()[1].line == 3);
  }
}

TEST_CASE("the builder refuses wrong operands") {
  Program program;
  const Label label = program.label("there");
  CHECK_THROWS_AS(program.emit(Opcode::kVhAdd, {1, 2, 3}), ProgramError);
  CHECK_THROWS_AS(program.emit(Opcode::kVhAdd, {1, 2, 3, 32}), ProgramError);
  CHECK_THROWS_AS(program.emit(Opcode::kAddi, {1, 2, label}), ProgramError);
  CHECK_THROWS_AS(program.emit(Opcode::kAddi, {label, 2, 0}), ProgramError);
  CHECK(program.words().empty());
  program.jump(label);
  CHECK_THROWS_WITH(program.words(), Contains("there"));
  program.bind(label);
  CHECK_THROWS_AS(program.bind(label), ProgramError);
  CHECK(program.words().size() == 1);
}

TEST_CASE("the assembler survives arbitrary text") {
  const std::uint64_t seed = hpimvp::random_seed(34);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  const std::string_view pieces[] = {"addi",        " ",     "r1",     ",",  "0x",     "9",    "(",
                                     ")",           "-",     "\n",     ":",  ".eq",    ".equ", "u ",
                                     "label",       "li",    "#",      "<<", "vh.add", "~",    "\t",
                                     "99999999999", ".zero", ".float", "1e", "\xff"};
  unsigned accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string source;
    for (std::uint64_t k = random() % 12; k > 0; --k)
      source += pieces[random() % std::size(pieces)];
    try {
      assemble(source).words();
      ++accepted;
    } catch (const AssemblyError& error) {
      REQUIRE_FALSE(error.diagnostics().empty());
    }
  }
  CHECK(accepted > 100);
}

TEST_CASE("a program cannot outgrow every control memory") {
  CHECK_THAT(error_of(".zero 0x80000\nhalt"), Contains("test.s:2:1") && Contains("longer than"));
  CHECK(error_of(".zero 0x7FFFC\nhalt").empty());
}
