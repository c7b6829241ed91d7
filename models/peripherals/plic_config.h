// Configuration of a Plic.
#pragma once

namespace hpimvp::peripherals {

struct PlicConfig {
  unsigned sources = 127;  // 1 to 127; source numbers run from 1
  unsigned contexts = 1;   // 1 to 16; context 0 is machine mode of hart 0
};

}  // namespace hpimvp::peripherals
