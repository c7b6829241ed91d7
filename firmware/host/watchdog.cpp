#include "firmware/host/watchdog.h"

#include "firmware/host/exit_codes.h"
#include "firmware/host/traps.h"

namespace hpimvp::firmware {

void Watchdog::handle_interrupt() {
  const std::uint64_t events = engines_.event_count();
  if (!engines_.is_waiting() || events != last_events_) {
    last_events_ = events;
    return;
  }
  begin_error_message() << "no engine has completed a command for a second; events so far: "
                        << events << "\n";
  exit_machine(kExitStalled);
}

}  // namespace hpimvp::firmware
