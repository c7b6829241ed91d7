// Ends a run in which nothing happens any more: an engine that never answers would otherwise leave
// the hart asleep for ever.
#pragma once

#include "firmware/host/engine_pool.h"
#include "firmware/host/interrupt_controller.h"

namespace hpimvp::firmware {

// A timer handler. If the firmware has waited from one tick to the next without any engine event,
// it reports that and exits.
class Watchdog final : public InterruptHandler {
 public:
  explicit Watchdog(const EnginePool& engines) : engines_(engines) {}

  void handle_interrupt() override;

 private:
  const EnginePool& engines_;
  std::uint64_t last_events_ = ~std::uint64_t{0};
};

}  // namespace hpimvp::firmware
