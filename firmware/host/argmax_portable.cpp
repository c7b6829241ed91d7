#include "firmware/host/argmax_portable.h"

namespace hpimvp::firmware {

extern "C" Argmax argmax_half(const std::uint16_t* values, std::uint64_t count) {
  return argmax_portable(values, count);
}

}  // namespace hpimvp::firmware
