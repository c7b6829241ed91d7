// Drives tiles through their dispatcher as software does: programs, arguments, concurrency, traps,
// reset, time; and the tiles' registers and memory windows.
#include "models/sram_pim/sram_pim_dispatcher.h"

#include <catch2/catch.hpp>
#include <memory>

#include "models/sram_pim/assembler.h"
#include "models/sram_pim/sram_pim_tile.h"
#include "tests/support/bus_bench.h"

using namespace hpimvp::sram_pim;      // NOLINT: the subject of the test
using namespace hpimvp::test_support;  // NOLINT
using queue_registers::ErrorCode;
namespace registers_of = sram_pim_dispatcher_registers;
namespace tile_registers = sram_pim_tile_registers;
using Load = registers_of::LoadProgramDescriptor;
using Run = registers_of::RunDescriptor;

namespace {

constexpr std::uint64_t kHost = 0x1000'0000;
constexpr std::uint64_t kHostBytes = 1 << 20;
constexpr std::uint64_t kRing = kHost;
constexpr std::uint64_t kProgram = kHost + 0x1'0000;
constexpr std::uint64_t kData = kHost + 0x2'0000;
constexpr std::uint64_t kDispatcher = 0x2000'0000;
constexpr std::uint64_t kTileRegisters = 0x2100'0000;
constexpr std::uint64_t kTileMemory = 0x4000'0000;
constexpr unsigned kTiles = 4;

struct Bench {
  BenchMemory host{"host", kHostBytes};
  BenchBus bus{"bus"};
  BenchSoftware software{"software"};
  sc_core::sc_signal<bool> line{"line"};
  std::vector<std::unique_ptr<SramPimTile>> tiles;
  std::unique_ptr<SramPimDispatcher> dispatcher;
  std::vector<std::string> diagnostics;
  bool finished = false;

  explicit Bench(std::function<void(Bench&)> body, bool functional = true, TileConfig config = {}) {
    config.tiles = kTiles;
    std::vector<TileControl*> controls;
    for (std::uint16_t i = 0; i < kTiles; ++i) {
      const std::string name = "tile" + std::to_string(i);
      tiles.push_back(std::make_unique<SramPimTile>(name.c_str(), config, i, functional));
      controls.push_back(tiles.back().get());
      tiles.back()->bus.bind(bus.from);
      bus.map(kTileRegisters + i * 0x1000, 0x1000, tiles.back()->registers);
      bus.map(kTileMemory + i * 0x10'0000, 0x10'0000, tiles.back()->memory);
    }
    dispatcher = std::make_unique<SramPimDispatcher>("dispatcher", config, controls);
    dispatcher->set_diagnostic([this](const std::string& text) { diagnostics.push_back(text); });
    dispatcher->bus.bind(bus.from);
    dispatcher->interrupt.bind(line);
    bus.map(kHost, kHostBytes, host.socket);
    bus.map(kDispatcher, 0x1000, dispatcher->registers);
    software.socket.bind(bus.from);
    software.body = [this, body = std::move(body)](BenchSoftware&) {
      body(*this);
      finished = true;
    };
    sc_core::sc_start();
    REQUIRE(finished);
  }

  void submit_load(std::string_view source, std::uint64_t mask, std::uint32_t destination = 0) {
    const std::vector<std::uint8_t> image = assemble(source, "test", destination).bytes();
    std::copy(image.begin(), image.end(), host.bytes.begin() + (kProgram - kHost));
    Load load{};
    load.header.opcode = Load::kOpcode;
    load.tile_mask = mask;
    load.source_address = kProgram;
    load.destination = destination;
    load.bytes = static_cast<std::uint32_t>(image.size());
    software.submit(kDispatcher, kRing, load);
  }
  void submit_run(std::uint64_t mask, std::vector<std::uint64_t> arguments = {},
                  std::uint32_t entry = 0) {
    Run run{};
    run.header.opcode = Run::kOpcode;
    run.header.flags = 1;
    run.header.operation = 7;
    run.tile_mask = mask;
    run.entry = entry;
    std::copy(arguments.begin(), arguments.end(), run.arguments);
    software.submit(kDispatcher, kRing, run);
  }
  std::uint64_t tile_register(unsigned tile, std::uint32_t offset, unsigned length = 4) {
    return software.read(kTileRegisters + tile * 0x1000 + offset, length);
  }
};

std::uint64_t now_ps() {
  return sc_core::sc_time_stamp().value();
}

// Doubles r2 FP16 values at global address r1 + tile * 0x1000.
constexpr const char* kDoubleProgram = R"(
    tileid r6
    li     r7, 12
    sll    r6, r6, r7
    add    r1, r1, r6
    add    r8, r2, r2
    xlda   r0, r1, r8
    sync   XFER
    vh.add r0, r0, r0, r2
    sync   VCU
    xsta   r0, r1, r8
    halt
)";

}  // namespace

TEST_CASE("a program runs on every tile of the mask with its arguments") {
  Bench bench([](Bench& b) {
    for (unsigned tile = 0; tile < kTiles; ++tile) {
      for (unsigned i = 0; i < 50; ++i) {
        b.host.put(kData - kHost + tile * 0x1000 + 2 * i, std::uint16_t(0x3C00 + 0x400 * tile));
      }
    }
    b.software.enable_queue(kDispatcher, kRing);
    b.submit_load(kDoubleProgram, 0b1111);
    b.submit_run(0b1011, {kData, 50});
    REQUIRE(b.software.await_completed(kDispatcher, 2));
    for (unsigned tile = 0; tile < kTiles; ++tile) {
      const unsigned doubled = tile == 2 ? 0 : 0x400;
      for (unsigned i = 0; i < 50; ++i) {
        REQUIRE(b.host.get<std::uint16_t>(kData - kHost + tile * 0x1000 + 2 * i) ==
                0x3C00 + 0x400 * tile + doubled);
      }
      CHECK(b.tile_register(tile, tile_registers::kTileIndexOffset) == tile);
      CHECK(b.tile_register(tile, tile_registers::kIsaVersionOffset) == 0x10001);
      CHECK(b.tile_register(tile, tile_registers::kInstructionsOffset, 8) == (tile == 2 ? 0 : 11));
      CHECK(b.tile_register(tile, tile_registers::kStatusOffset) == 0);
    }
    CHECK(b.line.read());
    CHECK(b.software.read(kDispatcher + registers_of::kTileCountOffset) == kTiles);
    CHECK(b.software.read(kDispatcher + registers_of::kActivationBytesOffset) == 384 * 1024);
    CHECK(b.software.read(kDispatcher + registers_of::kControlBytesOffset) == 32 * 1024);
    CHECK(b.software.read(kDispatcher + registers_of::kBusyTilesOffset, 8) == 0);
  });
  unsigned tile_transfers = 0;
  for (const auto& record : bench.bus.records) {
    if (record.info.initiator != hpimvp::common::Initiator::kTile) continue;
    ++tile_transfers;
    CHECK(record.info.operation == 7);
    CHECK(record.info.payload_valid);
    CHECK(record.length == 100);
  }
  CHECK(tile_transfers == 6);
}

TEST_CASE("transfers are issued at their time, and the run takes the executor's cycles") {
  std::uint64_t cycles = 0;
  Bench bench([&](Bench& b) {
    b.software.enable_queue(kDispatcher, kRing);
    b.submit_load(kDoubleProgram, 1);
    b.submit_run(1, {kData, 50});
    REQUIRE(b.software.await_completed(kDispatcher, 2));
    cycles = b.tile_register(0, tile_registers::kCyclesOffset, 8);
  });
  const TileConfig config;
  std::vector<std::uint64_t> times;
  for (const auto& record : bench.bus.records) {
    if (record.info.initiator == hpimvp::common::Initiator::kTile) times.push_back(record.time_ps);
  }
  REQUIRE(times.size() == 2);
  // Memory takes 100 ns = 80 cycles; then sync (1), the vector instruction (4 + 1), sync, xsta.
  const std::uint64_t between =
      80 + 1 + (config.vector_latency + 1) + 1 + config.transfer_setup_cycles;
  CHECK(times[1] - times[0] == between * config.clock_period_ps);
  CHECK(times[0] % config.clock_period_ps == 0);
  CHECK(cycles == 5 + config.transfer_setup_cycles + between + 80 + 1);
}

TEST_CASE("timing mode takes the same time") {
  // Both modes in one simulation would need two dispatchers; cycles of a run do not depend on when
  // it starts, so compare them with what functional mode takes in the case above.
  Bench bench(
      [&](Bench& b) {
        b.host.put(kData - kHost, std::uint16_t{0x4000});
        b.software.enable_queue(kDispatcher, kRing);
        b.submit_load(kDoubleProgram, 1);
        b.submit_run(1, {kData, 50});
        REQUIRE(b.software.await_completed(kDispatcher, 2));
        const TileConfig config;
        const std::uint64_t between =
            80 + 1 + (config.vector_latency + 1) + 1 + config.transfer_setup_cycles;
        CHECK(b.tile_register(0, tile_registers::kCyclesOffset, 8) ==
              5 + config.transfer_setup_cycles + between + 80 + 1);
        CHECK(b.host.get<std::uint16_t>(kData - kHost) == 0x4000);
      },
      false);
  CHECK_FALSE(bench.bus.records.back().info.payload_valid);
}

TEST_CASE("disjoint masks run at the same time, overlapping ones one after the other") {
  Bench bench([](Bench& b) {
    // r1 times around a loop of 4 cycles.
    b.software.enable_queue(kDispatcher, kRing);
    b.submit_load("loop: addi r1, r1, -1\nbne r1, r0, loop\nhalt", 0b1111);
    REQUIRE(b.software.await_completed(kDispatcher, 1));
    const std::uint64_t start = now_ps();
    b.submit_run(0b0001, {10'000});
    b.submit_run(0b0110, {1'000});
    b.submit_run(0b0001, {10'000});
    wait(sc_core::sc_time(1, sc_core::SC_US));
    CHECK(b.software.read(kDispatcher + registers_of::kBusyTilesOffset, 8) == 0b0111);
    CHECK(b.tile_register(1, tile_registers::kStatusOffset) == tile_registers::kStatusRunningMask);
    // The short one ends first but is reported in order.
    wait(sc_core::sc_time(10, sc_core::SC_US));
    CHECK(b.software.read(kDispatcher + registers_of::kBusyTilesOffset, 8) == 0b0001);
    CHECK(b.software.read(kDispatcher + queue_registers::kCompletedOffset, 8) == 1);
    REQUIRE(b.software.await_completed(kDispatcher, 4));
    const std::uint64_t once = 10'000 * 4 * 1250;
    CHECK(now_ps() - start > 2 * once);
    CHECK(now_ps() - start < 2 * once + 2'000'000);
  });
}

TEST_CASE("a trap stops the queue and names the place") {
  Bench bench([](Bench& b) {
    b.software.enable_queue(kDispatcher, kRing);
    b.submit_load("tileid r6\nli r7, 2\nbne r6, r7, fine\nvh.add r1, r0, r0, r7\nfine: halt", 0xF);
    b.submit_run(0b1110, {0x60000});
    b.submit_run(0b0001);
    CHECK_FALSE(b.software.await_completed(kDispatcher, 3));
    CHECK(b.software.error_code(kDispatcher) == ErrorCode::kProgramTrap);
    CHECK(b.software.read(kDispatcher + queue_registers::kErrorAddressOffset, 8) == kRing + 64);
    CHECK(b.software.read(kDispatcher + registers_of::kTrappedTilesOffset, 8) == 0b0100);
    CHECK(b.tile_register(2, tile_registers::kStatusOffset) == tile_registers::kStatusTrappedMask);
    CHECK(b.tile_register(2, tile_registers::kTrapCauseOffset) ==
          static_cast<std::uint32_t>(TrapCause::kBadAddress));
    CHECK(b.tile_register(2, tile_registers::kTrapValueOffset, 8) == 0x60000);
    CHECK(b.tile_register(2, tile_registers::kProgramCounterOffset) == 12);
    REQUIRE(b.diagnostics.size() == 1);
    CHECK(b.diagnostics[0] ==
          "tile 2 stopped at 0xc (vh.add r1, r0, r0, r7): BAD_ADDRESS 0x60000, in operator 7");
    // After a reset the tile runs again, and its trap is history.
    b.software.reset_queue(kDispatcher);
    b.software.enable_queue(kDispatcher, kRing);
    b.submit_run(0b0100, {0});
    REQUIRE(b.software.await_completed(kDispatcher, 1));
    CHECK(b.software.read(kDispatcher + registers_of::kTrappedTilesOffset, 8) == 0);
    CHECK(b.tile_register(2, tile_registers::kTrapCauseOffset) == 0);
  });
}

TEST_CASE("a transfer to nowhere is a bus error of the program") {
  Bench bench([](Bench& b) {
    b.software.enable_queue(kDispatcher, kRing);
    b.submit_load("li r2, 64\nxlda r0, r1, r2\nhalt", 1);
    b.submit_run(1, {0xDEAD'0000'0000});
    CHECK_FALSE(b.software.await_completed(kDispatcher, 2));
    CHECK(b.software.error_code(kDispatcher) == ErrorCode::kProgramTrap);
    CHECK(b.tile_register(0, tile_registers::kTrapCauseOffset) ==
          static_cast<std::uint32_t>(TrapCause::kBusError));
    CHECK(b.tile_register(0, tile_registers::kTrapValueOffset, 8) == 0xDEAD'0000'0000);
  });
}

TEST_CASE("a transfer that does not end in time is a watchdog's trap") {
  TileConfig config;
  config.max_cycles = 60;  // memory takes 80
  Bench bench(
      [](Bench& b) {
        b.software.enable_queue(kDispatcher, kRing);
        b.submit_load("li r2, 64\nxlda r0, r1, r2\nsync XFER\nhalt", 1);
        b.submit_run(1, {kData});
        CHECK_FALSE(b.software.await_completed(kDispatcher, 2));
        CHECK(b.software.error_code(kDispatcher) == ErrorCode::kProgramTrap);
        CHECK(b.tile_register(0, tile_registers::kTrapCauseOffset) ==
              static_cast<std::uint32_t>(TrapCause::kWatchdog));
        CHECK(b.tile_register(0, tile_registers::kTrapValueOffset, 8) == 60);
        REQUIRE(b.diagnostics.size() == 1);
        CHECK(b.diagnostics[0] == "tile 0 stopped at 0x8 (sync 4): WATCHDOG 0x3c, in operator 7");
        // What was given up ends some time later and disturbs nobody.
        b.software.reset_queue(kDispatcher);
        b.software.enable_queue(kDispatcher, kRing);
        b.submit_load("halt", 1, 0x100);
        b.submit_run(1, {}, 0x100);
        REQUIRE(b.software.await_completed(kDispatcher, 2));
        CHECK(b.tile_register(0, tile_registers::kTrapCauseOffset) == 0);
      },
      true, config);
}

TEST_CASE("bad commands have their codes") {
  Bench bench([](Bench& b) {
    const auto expect = [&](const auto& descriptor, ErrorCode code) {
      b.software.enable_queue(kDispatcher, kRing);
      b.software.submit(kDispatcher, kRing, descriptor);
      CHECK_FALSE(b.software.await_completed(kDispatcher, 1));
      CHECK(b.software.error_code(kDispatcher) == code);
      b.software.reset_queue(kDispatcher);
    };
    const auto bad_run = [&](auto change) {
      Run run{};
      run.header.opcode = Run::kOpcode;
      run.tile_mask = 1;
      change(run);
      expect(run, ErrorCode::kBadDescriptor);
    };
    bad_run([](Run& x) { x.tile_mask = 0; });
    bad_run([](Run& x) { x.tile_mask = 0x10; });
    bad_run([](Run& x) { x.entry = 2; });
    bad_run([](Run& x) { x.entry = 0x8000; });
    bad_run([](Run& x) { x.reserved0 = 1; });
    bad_run([](Run& x) { x.header.flags = 2; });
    const auto bad_load = [&](auto change, ErrorCode code = ErrorCode::kBadDescriptor) {
      Load load{};
      load.header.opcode = Load::kOpcode;
      load.tile_mask = 1;
      load.source_address = kProgram;
      load.bytes = 4;
      change(load);
      expect(load, code);
    };
    bad_load([](Load& x) { x.tile_mask = 0; });
    bad_load([](Load& x) { x.source_address += 2; });
    bad_load([](Load& x) { x.destination = 2; });
    bad_load([](Load& x) { x.bytes = 0; });
    bad_load([](Load& x) { x.bytes = 6; });
    bad_load([](Load& x) { x.destination = 0x8000; });
    bad_load([](Load& x) {
      x.destination = 0x7FFC;
      x.bytes = 8;
    });
    bad_load([](Load& x) {
      x.destination = 0xFFFFFFFC;
      x.bytes = 8;
    });
    bad_load([](Load& x) { x.reserved[3] = 1; });
    bad_load([](Load& x) { x.source_address = 0x40; }, ErrorCode::kBusError);
    bad_load([](Load& x) { x.header.opcode = 3; }, ErrorCode::kBadOpcode);
  });
}

TEST_CASE("a reset abandons programs, and the tiles can be used again") {
  Bench bench([](Bench& b) {
    b.software.enable_queue(kDispatcher, kRing);
    // Endless, but it looks at the world now and then.
    b.submit_load("li r2, 4\nloop: xlda r0, r1, r2\nsync XFER\nj loop", 1);
    b.submit_run(1, {kData});
    b.submit_run(1, {kData});
    wait(sc_core::sc_time(5, sc_core::SC_US));
    CHECK(b.software.read(kDispatcher + registers_of::kBusyTilesOffset, 8) == 1);
    b.software.reset_queue(kDispatcher);
    wait(sc_core::sc_time(1, sc_core::SC_US));
    CHECK(b.software.read(kDispatcher + registers_of::kBusyTilesOffset, 8) == 0);
    b.software.enable_queue(kDispatcher, kRing);
    b.submit_load("halt", 1);
    b.submit_run(1);
    REQUIRE(b.software.await_completed(kDispatcher, 2));
    CHECK(b.diagnostics.empty());
  });
}

TEST_CASE("the memory window reaches both memories and nothing else") {
  Bench bench([](Bench& b) {
    std::uint64_t value = 0x1122334455667788;
    CHECK(b.software.access(true, kTileMemory + 0x100000, &value, 8) == tlm::TLM_OK_RESPONSE);
    CHECK(b.software.access(true, kTileMemory + 0x5FFF8, &value, 8) == tlm::TLM_OK_RESPONSE);
    CHECK(b.software.access(true, kTileMemory + 0x5FFFC, &value, 8) ==
          tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(b.software.access(true, kTileMemory + 0x60000, &value, 8) ==
          tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(b.software.access(true, kTileMemory + 0x80000, &value, 8) == tlm::TLM_OK_RESPONSE);
    CHECK(b.software.access(true, kTileMemory + 0x87FFC, &value, 8) ==
          tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(b.software.read(kTileMemory + 0x100000, 8) == value);
    CHECK(b.software.read(kTileMemory + 0x5FFF8, 8) == value);
    CHECK(b.software.read(kTileMemory + 0x80004, 4) == 0x11223344);
    std::uint32_t back = 0;
    CHECK(b.bus.debug(false, kTileMemory + 0x80000, &back, 4) == 4);
    CHECK(back == 0x55667788);
    CHECK(b.bus.debug(false, kTileMemory + 0x60000, &back, 4) == 0);
    tlm::tlm_dmi dmi;
    CHECK_FALSE(b.bus.direct(kTileMemory, dmi));
    // 64 bytes through a port of 32 bytes a cycle.
    std::vector<std::uint8_t> block(64);
    const std::uint64_t before = now_ps();
    b.software.access(false, kTileMemory, block.data(), 64);
    CHECK(now_ps() - before == 2 * 1250);
  });
}
