// Ends with exit code 42 and prints nothing.

#include "firmware/tests/test_program.h"

namespace hpimvp::firmware {

extern "C" std::uint32_t firmware_main(std::uint64_t /*hart*/, std::uint64_t plan_address) {
  TestMachine machine(plan_address);
  exit_machine(42);
}

}  // namespace hpimvp::firmware
