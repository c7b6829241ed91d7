// Chooses the tokens of sampler_reference.h and compares them with those of the native code.

#include "firmware/tests/sampler_reference.h"
#include "firmware/tests/test_program.h"

namespace hpimvp::firmware {
namespace {

std::uint16_t logits[kReferenceVocabulary];
alignas(16) std::uint8_t memory[64 * 1024];

void exit_out_of_memory(std::uint64_t /*bytes_wanted*/, std::uint64_t /*bytes_left*/) {
  begin_error_message() << "the test's memory is too small\n";
  exit_machine(2);
}

}  // namespace

extern "C" std::uint32_t firmware_main(std::uint64_t /*hart*/, std::uint64_t plan_address) {
  TestMachine machine(plan_address);
  Arena arena(reinterpret_cast<std::uint64_t>(memory), sizeof memory, exit_out_of_memory);
  const std::uint64_t checksum = reference_checksum(logits, arena);
  machine.uart << "checksum " << Hex{checksum} << "\n";
  if (checksum != kReferenceChecksum) machine.fail("other tokens than natively");
  exit_machine(0);
}

}  // namespace hpimvp::firmware
