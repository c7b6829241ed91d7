// Asks the kernel to notify an event at an absolute time.
#pragma once

#include <cstdint>
#include <systemc>

namespace hpimvp::peripherals {

// Replaces the event's earlier notification; a time that has passed notifies in the next delta
// cycle, ~0 not at all.
inline void notify_at(sc_core::sc_event& event, std::uint64_t at_ps) {
  event.cancel();
  if (at_ps == ~std::uint64_t{0}) return;
  const std::uint64_t now_ps = sc_core::sc_time_stamp().value();
  event.notify(sc_core::sc_time::from_value(at_ps > now_ps ? at_ps - now_ps : 0));
}

}  // namespace hpimvp::peripherals
