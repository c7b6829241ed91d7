// Exit codes of the host firmware (the system controller's EXIT register; docs/firmware.md).
#pragma once

#include <cstdint>

namespace hpimvp::firmware {

enum ExitCode : std::uint32_t {
  kExitSuccess = 0,
  kExitNoPlan = 2,
  kExitBadPlan = 3,
  kExitEngineFailure = 4,
  kExitOutOfKvBlocks = 5,
  kExitBadLogits = 6,
  kExitOutOfMemory = 7,
  kExitFault = 128,  // plus mcause
};

}  // namespace hpimvp::firmware
