#include "firmware/host/arena.h"

#include <cstring>

namespace hpimvp::firmware {

void* Arena::allocate_bytes(std::uint64_t count, std::uint64_t object_bytes,
                            std::uint64_t alignment) {
  const std::uint64_t padding = (alignment - next_ % alignment) % alignment;
  const std::uint64_t left = end_ - next_;
  if (padding > left || count > (left - padding) / object_bytes) {
    exhausted_(count * object_bytes, left);
  }
  void* const objects = reinterpret_cast<void*>(next_ + padding);
  next_ += padding + count * object_bytes;
  std::memset(objects, 0, count * object_bytes);
  return objects;
}

}  // namespace hpimvp::firmware
