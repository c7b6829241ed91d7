// The registers of a block as its description states them: storage, access rules and reset values.
// A model adds behaviour with hooks, and uses get() and set() from the hardware's side.
//
// Rules (per bit, from RegisterInfo): a read-only register takes no write and a write-only one no
// read (kCommandError); a bit that is not readable reads 0; a write stores the read-write bits,
// clears the write-1-to-clear bits that are written 1 and leaves all others. An access is exactly
// one register, or one 32-bit half of a register that allows it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "models/common/register_info.h"

namespace hpimvp::common {

class RegisterBlock {
 public:
  // Supplies the value of a register that is computed when it is read, given the element's index in
  // an array (else 0). Debug reads call it too, so it must have no side effects.
  using ReadHook = std::function<std::uint64_t(std::uint32_t index)>;

  // Runs after a write has been stored. `written` is what came over the bus, write-only bits
  // included. Any other result than kOk undoes the write and is the access's answer.
  struct Write {
    std::uint64_t written;
    std::uint64_t previous;  // value before the write (the read hook's, where there is one)
    std::uint32_t index;     // element of an array, else 0
  };
  using WriteHook = std::function<AccessResult(const Write&)>;

  // `info` must outlive the block; generated tables are static. Throws std::logic_error if it names
  // registers that overlap or reach outside the block.
  explicit RegisterBlock(const BlockInfo& info);

  // Offsets are those of the generated header (element 0 of an array). Throw std::logic_error if no
  // register starts there.
  void on_read(std::uint32_t offset, ReadHook hook);
  void on_write(std::uint32_t offset, WriteHook hook);
  // For arrays that the machine has fewer elements of than the description: the elements from
  // `count` on answer with kAddressError.
  void limit_array(std::uint32_t offset, std::uint32_t count);

  // Bus side. `width_bytes` is 1, 2, 4 or 8.
  AccessResult read(std::uint64_t offset, unsigned width_bytes, std::uint64_t& value) const;
  AccessResult write(std::uint64_t offset, unsigned width_bytes, std::uint64_t value);
  // The debugger's read: the same, as reads have no side effects.
  AccessResult peek(std::uint64_t offset, unsigned width_bytes, std::uint64_t& value) const {
    return read(offset, width_bytes, value);
  }

  // Hardware side: the stored value, no rules, no hooks. `offset` must be a register's (or an array
  // element's); throws std::logic_error otherwise.
  std::uint64_t get(std::uint32_t offset) const;
  void set(std::uint32_t offset, std::uint64_t value);

  // All registers to their reset values. Calls no hooks.
  void reset();

  const BlockInfo& info() const { return *info_; }
  // "MARKER", "PRIORITY[3]", or "offset 0x44" where there is none: for diagnostics.
  std::string name_at(std::uint64_t offset) const;

 private:
  struct Place {
    const RegisterInfo* info;
    std::size_t position;  // in info_->registers
    std::uint32_t index;   // element
    unsigned byte;         // of the access within the element
  };
  struct Storage {
    std::vector<std::uint64_t> values;  // as many as the array has elements
    ReadHook read_hook;
    WriteHook write_hook;
  };

  // The register that covers the byte at `offset`; info == nullptr: none.
  Place find(std::uint64_t offset) const;
  Place require(std::uint32_t offset) const;
  AccessResult check_shape(const Place& place, unsigned width_bytes) const;

  const BlockInfo* info_;
  std::vector<Storage> storage_;  // parallel to info_->registers
};

}  // namespace hpimvp::common
