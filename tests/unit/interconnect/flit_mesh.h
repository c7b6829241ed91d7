// A mesh of wormhole routers, flit by flit and cycle by cycle: the rules of mesh_network.h played
// literally. For tests; it shares the routes and sizes of mesh_config.h with the model, and no
// timing code.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "models/interconnect/mesh_config.h"

namespace hpimvp::interconnect {

class FlitMesh {
 public:
  struct Message {
    std::size_t source = 0;
    std::size_t destination = 0;
    std::uint64_t payload_bytes = 0;
    std::uint32_t rank = 0;
    std::uint64_t start = 0;
  };

  explicit FlitMesh(const MeshConfig& config) : config_(config), links_(link_count(config)) {
    for (Link& link : links_) link.channels.resize(config.virtual_channels);
  }

  // Plays all messages; the cycle of each one's end.
  std::vector<std::uint64_t> play(const std::vector<Message>& messages) {
    for (const Message& message : messages) {
      Train train;
      train.message = message;
      train.flits = flits_of(config_, message.payload_bytes);
      append_route(config_, message.source, message.destination, train.route);
      train.crossed.assign(train.route.size(), 0);
      train.channel.assign(train.route.size(), 0);
      trains_.push_back(train);
    }
    std::vector<std::uint64_t> ends(messages.size(), 0);
    std::size_t left = messages.size();
    for (std::uint64_t cycle = 0; left > 0; ++cycle) {
      move_flits(cycle);
      give_links(cycle);
      left = 0;
      for (std::size_t i = 0; i < trains_.size(); ++i) {
        const Train& train = trains_[i];
        if (train.crossed.back() < train.flits) {
          ++left;
        } else if (ends[i] == 0) {
          ends[i] = cycle + config_.hop_cycles;
        }
      }
    }
    return ends;
  }

 private:
  // The buffer of one virtual channel at the end of a link.
  struct Channel {
    std::optional<std::size_t> owner;      // train
    std::deque<std::uint64_t> flits;       // the cycle in which each crossed the link
    std::vector<std::uint64_t> freed;      // when places will be known to be free again
    std::optional<std::uint64_t> open_at;  // when the owner's leaving will be known
  };
  struct Link {
    std::optional<std::size_t> owner;
    std::vector<Channel> channels;
  };
  struct Train {
    Message message;
    std::uint64_t flits = 0;
    std::vector<std::uint32_t> route;
    std::vector<std::uint64_t> crossed;  // flits that have crossed each link
    std::vector<std::size_t> channel;    // of the buffer behind each link
    std::size_t head = 0;                // the link that the first flit waits for
    std::uint64_t head_ready = 0;
  };

  bool is_last(const Train& train, std::size_t step) const {
    return step + 1 == train.route.size();
  }

  // The flit at the front of the train before this link, if it has been there long enough.
  bool has_flit(const Train& train, std::size_t step, std::uint64_t cycle) {
    if (step == 0) return train.message.start <= cycle;
    Channel& channel = links_[train.route[step - 1]].channels[train.channel[step - 1]];
    return !channel.flits.empty() && channel.flits.front() + config_.hop_cycles <= cycle;
  }

  bool has_place(const Train& train, std::size_t step, std::uint64_t cycle) {
    if (is_last(train, step)) return true;
    Channel& channel = links_[train.route[step]].channels[train.channel[step]];
    std::erase_if(channel.freed, [cycle](std::uint64_t at) { return at <= cycle; });
    return channel.flits.size() + channel.freed.size() < config_.buffer_flits;
  }

  void cross(std::size_t index, std::size_t step, std::uint64_t cycle) {
    Train& train = trains_[index];
    if (step > 0) {
      Channel& before = links_[train.route[step - 1]].channels[train.channel[step - 1]];
      before.flits.pop_front();
      before.freed.push_back(cycle + config_.credit_cycles);
    }
    ++train.crossed[step];
    const bool tail = train.crossed[step] == train.flits;
    if (!is_last(train, step)) {
      links_[train.route[step]].channels[train.channel[step]].flits.push_back(cycle);
      if (train.crossed[step] == 1) {
        train.head = step + 1;
        train.head_ready = cycle + config_.hop_cycles;
      }
    }
    if (!tail) return;
    links_[train.route[step]].owner.reset();
    if (step == 0) return;
    links_[train.route[step - 1]].channels[train.channel[step - 1]].open_at =
        cycle + config_.credit_cycles;
  }

  // Flits behind a first one, on links that were won in earlier cycles. What crosses in this cycle
  // arrives later, so the order of links does not matter; links that become free in this cycle
  // can be won in the next.
  void move_flits(std::uint64_t cycle) {
    just_released_.assign(links_.size(), false);
    for (std::uint32_t link = 0; link < links_.size(); ++link) {
      if (!links_[link].owner) continue;
      const std::size_t index = *links_[link].owner;
      const Train& train = trains_[index];
      const std::size_t step = static_cast<std::size_t>(
          std::find(train.route.begin(), train.route.end(), link) - train.route.begin());
      if (has_flit(train, step, cycle) && has_place(train, step, cycle)) {
        cross(index, step, cycle);
        just_released_[link] = !links_[link].owner;
      }
    }
  }

  void give_links(std::uint64_t cycle) {
    for (std::uint32_t link = 0; link < links_.size(); ++link) {
      if (links_[link].owner || just_released_[link]) continue;
      std::optional<std::size_t> best;
      for (std::size_t i = 0; i < trains_.size(); ++i) {
        const Train& train = trains_[i];
        if (train.crossed.back() == train.flits || train.route[train.head] != link ||
            train.crossed[train.head] > 0 || ready(train) > cycle) {
          continue;
        }
        if (!best || comes_before(train, trains_[*best])) best = i;
      }
      if (!best) continue;
      Train& train = trains_[*best];
      if (!is_last(train, train.head) && !take_channel(*best, link, cycle)) continue;
      links_[link].owner = *best;
      cross(*best, train.head, cycle);
    }
  }

  bool take_channel(std::size_t index, std::uint32_t link, std::uint64_t cycle) {
    for (std::size_t i = 0; i < links_[link].channels.size(); ++i) {
      Channel& channel = links_[link].channels[i];
      if (channel.owner && !(channel.open_at && *channel.open_at <= cycle)) continue;
      channel = {};
      channel.owner = index;
      trains_[index].channel[trains_[index].head] = i;
      return true;
    }
    return false;
  }

  std::uint64_t ready(const Train& train) const {
    return train.head == 0 ? train.message.start : train.head_ready;
  }
  bool comes_before(const Train& a, const Train& b) const {
    if (ready(a) != ready(b)) return ready(a) < ready(b);
    return a.message.rank < b.message.rank;
  }

  MeshConfig config_;
  std::vector<Link> links_;
  std::vector<Train> trains_;
  std::vector<bool> just_released_;
};

}  // namespace hpimvp::interconnect
