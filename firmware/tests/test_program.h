// What the test programs share: they run with or without a plan, and say on the UART what they saw.
#pragma once

#include <cstdint>

#include "firmware/host/default_addresses.h"
#include "firmware/host/interrupt_controller.h"
#include "firmware/host/plan_view.h"
#include "firmware/host/system_controller.h"
#include "firmware/host/traps.h"
#include "firmware/host/uart.h"

namespace hpimvp::firmware {

// Addresses and interrupts of the devices: the plan's, or the default ones.
struct TestDevices {
  std::uint64_t clint = default_addresses::kClint;
  std::uint64_t plic = default_addresses::kPlic;
  std::uint64_t uart = default_addresses::kUart;
  std::uint64_t system_controller = default_addresses::kSystemController;
  std::uint64_t dma = default_addresses::kDma;
  std::uint32_t uart_interrupt = 1;
  std::uint32_t dma_interrupt = 2;

  explicit TestDevices(std::uint64_t plan_address) {
    if (plan_address == 0) return;
    const PlanView plan(*reinterpret_cast<const plan::PlanHeader*>(plan_address));
    if (check_plan_header(plan.header())) return;
    const auto address = [&](plan::DeviceKind kind, std::uint64_t otherwise) {
      const plan::Device* const device = plan.find_device(kind);
      return device == nullptr ? otherwise : device->register_address;
    };
    clint = address(plan::DeviceKind::kClint, clint);
    plic = address(plan::DeviceKind::kPlic, plic);
    uart = address(plan::DeviceKind::kUart, uart);
    system_controller = address(plan::DeviceKind::kSystemController, system_controller);
    dma = address(plan::DeviceKind::kDma, dma);
  }
};

// UART and system controller, known to the fault reporter.
class TestMachine {
 public:
  explicit TestMachine(std::uint64_t plan_address)
      : devices(plan_address), uart(devices.uart), system_controller(devices.system_controller) {
    set_machine_output(&output_);
  }
  TestMachine(const TestMachine&) = delete;
  TestMachine& operator=(const TestMachine&) = delete;

  // Ends the program; the text before says why.
  [[noreturn]] void fail(std::string_view what) {
    uart << "FAILED: " << what << "\n";
    exit_machine(1);
  }

  TestDevices devices;
  Uart uart;
  SystemController system_controller;

 private:
  MachineOutput output_ = {uart, system_controller};
};

}  // namespace hpimvp::firmware
