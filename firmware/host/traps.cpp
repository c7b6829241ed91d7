#include "firmware/host/traps.h"

#include "firmware/host/csr.h"
#include "firmware/host/default_addresses.h"
#include "firmware/host/exit_codes.h"
#include "firmware/host/trap_frame.h"

namespace hpimvp::firmware {
namespace {

HartContext& current_context() {
  HartContext* context;
  asm volatile("csrr %0, mscratch" : "=r"(context));
  return *context;
}

std::string_view exception_name(std::uint64_t cause) {
  // RISC-V privileged specification 1.12, table 3.6.
  constexpr std::string_view kNames[] = {"instruction address misaligned",
                                         "instruction access fault",
                                         "illegal instruction",
                                         "breakpoint",
                                         "load address misaligned",
                                         "load access fault",
                                         "store address misaligned",
                                         "store access fault",
                                         "environment call from user mode",
                                         "environment call from supervisor mode",
                                         "reserved cause",
                                         "environment call from machine mode",
                                         "instruction page fault",
                                         "load page fault",
                                         "reserved cause",
                                         "store page fault"};
  return cause < std::size(kNames) ? kNames[cause] : "unknown cause";
}

void print_registers(TextOutput& out, const TrapFrame& frame) {
  constexpr std::string_view kNames[] = {"  ", "ra", "sp",  "gp",  "tp", "t0", "t1", "t2",
                                         "s0", "s1", "a0",  "a1",  "a2", "a3", "a4", "a5",
                                         "a6", "a7", "s2",  "s3",  "s4", "s5", "s6", "s7",
                                         "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};
  for (std::uint32_t i = 1; i < 32; ++i) {
    out << (kNames[i].size() == 2 ? "   " : "  ") << kNames[i] << " " << Hex{frame.registers[i]};
    if (i % 4 == 0 || i == 31) out << "\n";
  }
}

// Without a plan the devices are where the machine has them by default.
[[noreturn]] void exit_default(std::uint32_t code) {
  SystemController system_controller(default_addresses::kSystemController);
  if (code != kExitSuccess) system_controller.error(code);
  system_controller.exit(code);
  for (;;) wait_for_interrupt();
}

void report_fault(TextOutput& out, const TrapFrame& frame, std::uint64_t cause,
                  std::uint64_t value) {
  out << "\nhpim host firmware: fault: " << exception_name(cause) << " (mcause " << cause << ")\n"
      << " mepc " << Hex{frame.epc} << " mtval " << Hex{value} << " mstatus " << Hex{frame.status}
      << "\n";
  print_registers(out, frame);
}

}  // namespace

void set_interrupt_controller(InterruptController* controller) {
  current_context().handler = controller;
}

void set_machine_output(const MachineOutput* output) {
  HartContext& context = current_context();
  context.output = output;
  context.nested->output = output;  // for a fault inside a handler
}

void exit_machine(std::uint32_t code) {
  const MachineOutput* const output = current_context().output;
  if (output == nullptr) exit_default(code);
  output->uart.flush();
  if (code != kExitSuccess) output->system_controller.error(code);
  output->system_controller.exit(code);
  for (;;) wait_for_interrupt();
}

TextOutput& begin_error_message() {
  Uart& uart = current_context().output->uart;
  uart.flush();
  return uart << "\nhpim host firmware: error: ";
}

extern "C" void handle_interrupt(TrapFrame* /*frame*/, std::uint64_t /*cause*/,
                                 InterruptController* controller) {
  if (controller != nullptr) controller->service();
}

extern "C" [[noreturn]] void handle_fault(TrapFrame* frame, std::uint64_t cause,
                                          std::uint64_t value) {
  // A fault in the report itself: there is no way to say more.
  while (frame->context->is_reporting != 0) wait_for_interrupt();
  frame->context->is_reporting = 1;
  frame->context->nested->is_reporting = 1;
  const MachineOutput* const output = frame->context->output;
  if (output != nullptr) {
    output->uart.flush();
    report_fault(output->uart, *frame, cause, value);
    if (output->notes != nullptr) output->notes->print_notes(output->uart);
  } else {
    Uart uart(default_addresses::kUart);
    report_fault(uart, *frame, cause, value);
    uart.flush();
  }
  exit_machine(kExitFault + static_cast<std::uint32_t>(cause));
}

// Called by the start-up code with the value of firmware_main().
extern "C" [[noreturn]] void finish(std::uint32_t code) {
  exit_machine(code);
}

}  // namespace hpimvp::firmware
