// How the scheduler reaches the engines: rings of descriptors, and completions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace hpimvp::firmware {

// What has happened to a device since the last event of it.
struct DeviceEvent {
  std::uint32_t device;     // index in the device table
  std::uint32_t completed;  // so many more descriptors, in the order of their submission
  bool failed;              // the device has stopped with an error at the next descriptor
};

class EngineAccess {
 public:
  // Descriptors that the device's ring holds at most; 0: it takes no commands.
  virtual std::uint32_t ring_capacity(std::uint32_t device) const = 0;

  // The 64 bytes, 8-byte aligned, where the device's next descriptor goes. The caller keeps count:
  // fewer than ring_capacity are submitted and not yet reported complete.
  virtual std::uint64_t* next_slot(std::uint32_t device) = 0;

  // Hands the descriptor in next_slot() over to the device.
  virtual void submit(std::uint32_t device) = 0;

  // Around a time in which descriptors are submitted and waited for: interrupts then need no traps.
  virtual void begin_work() = 0;
  virtual void end_work() = 0;

  // Sleeps until something has happened, and reports what: at least one event, in the order in
  // which they happened. Called inside begin_work() and end_work(), and only while descriptors are
  // submitted and not complete. The events are valid until the next call.
  virtual std::span<const DeviceEvent> wait() = 0;

  // After an event that says that the device has stopped: tries its descriptor once more, if that
  // may help. False: the device stays as it is.
  virtual bool retry(std::uint32_t device) = 0;

 protected:
  ~EngineAccess() = default;
};

}  // namespace hpimvp::firmware
