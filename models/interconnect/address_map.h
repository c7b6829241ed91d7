// Which target answers at which address. One class for the mesh, the control network and the
// machine's description, so that what is described is what is decoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hpimvp::interconnect {

struct AddressRange {
  std::string name;
  std::uint64_t base = 0;
  std::uint64_t size = 0;  // bytes, at least 1
  std::size_t target = 0;  // whatever the owner of the map numbers its targets with
};

class AddressMap {
 public:
  // Throws std::invalid_argument, naming both ranges, when the new one overlaps an earlier one, and
  // when it is empty or leaves the 64-bit address space.
  void add(AddressRange range);

  // The range that holds all of [address, address + length); null when none does. A length of 0
  // asks for the byte at `address`.
  const AddressRange* find(std::uint64_t address, std::uint64_t length = 1) const;

  // In ascending order of base address.
  const std::vector<AddressRange>& ranges() const { return ranges_; }

 private:
  std::vector<AddressRange> ranges_;
};

}  // namespace hpimvp::interconnect
