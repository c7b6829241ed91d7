#include "models/interconnect/address_map.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <stdexcept>
#include <utility>

namespace hpimvp::interconnect {
namespace {

std::string describe(const AddressRange& range) {
  char text[64];
  std::snprintf(text, sizeof text, " [0x%" PRIx64 ", 0x%" PRIx64 "]", range.base,
                range.base + (range.size - 1));
  return range.name + text;
}

}  // namespace

void AddressMap::add(AddressRange range) {
  if (range.size == 0) {
    throw std::invalid_argument("address range of " + range.name + " is empty");
  }
  if (range.base + (range.size - 1) < range.base) {
    throw std::invalid_argument("address range of " + range.name +
                                " leaves the 64-bit address space");
  }
  const auto next = std::upper_bound(
      ranges_.begin(), ranges_.end(), range.base,
      [](std::uint64_t base, const AddressRange& other) { return base < other.base; });
  if (next != ranges_.end() && next->base - range.base < range.size) {
    throw std::invalid_argument(describe(range) + " overlaps " + describe(*next));
  }
  if (next != ranges_.begin()) {
    const AddressRange& previous = *(next - 1);
    if (range.base - previous.base < previous.size) {
      throw std::invalid_argument(describe(range) + " overlaps " + describe(previous));
    }
  }
  ranges_.insert(next, std::move(range));
}

const AddressRange* AddressMap::find(std::uint64_t address, std::uint64_t length) const {
  const auto next = std::upper_bound(
      ranges_.begin(), ranges_.end(), address,
      [](std::uint64_t value, const AddressRange& range) { return value < range.base; });
  if (next == ranges_.begin()) return nullptr;
  const AddressRange& range = *(next - 1);
  const std::uint64_t offset = address - range.base;
  if (offset >= range.size || length > range.size - offset) return nullptr;
  return &range;
}

}  // namespace hpimvp::interconnect
