// A minimal machine for speed measurements: the RISC-V core in SystemC with RAM, a console and the
// power-off register where QEMU's virt machine has them. Prints what the run cost.
#include <tlm_utils/simple_target_socket.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <systemc>

#include "models/common/elf_loader.h"
#include "models/common/memory_target.h"
#include "models/riscv/riscv_cpu.h"

namespace {

using namespace hpimvp;

constexpr std::uint64_t kRamBase = 0x80000000;
constexpr std::uint64_t kRamBytes = 64 << 20;
constexpr std::uint64_t kConsole = 0x10000000;
constexpr std::uint64_t kPowerOff = 0x100000;

/// Decodes addresses: RAM is forwarded, DMI included, the two registers are handled here.
class Crossbar : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<Crossbar> in;
  tlm_utils::simple_initiator_socket<Crossbar> ram;

  Crossbar(sc_core::sc_module_name name, riscv::RiscvCpu& cpu)
      : sc_module(name), in("in"), ram("ram"), cpu_(cpu) {
    in.register_b_transport(this, &Crossbar::transport);
    in.register_get_direct_mem_ptr(this, &Crossbar::direct);
  }

 private:
  void transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
    const std::uint64_t address = payload.get_address();
    if (address >= kRamBase) {
      payload.set_address(address - kRamBase);
      ram->b_transport(payload, delay);
      payload.set_address(address);
      return;
    }
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
    if (address == kConsole && payload.is_write()) {
      std::putchar(*payload.get_data_ptr());
    } else if (address == kPowerOff && payload.is_write()) {
      cpu_.request_end();
    } else {
      payload.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    }
  }

  bool direct(tlm::tlm_generic_payload& payload, tlm::tlm_dmi& dmi) {
    if (payload.get_address() < kRamBase) return false;
    payload.set_address(payload.get_address() - kRamBase);
    const bool granted = ram->get_direct_mem_ptr(payload, dmi);
    dmi.set_start_address(dmi.get_start_address() + kRamBase);
    dmi.set_end_address(dmi.get_end_address() + kRamBase);
    return granted;
  }

  riscv::RiscvCpu& cpu_;
};

int simulate(const std::string& elf_path, double quantum_ns) {
  const common::ElfImage image = common::load_elf_file(elf_path);
  riscv::RiscvCpuConfig config;
  config.core.reset_pc = image.entry;
  config.quantum = sc_core::sc_time(quantum_ns, sc_core::SC_NS);
  riscv::RiscvCpu cpu("cpu", config);
  common::MemoryTarget ram("ram", {.size_bytes = kRamBytes});
  Crossbar crossbar("crossbar", cpu);
  sc_core::sc_signal<bool> quiet("quiet");
  cpu.bus.bind(crossbar.in);
  crossbar.ram.bind(ram.memory);
  cpu.software_interrupt(quiet);
  cpu.timer_interrupt(quiet);
  cpu.external_interrupt(quiet);
  for (const common::ElfSegment& segment : image.segments) {
    std::memcpy(ram.data() + (segment.physical_address - kRamBase), segment.data.data(),
                segment.data.size());
  }
  const auto begin = std::chrono::steady_clock::now();
  sc_core::sc_start();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
  std::printf("instructions %llu cycles %llu seconds %.6f\n",
              static_cast<unsigned long long>(cpu.core().instructions()),
              static_cast<unsigned long long>(cpu.core().cycles()), wall.count());
  return 0;
}

}  // namespace

int sc_main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s ELF QUANTUM_NS\n", argv[0]);
    return 2;
  }
  try {
    return simulate(argv[1], std::stod(argv[2]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
