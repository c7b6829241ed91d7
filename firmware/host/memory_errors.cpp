#include "firmware/host/memory_errors.h"

#include "hal/hbm_pim_stack.h"

namespace hpimvp::firmware {
namespace {

namespace stack_of = hal::hbm_pim_stack;

stack_of::Registers registers_of(const plan::Device& stack) {
  return stack_of::Registers(stack.register_address);
}

bool is_stack(const plan::Device& device) {
  return device.kind == plan::DeviceKind::kHbmPimStack;
}

}  // namespace

bool MemoryErrors::take_uncorrected_at(std::uint64_t address) const {
  for (const plan::Device& device : plan_.devices()) {
    if (!is_stack(device) || address - device.memory_address >= device.memory_bytes) continue;
    const std::uint32_t status = registers_of(device).read_ecc_status();
    if (stack_of::get_ecc_status_uncorrected(status) == 0) return false;
    take_uncorrected(device);
    return true;
  }
  return false;
}

void MemoryErrors::take_uncorrected(const plan::Device& stack) const {
  registers_of(stack).write_ecc_status(stack_of::make_ecc_status_uncorrected(1));
}

void MemoryErrors::mark_corrected(const plan::Device& stack) const {
  const stack_of::Registers registers = registers_of(stack);
  if (stack_of::get_ecc_status_corrected(registers.read_ecc_status()) == 0) return;
  // Cleared before the place is read: what comes in between interrupts again.
  registers.write_ecc_status(stack_of::make_ecc_status_corrected(1));
  system_controller_.corrected_error(stack.index, registers.read_ecc_corrected_offset());
}

void MemoryErrors::mark_total() const {
  std::uint64_t corrected = 0;
  for (const plan::Device& device : plan_.devices()) {
    if (is_stack(device)) corrected += registers_of(device).read_ecc_corrected_count();
  }
  if (corrected != 0) system_controller_.corrected_total(corrected);
}

void MemoryErrors::print_uncorrected(TextOutput& out) const {
  for (const plan::Device& device : plan_.devices()) {
    if (!is_stack(device)) continue;
    const stack_of::Registers registers = registers_of(device);
    const std::uint64_t count = registers.read_ecc_uncorrected_count();
    if (count == 0) continue;
    const std::uint64_t offset = registers.read_ecc_uncorrected_offset();
    out << "\n  HBM-PIM stack " << device.index << " has met " << count
        << " uncorrectable memory error" << (count == 1 ? "" : "s") << ", the last at offset "
        << Hex{offset} << " (address " << Hex{device.memory_address + offset} << ")";
  }
}

void MemoryErrors::print_notes(TextOutput& out) const {
  print_uncorrected(out);
  out << "\n";
}

bool interrupts_for_corrected_errors(const plan::Device& stack) {
  const std::uint32_t control = registers_of(stack).read_ecc_control();
  return stack_of::get_ecc_control_corrected_interrupt(control) != 0;
}

}  // namespace hpimvp::firmware
