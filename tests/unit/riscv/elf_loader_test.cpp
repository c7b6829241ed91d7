#include "models/common/elf_loader.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <random>
#include <string>

#include "tests/unit/common/random_seed.h"

namespace {

using namespace hpimvp::common;

/// Builds small ELF files byte by byte.
class ElfBuilder {
 public:
  explicit ElfBuilder(bool wide) : wide_(wide) {
    // Header, one program header, 16 bytes of code, section headers, symbols, strings.
    const unsigned header = wide ? 64 : 52, program = wide ? 56 : 32, section = wide ? 64 : 40;
    code_ = header + program;
    sections_ = code_ + 16;
    symbols_ = sections_ + 3 * section;
    symbol_size_ = wide ? 24 : 16;
    strings_ = symbols_ + 4 * symbol_size_;
    bytes.resize(strings_ + kStrings.size());
    write_header(header, program, section);
    write_program_header(header);
    for (unsigned i = 0; i < 16; ++i) put<std::uint8_t>(code_ + i, i + 1);
    write_sections(section);
    write_symbols();
    std::memcpy(bytes.data() + strings_, kStrings.data(), kStrings.size());
  }

  template <class Integer>
  void put(std::size_t offset, std::uint64_t value) {
    const auto narrow = static_cast<Integer>(value);
    std::memcpy(bytes.data() + offset, &narrow, sizeof narrow);
  }
  void put_word(std::size_t offset, std::uint64_t value) {
    wide_ ? put<std::uint64_t>(offset, value) : put<std::uint32_t>(offset, value);
  }

  std::size_t program_header() const { return wide_ ? 64 : 52; }
  std::size_t sections() const { return sections_; }
  std::size_t symbols() const { return symbols_; }

  std::vector<std::byte> bytes;

 private:
  static inline const std::string kStrings{"\0main\0label\0table\0", 18};

  void write_header(unsigned header, unsigned program, unsigned section) {
    const unsigned char identity[] = {
        0x7f, 'E', 'L', 'F', wide_ ? std::uint8_t{2} : std::uint8_t{1}, 1, 1};
    std::memcpy(bytes.data(), identity, sizeof identity);
    put<std::uint16_t>(16, 2);
    put<std::uint16_t>(18, wide_ ? 243 : 40);
    put_word(24, 0x1001);
    put_word(wide_ ? 32 : 28, header);
    put_word(wide_ ? 40 : 32, sections_);
    const unsigned counts = wide_ ? 54 : 42;
    put<std::uint16_t>(counts, program);
    put<std::uint16_t>(counts + 2, 1);
    put<std::uint16_t>(counts + 4, section);
    put<std::uint16_t>(counts + 6, 3);
  }

  void write_program_header(unsigned at) {
    put<std::uint32_t>(at, 1);
    put<std::uint32_t>(at + (wide_ ? 4 : 24), 5);
    put_word(at + (wide_ ? 8 : 4), code_);
    put_word(at + (wide_ ? 16 : 8), 0x1000);
    put_word(at + (wide_ ? 24 : 12), 0x2000);
    put_word(at + (wide_ ? 32 : 16), 16);
    put_word(at + (wide_ ? 40 : 20), 64);
  }

  void write_sections(unsigned size) {
    const std::size_t table = sections_ + size;
    put<std::uint32_t>(table + 4, 2);
    put_word(table + (wide_ ? 24 : 16), symbols_);
    put_word(table + (wide_ ? 32 : 20), 4 * symbol_size_);
    put<std::uint32_t>(table + (wide_ ? 40 : 24), 2);
    put_word(table + (wide_ ? 56 : 36), symbol_size_);
    const std::size_t strings = table + size;
    put<std::uint32_t>(strings + 4, 3);
    put_word(strings + (wide_ ? 24 : 16), strings_);
    put_word(strings + (wide_ ? 32 : 20), kStrings.size());
  }

  void write_symbol(unsigned number, std::uint32_t name, unsigned type, std::uint64_t value,
                    std::uint64_t size) {
    const std::size_t at = symbols_ + number * symbol_size_;
    put<std::uint32_t>(at, name);
    put<std::uint8_t>(at + (wide_ ? 4 : 12), type);
    put<std::uint16_t>(at + (wide_ ? 6 : 14), 1);
    put_word(at + (wide_ ? 8 : 4), value);
    put_word(at + (wide_ ? 16 : 8), size);
  }

  void write_symbols() {
    write_symbol(1, 12, 1, 0x1020, 16);  // table
    write_symbol(2, 6, 0, 0x1010, 0);    // label
    write_symbol(3, 1, 2, 0x1001, 8);    // main, Thumb bit set
  }

  bool wide_;
  std::size_t code_, sections_, symbols_, strings_;
  std::size_t symbol_size_;
};

void check_refused(const ElfBuilder& builder, const std::string& what) {
  CHECK_THROWS_WITH(parse_elf(builder.bytes), Catch::Matchers::Contains(what));
}

}  // namespace

TEST_CASE("ELF: segments, entry and symbols of both classes") {
  for (const bool wide : {false, true}) {
    const ElfImage image = parse_elf(ElfBuilder(wide).bytes);
    CHECK(image.is_64_bit == wide);
    CHECK(image.machine == (wide ? ElfMachine::kRiscv : ElfMachine::kArm));
    CHECK(image.entry == 0x1001);
    REQUIRE(image.segments.size() == 1);
    const ElfSegment& segment = image.segments[0];
    CHECK(segment.virtual_address == 0x1000);
    CHECK(segment.physical_address == 0x2000);
    CHECK(segment.memory_size_bytes == 64);
    CHECK(segment.data.size() == 16);
    CHECK(segment.data[15] == std::byte{16});
    CHECK(segment.readable);
    CHECK(segment.executable);
    CHECK_FALSE(segment.writable);
    REQUIRE(image.symbols.size() == 3);
    REQUIRE(image.find_symbol("main") != nullptr);
    CHECK(image.find_symbol("main")->address == (wide ? 0x1001 : 0x1000));
    CHECK(image.find_symbol("absent") == nullptr);
  }
}

TEST_CASE("ELF: an address is named by what covers it, or by the label before it") {
  const ElfImage image = parse_elf(ElfBuilder(false).bytes);
  CHECK(image.symbol_at(0xfff) == nullptr);
  CHECK(image.symbol_at(0x1007)->name == "main");
  CHECK(image.symbol_at(0x1008) == nullptr);
  CHECK(image.symbol_at(0x1018)->name == "label");
  CHECK(image.symbol_at(0x102f)->name == "table");
}

TEST_CASE("ELF: what is wrong is named") {
  ElfBuilder elf(true);
  SECTION("magic") {
    elf.put<std::uint8_t>(0, 0);
    check_refused(elf, "not an ELF file");
  }
  SECTION("truncated") {
    elf.bytes.resize(10);
    check_refused(elf, "ELF identification");
  }
  SECTION("big endian") {
    elf.put<std::uint8_t>(5, 2);
    check_refused(elf, "little-endian");
  }
  SECTION("relocatable") {
    elf.put<std::uint16_t>(16, 1);
    check_refused(elf, "ELF type 1");
  }
  SECTION("other machine") {
    elf.put<std::uint16_t>(18, 62);
    check_refused(elf, "ELF machine 62");
  }
  SECTION("segment outside the file") {
    elf.put_word(elf.program_header() + 8, 0xffffffffffffff00);
    check_refused(elf, "segment 0");
  }
  SECTION("segment larger in the file than in memory") {
    elf.put_word(elf.program_header() + 40, 8);
    check_refused(elf, "only 8 in memory");
  }
  SECTION("segment beyond the address space") {
    elf.put_word(elf.program_header() + 24, 0xfffffffffffffff0);
    check_refused(elf, "beyond the address space");
  }
  SECTION("symbol name outside the strings") {
    elf.put<std::uint32_t>(elf.symbols() + 24, 1000);
    check_refused(elf, "symbol name");
  }
  SECTION("nothing to load") {
    elf.put<std::uint32_t>(elf.program_header(), 2);
    check_refused(elf, "nothing to load");
  }
}

TEST_CASE("ELF: a file that cannot be opened is named") {
  CHECK_THROWS_WITH(load_elf_file("/absent.elf"), Catch::Matchers::Contains("/absent.elf"));
}

TEST_CASE("ELF: damaged files give an image or an ElfError") {
  const std::uint64_t seed = hpimvp::random_seed(6);
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937_64 random(seed);
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    ElfBuilder elf(round % 2 == 0);
    for (std::uint64_t i = 0, count = 1 + random() % 4; i < count; ++i) {
      elf.put<std::uint8_t>(random() % elf.bytes.size(), random() % 3 ? random() : 0xff);
    }
    if (random() % 4 == 0) elf.bytes.resize(random() % elf.bytes.size());
    try {
      parse_elf(elf.bytes);
    } catch (const ElfError&) {
      ++refused;
    }
  }
  CHECK(refused > 1000);
}
