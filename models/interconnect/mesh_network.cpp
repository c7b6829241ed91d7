#include "models/interconnect/mesh_network.h"

#include <algorithm>
#include <utility>

namespace hpimvp::interconnect {
namespace {

bool is_ejection(std::uint32_t link) {
  return link % kLinksOfPlace == static_cast<std::uint32_t>(LinkKind::kEjection);
}

MeshConfig checked(MeshConfig config) {
  check(config);
  return config;
}

}  // namespace

MeshNetwork::MeshNetwork(MeshConfig config)
    : config_(checked(std::move(config))), looks_(link_count(config_)) {
  links_.resize(link_count(config_));
  totals_.resize(links_.size());
  channels_free_.assign(links_.size() * config_.virtual_channels, 0);
}

// ------------------------------------------------------------------ what callers see

MeshNetwork::MessageId MeshNetwork::send(const Message& message, Cycle start) {
  MessageId id = static_cast<MessageId>(messages_.size());
  if (unused_.empty()) {
    messages_.emplace_back();
  } else {
    id = unused_.back();
    unused_.pop_back();
  }
  InFlight& flight = messages_[id];
  flight.flits = flits_of(config_, message.payload_bytes);
  flight.start = start;
  flight.end = kUnknown;
  flight.next = 0;
  flight.initiator = message.initiator;
  flight.reach = static_cast<std::uint32_t>(
      std::min<std::uint64_t>((flight.flits - 1) / config_.buffer_flits, ~std::uint32_t{0}));
  route_.clear();
  append_route(config_, message.source, message.destination, route_);
  flight.steps.clear();
  for (const std::uint32_t link : route_) flight.steps.push_back({link, 0, 0});

  InitiatorTotals& totals = initiators_[static_cast<std::size_t>(message.initiator)];
  ++totals.messages;
  totals.payload_bytes += message.payload_bytes;
  totals.flits += flight.flits;

  flight.waiter = {start, message.rank, sequence_++, id};
  wait_for(id, route_.front(), start);
  return id;
}

void MeshNetwork::run(Cycle now) {
  for (Cycle cycle = looks_.next(); cycle < now; cycle = looks_.next()) {
    looks_.take(cycle, [this, cycle](std::uint32_t link) { arbitrate(link, cycle); });
  }
}

MeshNetwork::Progress MeshNetwork::progress(MessageId id, Cycle now) {
  run(now);
  const InFlight& message = messages_[id];
  if (message.end == kUnknown) return {false, bound(message, now)};
  unused_.push_back(id);
  return {true, message.end};
}

// Every message that has waited longer keeps the link for its flits at least.
MeshNetwork::Cycle MeshNetwork::bound(const InFlight& message, Cycle now) const {
  const Link& link = links_[message.steps[message.next].link];
  Cycle first = message.waiter.ready;
  Cycle flits_before = 0;
  for (const Waiter& other : link.waiters) {
    if (!other.before(message.waiter)) continue;
    first = std::min(first, other.ready);
    flits_before += messages_[other.message].flits;
  }
  first = std::max({first, now, link.free_at == kUnknown ? link.held_until : link.free_at});
  const Cycle from = std::max(message.waiter.ready, first + flits_before);
  return from + (message.steps.size() - message.next) * config_.hop_cycles + message.flits - 1;
}

// ------------------------------------------------------------------ events

void MeshNetwork::wait_for(MessageId message, std::uint32_t link, Cycle ready) {
  messages_[message].waiter.ready = ready;
  links_[link].waiters.push_back(messages_[message].waiter);
  const Cycle free_at = links_[link].free_at;
  // While it is not known when the link will be free, nobody needs to look: settle() will tell.
  if (free_at != kUnknown) looks_.bring_forward(link, std::max(ready, free_at));
}

// Nothing of this cycle depends on another link's arbitration in it: every effect comes later.
void MeshNetwork::arbitrate(std::uint32_t index, Cycle cycle) {
  Link& link = links_[index];
  if (link.free_at == kUnknown || link.waiters.empty()) return;
  const auto [channel_free_at, channel] = next_channel(index, cycle);
  if (channel_free_at == kUnknown) return;
  // The one that has waited longest is always one that is ready, if any is.
  const auto first = std::min_element(link.waiters.begin(), link.waiters.end(),
                                      [](const Waiter& a, const Waiter& b) { return a.before(b); });
  const Cycle possible = std::max({link.free_at, channel_free_at, first->ready});
  if (possible > cycle) {
    looks_.bring_forward(index, possible);
    return;
  }
  const Waiter winner = *first;
  *first = link.waiters.back();
  link.waiters.pop_back();
  link.free_at = kUnknown;
  link.held_until = cycle + messages_[winner.message].flits;
  if (!is_ejection(index)) channel_free(index, channel) = kUnknown;
  messages_[winner.message].steps[messages_[winner.message].next].channel = channel;
  totals_[index].waiting_cycles += cycle - winner.ready;
  win(winner.message, cycle);
}

// A buffer behind the link that is empty at `cycle`, or else the first to be, and when.
std::pair<MeshNetwork::Cycle, std::uint32_t> MeshNetwork::next_channel(std::uint32_t link,
                                                                       Cycle cycle) const {
  const Cycle* free_at = channels_free_.data() + link * config_.virtual_channels;
  std::uint32_t first = 0;
  for (std::uint32_t i = 0; i < config_.virtual_channels && free_at[first] > cycle; ++i) {
    if (free_at[i] < free_at[first]) first = i;
  }
  return {free_at[first], first};
}

void MeshNetwork::win(MessageId id, Cycle cycle) {
  InFlight& message = messages_[id];
  const std::uint32_t step = message.next++;
  message.steps[step].won = cycle;
  LinkTotals& totals = totals_[message.steps[step].link];
  ++totals.messages;
  totals.flits += message.flits;
  const bool last = message.next == message.steps.size();
  if (!last) {
    wait_for(id, message.steps[message.next].link, cycle + config_.hop_cycles);
    if (step >= message.reach) settle(message, step - message.reach);
    return;
  }
  const std::uint32_t from = step > message.reach ? step - message.reach : 0;
  for (std::uint32_t i = from; i <= step; ++i) settle(message, i);
  arrive(message);
}

// When the last flit crosses the step's link. Only the next `reach` links can stop it.
MeshNetwork::Cycle MeshNetwork::last_flit(const InFlight& message, std::uint32_t step) const {
  const Cycle gain = config_.buffer_flits - config_.credit_cycles;
  const std::size_t further = std::min<std::size_t>(message.reach, message.steps.size() - 1 - step);
  Cycle latest = 0;
  for (std::size_t m = 0; m <= further; ++m) {
    latest = std::max(latest, message.steps[step + m].won + message.flits - 1 - m * gain);
  }
  return latest;
}

// The link and the buffer before it become free at times that are known now.
void MeshNetwork::settle(InFlight& message, std::uint32_t step) {
  const Cycle last = last_flit(message, step);
  const std::uint32_t index = message.steps[step].link;
  Link& link = links_[index];
  link.free_at = last + 1;
  if (!link.waiters.empty()) looks_.bring_forward(index, link.free_at);
  totals_[index].held_cycles += last + 1 - message.steps[step].won;
  if (link.signal != kNone) report(index, message.steps[step].won, last + 1);
  if (step == 0) return;
  const Step& before = message.steps[step - 1];
  Link& link_before = links_[before.link];
  const Cycle emptied = last + config_.credit_cycles;
  channel_free(before.link, before.channel) = emptied;
  if (!link_before.waiters.empty()) looks_.bring_forward(before.link, emptied);
}

void MeshNetwork::arrive(InFlight& message) {
  message.end = message.steps.back().won + config_.hop_cycles + message.flits - 1;
  const Cycle alone = message.steps.size() * config_.hop_cycles + message.flits - 1;
  initiators_[static_cast<std::size_t>(message.initiator)].waiting_cycles +=
      message.end - message.start - alone;
}

// ------------------------------------------------------------------ what is shown

void MeshNetwork::set_activity(common::ActivitySink* sink, const std::string& prefix) {
  activity_ = sink;
  for (Link& link : links_) link.signal = kNone;
  if (sink == nullptr) return;
  for (const MeshNode& node : config_.nodes) {
    const std::string name = prefix + "." + node.name;
    links_[link_index(config_, node.x, node.y, LinkKind::kInjection)].signal =
        sink->declare_signal(name + ".injecting", 1);
    links_[link_index(config_, node.x, node.y, LinkKind::kEjection)].signal =
        sink->declare_signal(name + ".ejecting", 1);
  }
}

void MeshNetwork::report(std::uint32_t link, Cycle from, Cycle to) {
  activity_->change(links_[link].signal, from * config_.clock_period_ps, 1);
  activity_->change(links_[link].signal, to * config_.clock_period_ps, 0);
}

common::Energies MeshNetwork::energy() const {
  std::uint64_t through_routers = 0;
  std::uint64_t between_routers = 0;
  for (std::uint32_t i = 0; i < totals_.size(); ++i) {
    const auto kind = static_cast<LinkKind>(i % kLinksOfPlace);
    if (kind == LinkKind::kEjection) continue;
    through_routers += totals_[i].flits;
    if (kind != LinkKind::kInjection) between_routers += totals_[i].flits;
  }
  const double flit_bits = 8.0 * config_.flit_bytes;
  const MeshEnergy& energy = config_.energy;
  return {{"router", static_cast<double>(through_routers) * flit_bits * energy.router_pj_per_bit},
          {"link", static_cast<double>(between_routers) * flit_bits * energy.link_pj_per_bit_mm *
                       energy.hop_mm}};
}

common::Statistics MeshNetwork::statistics() const {
  common::Statistics statistics;
  for (std::size_t i = 0; i < initiators_.size(); ++i) {
    const InitiatorTotals& totals = initiators_[i];
    if (totals.messages == 0) continue;
    const std::string name = common::initiator_name(static_cast<common::Initiator>(i));
    statistics.emplace_back(name + "_messages", totals.messages);
    statistics.emplace_back(name + "_payload_bytes", totals.payload_bytes);
    statistics.emplace_back(name + "_flits", totals.flits);
    statistics.emplace_back(name + "_waiting_cycles", totals.waiting_cycles);
  }
  const auto busiest =
      std::max_element(totals_.begin(), totals_.end(),
                       [](const LinkTotals& a, const LinkTotals& b) { return a.flits < b.flits; });
  statistics.emplace_back(
      "busiest_link_" + link_name(config_, static_cast<std::uint32_t>(busiest - totals_.begin())) +
          "_busy_cycles",
      busiest->flits);
  for (const MeshNode& node : config_.nodes) {
    const auto busy = [&](LinkKind kind) {
      return totals_[link_index(config_, node.x, node.y, kind)].flits;
    };
    statistics.emplace_back(node.name + "_injection_busy_cycles", busy(LinkKind::kInjection));
    statistics.emplace_back(node.name + "_ejection_busy_cycles", busy(LinkKind::kEjection));
  }
  return statistics;
}

}  // namespace hpimvp::interconnect
