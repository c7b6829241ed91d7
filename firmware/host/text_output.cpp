#include "firmware/host/text_output.h"

namespace hpimvp::firmware {

TextOutput& operator<<(TextOutput& out, std::uint64_t value) {
  char digits[20];
  std::size_t first = sizeof digits;
  do {
    digits[--first] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  out.write(std::string_view(digits + first, sizeof digits - first));
  return out;
}

TextOutput& operator<<(TextOutput& out, Hex value) {
  char digits[18] = {'0', 'x'};
  for (int i = 0; i < 16; ++i) {
    digits[2 + i] = "0123456789abcdef"[value.value >> (60 - 4 * i) & 15];
  }
  out.write(std::string_view(digits, sizeof digits));
  return out;
}

}  // namespace hpimvp::firmware
