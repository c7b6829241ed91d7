// StackScheduler against a literal stack: one controller for each pseudo-channel, which does every
// command itself. Ends of accesses and GEMVs, commands and their cycles must be the same.
#include "models/hbm_pim/stack_scheduler.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <numeric>
#include <optional>
#include <random>

#include "models/hbm_pim/pim_cursor.h"
#include "tests/unit/common/random_seed.h"
#include "tests/unit/hbm_pim/random_gemvs.h"

using namespace hpimvp::hbm_pim;
using namespace hpimvp::test_support;

namespace {

using Cycle = StackScheduler::Cycle;
using Random = std::mt19937_64;

struct Event {
  Cycle at = 0;
  bool gemv = false;
  bool write = false;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::vector<PseudoChannelGemv> works;
};

// Events of one cycle in the opposite order: the ranks of accesses are their numbers.
std::vector<std::size_t> other_order(const std::vector<Event>& events) {
  std::vector<std::size_t> order(events.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t one, std::size_t other) {
    return events[one].at != events[other].at ? events[one].at < events[other].at : one > other;
  });
  return order;
}

// By the number of the event.
struct Outcome {
  std::map<std::size_t, Cycle> ends;
  std::map<std::size_t, Cycle> seen;  // when a caller that waits sees it: not before it looks
  std::vector<std::vector<CommandRecord>> records;  // by pseudo-channel
  StackCounts counts;
  std::vector<CommandCounts> counts_at_events;  // if asked for
};

// ------------------------------------------------------------------ the literal stack

class LiteralStack {
 public:
  LiteralStack(const DeviceDescription& device, const ControllerConfig& config,
               const BitFieldMapping& mapping)
      : device_(device), mapping_(mapping), channels_(device.organisation.pseudo_channels()) {
    for (std::size_t i = 0; i < channels_.size(); ++i) {
      channels_[i].stack = this;
      channels_[i].controller.emplace(device, config, static_cast<std::uint16_t>(i));
      channels_[i].controller->set_command_sink({&record, &channels_[i]});
      channels_[i].controller->set_completion_sink({&complete, &channels_[i]});
    }
  }

  void run(Cycle until) {
    for (Channel& channel : channels_) {
      for (;;) {
        feed(channel);
        if (!channel.controller->issue_next(until)) break;
        const bool ended =
            channel.stream && channel.controller->pim_end() != MemoryController::kNever;
        if (!ended) continue;
        gemv_end_ = std::max(gemv_end_, channel.controller->pim_end());
        channel.stream.reset();
      }
    }
  }

  void apply(std::size_t number, const Event& event) {
    if (event.gemv) {
      gemv_end_ = event.at;
      for (std::size_t i = 0; i < channels_.size(); ++i) {
        if (event.works[i].outputs == 0) continue;
        channels_[i].stream.emplace(device_, event.works[i]);
        channels_[i].controller->start_pim(channels_[i].stream->source());
      }
      return;
    }
    ends_[number] = event.at;
    const std::uint64_t bytes = device_.organisation.burst_bytes;
    for (std::uint64_t burst = event.offset / bytes;
         burst <= (event.offset + event.length - 1) / bytes; ++burst) {
      const MappedAddress mapped = mapping_.map(burst * bytes);
      channels_[mapped.pseudo_channel].backlog.push_back({number, event.write, mapped.address});
      ++left_[number];
    }
    for (Channel& channel : channels_) feed(channel);
  }

  bool gemv_active() const {
    return std::any_of(channels_.begin(), channels_.end(),
                       [](const Channel& channel) { return channel.stream.has_value(); });
  }
  Cycle gemv_end() const { return gemv_end_; }
  bool has_ended(std::size_t number) const { return left_.at(number) == 0; }
  Cycle end_of(std::size_t number) const { return ends_.at(number); }
  std::vector<std::vector<CommandRecord>> records() const {
    std::vector<std::vector<CommandRecord>> records;
    for (const Channel& channel : channels_) records.push_back(channel.records);
    return records;
  }

 private:
  struct Burst {
    std::size_t number;
    bool write;
    CommandAddress address;
  };
  struct Channel {
    LiteralStack* stack = nullptr;
    std::optional<MemoryController> controller;
    std::deque<Burst> backlog;
    std::optional<GemvStream> stream;
    std::vector<CommandRecord> records;
  };

  static void record(void* context, const CommandRecord& record) {
    static_cast<Channel*>(context)->records.push_back(record);
  }
  static void complete(void* context, const Completion& completion) {
    if (completion.id != ~std::uint64_t{0}) {
      static_cast<Channel*>(context)->stack->note(completion.id, completion.cycle);
    }
  }
  void note(std::size_t number, Cycle cycle) {
    ends_[number] = std::max(ends_[number], cycle);
    --left_[number];
  }
  void feed(Channel& channel) {
    while (!channel.backlog.empty() && channel.controller->can_accept(channel.backlog[0].write)) {
      const Burst burst = channel.backlog.front();
      channel.backlog.pop_front();
      MemoryRequest request;
      request.id = burst.write ? ~std::uint64_t{0} : burst.number;
      request.address = burst.address;
      request.write = burst.write;
      channel.controller->push(request);
      if (burst.write) note(burst.number, channel.controller->now() + 1);
    }
  }

  DeviceDescription device_;
  BitFieldMapping mapping_;
  std::vector<Channel> channels_;
  std::map<std::size_t, std::uint64_t> left_;
  std::map<std::size_t, Cycle> ends_;
  Cycle gemv_end_ = 0;
};

// A GEMV waits until the one before has ended; both stacks must come to the same start.
Outcome run_literal(const DeviceDescription& device, const ControllerConfig& config,
                    const BitFieldMapping& mapping, std::vector<Event>& events, Cycle end) {
  LiteralStack stack(device, config, mapping);
  std::vector<std::size_t> gemvs;
  std::map<std::size_t, Cycle> gemv_ends;
  for (std::size_t i = 0; i < events.size(); ++i) {
    stack.run(events[i].at);
    if (!gemvs.empty() && !stack.gemv_active()) gemv_ends[gemvs.back()] = stack.gemv_end();
    if (events[i].gemv && stack.gemv_active()) events[i].works.clear();  // left out
    if (events[i].gemv && events[i].at < stack.gemv_end()) events[i].works.clear();
    if (events[i].gemv && events[i].works.empty()) continue;
    stack.apply(i, events[i]);
    if (events[i].gemv) gemvs.push_back(i);
  }
  stack.run(end);
  REQUIRE(!stack.gemv_active());
  if (!gemvs.empty()) gemv_ends[gemvs.back()] = stack.gemv_end();
  Outcome outcome;
  outcome.ends = gemv_ends;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].gemv) continue;
    REQUIRE(stack.has_ended(i));
    outcome.ends[i] = stack.end_of(i);
  }
  outcome.records = stack.records();
  return outcome;
}

// ------------------------------------------------------------------ the scheduler

struct Recorder {
  std::vector<std::vector<CommandRecord>> records;

  static void record(void* context, const CommandRecord& record) {
    static_cast<Recorder*>(context)->records[record.pseudo_channel].push_back(record);
  }
};

// Looks at every access and GEMV exactly when it is told to, as an event-driven caller does.
Outcome run_scheduler(const DeviceDescription& device, const ControllerConfig& config,
                      const BitFieldMapping& mapping, const std::vector<Event>& events, Cycle end,
                      bool observed, bool counts_at_events,
                      StackScheduler::Statistics* statistics = nullptr) {
  StackScheduler stack(device, config, mapping);
  Recorder recorder;
  recorder.records.resize(device.organisation.pseudo_channels());
  if (observed) stack.observe({&Recorder::record, &recorder});
  struct Pending {
    std::size_t event;
    std::uint32_t access;
    Cycle look;
  };
  Outcome outcome;
  std::vector<Pending> pending;
  std::optional<Pending> gemv;
  const std::vector<std::size_t> order = other_order(events);
  std::size_t next = 0;
  const auto look_at = [&](Pending& one, bool is_gemv, Cycle now) {
    const StackScheduler::Progress progress =
        is_gemv ? stack.pim_progress(now) : stack.access_progress(one.access, now);
    if (progress.ended) outcome.ends[one.event] = progress.cycle;
    if (progress.ended) outcome.seen[one.event] = std::max(progress.cycle, now);
    if (!progress.ended) REQUIRE(progress.cycle > now);
    // Told in time. (Of reads that are answered from the write queue the end is told late.)
    const bool in_time = is_gemv || events[one.event].write;
    if (progress.ended && in_time) REQUIRE(progress.cycle >= now);
    one.look = progress.cycle;
    return progress.ended;
  };
  for (;;) {
    Cycle now = next < events.size() ? events[order[next]].at : end;
    for (const Pending& one : pending) now = std::min(now, one.look);
    if (gemv) now = std::min(now, gemv->look);
    if (gemv && gemv->look == now && look_at(*gemv, true, now)) gemv.reset();
    std::erase_if(pending,
                  [&](Pending& one) { return one.look == now && look_at(one, false, now); });
    if (next < events.size() && events[order[next]].at == now) {
      const std::size_t number = order[next];
      const Event& event = events[number];
      if (counts_at_events) outcome.counts_at_events.push_back(stack.counts(now).commands);
      if (!event.gemv) {
        pending.push_back({number,
                           stack.start_access(now, event.write, event.offset, event.length,
                                              static_cast<std::uint32_t>(number)),
                           now});
      } else if (!event.works.empty()) {
        REQUIRE(!gemv);
        stack.start_gemv(now, event.works);
        gemv = {number, 0, now};
      }
      ++next;
    }
    if (now == end) break;
  }
  REQUIRE(pending.empty());
  REQUIRE(!gemv);
  outcome.counts = stack.counts(end);
  outcome.records = recorder.records;
  if (statistics != nullptr) *statistics = stack.statistics();
  return outcome;
}

// ------------------------------------------------------------------ cases

std::vector<PseudoChannelGemv> random_works(const DeviceDescription& device, Random& random) {
  PseudoChannelGemv whole;
  whole.inputs = random_size(random, 1500);
  whole.outputs = random_size(random, 500);
  whole.bias = random() % 2 == 0;
  whole.weight_row = static_cast<std::uint32_t>(random() % 100);
  return random() % 2 == 0 ? slice_rows(device, 1, whole) : slice_columns(device, 1, whole);
}

std::vector<Event> random_events(const DeviceDescription& device, Random& random) {
  std::vector<Event> events;
  Cycle at = 0;
  const std::uint64_t region = std::uint64_t{1} << (12 + random() % 12);
  const std::uint64_t spread = std::uint64_t{1} << (2 + random() % 12);
  const std::uint64_t gemvs_in_16 = random() % 3 == 0 ? 0 : random() % 8;
  const bool sections = random() % 3 == 0;  // the same pattern again and again
  const std::uint64_t section = std::uint64_t{1} << (8 + random() % 9);
  for (std::size_t left = 1 + random() % 60; left > 0; --left) {
    Event event;
    if (random() % 4 != 0) at += random() % 8 == 0 ? random() % 20000 : random() % spread;
    event.at = at;
    event.gemv = random() % 16 < gemvs_in_16;
    if (event.gemv) {
      event.works = random_works(device, random);
    } else {
      event.write = random() % 3 == 0;
      event.length = random_size(random, 8192) + 1;
      event.offset = random() % region;
      if (random() % 2 == 0) {
        event.length = (event.length + 255) / 256 * 256;
        event.offset = event.offset / 256 * 256;
      }
      if (sections) {
        event.length = section;
        event.offset = random() % 16 * section;
      }
    }
    events.push_back(event);
  }
  return events;
}

ControllerConfig random_config(Random& random) {
  ControllerConfig config;
  config.page_policy = random() % 4 == 0 ? PagePolicy::kClosed : PagePolicy::kOpen;
  config.refresh = random() % 8 == 0   ? RefreshPolicy::kNone
                   : random() % 8 == 0 ? RefreshPolicy::kPerBank
                                       : RefreshPolicy::kAllBank;
  config.arbitration = static_cast<Arbitration>(random() % 3);
  config.most_postponed = 1 + static_cast<std::uint32_t>(random() % 8);
  if (random() % 2 == 0) {
    config.read_queue = 4;
    config.write_queue = 8;
    config.drain_from = 6;
    config.drain_to = 2;
  }
  config.pim_window = 100 + static_cast<std::uint32_t>(random() % 3000);
  config.memory_window = 50 + static_cast<std::uint32_t>(random() % 1000);
  if (random() % 4 == 0) config.power_down_after = 100;
  return config;
}

bool same(const CommandRecord& one, const CommandRecord& other) {
  const CommandAddress& a = one.address;
  const CommandAddress& b = other.address;
  return one.cycle == other.cycle && one.command == other.command &&
         one.pseudo_channel == other.pseudo_channel && a.stack_id == b.stack_id &&
         a.bank_group == b.bank_group && a.bank == b.bank && a.row == b.row && a.column == b.column;
}

std::string describe(const std::vector<Event>& events) {
  std::string text;
  for (const Event& event : events) {
    text += event.gemv ? " GEMV" : event.write ? " write" : " read";
    text += "@" + std::to_string(event.at);
    if (!event.gemv) text += "+" + std::to_string(event.length);
  }
  return text;
}

void require_same_ends(const char* which, const Outcome& one,
                       const std::map<std::size_t, Cycle>& expected) {
  for (const auto& [event, end] : expected) {
    INFO(which << ", event " << event);
    REQUIRE(one.ends.at(event) == end);
  }
}

}  // namespace

TEST_CASE(
    "A stack in groups and with fast GEMVs and accesses is the literal stack, cycle by cycle") {
  const std::uint64_t seed = hpimvp::random_seed(0x57AC);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  std::uint64_t fast = 0;
  std::uint64_t interrupted = 0;
  std::uint64_t skipped_windows = 0;
  std::uint64_t fast_services = 0;
  std::uint64_t interrupted_services = 0;
  std::uint64_t fast_accesses = 0;
  std::uint64_t learned_accesses = 0;
  std::uint64_t interrupted_accesses = 0;
  std::size_t most_groups = 0;
  for (std::uint64_t i = 0; i < scaled_cases(300); ++i) {
    DeviceDescription device =
        device_preset(device_preset_names()[random() % device_preset_names().size()]);
    device.organisation.channels = 2;
    const ControllerConfig config = random_config(random);
    const BitFieldMapping mapping(
        device.organisation,
        random() % 3 == 0   ? "row:stack_id:bank:bank_group:pseudo_channel:channel:column"
        : random() % 2 == 0 ? "row:channel:pseudo_channel:stack_id:bank:bank_group:column"
                            : kDefaultMapping);
    std::vector<Event> events = random_events(device, random);
    const Cycle end = events.back().at + 2'000'000;
    INFO("case " << i << ", " << device.name << ", " << describe(events));
    const Outcome expected = run_literal(device, config, mapping, events, end);
    StackScheduler::Statistics statistics;
    // A fast GEMV counts from its end on: compared are the counts of accesses.
    const bool counts =
        random() % 8 == 0 &&
        std::none_of(events.begin(), events.end(), [](const Event& event) { return event.gemv; });
    const Outcome quick =
        run_scheduler(device, config, mapping, events, end, false, counts, &statistics);
    const Outcome observed = run_scheduler(device, config, mapping, events, end, true, counts);
    REQUIRE(quick.counts_at_events == observed.counts_at_events);
    REQUIRE(quick.counts.forwarded_reads == observed.counts.forwarded_reads);
    REQUIRE(quick.counts.turnarounds == observed.counts.turnarounds);
    require_same_ends("observed", observed, expected.ends);
    require_same_ends("quick", quick, expected.ends);
    if (quick.counts.forwarded_reads == 0) {
      REQUIRE(quick.seen == quick.ends);
      REQUIRE(observed.seen == observed.ends);
    }
    REQUIRE(quick.counts.commands == observed.counts.commands);
    REQUIRE(quick.counts.pim_cycles == observed.counts.pim_cycles);
    REQUIRE(quick.counts.pim_waiting_cycles == observed.counts.pim_waiting_cycles);
    for (std::size_t channel = 0; channel < expected.records.size(); ++channel) {
      const auto& records = observed.records[channel];
      INFO("pseudo-channel " << channel);
      REQUIRE(records.size() == expected.records[channel].size());
      for (std::size_t k = 0; k < records.size(); ++k) {
        INFO("command " << k << ", cycle " << records[k].cycle);
        REQUIRE(same(records[k], expected.records[channel][k]));
      }
    }
    fast += statistics.fast_gemvs;
    interrupted += statistics.interrupted_gemvs;
    skipped_windows += statistics.skipped_windows;
    fast_services += statistics.fast_services;
    interrupted_services += statistics.interrupted_services;
    fast_accesses += statistics.fast_accesses;
    learned_accesses += statistics.learned_accesses;
    interrupted_accesses += statistics.interrupted_accesses;
    most_groups = std::max(most_groups, statistics.most_groups);
  }
  // All ways are taken.
  CHECK(fast > interrupted);
  CHECK(interrupted > 0);
  CHECK(skipped_windows > 0);
  CHECK(fast_services > interrupted_services);
  CHECK(interrupted_services > 0);
  CHECK(most_groups > 2);
  CHECK(fast_accesses > interrupted_accesses);
  CHECK(fast_accesses > learned_accesses);
  CHECK(interrupted_accesses > 0);
}
