// What a register description (`*.registers.json`) says, as constant tables: the vocabulary of the
// headers that scripts/generate_registers.py writes, read by RegisterBlock.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace hpimvp::common {

enum class Access : std::uint8_t { kReadOnly, kReadWrite, kWriteOnly, kWrite1ToClear };

struct FieldInfo {
  std::string_view name;
  std::uint8_t high;  // bit numbers, inclusive
  std::uint8_t low;
  Access access;
};

struct RegisterInfo {
  std::string_view name;
  std::uint32_t offset;      // in bytes from the block's base
  std::uint8_t width_bytes;  // 1, 2, 4 or 8: the size of an access
  Access access;
  std::uint64_t reset;
  // What happens to each bit; a bit in none of these masks reads 0 and ignores writes.
  std::uint64_t read_mask;   // reads return the stored bit
  std::uint64_t store_mask;  // a write stores the bit
  std::uint64_t clear_mask;  // writing 1 clears the bit
  // An array of `count` registers, `stride` bytes apart (1 and 0 for a single one).
  std::uint32_t count;
  std::uint32_t stride;
  bool halves;  // a 64-bit register that also takes accesses to its 32-bit halves
  std::span<const FieldInfo> fields;
};

struct BlockInfo {
  std::string_view name;
  std::uint32_t size;                       // in bytes
  std::span<const RegisterInfo> registers;  // by ascending offset; included blocks' too
};

// How a block answers an access.
enum class AccessResult : std::uint8_t {
  kOk,
  kAddressError,  // no register there
  kCommandError,  // the register does not take this kind of access, or not now
  kSizeError,     // the access is not exactly one register
};

}  // namespace hpimvp::common
