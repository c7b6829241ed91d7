// Loads from an address where nothing is, with a recognisable value in s11: the fault reporter says
// so and the exit code is 128 + 5 (load access fault).

#include "firmware/tests/test_program.h"

namespace hpimvp::firmware {

extern "C" std::uint32_t firmware_main(std::uint64_t /*hart*/, std::uint64_t plan_address) {
  TestMachine machine(plan_address);
  machine.uart << "before the fault";
  asm volatile(
      "li s11, 0x123456789abcdef0\n"
      "li t0, 0x0000070000000008\n"
      ".globl faulting_load\n"
      "faulting_load: ld t1, 0(t0)\n"
      :
      :
      : "s11", "t0", "t1", "memory");
  machine.fail("no fault");
}

}  // namespace hpimvp::firmware
