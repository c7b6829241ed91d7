// NS16550A serial port (uart16550.registers.json), without SystemC. Behaviour follows the data
// sheet of National Semiconductor's PC16550D (June 1995), chapter "Registers". Time is what the
// hook `now_ps` says.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "generated/models/peripherals/uart16550_registers.h"
#include "models/peripherals/uart16550_config.h"

namespace hpimvp::peripherals {

class Uart16550State {
 public:
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};

  struct Hooks {
    std::function<std::uint64_t()> now_ps;
    std::function<void(std::uint64_t at_ps)>
        wake_at;                                      // call wake() then; replaces the last request
    std::function<void(std::uint8_t byte)> transmit;  // the last bit of a byte has left
    std::function<void(bool level)> interrupt;        // the interrupt line has changed
  };

  // Throws std::invalid_argument if the configuration is out of range.
  Uart16550State(const Uart16550Config& config, Hooks hooks);
  Uart16550State(const Uart16550State&) = delete;
  Uart16550State& operator=(const Uart16550State&) = delete;

  common::AccessResult read(std::uint64_t offset, unsigned width_bytes, std::uint64_t& value);
  common::AccessResult peek(std::uint64_t offset, unsigned width_bytes, std::uint64_t& value) const;
  common::AccessResult write(std::uint64_t offset, unsigned width_bytes, std::uint64_t value);

  // A byte has arrived from outside. Lost in loopback, where the input is disconnected.
  void push(std::uint8_t byte);
  void wake();
  void reset();

  bool interrupt_level() const { return interrupt_level_; }
  // Time on the line of one byte with its start, parity and stop bits; kNever if the divisor is 0.
  std::uint64_t character_ps() const;

 private:
  using Cause = uart16550_registers::InterruptIdCause;

  std::uint8_t value_of(std::uint64_t offset) const;
  void write_register(std::uint64_t offset, std::uint8_t value);
  void write_transmit(std::uint8_t value);
  void write_interrupt_enable(std::uint8_t value);
  void write_fifo_control(std::uint8_t value);
  void write_modem_control(std::uint8_t value);
  void after_read(std::uint64_t offset);
  void take_received();

  bool divisor_access() const;
  bool loopback() const;
  std::uint8_t word_mask() const;
  std::uint8_t modem_lines() const;
  std::uint8_t line_status() const;
  bool received_pending() const;
  Cause cause() const;

  void start_transmission(std::uint64_t at_ps);
  void end_transmission();
  void receive(std::uint8_t byte);
  void restart_timeout();
  void clear_receive();
  void clear_transmit();
  void update();

  Uart16550Config config_;
  Hooks hooks_;

  std::uint8_t divisor_low_ = 0;
  std::uint8_t divisor_high_ = 0;
  std::uint8_t interrupt_enable_ = 0;
  std::uint8_t line_control_ = 0;
  std::uint8_t modem_control_ = 0;
  std::uint8_t modem_changes_ = 0;  // low half of MODEM_STATUS
  std::uint8_t scratch_ = 0;
  bool fifos_enabled_ = false;
  unsigned trigger_bytes_ = 1;

  std::deque<std::uint8_t> received_;
  std::deque<std::uint8_t> to_transmit_;
  std::uint8_t on_line_ = 0;
  bool overrun_ = false;
  bool timeout_pending_ = false;
  bool transmit_empty_pending_ = false;
  std::uint64_t transmission_end_ps_ = kNever;  // kNever: nothing on the line
  std::uint64_t timeout_ps_ = kNever;
  bool interrupt_level_ = false;
};

}  // namespace hpimvp::peripherals
