// Little-endian fields out of untrusted bytes: every read is checked and names what was missing.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "platform/compiler/model_error.h"

namespace hpimvp::compiler {

static_assert(std::endian::native == std::endian::little, "files are read without byte swapping");

class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, std::string_view file)
      : bytes_(bytes), file_(file) {}

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }

  // The next `count` bytes; ModelError if there are fewer.
  std::span<const std::byte> take(std::uint64_t count, std::string_view what) {
    if (count > remaining()) {
      throw ModelError(file_, what,
                       "needs " + std::to_string(count) + " bytes at offset " +
                           std::to_string(position_) + ", but the file has only " +
                           std::to_string(remaining()) + " more (truncated?)");
    }
    const auto taken = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += static_cast<std::size_t>(count);
    return taken;
  }

  template <typename T>
  T read(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  std::string file_;
  std::size_t position_ = 0;
};

}  // namespace hpimvp::compiler
