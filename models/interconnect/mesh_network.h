// The timing of a mesh of wormhole routers, message by message.
//
// Routing is dimension-ordered: along X, then along Y. A message is its packets' flits in one
// train. Its first flit wins one link after the other; the flits behind follow it, one a cycle and
// link. The rules, which tests/unit/interconnect/flit_mesh.h plays flit by flit:
//
// 1. A flit that crosses a link in cycle t can cross the next one in cycle t + hop_cycles.
// 2. A link that a message has won is its own until the last flit has crossed it. Of the messages
//    that wait for a link the one that has waited longest wins; at the same cycle, the lower rank.
// 3. At the end of a link there are `virtual_channels` buffers of `buffer_flits` flits. A message
//    wins a link only with an empty buffer behind it, which is its own until its last flit has left
//    (atomic virtual channel allocation). So messages for other directions can overtake one that is
//    blocked.
// 4. A flit crosses a link only if the buffer behind has a place, credit_cycles after the flit that
//    had it crossed the next link. So a blocked message stops the flits behind it, and these hold
//    the links behind (back-pressure).
// 5. Each node takes what arrives, one flit a cycle. With dimension-ordered routes there is no
//    circle of messages that wait for each other.
//
// Without contention, over `hops` mesh links:
//
//     latency in cycles = (hops + 2) * hop_cycles + flits - 1
//
// What makes it fast: rules 1 and 4 alone move the flits of a message that has won its links in
// cycles g[0], g[1], ...: flit k crosses link i in the cycle
//
//     max over m >= 0, m * buffer_flits <= k, of g[i + m] + k - m * (buffer_flits - credit_cycles)
//
// so an event is a message that wins a link, not a flit that moves.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "models/common/activity.h"
#include "models/common/initiator.h"
#include "models/common/statistics.h"
#include "models/interconnect/cycle_calendar.h"
#include "models/interconnect/mesh_config.h"

namespace hpimvp::interconnect {

class MeshNetwork {
 public:
  using Cycle = std::uint64_t;
  using MessageId = std::uint32_t;

  struct Message {
    std::size_t source = 0;  // indices in MeshConfig::nodes, not the same
    std::size_t destination = 0;
    std::uint64_t payload_bytes = 0;  // 0: a header alone
    std::uint32_t rank = 0;           // who goes first at the same cycle
    common::Initiator initiator = common::Initiator::kHost;
  };
  // `ended`: the last flit has left the network at `cycle`, which may lie ahead. Otherwise that
  // cannot be before `cycle`, when the caller looks again.
  struct Progress {
    bool ended = false;
    Cycle cycle = 0;
  };
  struct LinkTotals {
    std::uint64_t messages = 0;
    std::uint64_t flits = 0;           // busy cycles
    std::uint64_t held_cycles = 0;     // from the first to the last flit of each message
    std::uint64_t waiting_cycles = 0;  // of messages that waited for it
  };

  // Throws std::invalid_argument as check() does.
  explicit MeshNetwork(MeshConfig config);

  // The message waits for its injection link from cycle `start` on, which no progress() has passed.
  // Its number is used again once its end has been told.
  MessageId send(const Message& message, Cycle start);
  // Cycles do not go back from call to call. All that is sent in cycles before `now` has been sent.
  Progress progress(MessageId message, Cycle now);
  // Brings activity up to `now`, with the same promise.
  void run(Cycle now);

  // Declares two busy signals a node, "<prefix>.<node>.injecting" and ".ejecting".
  void set_activity(common::ActivitySink* sink, const std::string& prefix);

  const MeshConfig& config() const { return config_; }
  // By link_index(); of what has been won so far.
  const std::vector<LinkTotals>& links() const { return totals_; }
  // For each kind of initiator that sent something: messages, bytes, flits, cycles lost in waiting
  // (of messages that have arrived). For each node: busy cycles of its injection and ejection link.
  // And the busiest link.
  common::Statistics statistics() const;
  // Of all flits that have won links so far, in routers and in the links between them. Injection
  // leads into a router as other links do, and neither it nor ejection has a length.
  common::Energies energy() const;

 private:
  static constexpr Cycle kUnknown = ~Cycle{0};
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  struct Waiter {
    Cycle ready;
    std::uint32_t rank;
    std::uint64_t sequence;
    MessageId message;

    bool before(const Waiter& other) const {
      if (ready != other.ready) return ready < other.ready;
      return rank != other.rank ? rank < other.rank : sequence < other.sequence;
    }
  };
  struct Link {
    Cycle free_at = 0;     // kUnknown while the message that has it may be stopped
    Cycle held_until = 0;  // free_at is not less
    std::vector<Waiter> waiters;
    std::uint32_t signal = kNone;  // injection and ejection, with activity
  };
  // A link of a message's route.
  struct Step {
    std::uint32_t link = 0;
    std::uint32_t channel = 0;
    Cycle won = 0;
  };
  struct InFlight {
    std::vector<Step> steps;
    std::uint64_t flits = 0;
    Cycle start = 0;
    std::uint32_t next = 0;  // step that it waits for
    Waiter waiter{};
    std::uint32_t reach = 0;  // how many further links can stop its last flit
    Cycle end = kUnknown;
    common::Initiator initiator = common::Initiator::kHost;
  };
  struct InitiatorTotals {
    std::uint64_t messages = 0;
    std::uint64_t payload_bytes = 0;
    std::uint64_t flits = 0;
    std::uint64_t waiting_cycles = 0;
  };

  Cycle& channel_free(std::uint32_t link, std::size_t channel) {
    return channels_free_[link * config_.virtual_channels + channel];
  }
  std::pair<Cycle, std::uint32_t> next_channel(std::uint32_t link, Cycle cycle) const;
  void wait_for(MessageId message, std::uint32_t link, Cycle ready);
  void arbitrate(std::uint32_t link, Cycle cycle);
  void win(MessageId message, Cycle cycle);
  void settle(InFlight& message, std::uint32_t step);
  void arrive(InFlight& message);
  Cycle last_flit(const InFlight& message, std::uint32_t step) const;
  Cycle bound(const InFlight& message, Cycle now) const;
  void report(std::uint32_t link, Cycle from, Cycle to);

  MeshConfig config_;
  std::vector<Link> links_;
  std::vector<Cycle> channels_free_;  // of the buffers at each link's end; always 0 for ejection
  std::vector<LinkTotals> totals_;
  std::vector<InFlight> messages_;
  std::vector<MessageId> unused_;
  std::vector<std::uint32_t> route_;  // of the message being sent
  std::uint64_t sequence_ = 0;
  CycleCalendar looks_;  // when links are to be looked at
  std::array<InitiatorTotals, common::kInitiators> initiators_{};
  common::ActivitySink* activity_ = nullptr;
};

}  // namespace hpimvp::interconnect
