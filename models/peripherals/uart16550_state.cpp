#include "models/peripherals/uart16550_state.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace hpimvp::peripherals {
namespace {

namespace regs = uart16550_registers;
using common::AccessResult;

constexpr std::size_t kFifoBytes = 16;
constexpr std::uint64_t kClocksPerBit = 16;
constexpr std::uint64_t kTimeoutCharacters = 4;
constexpr std::uint64_t kPicosecondsPerSecond = 1'000'000'000'000;
constexpr unsigned kTriggerBytes[] = {1, 4, 8, 14};

constexpr std::uint8_t kInterruptEnableBits =
    regs::kInterruptEnableReceivedMask | regs::kInterruptEnableTransmitEmptyMask |
    regs::kInterruptEnableLineStatusMask | regs::kInterruptEnableModemStatusMask;
constexpr std::uint8_t kModemControlBits =
    regs::kModemControlDtrMask | regs::kModemControlRtsMask | regs::kModemControlOut1Mask |
    regs::kModemControlOut2Mask | regs::kModemControlLoopbackMask;

}  // namespace

Uart16550State::Uart16550State(const Uart16550Config& config, Hooks hooks)
    : config_(config), hooks_(std::move(hooks)) {
  if (config.clock_hz < 1 || config.clock_hz > kPicosecondsPerSecond) {
    throw std::invalid_argument("UART: the input clock must be 1 Hz to 1 THz");
  }
  divisor_low_ = 1;
}

bool Uart16550State::divisor_access() const {
  return (line_control_ & regs::kLineControlDivisorAccessMask) != 0;
}

bool Uart16550State::loopback() const {
  return (modem_control_ & regs::kModemControlLoopbackMask) != 0;
}

std::uint8_t Uart16550State::word_mask() const {
  const unsigned bits = 5 + (line_control_ & regs::kLineControlWordLengthMask);
  return static_cast<std::uint8_t>((1U << bits) - 1);
}

std::uint64_t Uart16550State::character_ps() const {
  const std::uint64_t divisor = divisor_high_ << 8 | divisor_low_;
  if (divisor == 0) return kNever;
  const unsigned data_bits = 5 + (line_control_ & regs::kLineControlWordLengthMask);
  const unsigned parity_bits = (line_control_ & regs::kLineControlParityEnableMask) != 0;
  unsigned stop_half_bits = 2;
  if (line_control_ & regs::kLineControlTwoStopBitsMask) stop_half_bits = data_bits == 5 ? 3 : 4;
  const std::uint64_t half_bits = 2 * (1 + data_bits + parity_bits) + stop_half_bits;
  // At most 24 * 8 * 65535 * 10^12, which 64 bits hold.
  return half_bits * (kClocksPerBit / 2) * divisor * kPicosecondsPerSecond / config_.clock_hz;
}

std::uint8_t Uart16550State::modem_lines() const {
  if (!loopback()) {
    return regs::kModemStatusCtsMask | regs::kModemStatusDsrMask | regs::kModemStatusDcdMask;
  }
  std::uint8_t lines = 0;
  if (modem_control_ & regs::kModemControlRtsMask) lines |= regs::kModemStatusCtsMask;
  if (modem_control_ & regs::kModemControlDtrMask) lines |= regs::kModemStatusDsrMask;
  if (modem_control_ & regs::kModemControlOut1Mask) lines |= regs::kModemStatusRiMask;
  if (modem_control_ & regs::kModemControlOut2Mask) lines |= regs::kModemStatusDcdMask;
  return lines;
}

std::uint8_t Uart16550State::line_status() const {
  std::uint8_t status = 0;
  if (!received_.empty()) status |= regs::kLineStatusDataReadyMask;
  if (overrun_) status |= regs::kLineStatusOverrunMask;
  if (to_transmit_.empty()) {
    status |= regs::kLineStatusTransmitEmptyMask;
    if (transmission_end_ps_ == kNever) status |= regs::kLineStatusTransmitterIdleMask;
  }
  return status;
}

bool Uart16550State::received_pending() const {
  return received_.size() >= (fifos_enabled_ ? trigger_bytes_ : 1);
}

Uart16550State::Cause Uart16550State::cause() const {
  const auto enabled = [this](std::uint8_t mask) { return (interrupt_enable_ & mask) != 0; };
  if (enabled(regs::kInterruptEnableLineStatusMask) && overrun_) return Cause::kLineStatus;
  if (enabled(regs::kInterruptEnableReceivedMask)) {
    if (received_pending()) return Cause::kReceived;
    if (timeout_pending_) return Cause::kTimeout;
  }
  if (enabled(regs::kInterruptEnableTransmitEmptyMask) && transmit_empty_pending_) {
    return Cause::kTransmitEmpty;
  }
  if (enabled(regs::kInterruptEnableModemStatusMask) && modem_changes_ != 0) {
    return Cause::kModemStatus;
  }
  return Cause::kNone;
}

std::uint8_t Uart16550State::value_of(std::uint64_t offset) const {
  switch (offset) {
    case regs::kReceiveOffset:
      if (divisor_access()) return divisor_low_;
      return received_.empty() ? 0 : received_.front();
    case regs::kInterruptEnableOffset:
      return divisor_access() ? divisor_high_ : interrupt_enable_;
    case regs::kInterruptIdOffset:
      return static_cast<std::uint8_t>(static_cast<unsigned>(cause()) |
                                       (fifos_enabled_ ? regs::kInterruptIdFifosEnabledMask : 0));
    case regs::kLineControlOffset:
      return line_control_;
    case regs::kModemControlOffset:
      return modem_control_;
    case regs::kLineStatusOffset:
      return line_status();
    case regs::kModemStatusOffset:
      return modem_lines() | modem_changes_;
    default:
      return scratch_;
  }
}

void Uart16550State::after_read(std::uint64_t offset) {
  switch (offset) {
    case regs::kReceiveOffset:
      if (!divisor_access()) take_received();
      break;
    case regs::kInterruptIdOffset:
      if (cause() == Cause::kTransmitEmpty) transmit_empty_pending_ = false;
      break;
    case regs::kLineStatusOffset:
      overrun_ = false;
      break;
    case regs::kModemStatusOffset:
      modem_changes_ = 0;
      break;
    default:
      return;
  }
  update();
}

void Uart16550State::take_received() {
  if (received_.empty()) return;
  received_.pop_front();
  timeout_pending_ = false;
  restart_timeout();
}

AccessResult Uart16550State::peek(std::uint64_t offset, unsigned width_bytes,
                                  std::uint64_t& value) const {
  if (offset >= regs::kBlockBytes) return AccessResult::kAddressError;
  if (width_bytes != 1) return AccessResult::kSizeError;
  value = value_of(offset);
  return AccessResult::kOk;
}

AccessResult Uart16550State::read(std::uint64_t offset, unsigned width_bytes,
                                  std::uint64_t& value) {
  const AccessResult result = peek(offset, width_bytes, value);
  if (result == AccessResult::kOk) after_read(offset);
  return result;
}

AccessResult Uart16550State::write(std::uint64_t offset, unsigned width_bytes,
                                   std::uint64_t value) {
  if (offset >= regs::kBlockBytes) return AccessResult::kAddressError;
  if (width_bytes != 1) return AccessResult::kSizeError;
  if (offset == regs::kLineStatusOffset || offset == regs::kModemStatusOffset) {
    return AccessResult::kCommandError;
  }
  write_register(offset, static_cast<std::uint8_t>(value));
  start_transmission(hooks_.now_ps());  // there may be a byte now, or a divisor
  update();
  return AccessResult::kOk;
}

void Uart16550State::write_register(std::uint64_t offset, std::uint8_t value) {
  switch (offset) {
    case regs::kTransmitOffset:
      if (!divisor_access()) return write_transmit(value);
      divisor_low_ = value;
      break;
    case regs::kInterruptEnableOffset:
      if (!divisor_access()) return write_interrupt_enable(value);
      divisor_high_ = value;
      break;
    case regs::kFifoControlOffset:
      write_fifo_control(value);
      break;
    case regs::kLineControlOffset:
      line_control_ = value;
      break;
    case regs::kModemControlOffset:
      write_modem_control(value);
      break;
    default:
      scratch_ = value;
  }
}

void Uart16550State::write_transmit(std::uint8_t value) {
  transmit_empty_pending_ = false;
  if (!fifos_enabled_) {
    to_transmit_.assign(1, value);  // a byte that still waits is overwritten
  } else if (to_transmit_.size() < kFifoBytes) {
    to_transmit_.push_back(value);
  }
}

void Uart16550State::write_interrupt_enable(std::uint8_t value) {
  const std::uint8_t newly_enabled = value & ~interrupt_enable_;
  interrupt_enable_ = value & kInterruptEnableBits;
  const bool asks = (newly_enabled & regs::kInterruptEnableTransmitEmptyMask) != 0;
  if (asks && to_transmit_.empty()) transmit_empty_pending_ = true;
}

void Uart16550State::write_fifo_control(std::uint8_t value) {
  const bool enable = (value & regs::kFifoControlEnableMask) != 0;
  const bool changes = enable != fifos_enabled_;
  fifos_enabled_ = enable;
  if (changes || (enable && (value & regs::kFifoControlResetReceiveMask))) clear_receive();
  if (changes || (enable && (value & regs::kFifoControlResetTransmitMask))) clear_transmit();
  if (enable) trigger_bytes_ = kTriggerBytes[value >> regs::kFifoControlTriggerShift];
}

void Uart16550State::write_modem_control(std::uint8_t value) {
  const std::uint8_t before = modem_lines();
  modem_control_ = value & kModemControlBits;
  const std::uint8_t changed = before ^ modem_lines();
  if (changed & regs::kModemStatusCtsMask) modem_changes_ |= regs::kModemStatusCtsChangedMask;
  if (changed & regs::kModemStatusDsrMask) modem_changes_ |= regs::kModemStatusDsrChangedMask;
  if (changed & before & regs::kModemStatusRiMask) modem_changes_ |= regs::kModemStatusRiEndedMask;
  if (changed & regs::kModemStatusDcdMask) modem_changes_ |= regs::kModemStatusDcdChangedMask;
}

// Moves the next byte onto the line if it is free.
void Uart16550State::start_transmission(std::uint64_t at_ps) {
  const std::uint64_t duration_ps = character_ps();
  if (transmission_end_ps_ != kNever || to_transmit_.empty() || duration_ps == kNever) return;
  on_line_ = to_transmit_.front() & word_mask();
  to_transmit_.pop_front();
  transmission_end_ps_ = at_ps + duration_ps;
  if (to_transmit_.empty()) transmit_empty_pending_ = true;
}

void Uart16550State::end_transmission() {
  const std::uint64_t end_ps = transmission_end_ps_;
  transmission_end_ps_ = kNever;
  if (loopback()) {
    receive(on_line_);
  } else {
    hooks_.transmit(on_line_);
  }
  start_transmission(end_ps);
}

void Uart16550State::wake() {
  const std::uint64_t now_ps = hooks_.now_ps();
  while (transmission_end_ps_ <= now_ps) end_transmission();
  if (timeout_ps_ <= now_ps) {
    timeout_ps_ = kNever;
    timeout_pending_ = true;
  }
  update();
}

void Uart16550State::push(std::uint8_t byte) {
  if (loopback()) return;
  receive(byte & word_mask());
  update();
}

void Uart16550State::receive(std::uint8_t byte) {
  const std::size_t room = fifos_enabled_ ? kFifoBytes : 1;
  if (received_.size() < room) {
    received_.push_back(byte);
  } else {
    overrun_ = true;
    if (!fifos_enabled_) received_.front() = byte;
  }
  restart_timeout();
}

void Uart16550State::restart_timeout() {
  const std::uint64_t duration_ps = character_ps();
  const bool runs = fifos_enabled_ && !received_.empty() && duration_ps != kNever;
  timeout_ps_ = runs ? hooks_.now_ps() + kTimeoutCharacters * duration_ps : kNever;
}

void Uart16550State::clear_receive() {
  received_.clear();
  timeout_pending_ = false;
  timeout_ps_ = kNever;
}

void Uart16550State::clear_transmit() {
  if (!to_transmit_.empty()) transmit_empty_pending_ = true;
  to_transmit_.clear();
}

void Uart16550State::update() {
  hooks_.wake_at(std::min(transmission_end_ps_, timeout_ps_));
  const bool level = cause() != Cause::kNone;
  if (level == interrupt_level_) return;
  interrupt_level_ = level;
  hooks_.interrupt(level);
}

void Uart16550State::reset() {
  received_.clear();
  to_transmit_.clear();
  divisor_low_ = 1;
  divisor_high_ = interrupt_enable_ = line_control_ = 0;
  modem_control_ = modem_changes_ = scratch_ = on_line_ = 0;
  fifos_enabled_ = overrun_ = timeout_pending_ = transmit_empty_pending_ = false;
  trigger_bytes_ = 1;
  transmission_end_ps_ = timeout_ps_ = kNever;
  update();
}

}  // namespace hpimvp::peripherals
