// Boots small programs on a machine of CPU, memory and host-side blocks.
#include "platform/hpim/hpim_machine.h"

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "platform/hpim/standard_blocks.h"
#include "tests/unit/hbm_pim/device_presets.h"

using namespace hpimvp::hpim;

namespace {

HpimMachineConfig default_machine() {
  HpimMachineConfig config;
  config.hbm.stack.device = hpimvp::test_support::device_preset("hbm3_hpim");
  return config;
}

HpimMachineConfig host_only() {
  HpimMachineConfig config = default_machine();
  for (const BlockConfig& block : default_blocks()) {
    if (block.block.rfind("sram_pim", 0) != 0 && block.block.rfind("hbm_pim", 0) != 0) {
      config.blocks.push_back(block);
    }
  }
  config.host.memory_mib = 64;
  return config;
}

BlockRegistry host_registry() {
  BlockRegistry registry;
  add_host_blocks(registry);
  return registry;
}

struct Bench {
  BlockRegistry registry = host_registry();
  std::string text;
  std::vector<hpimvp::peripherals::Marker> markers;
  std::unique_ptr<HpimMachine> machine;

  explicit Bench(const std::string& program, std::uint64_t boot_parameter = 0) {
    MachineOptions options;
    options.boot_parameter = boot_parameter;
    options.on_uart_byte = [this](std::uint8_t byte) { text += static_cast<char>(byte); };
    options.on_marker = [this](const auto& marker) { markers.push_back(marker); };
    machine = std::make_unique<HpimMachine>("hpim", resolve(host_only(), registry), options);
    if (!program.empty()) {
      machine->load_firmware(hpimvp::common::load_elf_file(std::string(HPIMVP_FIRMWARE_FOLDER) +
                                                           "/" + program + ".elf"));
    }
  }
  RunStatus run(std::uint64_t until_ps = 1'000'000'000'000) { return machine->run(until_ps); }
};

std::uint64_t value_of(const HpimMachine& machine, const std::string& component,
                       const std::string& name) {
  for (const auto& [found, statistics] : machine.statistics()) {
    if (found != component) continue;
    for (const auto& [key, value] : statistics) {
      if (key == name) return value;
    }
  }
  FAIL("no statistic " << component << "." << name);
  return 0;
}

}  // namespace

TEST_CASE("a program prints and ends with its exit code") {
  Bench bench("firmware_test_hello");
  const RunStatus status = bench.run();
  CHECK(status.message.empty());
  REQUIRE(status.reason == StopReason::kExit);
  CHECK(status.exit_code == 0);
  CHECK_THAT(bench.text, Catch::StartsWith("Hello from hart 0"));
  CHECK_THAT(bench.text, Catch::Contains("line 199 by interrupt"));
  CHECK(value_of(*bench.machine, "host", "instructions") > 1000);
  CHECK(status.time_ps == bench.run().time_ps);  // a machine that has ended stays so
}

TEST_CASE("the DMA engine copies for a program and interrupts it") {
  Bench bench("firmware_test_dma_copy");
  const RunStatus status = bench.run();
  CHECK(bench.text == "11 copies, then BAD_DESCRIPTOR\n");
  REQUIRE(status.reason == StopReason::kExit);
  CHECK(status.exit_code == 0);
  CHECK(value_of(*bench.machine, "dma", "copied_bytes") == 11'000);
  CHECK(value_of(*bench.machine, "noc", "dma_payload_bytes") > 2 * 11'000);
}

TEST_CASE("the timer interrupts a program") {
  Bench bench("firmware_test_timer");
  const RunStatus status = bench.run();
  REQUIRE(status.reason == StopReason::kExit);
  CHECK(status.exit_code == 0);
}

TEST_CASE("the firmware's loop for the largest logit agrees with plain code on the target") {
  Bench bench("firmware_test_argmax");
  const RunStatus status = bench.run();
  INFO(bench.text);
  REQUIRE(status.reason == StopReason::kExit);
  CHECK(status.exit_code == 0);
}

TEST_CASE("the firmware's sampler draws on the target what it draws on the development machine") {
  Bench bench("firmware_test_sampler");
  const RunStatus status = bench.run();
  INFO(bench.text);
  REQUIRE(status.reason == StopReason::kExit);
  CHECK(status.exit_code == 0);
}

TEST_CASE("a stack overflow ends in a fault, not in silence") {
  Bench bench("firmware_test_stack_overflow");
  const RunStatus status = bench.run();
  INFO(bench.text);
  REQUIRE(status.reason == StopReason::kExit);
  CHECK(status.exit_code == 128 + 7);  // store access fault
}

TEST_CASE("a fault is reported by the firmware and remembered by the machine") {
  Bench bench("firmware_test_fault");
  const RunStatus status = bench.run();
  REQUIRE(status.reason == StopReason::kExit);
  CHECK(status.exit_code == 128 + 5);
  REQUIRE(bench.machine->last_trap().has_value());
  CHECK(bench.machine->last_trap()->cause == hpimvp::riscv::Cause::kLoadAccess);
  CHECK(bench.machine->last_trap()->value == 0x0000'0700'0000'0008);
}

TEST_CASE("a CPU that sleeps for ever is a deadlock with an explanation") {
  Bench bench("machine_test_deadlock");
  const RunStatus status = bench.run();
  REQUIRE(status.reason == StopReason::kDeadlock);
  CHECK_THAT(status.message, Catch::StartsWith("nothing can happen any more: the CPU waits for an "
                                               "interrupt at pc 0x8"));
  CHECK_THAT(status.message, Catch::Contains("mie 0x0"));
  CHECK_THAT(status.message, Catch::Contains("\n  dma: HEAD 0, TAIL 3, not enabled"));
}

TEST_CASE("a trap before there is a handler ends the run") {
  Bench bench("");
  bench.machine->load_memory(0x8000'0000, std::vector<std::uint8_t>(4, 0));  // illegal
  bench.machine->cpu().core().set_pc(0x8000'0000);
  const RunStatus status = bench.run();
  REQUIRE(status.reason == StopReason::kFault);
  CHECK(status.message ==
        "illegal instruction at pc 0x80000000, mtval 0x0, with no trap handler (mtvec is 0)");
}

TEST_CASE("a run goes on where the last one reached its limit") {
  Bench bench("firmware_test_hello");
  const RunStatus first = bench.run(20'000'000);
  CHECK(first.reason == StopReason::kTimeLimit);
  CHECK(first.time_ps == 20'000'000);
  bench.machine->request_stop();
  CHECK(bench.run().reason == StopReason::kRequested);
  CHECK(bench.run().reason == StopReason::kExit);
}

TEST_CASE("memory that is loaded can be read back, and addresses of nothing are refused") {
  Bench bench("");
  std::vector<std::uint8_t> bytes(3 << 20);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 7);
  bench.machine->load_memory(0x8010'0003, bytes);
  CHECK(bench.machine->read_memory(0x8010'0003, bytes.size()) == bytes);
  CHECK_THROWS_WITH(bench.machine->load_memory(0x7FFF'FFFF, bytes), Catch::Contains("0x7fffffff"));
  CHECK_THROWS_WITH(bench.machine->read_memory(0x8400'0000, 1), Catch::Contains("0x84000000"));
}

TEST_CASE("the boot parameter is in a1 and in the system controller") {
  Bench bench("", 0x8123'4560);
  CHECK(bench.machine->cpu().core().x(11) == 0x8123'4560);
  const auto bytes = bench.machine->read_memory(0x1000'1000, 8);
  CHECK(bytes == std::vector<std::uint8_t>{0x60, 0x45, 0x23, 0x81, 0, 0, 0, 0});
}

TEST_CASE("every block of the whole machine answers where the device table says") {
  const BlockRegistry registry = standard_blocks();
  HpimMachineConfig config = default_machine();
  config.hbm.stacks = 3;
  config.sram_pim.tiles = 9;
  HpimMachine machine("hpim", resolve(config, registry), {});
  const auto read32 = [&](std::uint64_t address) {
    const auto bytes = machine.read_memory(address, 4);
    return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24;
  };
  int tiles = 0;
  int stacks = 0;
  for (const auto& device : device_table(machine.topology())) {
    using hpimvp::plan::DeviceKind;
    if (device.kind == DeviceKind::kSramPimTile) {
      CHECK(read32(device.register_address) == tiles++);
    }
    if (device.kind == DeviceKind::kHbmPimStack) {
      CHECK(read32(device.register_address + 0x100) == stacks++);
    }
    if (device.kind == DeviceKind::kSramPimDispatcher) {
      CHECK(read32(device.register_address + 0x100) == 9);
    }
    if (device.memory_bytes != 0) {
      const std::vector<std::uint8_t> mark = {static_cast<std::uint8_t>(device.index), 7, 8, 9};
      machine.load_memory(device.memory_address, mark);
      CHECK(machine.read_memory(device.memory_address, 4) == mark);
    }
  }
  CHECK(tiles == 9);
  CHECK(stacks == 3);
}

TEST_CASE("payload memory keeps nothing in timing mode, control memory does") {
  const BlockRegistry registry = standard_blocks();
  HpimMachineConfig config = default_machine();
  config.data_mode = DataMode::kTiming;
  HpimMachine machine("hpim", resolve(config, registry), {});
  const std::vector<std::uint8_t> mark = {1, 2, 3, 4};
  const std::vector<std::uint8_t> zeros = {0, 0, 0, 0};
  const auto kept = [&](std::uint64_t address) {
    machine.load_memory(address, mark);
    return machine.read_memory(address, 4);
  };
  CHECK(kept(0x10'0000'0000) == zeros);  // stack 0
  CHECK(kept(0x4000'0000) == zeros);     // activation memory of tile 0
  CHECK(kept(0x4008'0000) == mark);      // control memory of tile 0
  CHECK(kept(0x8000'0000) == mark);      // host memory
}

TEST_CASE("lines and markers are told to who listens") {
  struct Recorder : hpimvp::common::ActivitySink {
    std::vector<std::string> names;
    std::map<std::string, int> changes;
    hpimvp::common::SignalId declare_signal(std::string_view name, unsigned,
                                            const std::vector<std::string>&) override {
      names.emplace_back(name);
      return static_cast<hpimvp::common::SignalId>(names.size() - 1);
    }
    void change(hpimvp::common::SignalId signal, std::uint64_t, std::uint64_t) override {
      ++changes[names[signal]];
    }
    std::uint32_t declare_engine(std::string_view) override { return 0; }
    void operation(std::uint32_t, std::uint32_t, std::uint64_t, std::uint64_t) override {}
  } recorder;
  const BlockRegistry registry = host_registry();
  MachineOptions options;
  options.activity = &recorder;
  HpimMachine machine("hpim", resolve(host_only(), registry), options);
  machine.load_firmware(
      hpimvp::common::load_elf_file(HPIMVP_FIRMWARE_FOLDER "/firmware_test_dma_copy.elf"));
  REQUIRE(machine.run(1'000'000'000'000).reason == StopReason::kExit);
  CHECK(recorder.changes["dma.busy"] >= 2 * 11);
  CHECK(recorder.changes["dma.interrupt"] >= 2);
  CHECK(recorder.changes["host.external_interrupt"] >= 2);
  CHECK(recorder.changes["noc.dma.injecting"] > 0);
  CHECK(recorder.changes["uart.interrupt"] == 0);
}

TEST_CASE("an image that is not for this CPU is refused") {
  Bench bench("");
  hpimvp::common::ElfImage image;
  image.machine = hpimvp::common::ElfMachine::kArm;
  CHECK_THROWS_AS(bench.machine->load_firmware(image), MachineError);
}
