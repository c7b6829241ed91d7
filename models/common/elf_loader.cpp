#include "models/common/elf_loader.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <utility>

namespace hpimvp::common {
namespace {

constexpr std::uint8_t kClass32 = 1;
constexpr std::uint8_t kClass64 = 2;
constexpr std::uint8_t kLittleEndian = 1;
constexpr std::uint16_t kTypeExecutable = 2;
constexpr std::uint32_t kSegmentLoad = 1;
constexpr std::uint32_t kSectionSymbols = 2;
constexpr std::uint16_t kUndefinedSection = 0;
/// More segments than this are counted elsewhere (PN_XNUM), which no firmware image needs.
constexpr std::uint16_t kManySegments = 0xffff;

std::string hex(std::uint64_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  do {
    text.insert(text.begin(), kDigits[value & 15]);
    value >>= 4;
  } while (value != 0);
  return "0x" + text;
}

[[noreturn]] void fail(const std::string& what) {
  throw ElfError(what);
}

/// The file with checked access. Field offsets differ between the two classes: `narrow` is where a
/// field stands in ELF32, `wide` where in ELF64.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> file) : file_(file) {}

  std::span<const std::byte> bytes(std::uint64_t offset, std::uint64_t size,
                                   const std::string& what) const {
    if (offset > file_.size() || size > file_.size() - offset) {
      fail(what + " at offset " + hex(offset) + " with " + std::to_string(size) +
           " bytes reaches beyond the end of the file (" + std::to_string(file_.size()) +
           " bytes)");
    }
    return file_.subspan(offset, size);
  }

  template <class Integer>
  Integer get(std::uint64_t offset, const char* what) const {
    Integer value;
    std::memcpy(&value, bytes(offset, sizeof value, what).data(), sizeof value);
    return value;
  }

  std::uint64_t size() const { return file_.size(); }
  void set_wide(bool is_wide) { is_wide_ = is_wide; }
  bool is_wide() const { return is_wide_; }

  template <class Integer>
  Integer field(std::uint64_t base, unsigned narrow, unsigned wide, const char* what) const {
    return get<Integer>(base + (is_wide_ ? wide : narrow), what);
  }
  /// An address, offset or size: 32 or 64 bits.
  std::uint64_t word(std::uint64_t base, unsigned narrow, unsigned wide, const char* what) const {
    return is_wide_ ? get<std::uint64_t>(base + wide, what)
                    : get<std::uint32_t>(base + narrow, what);
  }

 private:
  std::span<const std::byte> file_;
  bool is_wide_ = false;
};

/// A table of the file: its place was checked to lie inside.
struct Table {
  std::uint64_t offset = 0;
  std::uint64_t entry_size = 0;
  std::uint64_t count = 0;
};

Table checked_table(const Reader& reader, std::uint64_t offset, std::uint64_t entry_size,
                    std::uint64_t count, std::uint64_t smallest_entry, const std::string& what) {
  if (count == 0) return {};
  if (entry_size < smallest_entry) {
    fail(what + " has entries of " + std::to_string(entry_size) + " bytes, expected at least " +
         std::to_string(smallest_entry));
  }
  if (count > std::numeric_limits<std::uint64_t>::max() / entry_size) {
    fail(what + " has an impossible size");
  }
  reader.bytes(offset, entry_size * count, what);
  return {offset, entry_size, count};
}

void read_identity(Reader& reader, ElfImage& image) {
  constexpr unsigned char kMagic[4] = {0x7f, 'E', 'L', 'F'};
  const auto identity = reader.bytes(0, 16, "ELF identification");
  if (std::memcmp(identity.data(), kMagic, sizeof kMagic) != 0) {
    fail("not an ELF file: the first four bytes are not 7f 45 4c 46");
  }
  const auto file_class = std::to_integer<std::uint8_t>(identity[4]);
  if (file_class != kClass32 && file_class != kClass64) {
    fail("unknown ELF class " + std::to_string(file_class) + ", expected 1 (32 bits) or 2 (64)");
  }
  if (std::to_integer<std::uint8_t>(identity[5]) != kLittleEndian) {
    fail("not a little-endian ELF file");
  }
  reader.set_wide(file_class == kClass64);
  image.is_64_bit = reader.is_wide();
}

void read_header(const Reader& reader, ElfImage& image) {
  const auto type = reader.get<std::uint16_t>(16, "ELF header");
  if (type != kTypeExecutable) {
    fail("ELF type " + std::to_string(type) + " is not an executable (type 2)");
  }
  const auto machine = reader.get<std::uint16_t>(18, "ELF header");
  if (machine != static_cast<std::uint16_t>(ElfMachine::kArm) &&
      machine != static_cast<std::uint16_t>(ElfMachine::kRiscv)) {
    fail("ELF machine " + std::to_string(machine) + " is neither ARM (40) nor RISC-V (243)");
  }
  image.machine = static_cast<ElfMachine>(machine);
  image.entry = reader.word(0, 24, 24, "ELF header");
}

ElfSegment read_segment(const Reader& reader, std::uint64_t at, std::uint64_t number) {
  const std::string what = "segment " + std::to_string(number);
  ElfSegment segment;
  const auto flags = reader.field<std::uint32_t>(at, 24, 4, "program header");
  const std::uint64_t offset = reader.word(at, 4, 8, "program header");
  const std::uint64_t file_size = reader.word(at, 16, 32, "program header");
  segment.virtual_address = reader.word(at, 8, 16, "program header");
  segment.physical_address = reader.word(at, 12, 24, "program header");
  segment.memory_size_bytes = reader.word(at, 20, 40, "program header");
  segment.executable = flags & 1;
  segment.writable = flags & 2;
  segment.readable = flags & 4;
  if (file_size > segment.memory_size_bytes) {
    fail(what + " has " + std::to_string(file_size) + " bytes in the file but only " +
         std::to_string(segment.memory_size_bytes) + " in memory");
  }
  const std::uint64_t last_place =
      reader.is_wide() ? std::numeric_limits<std::uint64_t>::max() : 0xffffffff;
  for (const std::uint64_t address : {segment.physical_address, segment.virtual_address}) {
    if (segment.memory_size_bytes != 0 && segment.memory_size_bytes - 1 > last_place - address) {
      fail(what + " at " + hex(address) + " with " + std::to_string(segment.memory_size_bytes) +
           " bytes reaches beyond the address space");
    }
  }
  const auto data = reader.bytes(offset, file_size, what);
  segment.data.assign(data.begin(), data.end());
  return segment;
}

void read_segments(const Reader& reader, ElfImage& image) {
  const auto count = reader.field<std::uint16_t>(0, 44, 56, "ELF header");
  if (count == kManySegments) fail("more than 65534 program headers");
  const Table table = checked_table(reader, reader.word(0, 28, 32, "ELF header"),
                                    reader.field<std::uint16_t>(0, 42, 54, "ELF header"), count,
                                    reader.is_wide() ? 56 : 32, "program header table");
  std::uint64_t file_bytes = 0;
  for (std::uint64_t i = 0; i < table.count; ++i) {
    const std::uint64_t at = table.offset + i * table.entry_size;
    if (reader.get<std::uint32_t>(at, "program header") != kSegmentLoad) continue;
    ElfSegment segment = read_segment(reader, at, i);
    if (segment.memory_size_bytes == 0) continue;
    // Headers may all point at the same bytes: without a limit a small file could ask for any
    // amount of memory.
    file_bytes += segment.data.size();
    if (file_bytes > 2 * reader.size()) fail("the segments overlap in the file");
    image.segments.push_back(std::move(segment));
  }
}

struct Section {
  std::uint32_t type;
  std::uint64_t offset;
  std::uint64_t size;
  std::uint32_t link;
  std::uint64_t entry_size;
};

Section read_section(const Reader& reader, const Table& table, std::uint64_t number) {
  const std::uint64_t at = table.offset + number * table.entry_size;
  return {reader.get<std::uint32_t>(at + 4, "section header"),
          reader.word(at, 16, 24, "section header"), reader.word(at, 20, 32, "section header"),
          reader.field<std::uint32_t>(at, 24, 40, "section header"),
          reader.word(at, 36, 56, "section header")};
}

std::string name_at(std::span<const std::byte> strings, std::uint32_t offset) {
  if (offset >= strings.size()) {
    fail("symbol name at " + hex(offset) + " lies outside its string table of " +
         std::to_string(strings.size()) + " bytes");
  }
  const auto tail = strings.subspan(offset);
  const auto end = std::find(tail.begin(), tail.end(), std::byte{0});
  if (end == tail.end()) fail("symbol name at " + hex(offset) + " has no end");
  return {reinterpret_cast<const char*>(tail.data()), static_cast<std::size_t>(end - tail.begin())};
}

/// STT_OBJECT is 1, STT_FUNC 2; sections (3) and files (4) are no symbols to a user.
bool is_wanted(unsigned type, const std::string& name) {
  return type != 3 && type != 4 && !name.empty() && name.front() != '$';
}

void read_symbol_table(const Reader& reader, const Table& sections, const Section& section,
                       ElfImage& image) {
  const std::uint64_t smallest = reader.is_wide() ? 24 : 16;
  const std::uint64_t count = section.entry_size == 0 ? 0 : section.size / section.entry_size;
  const Table table =
      checked_table(reader, section.offset, section.entry_size, count, smallest, "symbol table");
  if (table.count == 0) return;
  if (section.link >= sections.count) {
    fail("symbol table refers to section " + std::to_string(section.link) + " of " +
         std::to_string(sections.count));
  }
  const Section names = read_section(reader, sections, section.link);
  const auto strings = reader.bytes(names.offset, names.size, "string table");
  for (std::uint64_t i = 0; i < table.count; ++i) {
    const std::uint64_t at = table.offset + i * table.entry_size;
    const auto home = reader.field<std::uint16_t>(at, 14, 6, "symbol");
    if (home == kUndefinedSection) continue;
    const unsigned type = reader.field<std::uint8_t>(at, 12, 4, "symbol") & 15u;
    ElfSymbol symbol;
    symbol.name = name_at(strings, reader.get<std::uint32_t>(at, "symbol"));
    if (!is_wanted(type, symbol.name)) continue;
    symbol.address = reader.word(at, 4, 8, "symbol");
    symbol.size_bytes = reader.word(at, 8, 16, "symbol");
    if (type == 1) symbol.kind = ElfSymbol::Kind::kObject;
    if (type == 2) symbol.kind = ElfSymbol::Kind::kFunction;
    if (image.machine == ElfMachine::kArm && symbol.kind == ElfSymbol::Kind::kFunction) {
      symbol.address &= ~std::uint64_t{1};
    }
    image.symbols.push_back(std::move(symbol));
  }
}

void read_symbols(const Reader& reader, ElfImage& image) {
  const Table sections = checked_table(reader, reader.word(0, 32, 40, "ELF header"),
                                       reader.field<std::uint16_t>(0, 46, 58, "ELF header"),
                                       reader.field<std::uint16_t>(0, 48, 60, "ELF header"),
                                       reader.is_wide() ? 64 : 40, "section header table");
  for (std::uint64_t i = 0; i < sections.count; ++i) {
    const Section section = read_section(reader, sections, i);
    if (section.type == kSectionSymbols) {
      read_symbol_table(reader, sections, section, image);
      break;  // an executable has one symbol table (gABI, section types)
    }
  }
  std::stable_sort(image.symbols.begin(), image.symbols.end(),
                   [](const ElfSymbol& a, const ElfSymbol& b) { return a.address < b.address; });
}

}  // namespace

const ElfSymbol* ElfImage::find_symbol(std::string_view name) const {
  const auto found = std::find_if(symbols.begin(), symbols.end(),
                                  [&](const ElfSymbol& symbol) { return symbol.name == name; });
  return found == symbols.end() ? nullptr : &*found;
}

const ElfSymbol* ElfImage::symbol_at(std::uint64_t address) const {
  const auto after = std::upper_bound(
      symbols.begin(), symbols.end(), address,
      [](std::uint64_t value, const ElfSymbol& symbol) { return value < symbol.address; });
  const ElfSymbol* label = nullptr;
  for (auto symbol = after; symbol != symbols.begin();) {
    --symbol;
    if (symbol->size_bytes == 0) {
      if (label == nullptr) label = &*symbol;
      continue;
    }
    if (address - symbol->address < symbol->size_bytes) return &*symbol;
    break;  // functions do not nest: nothing further down covers the address
  }
  return label;
}

ElfImage parse_elf(std::span<const std::byte> file) {
  Reader reader(file);
  ElfImage image;
  read_identity(reader, image);
  read_header(reader, image);
  read_segments(reader, image);
  if (image.segments.empty()) fail("the ELF file has nothing to load");
  read_symbols(reader, image);
  return image;
}

ElfImage load_elf_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw ElfError(path + ": cannot be opened");
  const std::vector<char> contents{std::istreambuf_iterator<char>(stream), {}};
  if (stream.bad()) throw ElfError(path + ": cannot be read");
  try {
    return parse_elf(std::as_bytes(std::span(contents)));
  } catch (const ElfError& error) {
    throw ElfError(path + ": " + error.what());
  }
}

}  // namespace hpimvp::common
