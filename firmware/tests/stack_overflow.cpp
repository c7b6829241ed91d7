// Recursion that is too deep: the stack leaves host memory, which is reported as a store access
// fault (exit code 128 + 7) instead of overwriting data.

#include "firmware/tests/test_program.h"

namespace hpimvp::firmware {
namespace {

constexpr std::uint64_t kTooDeep = 1'000'000;

[[gnu::noinline]] std::uint64_t recurse(std::uint64_t depth) {
  volatile std::uint64_t local[16];
  for (auto& value : local) value = depth;
  if (depth == kTooDeep) return depth;
  return recurse(depth + 1) + local[depth % 16];
}

}  // namespace

extern "C" std::uint32_t firmware_main(std::uint64_t /*hart*/, std::uint64_t plan_address) {
  TestMachine machine(plan_address);
  machine.uart << recurse(0);
  machine.fail("no fault");
}

}  // namespace hpimvp::firmware
