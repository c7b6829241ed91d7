// Keeps the instruction table of docs/tile_isa.md equal to isa.h. With HPIMVP_UPDATE_DOCS set, it
// rewrites the table instead.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "models/sram_pim/encoding.h"

namespace {

using namespace hpimvp::sram_pim;  // NOLINT: the subject of the test

constexpr const char* kPage = HPIMVP_SOURCE_DIR "/docs/tile_isa.md";
constexpr const char* kMarker = "<!-- table:";

const char* unit_name(Unit unit) {
  switch (unit) {
    case Unit::kSequencer:
      return "sequencer";
    case Unit::kVector:
      return "VCU";
    case Unit::kPim:
      return "PIM";
    case Unit::kTransfer:
      return "XFER";
    case Unit::kTensor:
      return "TCU";
    case Unit::kTranspose:
      return "TRN";
  }
  return "";
}

std::string syntax(const InstructionInfo& info) {
  std::string text = info.mnemonic;
  const char* separator = " ";
  for (const char* o = info.operands; *o != '\0'; ++o) {
    text += separator;
    separator = ", ";
    text += *o == 'd'   ? "rd"
            : *o == 'a' ? "rs1"
            : *o == 'b' ? "rs2"
            : *o == 'c' ? "rs3"
            : *o == 'm' ? "imm(rs1)"
            : *o == 't' ? "target"
                        : "imm";
  }
  return text;
}

std::string table() {
  const char* const formats[] = {"R", "I", "B", "U"};
  std::ostringstream out;
  out << "| instruction | unit | format | opcode | fn | meaning |\n"
         "| --- | --- | --- | --- | --- | --- |\n";
  for (const InstructionInfo& info : kInstructions) {
    std::string meaning = info.meaning;
    for (std::size_t at = 0; (at = meaning.find('|', at)) != std::string::npos; at += 2) {
      meaning.insert(at, "\\");
    }
    out << "| `" << syntax(info) << "` | " << unit_name(info.unit) << " | "
        << formats[static_cast<unsigned>(info.format)] << " | 0x" << std::hex
        << unsigned{info.opcode} << std::dec << " | ";
    if (info.format == Format::kR) out << unsigned{info.fn};
    out << " | " << meaning << " |\n";
  }
  return out.str();
}

std::string read_page() {
  std::ifstream file(kPage);
  REQUIRE(file.good());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("the instruction table of docs/tile_isa.md is that of isa.h") {
  std::string page = read_page();
  const std::size_t marker = page.find(kMarker);
  REQUIRE(marker != std::string::npos);
  const std::size_t begin = page.find('\n', marker) + 1;
  if (std::getenv("HPIMVP_UPDATE_DOCS") != nullptr) {
    page.replace(begin, std::string::npos, table());
    std::ofstream(kPage) << page;
  }
  CHECK(page.substr(begin) == table());
}
