// Compares argmax_zfh.S with the portable implementation on random FP16 values, NaNs, infinities,
// subnormals and signed zeros among them.

#include "firmware/host/argmax_portable.h"
#include "firmware/host/random.h"
#include "firmware/tests/test_program.h"

namespace hpimvp::firmware {
namespace {

constexpr std::uint32_t kMostValues = 130;
constexpr std::uint32_t kRounds = 4000;

std::uint16_t values[kMostValues];

}  // namespace

extern "C" std::uint32_t firmware_main(std::uint64_t /*hart*/, std::uint64_t plan_address) {
  TestMachine machine(plan_address);
  Random random(20260101);
  std::uint64_t not_finite = 0;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const std::uint32_t count = 1 + random.next() % kMostValues;
    // Few different values make equals; finite ones keep NaNs out of most rounds.
    const std::uint16_t mask = round % 4 == 0   ? 0xFFFF
                               : round % 4 == 1 ? 0xBBFF
                               : round % 4 == 2 ? 0x8003
                                                : 0x0007;
    for (std::uint32_t i = 0; i < count; ++i) {
      values[i] = static_cast<std::uint16_t>(random.next() & mask);
    }
    const Argmax expected = argmax_portable(values, count);
    const Argmax found = argmax_half(values, count);
    if ((expected.not_finite != 0) != (found.not_finite != 0))
      machine.fail("infinity or NaN not seen, or imagined");
    if (expected.not_finite != 0) {
      ++not_finite;
    } else if (expected.index != found.index) {
      machine.fail("another index");
    }
  }
  machine.uart << std::uint64_t{kRounds} << " rounds, " << not_finite
               << " with infinities or NaNs\n";
  exit_machine(0);
}

}  // namespace hpimvp::firmware
