// Reads little-endian RISC-V and ARM executables (ELF32 and ELF64) out of a byte image: loadable
// segments, entry point and symbols. The input is not trusted: every offset and size is checked,
// and what is wrong is named in an ElfError.
//
// Sources: System V ABI (gABI) chapters 4 and 5; machine numbers of the RISC-V and ARM psABIs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace hpimvp::common {

class ElfError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class ElfMachine : std::uint16_t { kArm = 40, kRiscv = 243 };

struct ElfSegment {
  std::uint64_t physical_address = 0;
  std::uint64_t virtual_address = 0;
  /// What the file holds; the rest of memory_size_bytes is zero.
  std::vector<std::byte> data;
  std::uint64_t memory_size_bytes = 0;
  bool readable = false;
  bool writable = false;
  bool executable = false;
};

struct ElfSymbol {
  enum class Kind : std::uint8_t { kFunction, kObject, kOther };
  std::string name;
  /// Without the Thumb bit of ARM functions.
  std::uint64_t address = 0;
  std::uint64_t size_bytes = 0;
  Kind kind = Kind::kOther;
};

struct ElfImage {
  ElfMachine machine = ElfMachine::kRiscv;
  bool is_64_bit = false;
  /// As the file has it: of an ARM image with the Thumb bit.
  std::uint64_t entry = 0;
  /// PT_LOAD segments that occupy memory, in file order.
  std::vector<ElfSegment> segments;
  /// Defined, named symbols sorted by address; mapping symbols, files and sections are left out.
  std::vector<ElfSymbol> symbols;

  /// The first symbol of this name, or null.
  const ElfSymbol* find_symbol(std::string_view name) const;
  /// The function or object that covers the address; failing that, the nearest label without a
  /// size at or before it, as assembly code has; or null.
  const ElfSymbol* symbol_at(std::uint64_t address) const;
};

/// Throws ElfError.
ElfImage parse_elf(std::span<const std::byte> file);

/// Throws ElfError, with the path in front, also when the file cannot be read.
ElfImage load_elf_file(const std::string& path);

}  // namespace hpimvp::common
