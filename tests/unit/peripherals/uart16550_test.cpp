#include "models/peripherals/uart16550.h"

#include <catch2/catch.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "generated/models/peripherals/uart16550_registers.h"
#include "tests/unit/peripherals/register_driver.h"

namespace hpimvp::peripherals {
namespace {

namespace regs = uart16550_registers;
using sc_core::sc_time;
using sc_core::sc_time_stamp;
using sc_core::SC_US;

constexpr std::uint8_t kNone = 0x01, kTransmit = 0x02, kReceived = 0x04, kLine = 0x06,
                       kTimeout = 0x0C, kModem = 0x00, kFifos = 0xC0;

// 1.6 MHz and divisor 1: a bit lasts 10 us, a byte of 8N1 100 us.
struct Bench : RegisterDriver {
  Bench() {
    socket.bind(uart.registers);
    uart.interrupt.bind(interrupt);
  }
  void out(std::uint32_t offset, std::uint8_t value) { write(offset, value, 1); }
  std::uint8_t in(std::uint32_t offset) { return static_cast<std::uint8_t>(read(offset, 1)); }
  std::uint8_t identify() { return in(regs::kInterruptIdOffset); }
  bool line_status(std::uint8_t mask) { return (in(regs::kLineStatusOffset)&mask) == mask; }
  void set_up(std::uint8_t interrupts, std::uint8_t fifo_control) {
    out(regs::kLineControlOffset, 3);
    out(regs::kFifoControlOffset, fifo_control);
    out(regs::kInterruptEnableOffset, interrupts);
  }
  void push(const std::string& text) {
    for (const char character : text) uart.push(static_cast<std::uint8_t>(character));
  }
  bool interrupted() {
    settle();
    return interrupt.read();
  }

  std::vector<std::pair<char, sc_time>> sent;
  Uart16550 uart{"uart", {.clock_hz = 1'600'000}, [this](std::uint8_t byte) {
                   sent.emplace_back(static_cast<char>(byte), sc_time_stamp());
                 }};
  sc_core::sc_signal<bool> interrupt{"interrupt"};
};

TEST_CASE("registers have the data sheet's reset values") {
  Bench bench;
  bench.simulate([&] {
    CHECK(bench.in(regs::kInterruptEnableOffset) == 0);
    CHECK(bench.identify() == kNone);
    CHECK(bench.in(regs::kLineControlOffset) == 0);
    CHECK(bench.in(regs::kModemControlOffset) == 0);
    CHECK(bench.in(regs::kLineStatusOffset) == 0x60);
    CHECK(bench.in(regs::kModemStatusOffset) == 0xB0);
    CHECK_FALSE(bench.interrupted());
  });
}

TEST_CASE("the divisor stands behind DLAB, and plain registers keep their bits") {
  Bench bench;
  bench.simulate([&] {
    bench.out(regs::kLineControlOffset, 0x83);
    bench.out(regs::kDivisorLowOffset, 0x34);
    bench.out(regs::kDivisorHighOffset, 0x12);
    CHECK(bench.in(regs::kDivisorLowOffset) == 0x34);
    CHECK(bench.in(regs::kDivisorHighOffset) == 0x12);
    bench.out(regs::kLineControlOffset, 0x03);
    CHECK(bench.in(regs::kInterruptEnableOffset) == 0);
    bench.out(regs::kInterruptEnableOffset, 0xFD);
    CHECK(bench.in(regs::kInterruptEnableOffset) == 0x0D);
    bench.out(regs::kScratchOffset, 0xA5);
    CHECK(bench.in(regs::kScratchOffset) == 0xA5);
    bench.out(regs::kModemControlOffset, 0xEF);
    CHECK(bench.in(regs::kModemControlOffset) == 0x0F);
  });
  CHECK(bench.sent.empty());
}

TEST_CASE("bytes leave in order, one character time each") {
  Bench bench;
  bench.simulate([&] {
    bench.set_up(0, 1);
    wait(5, SC_US);
    for (const char character : {'a', 'b', 'c'}) bench.out(regs::kTransmitOffset, character);
    CHECK_FALSE(bench.line_status(regs::kLineStatusTransmitEmptyMask));
    wait(204, SC_US);
    CHECK_FALSE(bench.line_status(regs::kLineStatusTransmitterIdleMask));
    wait(2, SC_US);
    CHECK(bench.line_status(regs::kLineStatusTransmitEmptyMask));
    CHECK_FALSE(bench.line_status(regs::kLineStatusTransmitterIdleMask));
    wait(100, SC_US);
    CHECK(bench.line_status(regs::kLineStatusTransmitterIdleMask));
  });
  REQUIRE(bench.sent.size() == 3);
  CHECK(bench.sent[0] == std::make_pair('a', sc_time(105, SC_US)));
  CHECK(bench.sent[1] == std::make_pair('b', sc_time(205, SC_US)));
  CHECK(bench.sent[2] == std::make_pair('c', sc_time(305, SC_US)));
}

TEST_CASE("word length, parity, stop bits and divisor set the character time") {
  struct Format {
    std::uint8_t line_control;
    std::uint16_t divisor;
    unsigned expected_us;
  };
  std::uint64_t now = 0;
  std::uint64_t wake = 0;
  Uart16550State uart({.clock_hz = 1'600'000}, {.now_ps = [&] { return now; },
                                                .wake_at = [&](std::uint64_t at) { wake = at; },
                                                .transmit = [](std::uint8_t) {},
                                                .interrupt = [](bool) {}});
  for (const Format& format :
       {Format{0x03, 1, 100}, Format{0x07, 1, 110}, Format{0x0B, 1, 110}, Format{0x00, 1, 70},
        Format{0x04, 1, 75}, Format{0x0E, 1, 110}, Format{0x03, 300, 30000}}) {
    uart.write(regs::kLineControlOffset, 1, 0x80);
    uart.write(regs::kDivisorLowOffset, 1, format.divisor & 0xFF);
    uart.write(regs::kDivisorHighOffset, 1, format.divisor >> 8);
    uart.write(regs::kLineControlOffset, 1, format.line_control);
    uart.write(regs::kTransmitOffset, 1, 'x');
    CHECK(wake == now + format.expected_us * 1'000'000ULL);
    now = wake;
    uart.wake();
  }
  uart.write(regs::kLineControlOffset, 1, 0x80);
  uart.write(regs::kDivisorLowOffset, 1, 0);
  uart.write(regs::kDivisorHighOffset, 1, 0);
  uart.write(regs::kLineControlOffset, 1, 0x03);
  uart.write(regs::kTransmitOffset, 1, 'x');
  CHECK(wake == Uart16550State::kNever);
}

TEST_CASE("bytes have no more bits than the word length") {
  Bench bench;
  bench.simulate([&] {
    bench.set_up(0, 1);
    bench.out(regs::kLineControlOffset, 2);
    bench.out(regs::kTransmitOffset, 0xC1);
    bench.uart.push(0xC2);
    CHECK(bench.in(regs::kReceiveOffset) == 0x42);
    wait(1000, SC_US);
  });
  REQUIRE(bench.sent.size() == 1);
  CHECK(bench.sent[0].first == 0x41);
}

TEST_CASE("a full transmit FIFO loses bytes; without FIFO the waiting byte is overwritten") {
  Bench bench;
  bench.simulate([&] {
    bench.set_up(0, 1);
    for (int i = 0; i < 20; ++i) bench.out(regs::kTransmitOffset, 'a' + i);
    wait(5000, SC_US);
    bench.out(regs::kFifoControlOffset, 0);
    for (const char character : {'X', 'Y', 'Z'}) bench.out(regs::kTransmitOffset, character);
    wait(5000, SC_US);
  });
  std::string text;
  for (const auto& [character, time] : bench.sent) text += character;
  CHECK(text == "abcdefghijklmnopqXZ");  // one on the line and 16 waiting; then one and one
}

TEST_CASE("the transmit interrupt comes when the FIFO empties and goes with IIR or THR") {
  Bench bench;
  bench.simulate([&] {
    bench.set_up(regs::kInterruptEnableTransmitEmptyMask, 1);
    CHECK(bench.interrupted());  // enabled while empty
    CHECK(bench.identify() == (kFifos | kTransmit));
    CHECK(bench.identify() == (kFifos | kNone));
    CHECK_FALSE(bench.interrupted());
    bench.out(regs::kTransmitOffset, 'a');  // moves to the line at once: empty again
    CHECK(bench.interrupted());
    bench.out(regs::kTransmitOffset, 'b');
    CHECK_FALSE(bench.interrupted());
    wait(bench.interrupt.posedge_event());
    CHECK(sc_time_stamp() == sc_time(100, SC_US));
    CHECK(bench.debug_read(regs::kInterruptIdOffset, 1) == (kFifos | kTransmit));
    CHECK(bench.identify() == (kFifos | kTransmit));
    CHECK_FALSE(bench.interrupted());
  });
}

TEST_CASE("received bytes interrupt at the trigger level, and stragglers by timeout") {
  Bench bench;
  bench.simulate([&] {
    bench.set_up(regs::kInterruptEnableReceivedMask, 0x41);  // 4 bytes
    bench.push("abc");
    CHECK(bench.line_status(regs::kLineStatusDataReadyMask));
    CHECK_FALSE(bench.interrupted());
    bench.push("d");
    CHECK(bench.interrupted());
    CHECK(bench.identify() == (kFifos | kReceived));
    CHECK(bench.debug_read(regs::kReceiveOffset, 1) == 'a');
    CHECK(bench.in(regs::kReceiveOffset) == 'a');
    CHECK_FALSE(bench.interrupted());
    wait(bench.interrupt.posedge_event());
    CHECK(sc_time_stamp() == sc_time(400, SC_US));
    CHECK(bench.identify() == (kFifos | kTimeout));
    CHECK(bench.identify() == (kFifos | kTimeout));  // stays until a byte is read
    CHECK(bench.in(regs::kReceiveOffset) == 'b');
    CHECK_FALSE(bench.interrupted());
    wait(300, SC_US);
    bench.push("e");  // starts the time anew
    wait(bench.interrupt.posedge_event());
    CHECK(sc_time_stamp() == sc_time(1100, SC_US));
    for (const char expected : {'c', 'd', 'e'}) CHECK(bench.in(regs::kReceiveOffset) == expected);
    CHECK_FALSE(bench.line_status(regs::kLineStatusDataReadyMask));
    CHECK_FALSE(bench.interrupted());
    wait(1000, SC_US);
    CHECK_FALSE(bench.interrupted());  // nothing left that could time out
  });
}

TEST_CASE("overrun is the most urgent interrupt, is cleared by LSR and keeps the FIFO's bytes") {
  Bench bench;
  bench.simulate([&] {
    bench.set_up(0x0F, 0x01);
    bench.push("0123456789abcdef");
    CHECK(bench.identify() == (kFifos | kReceived));
    bench.push("X");
    CHECK(bench.identify() == (kFifos | kLine));
    CHECK(bench.line_status(regs::kLineStatusOverrunMask));
    CHECK_FALSE(bench.line_status(regs::kLineStatusOverrunMask));
    CHECK(bench.identify() == (kFifos | kReceived));
    for (const char expected : std::string("0123456789abcdef")) {
      CHECK(bench.in(regs::kReceiveOffset) == expected);
    }
    // The transmit interrupt has waited behind the others; IIR did not clear it.
    CHECK(bench.identify() == (kFifos | kTransmit));
    CHECK(bench.identify() == (kFifos | kNone));
  });
}

TEST_CASE("without FIFOs an overrun replaces the byte and there is no timeout") {
  Bench bench;
  bench.simulate([&] {
    bench.set_up(regs::kInterruptEnableReceivedMask, 0);
    bench.push("ab");
    CHECK(bench.identify() == kReceived);
    CHECK(bench.line_status(regs::kLineStatusOverrunMask));
    CHECK(bench.in(regs::kReceiveOffset) == 'b');
    CHECK_FALSE(bench.interrupted());
    wait(1000, SC_US);
    CHECK_FALSE(bench.interrupted());
  });
}

TEST_CASE("FIFO_CONTROL empties the FIFOs, and ignores its other bits without ENABLE") {
  Bench bench;
  bench.simulate([&] {
    bench.set_up(regs::kInterruptEnableReceivedMask, 0x81);  // 8 bytes
    bench.push("abc");
    for (const char character : {'x', 'y', 'z'}) bench.out(regs::kTransmitOffset, character);
    bench.out(regs::kFifoControlOffset, 0x83);
    CHECK_FALSE(bench.line_status(regs::kLineStatusDataReadyMask));
    CHECK_FALSE(bench.line_status(regs::kLineStatusTransmitEmptyMask));
    bench.out(regs::kFifoControlOffset, 0x85);
    CHECK(bench.line_status(regs::kLineStatusTransmitEmptyMask));
    CHECK_FALSE(bench.line_status(regs::kLineStatusTransmitterIdleMask));
    bench.push("abc");
    bench.out(regs::kFifoControlOffset, 0x06);  // disables: both FIFOs are emptied
    CHECK(bench.identify() == kNone);
    CHECK_FALSE(bench.line_status(regs::kLineStatusDataReadyMask));
    wait(1000, SC_US);
  });
  REQUIRE(bench.sent.size() == 1);
  CHECK(bench.sent[0].first == 'x');
}

TEST_CASE("loopback returns bytes and modem lines, and cuts off the outside") {
  Bench bench;
  bench.simulate([&] {
    bench.set_up(regs::kInterruptEnableModemStatusMask, 1);
    bench.out(regs::kModemControlOffset, 0x10);
    CHECK(bench.interrupted());
    CHECK(bench.identify() == (kFifos | kModem));
    CHECK(bench.in(regs::kModemStatusOffset) == 0x0B);  // CTS, DSR and DCD have gone off
    CHECK(bench.in(regs::kModemStatusOffset) == 0x00);
    CHECK_FALSE(bench.interrupted());
    bench.out(regs::kModemControlOffset, 0x1F);
    CHECK(bench.in(regs::kModemStatusOffset) == 0xFB);
    bench.out(regs::kModemControlOffset, 0x1B);  // OUT1 off: ring indicator ends
    CHECK(bench.in(regs::kModemStatusOffset) == 0xB4);
    bench.push("!");
    bench.out(regs::kTransmitOffset, 'q');
    wait(99, SC_US);
    CHECK_FALSE(bench.line_status(regs::kLineStatusDataReadyMask));
    wait(2, SC_US);
    CHECK(bench.in(regs::kReceiveOffset) == 'q');
    CHECK_FALSE(bench.line_status(regs::kLineStatusDataReadyMask));
  });
  CHECK(bench.sent.empty());
}

TEST_CASE("accesses that the UART does not take get the right error") {
  Bench bench;
  bench.simulate([&] {
    CHECK(bench.try_read(8, 1) == tlm::TLM_ADDRESS_ERROR_RESPONSE);
    CHECK(bench.try_read(0, 4) == tlm::TLM_BURST_ERROR_RESPONSE);
    CHECK(bench.try_write(0, 0, 2) == tlm::TLM_BURST_ERROR_RESPONSE);
    CHECK(bench.try_write(regs::kLineStatusOffset, 0, 1) == tlm::TLM_COMMAND_ERROR_RESPONSE);
    CHECK(bench.try_write(regs::kModemStatusOffset, 0, 1) == tlm::TLM_COMMAND_ERROR_RESPONSE);
  });
}

TEST_CASE("reset returns the UART to its first state") {
  std::uint64_t wake = 0;
  bool interrupt = false;
  Uart16550State uart({}, {.now_ps = [] { return std::uint64_t{0}; },
                           .wake_at = [&](std::uint64_t at) { wake = at; },
                           .transmit = [](std::uint8_t) {},
                           .interrupt = [&](bool level) { interrupt = level; }});
  uart.write(regs::kFifoControlOffset, 1, 1);
  uart.write(regs::kInterruptEnableOffset, 1, 0x0F);
  uart.write(regs::kLineControlOffset, 1, 0x1B);
  uart.write(regs::kModemControlOffset, 1, 0x1F);
  uart.write(regs::kScratchOffset, 1, 1);
  uart.write(regs::kTransmitOffset, 1, 1);
  CHECK(interrupt);
  uart.reset();
  CHECK_FALSE(interrupt);
  CHECK(wake == Uart16550State::kNever);
  const std::uint8_t expected[8] = {0, 0, 0x01, 0, 0, 0x60, 0xB0, 0};
  for (unsigned offset = 0; offset < 8; ++offset) {
    std::uint64_t value = 0;
    uart.peek(offset, 1, value);
    CHECK(value == expected[offset]);
  }
}

TEST_CASE("a UART without a clock is refused") {
  CHECK_THROWS_AS(Uart16550State({.clock_hz = 0}, {}), std::invalid_argument);
}

}  // namespace
}  // namespace hpimvp::peripherals
