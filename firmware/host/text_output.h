// Text for a human: a sink of characters, and number formatting without a C library.
#pragma once

#include <cstdint>
#include <string_view>

namespace hpimvp::firmware {

class TextOutput {
 public:
  virtual void write(std::string_view text) = 0;

 protected:
  ~TextOutput() = default;
};

// Printed as 0x and 16 digits.
struct Hex {
  std::uint64_t value;
};

inline TextOutput& operator<<(TextOutput& out, std::string_view text) {
  out.write(text);
  return out;
}
TextOutput& operator<<(TextOutput& out, std::uint64_t value);
TextOutput& operator<<(TextOutput& out, Hex value);

}  // namespace hpimvp::firmware
