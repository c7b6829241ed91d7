// Driver of the 16550 UART: 8 data bits, no parity, 1 stop bit, the highest rate (divisor 1).
//
// write() puts text into a ring, which feeds the transmit FIFO: at once if it is empty, else by
// interrupt. Before an interrupt controller is attached, and from flush() on, characters are sent
// by polling.
#pragma once

#include <cstdint>

#include "firmware/host/interrupt_controller.h"
#include "firmware/host/text_output.h"
#include "hal/uart16550.h"

namespace hpimvp::firmware {

class Uart final : public TextOutput, public InterruptHandler {
 public:
  explicit Uart(std::uint64_t register_address);
  Uart(const Uart&) = delete;
  Uart& operator=(const Uart&) = delete;

  // From now on transmits by interrupt. `interrupts` outlives this object.
  void attach(InterruptController& interrupts, std::uint32_t source);

  // Returns at once if there is room in the ring, else sleeps until there is.
  void write(std::string_view text) override;

  // Sends everything, by polling, until the last stop bit is out; so do later calls of write(). For
  // the end of a run and for fault reports; works with interrupts masked.
  void flush();

  void handle_interrupt() override;

 private:
  static constexpr std::uint32_t kRingBytes = 4096;  // a power of two
  static constexpr std::uint32_t kFifoBytes = 16;

  bool is_full() const { return end_ - begin_ == kRingBytes; }
  bool is_fifo_empty() const;
  void start();
  void send(char character);
  void fill_fifo();
  void wait_for_empty_fifo() const;

  hal::uart16550::Registers registers_;
  InterruptController* interrupts_ = nullptr;  // null: polled
  bool is_transmitting_ = false;               // a transmit interrupt will come
  std::uint32_t begin_ = 0;                    // free-running
  std::uint32_t end_ = 0;
  char ring_[kRingBytes];
};

}  // namespace hpimvp::firmware
