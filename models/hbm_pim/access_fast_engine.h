// What a normal access does to a pseudo-channel that is at rest, without walking every command.
//
// The commands of an access depend on nothing but the constraints that still bind, relative to now,
// and on which of its rows are open or the same. So for each such situation the outcome is
// remembered; the first time it comes from a copy of the controller itself. It holds if nothing
// else comes before the last command; the caller sees to that, and does the access over by the
// controller if something does.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "models/hbm_pim/access_pieces.h"
#include "models/hbm_pim/memory_controller.h"

namespace hpimvp::hbm_pim {

class AccessFastEngine {
 public:
  using Cycle = std::uint64_t;

  struct Statistics {
    std::uint64_t accesses = 0;
    std::uint64_t learned = 0;  // by the controller
    std::size_t remembered = 0;
  };

  // Of the pieces' bursts, all reads or all writes, pushed in their order by a caller that keeps
  // the queue full, from the controller's now() and refresh_left() on. A write ends in the cycle
  // after now(). Precondition: controller.can_skip_access(). Valid as long as the caller has it.
  // Null: the controller must do it (a request may starve, or a write waits for its queue).
  std::shared_ptr<const AccessOutcome> outcome(const MemoryController& controller,
                                               std::span<const AccessPiece> pieces, bool write);

  // The same for reads that wait for a controller which serves requests now: `pieces`, in the order
  // of arrival, as many in its queue as fit. From controller.now() on, up to the last command that
  // serves them, or that does in the controller's service_left(). For skip_service(). Precondition:
  // controller.can_skip_service().
  std::shared_ptr<const AccessOutcome> service(const MemoryController& controller,
                                               std::span<const AccessPiece> pieces);

  Statistics statistics() const;

 private:
  using Key = std::vector<std::uint64_t>;
  struct Hash {
    std::size_t operator()(const Key& key) const;
  };

  // Of outcomes, each of some 1.5 KiB; beyond, all are forgotten.
  static constexpr std::size_t kMostRemembered = 32768;

  void make_key(const MemoryController& controller, std::span<const AccessPiece> pieces,
                std::uint64_t kind, Cycle start);
  static std::shared_ptr<const AccessOutcome> learn(const MemoryController& controller,
                                                    std::span<const AccessPiece> pieces,
                                                    bool write);

  static std::shared_ptr<const AccessOutcome> learn_service(const MemoryController& controller,
                                                            std::span<const AccessPiece> pieces);
  template <typename Learn>
  std::shared_ptr<const AccessOutcome> find_or(Learn&& learn);

  std::unordered_map<Key, std::shared_ptr<const AccessOutcome>, Hash> outcomes_;
  Key key_;
  std::vector<CommandTiming::Binding> bindings_;
  std::vector<std::uint32_t> last_piece_of_bank_;  // of the access in make_key(), plus 1
  Statistics statistics_;
};

}  // namespace hpimvp::hbm_pim
