#include "firmware/host/uart.h"

#include "firmware/host/csr.h"

namespace hpimvp::firmware {
namespace uart = hal::uart16550;

Uart::Uart(std::uint64_t register_address) : registers_(register_address) {
  registers_.write_interrupt_enable(0);
  registers_.write_line_control(uart::make_line_control_divisor_access(1));
  registers_.write_divisor_low(1);
  registers_.write_divisor_high(0);
  registers_.write_line_control(
      uart::make_line_control_word_length(uart::LineControlWordLength::kBits8));
  registers_.write_fifo_control(uart::make_fifo_control_enable(1));
}

void Uart::attach(InterruptController& interrupts, std::uint32_t source) {
  interrupts_ = &interrupts;
  interrupts.attach(source, *this);
}

void Uart::write(std::string_view text) {
  if (interrupts_ == nullptr) {
    for (const char character : text) send(character);
    return;
  }
  const InterruptsMasked masked;
  for (const char character : text) {
    while (is_full()) {
      start();
      interrupts_->sleep_and_service();
    }
    ring_[end_++ % kRingBytes] = character;
  }
  start();
}

void Uart::flush() {
  const InterruptsMasked masked;
  interrupts_ = nullptr;
  registers_.write_interrupt_enable(0);
  while (begin_ != end_) {
    wait_for_empty_fifo();
    fill_fifo();
  }
  while (uart::get_line_status_transmitter_idle(registers_.read_line_status()) == 0) {
  }
}

void Uart::handle_interrupt() {
  if (!is_fifo_empty()) return;
  fill_fifo();
  if (begin_ != end_) return;
  is_transmitting_ = false;
  registers_.write_interrupt_enable(0);
}

// A short text goes into the FIFO at once and needs no interrupt.
void Uart::start() {
  if (is_transmitting_) return;
  if (is_fifo_empty()) fill_fifo();
  if (begin_ == end_) return;
  is_transmitting_ = true;
  registers_.write_interrupt_enable(uart::make_interrupt_enable_transmit_empty(1));
}

void Uart::send(char character) {
  wait_for_empty_fifo();
  registers_.write_transmit(static_cast<std::uint8_t>(character));
}

void Uart::fill_fifo() {
  for (std::uint32_t i = 0; i < kFifoBytes && begin_ != end_; ++i) {
    registers_.write_transmit(static_cast<std::uint8_t>(ring_[begin_++ % kRingBytes]));
  }
}

bool Uart::is_fifo_empty() const {
  return uart::get_line_status_transmit_empty(registers_.read_line_status()) != 0;
}

void Uart::wait_for_empty_fifo() const {
  while (!is_fifo_empty()) {
  }
}

}  // namespace hpimvp::firmware
