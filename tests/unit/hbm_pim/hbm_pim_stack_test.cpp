// Drives a stack as software and other bus masters do: commands through the queue, normal accesses,
// errors, debug access; and holds timing mode against functional mode.
#include "models/hbm_pim/hbm_pim_stack.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <random>

#include "models/common/pim_numerics.h"
#include "models/hbm_pim/gemv.h"
#include "tests/support/bus_bench.h"
#include "tests/unit/common/random_seed.h"
#include "tests/unit/hbm_pim/device_presets.h"

using namespace hpimvp::hbm_pim;       // NOLINT: the subject of the test
using namespace hpimvp::test_support;  // NOLINT
using hpimvp::common::TransactionInfo;
using queue_registers::ErrorCode;
namespace registers_of = hbm_pim_stack_registers;
using GemvDescriptor = registers_of::GemvDescriptor;

namespace {

constexpr std::uint64_t kHost = 0x1000'0000;
constexpr std::uint64_t kHostBytes = 1 << 20;
constexpr std::uint64_t kRing = kHost;
constexpr std::uint64_t kRegisters = 0x2000'0000;
constexpr std::uint64_t kTimingRegisters = 0x3000'0000;
constexpr std::uint64_t kMemory = 0x10'0000'0000;
constexpr std::uint64_t kTimingMemory = 0x20'0000'0000;
constexpr std::uint64_t kInput = kHost + 0x1'0000;
constexpr std::uint64_t kBias = kHost + 0x3'0000;
constexpr std::uint64_t kOutput = kHost + 0x5'0000;

HbmPimConfig stack_config(const std::string& device = "hbm3_hpim") {
  HbmPimConfig config;
  config.device = device_preset(device);
  return config;
}

// Two stacks that differ only in their mode.
struct Bench {
  BenchMemory host{"host", kHostBytes};
  BenchBus bus{"bus"};
  BenchSoftware software{"software"};
  sc_core::sc_signal<bool> line{"line"};
  sc_core::sc_signal<bool> timing_line{"timing_line"};
  HbmPimStack stack;
  HbmPimStack timing_stack;

  explicit Bench(std::function<void(Bench&)> body, const HbmPimConfig& config = stack_config())
      : stack("stack", config, 3, true), timing_stack("timing", config, 3, false) {
    software.socket.bind(bus.from);
    stack.bus.bind(bus.from);
    timing_stack.bus.bind(bus.from);
    stack.interrupt.bind(line);
    timing_stack.interrupt.bind(timing_line);
    bus.map(kHost, kHostBytes, host.socket);
    bus.map(kRegisters, 0x1000, stack.registers);
    bus.map(kTimingRegisters, 0x1000, timing_stack.registers);
    bus.map(kMemory, 24ULL << 30, stack.memory);
    bus.map(kTimingMemory, 24ULL << 30, timing_stack.memory);
    software.body = [this, body = std::move(body)](BenchSoftware&) {
      body(*this);
      finished = true;
    };
    sc_core::sc_start();
    REQUIRE(finished);
  }

  bool finished = false;
};

GemvDescriptor gemv(std::uint32_t inputs, std::uint32_t outputs, bool bias = false) {
  GemvDescriptor descriptor{};
  descriptor.header.opcode = GemvDescriptor::kOpcode;
  descriptor.header.flags = static_cast<std::uint16_t>(1 | (bias ? GemvDescriptor::kFlagBias : 0));
  descriptor.header.operation = 77;
  descriptor.inputs = inputs;
  descriptor.outputs = outputs;
  descriptor.input_address = kInput;
  descriptor.output_address = kOutput;
  descriptor.bias_address = kBias;
  descriptor.weight_row = 40;
  return descriptor;
}

std::uint64_t now_ps() {
  return sc_core::sc_time_stamp().value();
}

}  // namespace

TEST_CASE("a GEMV command computes from stack memory and writes to host memory") {
  const std::uint64_t seed = hpimvp::random_seed(51);
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937_64 random(seed);
  const std::uint32_t inputs = 333;
  const std::uint32_t outputs = 2100;
  Bench bench([&](Bench& b) {
    const HbmPimConfig& config = b.stack.config();
    const StackMap map(config.device, BitFieldMapping(config.device.organisation, config.mapping));
    const WeightLayout layout(map, {inputs, outputs, 40, Slicing::kRows});
    const auto half = [&] {
      return static_cast<std::uint16_t>((random() & 0x83FF) | (10 + random() % 6) << 10);
    };
    std::vector<std::uint16_t> x(inputs);
    std::vector<std::uint16_t> bias(outputs);
    for (std::uint32_t k = 0; k < inputs; ++k) b.host.put(kInput - kHost + 2 * k, x[k] = half());
    for (std::uint32_t m = 0; m < outputs; ++m) b.host.put(kBias - kHost + 2 * m, bias[m] = half());
    for (std::uint32_t m = 0; m < outputs; ++m) {
      std::vector<std::uint16_t> row(inputs);
      for (auto& value : row) value = half();
      layout.pack_output(m, row.data(),
                         [&](std::uint64_t offset, const std::uint8_t* data, std::size_t bytes) {
                           b.stack.image().write(offset, data, bytes);
                         });
    }
    b.software.enable_queue(kRegisters, kRing);
    b.software.submit(kRegisters, kRing, gemv(inputs, outputs, true));
    REQUIRE(b.software.await_completed(kRegisters, 1));
    std::vector<std::uint16_t> expected(outputs);
    compute_gemv(layout, b.stack.image(), x, bias, expected);
    for (std::uint32_t m = 0; m < outputs; ++m) {
      REQUIRE(b.host.get<std::uint16_t>(kOutput - kHost + 2 * m) == expected[m]);
    }
    CHECK(b.line.read());
    CHECK(b.software.read(kRegisters + registers_of::kGemvCountOffset, 8) == 1);
    // 2100 outputs: three slots in the first pseudo-channels, two in the others, 21 columns each.
    CHECK(b.software.read(kRegisters + registers_of::kMacCommandsOffset, 8) ==
          (2 * 3 + 30 * 2) * 21);
    // Two rows of 32 columns in each, by eight activate groups of four banks.
    CHECK(b.software.read(kRegisters + registers_of::kActivateCommandsOffset, 8) == 32 * 2 * 8);
    CHECK(b.software.read(kRegisters + registers_of::kStackIndexOffset) == 3);
    CHECK(b.software.read(kRegisters + registers_of::kPseudoChannelsOffset) == 32);
    CHECK(b.software.read(kRegisters + registers_of::kBanksOffset) == 32);
    CHECK(b.software.read(kRegisters + registers_of::kRowsOffset) == 24576);
    CHECK(b.software.read(kRegisters + registers_of::kRowBytesOffset) == 1024);
    CHECK(b.software.read(kRegisters + registers_of::kLanesOffset) == 16);
  });
  // Descriptor, x, bias, y; attributed.
  const auto& records = bench.bus.records;
  REQUIRE(records.size() == 4);
  CHECK(records[1].address == kInput);
  CHECK(records[1].length == 2 * inputs);
  CHECK(records[3].write);
  CHECK(records[3].info.operation == 77);
  CHECK(records[3].info.initiator == hpimvp::common::Initiator::kHbmStack);
  CHECK(records[3].info.initiator_index == 3);
  CHECK(records[3].info.payload_valid);
}

TEST_CASE("timing mode takes the same time and touches no payload") {
  Bench bench([](Bench& b) {
    b.host.put(kOutput - kHost, std::uint64_t{0x1122334455667788});
    std::uint64_t durations[2];
    int which = 0;
    for (const std::uint64_t block : {kRegisters, kTimingRegisters}) {
      // The same place in the refresh interval.
      const std::uint64_t interval = 5070 * 769;
      wait(sc_core::sc_time::from_value(interval - now_ps() % interval));
      b.software.enable_queue(block, kRing);
      const std::uint64_t start = now_ps();
      b.software.submit(block, kRing, gemv(5000, 1100));
      b.software.submit(block, kRing, gemv(100, 300, true));
      REQUIRE(b.software.await_completed(block, 2));
      durations[which++] = now_ps() - start;
      if (which == 1) {
        CHECK(b.host.get<std::uint64_t>(kOutput - kHost) == 0);
        b.host.put(kOutput - kHost, std::uint64_t{0x1122334455667788});
      }
    }
    CHECK(durations[0] == durations[1]);
    // Left as it was.
    CHECK(b.host.get<std::uint64_t>(kOutput - kHost) == 0x1122334455667788);
    CHECK_FALSE(b.bus.records.back().info.payload_valid);
    CHECK(b.timing_stack.image().allocated_bytes() == 0);
  });
}

TEST_CASE("bad commands stop the queue with their code, and a reset makes it usable again") {
  Bench bench([](Bench& b) {
    const auto expect = [&](const GemvDescriptor& descriptor, ErrorCode code,
                            std::uint64_t address) {
      b.software.enable_queue(kRegisters, kRing);
      b.software.submit(kRegisters, kRing, descriptor);
      CHECK_FALSE(b.software.await_completed(kRegisters, 1));
      CHECK(b.software.error_code(kRegisters) == code);
      CHECK(b.software.read(kRegisters + queue_registers::kErrorAddressOffset, 8) == address);
      b.software.reset_queue(kRegisters);
    };
    GemvDescriptor d = gemv(16, 16);
    d.header.opcode = 9;
    expect(d, ErrorCode::kBadOpcode, kRing);
    const auto bad = [&](auto change) {
      GemvDescriptor descriptor = gemv(16, 16);
      change(descriptor);
      expect(descriptor, ErrorCode::kBadDescriptor, kRing);
    };
    bad([](GemvDescriptor& x) { x.inputs = 0; });
    bad([](GemvDescriptor& x) { x.outputs = 0; });
    bad([](GemvDescriptor& x) { x.inputs = x.outputs = 0xFFFFFFFF; });
    bad([](GemvDescriptor& x) { x.weight_row = 24576; });
    bad([](GemvDescriptor& x) { x.input_address += 1; });
    bad([](GemvDescriptor& x) { x.output_address += 1; });
    bad([](GemvDescriptor& x) { x.header.flags = 8; });
    bad([](GemvDescriptor& x) { x.reserved0 = 1; });
    bad([](GemvDescriptor& x) { x.reserved1 = 1; });
    bad([](GemvDescriptor& x) { x.reserved2 = 1; });
    bad([](GemvDescriptor& x) {
      x.header.flags |= GemvDescriptor::kFlagBias;
      x.bias_address += 1;
    });
    d = gemv(16, 16);
    d.input_address = 0x4000;
    expect(d, ErrorCode::kBusError, 0x4000);
    d = gemv(16, 16);
    d.output_address = 0x4002;
    expect(d, ErrorCode::kBusError, 0x4002);
    // The last row is still good.
    d = gemv(512, 1024);
    d.weight_row = 24575;
    b.software.enable_queue(kRegisters, kRing);
    b.software.submit(kRegisters, kRing, d);
    CHECK(b.software.await_completed(kRegisters, 1));
  });
}

TEST_CASE("normal accesses keep the TLM rules") {
  Bench bench([](Bench& b) {
    std::uint64_t value = 0x0123456789ABCDEF;
    CHECK(b.software.access(true, kMemory + 5, &value, 8) == tlm::TLM_OK_RESPONSE);
    std::uint64_t back = 0;
    const std::uint64_t before = now_ps();
    CHECK(b.software.access(false, kMemory + 5, &back, 8) == tlm::TLM_OK_RESPONSE);
    CHECK(back == value);
    CHECK(now_ps() > before);

    tlm::tlm_generic_payload payload;
    unsigned char enables[2] = {TLM_BYTE_ENABLED, TLM_BYTE_DISABLED};
    std::uint64_t ones = ~std::uint64_t{0};
    payload.set_command(tlm::TLM_WRITE_COMMAND);
    payload.set_address(kMemory + 5);
    payload.set_data_ptr(reinterpret_cast<unsigned char*>(&ones));
    payload.set_data_length(8);
    payload.set_streaming_width(8);
    payload.set_byte_enable_ptr(enables);
    payload.set_byte_enable_length(2);
    CHECK(b.software.transport(payload) == tlm::TLM_OK_RESPONSE);
    CHECK(b.software.read(kMemory + 5, 8) == 0x01FF45FF89FFCDFF);

    payload.set_byte_enable_ptr(nullptr);
    payload.set_streaming_width(4);
    CHECK(b.software.transport(payload) == tlm::TLM_BURST_ERROR_RESPONSE);
    payload.set_streaming_width(8);
    payload.set_address(kMemory + (24ULL << 30) - 4);
    CHECK(b.software.transport(payload) == tlm::TLM_ADDRESS_ERROR_RESPONSE);

    TransactionInfo info;
    info.payload_valid = false;
    payload.set_address(kMemory + 5);
    payload.set_data_ptr(nullptr);
    payload.set_extension(&info);
    CHECK(b.software.transport(payload) == tlm::TLM_OK_RESPONSE);
    payload.clear_extension(&info);
    CHECK(b.software.read(kMemory + 5, 8) == 0x01FF45FF89FFCDFF);

    // Timing mode keeps nothing and reads zero.
    CHECK(b.software.access(true, kTimingMemory, &value, 8) == tlm::TLM_OK_RESPONSE);
    CHECK(b.software.read(kTimingMemory, 8) == 0);
    // A read-only register refuses a write.
    CHECK(b.software.access(true, kRegisters + registers_of::kBanksOffset, &value, 4) ==
          tlm::TLM_COMMAND_ERROR_RESPONSE);
  });
}

TEST_CASE("debug access reads and writes without time, and direct access is denied") {
  Bench bench([](Bench& b) {
    std::uint32_t value = 0xCAFEF00D;
    const std::uint64_t before = now_ps();
    CHECK(b.bus.debug(true, kMemory + 0x123456, &value, 4) == 4);
    std::uint32_t back = 0;
    CHECK(b.bus.debug(false, kMemory + 0x123456, &back, 4) == 4);
    CHECK(back == value);
    CHECK(b.bus.debug(false, kMemory + (24ULL << 30) - 2, &back, 4) == 2);
    CHECK(now_ps() == before);
    CHECK(b.bus.debug(false, kRegisters + registers_of::kBanksOffset, &back, 4) == 4);
    CHECK(back == 32);
    tlm::tlm_dmi dmi;
    CHECK_FALSE(b.bus.direct(kMemory, dmi));
    CHECK(dmi.is_none_allowed());
  });
}

TEST_CASE("timing mode takes the same time with columns shared among pseudo-channels") {
  Bench bench([](Bench& b) {
    std::uint64_t durations[2];
    int which = 0;
    for (const std::uint64_t block : {kRegisters, kTimingRegisters}) {
      const std::uint64_t interval = 5070 * 769;
      wait(sc_core::sc_time::from_value(interval - now_ps() % interval));
      b.software.enable_queue(block, kRing);
      GemvDescriptor descriptor = gemv(5000, 70, true);
      descriptor.header.flags |= GemvDescriptor::kFlagColumns;
      const std::uint64_t start = now_ps();
      b.software.submit(block, kRing, descriptor);
      REQUIRE(b.software.await_completed(block, 1));
      durations[which++] = now_ps() - start;
    }
    CHECK(durations[0] == durations[1]);
  });
}

TEST_CASE("observed commands are the same accesses and GEMVs in the same time") {
  Bench bench([](Bench& b) {
    std::uint64_t records = 0;
    b.timing_stack.observe_commands(
        {[](void* context, const CommandRecord&) { ++*static_cast<std::uint64_t*>(context); },
         &records});
    std::uint64_t durations[2];
    int which = 0;
    for (const bool observed : {false, true}) {
      // As many refreshes owed at the start.
      const std::uint64_t interval = 5070 * 769;
      wait(sc_core::sc_time::from_value(interval - now_ps() % interval));
      const std::uint64_t registers = observed ? kTimingRegisters : kRegisters;
      const std::uint64_t memory = observed ? kTimingMemory : kMemory;
      const std::uint64_t start = now_ps();
      b.software.enable_queue(registers, kRing);
      b.software.submit(registers, kRing, gemv(2000, 3000));
      wait(sc_core::sc_time(2, sc_core::SC_US));
      std::vector<std::uint8_t> data(5000);
      b.software.access(false, memory + 100, data.data(), 5000);
      b.software.access(true, memory + 100, data.data(), 300);
      REQUIRE(b.software.await_completed(registers, 1));
      durations[which++] = now_ps() - start;
    }
    CHECK(durations[0] == durations[1]);
    CHECK(records > 1000);
  });
}

TEST_CASE("a list of PIM commands from software changes memory, and a bad one is refused") {
  Bench bench([](Bench& b) {
    using Word = registers_of::PimCommandWord;
    const std::uint64_t list = kHost + 0x8000;
    const auto put = [&](std::size_t index, const Word& word) {
      b.host.put(list - kHost + index * sizeof(Word), word);
    };
    const auto word = [](std::uint8_t opcode) {
      Word one{};
      one.opcode = opcode;
      one.count = 1;
      return one;
    };
    Word activate = word(Word::kActAb);
    activate.count = 8;  // activate groups of four banks
    activate.operand = 5;
    put(0, word(Word::kWrGb));
    put(1, activate);
    put(2, word(Word::kEwaddAb));
    put(3, word(Word::kPreAb));
    b.host.put(kInput - kHost, std::uint16_t{0x3C00});  // 1.0, in lane 0
    registers_of::PimProgramDescriptor descriptor{};
    descriptor.header.opcode = registers_of::PimProgramDescriptor::kOpcode;
    descriptor.header.flags = 1;
    descriptor.list_address = list;
    descriptor.word_count = 4;
    descriptor.first_pseudo_channel = 2;
    descriptor.pseudo_channel_count = 3;
    descriptor.input_address = kInput;
    descriptor.input_bytes = 32;
    b.software.enable_queue(kRegisters, kRing);
    b.software.submit(kRegisters, kRing, descriptor);
    REQUIRE(b.software.await_completed(kRegisters, 1));
    b.software.submit(kRegisters, kRing, descriptor);
    REQUIRE(b.software.await_completed(kRegisters, 2));
    const DeviceOrganisation& organisation = b.stack.config().device.organisation;
    const BitFieldMapping mapping(organisation);
    for (std::uint32_t pseudo_channel = 0; pseudo_channel < 8; ++pseudo_channel) {
      for (std::uint32_t bank = 0; bank < organisation.banks(); ++bank) {
        MappedAddress at{pseudo_channel, organisation.bank_address(bank)};
        at.address.row = 5;
        std::uint16_t value = 1;
        b.stack.image().read(mapping.offset_of(at), reinterpret_cast<std::uint8_t*>(&value), 2);
        // 1.0 + 1.0 where the list ran.
        REQUIRE(value == (pseudo_channel >= 2 && pseudo_channel < 5 ? 0x4000 : 0));
      }
    }
    put(3, word(Word::kMacAb));  // leaves rows open
    b.software.submit(kRegisters, kRing, descriptor);
    CHECK_FALSE(b.software.await_completed(kRegisters, 3));
    CHECK(b.software.error_code(kRegisters) == ErrorCode::kProgramTrap);
    CHECK(b.software.read(kRegisters + registers_of::kProgramErrorOffset) >> 24 != 0);
  });
}

namespace {

constexpr std::uint32_t kRow = 9;

// A burst of kRow.
std::uint64_t column_offset(const DeviceDescription& device, std::uint32_t pseudo_channel,
                            std::uint32_t bank, std::uint32_t column) {
  const BitFieldMapping mapping(device.organisation);
  MappedAddress at{pseudo_channel, device.organisation.bank_address(bank)};
  at.address.row = kRow;
  at.address.column = static_cast<std::uint16_t>(column);
  return mapping.offset_of(at);
}

ErrorInjection wrong_at(std::uint64_t offset, std::uint32_t bits, std::uint64_t from_us) {
  ErrorInjection one;
  one.stack = 3;
  one.offset = offset;
  one.bits = bits;
  one.kind = ErrorKind::kTransient;
  one.from_ps = from_us * 1'000'000;
  return one;
}

// Adds 1.0 to lane 0 of column 0 of all banks in pseudo-channels 2 to 4, and sums it up.
registers_of::PimProgramDescriptor put_adding_list(Bench& bench) {
  using Word = registers_of::PimCommandWord;
  const auto word = [](std::uint8_t opcode, std::uint16_t count = 1) {
    Word one{};
    one.opcode = opcode;
    one.count = count;
    return one;
  };
  Word activate = word(Word::kActAb, 8);
  activate.operand = kRow;
  const std::vector<Word> words = {word(Word::kWrGb),  activate,           word(Word::kEwaddAb),
                                   word(Word::kMacAb), word(Word::kPreAb), word(Word::kRdMac, 2)};
  const std::uint64_t list = kHost + 0x8000;
  for (std::size_t i = 0; i < words.size(); ++i) {
    bench.host.put(list - kHost + i * sizeof(Word), words[i]);
  }
  bench.host.put(kInput - kHost, std::uint16_t{0x3C00});  // 1.0
  registers_of::PimProgramDescriptor descriptor{};
  descriptor.header.opcode = registers_of::PimProgramDescriptor::kOpcode;
  descriptor.header.flags = 1;
  descriptor.list_address = list;
  descriptor.word_count = static_cast<std::uint32_t>(words.size());
  descriptor.first_pseudo_channel = 2;
  descriptor.pseudo_channel_count = 3;
  descriptor.input_address = kInput;
  descriptor.input_bytes = 32;
  descriptor.output_address = kOutput;
  descriptor.output_bytes = 64;
  descriptor.output_stride = 64;
  return descriptor;
}

// Lane 0 of column 0.
std::uint16_t half_in(HbmPimStack& stack, std::uint32_t pseudo_channel, std::uint32_t bank) {
  std::uint16_t value = 0;
  stack.image().read(column_offset(stack.config().device, pseudo_channel, bank, 0),
                     reinterpret_cast<std::uint8_t*>(&value), 2);
  return value;
}

}  // namespace

TEST_CASE("a program meets wrong bits as a GEMV does, in both data modes", "[error]") {
  HbmPimConfig config = stack_config();
  // One wrong bit in the first run, two in the second; in the same burst.
  const std::uint64_t offset = column_offset(config.device, 3, 17, 0);
  config.errors.list = {wrong_at(offset, 1, 0), wrong_at(offset, 2, 1000)};
  Bench bench(
      [offset](Bench& b) {
        const auto descriptor = put_adding_list(b);
        const auto read = [&](std::uint64_t registers, std::uint32_t at) {
          return b.software.read(registers + at, 8);
        };
        for (const std::uint64_t registers : {kRegisters, kTimingRegisters}) {
          INFO(registers);
          b.software.write(registers + registers_of::kEccControlOffset,
                           registers_of::kEccControlUncorrectedInterruptMask);
          b.software.enable_queue(registers, kRing);
          b.software.submit(registers, kRing, descriptor);
          REQUIRE(b.software.await_completed(registers, 1));
          CHECK(read(registers, registers_of::kEccCorrectedCountOffset) == 1);
          CHECK(read(registers, registers_of::kEccCorrectedOffsetOffset) == offset);
          CHECK(read(registers, registers_of::kEccUncorrectedCountOffset) == 0);
        }
        CHECK(b.host.get<std::uint16_t>(kOutput + 64 - kHost) == 0x3C00);  // 1.0 x 1.0
        b.host.put(kOutput - kHost, std::uint16_t{0x7777});
        wait(sc_core::sc_time(2, sc_core::SC_MS));
        for (const std::uint64_t registers : {kRegisters, kTimingRegisters}) {
          INFO(registers);
          const sc_core::sc_signal<bool>& line = registers == kRegisters ? b.line : b.timing_line;
          b.software.submit(registers, kRing, descriptor);
          CHECK_FALSE(b.software.await_completed(registers, 2));
          CHECK(b.software.error_code(registers) == ErrorCode::kUncorrectableError);
          CHECK(b.software.read(registers + queue_registers::kErrorAddressOffset, 8) == offset);
          CHECK(read(registers, registers_of::kEccUncorrectedCountOffset) == 1);
          CHECK(b.software.read(registers + registers_of::kEccStatusOffset) ==
                (registers_of::kEccStatusCorrectedMask | registers_of::kEccStatusUncorrectedMask));
          b.software.write(registers + queue_registers::kInterruptStatusOffset, 3);
          wait(sc_core::sc_time(1, sc_core::SC_US));
          CHECK(line.read());  // for the uncorrected word
          b.software.write(registers + registers_of::kEccStatusOffset,
                           registers_of::kEccStatusUncorrectedMask);
          wait(sc_core::sc_time(1, sc_core::SC_US));
          CHECK_FALSE(line.read());
        }
        CHECK(b.host.get<std::uint16_t>(kOutput - kHost) == 0x7777);  // not written
        // Pseudo-channel 3 has the sum of the first run only, the others of both.
        for (std::uint32_t bank = 0; bank < 32; ++bank) {
          REQUIRE(half_in(b.stack, 2, bank) == 0x4000);
          REQUIRE(half_in(b.stack, 3, bank) == 0x3C00);
          REQUIRE(half_in(b.stack, 4, bank) == 0x4000);
        }
      },
      config);
}

TEST_CASE("a list in memory that is wrong beyond correction is a bus error, and is good later",
          "[error]") {
  constexpr std::uint64_t kList = 0x10'0000;  // in the stack's own memory
  HbmPimConfig config = stack_config();
  config.errors.list = {wrong_at(kList + 40, 2, 0)};
  Bench bench(
      [](Bench& b) {
        auto descriptor = put_adding_list(b);
        std::vector<std::uint8_t> list(descriptor.word_count * 16);
        std::memcpy(list.data(), &b.host.bytes.at(descriptor.list_address - kHost), list.size());
        b.stack.image().write(kList, list.data(), list.size());
        descriptor.list_address = kMemory + kList;
        b.software.enable_queue(kRegisters, kRing);
        b.software.submit(kRegisters, kRing, descriptor);
        CHECK_FALSE(b.software.await_completed(kRegisters, 1));
        CHECK(b.software.error_code(kRegisters) == ErrorCode::kBusError);
        CHECK(b.software.read(kRegisters + queue_registers::kErrorAddressOffset, 8) ==
              kMemory + kList);
        CHECK(half_in(b.stack, 3, 0) == 0);
        b.software.reset_queue(kRegisters);
        b.software.enable_queue(kRegisters, kRing);
        b.software.submit(kRegisters, kRing, descriptor);
        CHECK(b.software.await_completed(kRegisters, 1));
        CHECK(half_in(b.stack, 3, 0) == 0x3C00);
      },
      config);
}

TEST_CASE("a read during a GEMV delays the GEMV, not the other way round for long") {
  Bench bench([](Bench& b) {
    b.software.enable_queue(kTimingRegisters, kRing);
    b.software.submit(kTimingRegisters, kRing, gemv(5120, 5120));
    wait(sc_core::sc_time(5, sc_core::SC_US));
    const std::uint64_t before = now_ps();
    std::vector<std::uint8_t> data(16384);
    b.software.access(false, kTimingMemory, data.data(), 16384);
    CHECK(now_ps() - before < 1'500'000);
    REQUIRE(b.software.await_completed(kTimingRegisters, 1));
    for (const auto& [name, value] : b.timing_stack.statistics()) {
      if (name == "pim_waiting_cycles") CHECK(value > 0);
      if (name == "read_bytes") CHECK(value == 16384);
    }
  });
}
