// Loads the last word of the first HBM-PIM stack's memory, which a test has made wrong beyond
// correction: the fault's report says where, and the exit code is 128 + 5 (load access fault).
// Needs a plan.

#include "firmware/host/memory_errors.h"
#include "firmware/tests/test_program.h"

namespace hpimvp::firmware {

extern "C" std::uint32_t firmware_main(std::uint64_t /*hart*/, std::uint64_t plan_address) {
  TestMachine machine(plan_address);
  if (plan_address == 0) machine.fail("no plan");
  const PlanView plan(*reinterpret_cast<const plan::PlanHeader*>(plan_address));
  const MemoryErrors memory_errors(plan, machine.system_controller);
  const MachineOutput output = {machine.uart, machine.system_controller, &memory_errors};
  set_machine_output(&output);

  const plan::Device& stack = *plan.find_device(plan::DeviceKind::kHbmPimStack);
  auto* const end =
      reinterpret_cast<volatile std::uint64_t*>(stack.memory_address + stack.memory_bytes);
  machine.uart << "the word before: " << end[-5] << "\n";
  machine.uart << "the last word: " << end[-1] << "\n";
  machine.fail("no fault");
}

}  // namespace hpimvp::firmware
