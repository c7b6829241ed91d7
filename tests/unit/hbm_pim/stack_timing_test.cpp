// The closed forms against a command-by-command walk, bandwidth bounds, refresh, and how normal
// accesses and GEMVs share a pseudo-channel.
#include "models/hbm_pim/stack_timing.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "tests/unit/common/random_seed.h"

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the test

namespace {

using Random = std::mt19937_64;

HbmPimConfig random_config(Random& random) {
  HbmPimConfig config;
  config.organisation.bank_groups = 1 + random() % 8;
  config.organisation.banks_per_group = 1 + random() % 4;
  config.organisation.row_bytes = 32 * (1 + random() % 40);
  config.timing.rcd_read = 5 + random() % 30;
  config.timing.precharge = 5 + random() % 30;
  config.timing.row_active = 20 + random() % 60;
  config.timing.four_activates = 10 + random() % 60;
  config.timing.refresh_interval = random() % 3 == 0 ? 0 : 3000 + random() % 3000;
  config.pim.mac_period = 1 + random() % 8;
  config.pim.activates_per_window = 1 + random() % 40;
  config.pim.global_buffer_bytes =
      std::max(config.organisation.row_bytes, 32 * static_cast<std::uint32_t>(1 + random() % 100));
  config.pim.mode_switch = random() % 100;
  check(config);
  return config;
}

// Executes a GEMV on an idle pseudo-channel one command at a time: what the closed form of a row
// must add up to. Banks are precharged; refreshes before `start` are done.
Cycle walk_gemv(const HbmPimConfig& config, const GemvWork& work, Cycle start) {
  const Timing& t = config.timing;
  const std::uint32_t columns_in_row = config.organisation.bursts_per_row();
  const std::uint32_t buffer = config.pim.global_buffer_bytes / 32;
  const bool whole_input_fits = work.chunks_per_slot <= buffer;
  std::uint32_t value_bursts = 0;
  while (value_bursts * 32 < config.organisation.banks() * 2) ++value_bursts;
  Cycle now = start;
  Cycle next_refresh = t.refresh_interval == 0 ? ~Cycle{0} : t.refresh_interval;
  while (next_refresh <= start) next_refresh += t.refresh_interval;
  const auto refresh_if_due = [&] {
    while (next_refresh <= now) {
      now += t.refresh;
      next_refresh += t.refresh_interval;
    }
  };
  const auto write_bursts = [&](std::uint32_t bursts) {
    for (std::uint32_t i = 0; i < bursts; ++i) now += t.ccd_short;
    now += t.write_latency;
  };
  refresh_if_due();
  now += config.pim.mode_switch;
  if (whole_input_fits) write_bursts(work.chunks_per_slot);

  std::uint32_t column = 0;
  const std::uint32_t total = work.slots * work.chunks_per_slot;
  while (column < total) {
    refresh_if_due();
    const Cycle first_activate = now;
    std::uint32_t activated =
        std::min(config.pim.activates_per_window, config.organisation.banks());
    Cycle last_activate = first_activate;
    while (activated < config.organisation.banks()) {
      last_activate += t.four_activates;
      activated += config.pim.activates_per_window;
    }
    now = last_activate + t.rcd_read;
    bool sent_input = false;
    for (std::uint32_t i = 0; i < columns_in_row && column < total; ++i, ++column) {
      const std::uint32_t in_slot = column % work.chunks_per_slot;
      if (!whole_input_fits && in_slot % buffer == 0) {
        const std::uint32_t piece = std::min(buffer, work.chunks_per_slot - in_slot);
        for (std::uint32_t burst = 0; burst < piece; ++burst) now += t.ccd_short;
        sent_input = true;
      }
      if (work.bias && in_slot == 0) write_bursts(value_bursts);
      now += config.pim.mac_period;
      if (in_slot + 1 == work.chunks_per_slot) {
        now += config.pim.mac_latency;
        for (std::uint32_t burst = 0; burst < value_bursts; ++burst) now += t.ccd_short;
      }
    }
    if (sent_input) now += t.write_latency;  // the pieces of a row are sent back to back
    now += t.read_to_precharge;
    now = std::max(now, last_activate + t.row_active) + t.precharge;
    now = std::max(now, last_activate + t.four_activates);
  }
  return now + t.read_latency + t.burst + config.pim.mode_switch;
}

std::uint64_t gemv_cycles(const PseudoChannelCounters& counters) {
  return counters.gemv_activate_cycles + counters.gemv_mac_cycles + counters.gemv_broadcast_cycles +
         counters.gemv_read_out_cycles + counters.gemv_refresh_cycles + counters.gemv_mode_cycles +
         counters.gemv_normal_cycles;
}

// Duration of a GEMV that starts on an idle stack just after time 0.
std::uint64_t duration_ps(const HbmPimConfig& config, std::uint32_t inputs, std::uint32_t outputs,
                          bool bias = false) {
  StackTiming stack(config);
  stack.start_gemv(0, GemvLayout(config.organisation, inputs, outputs, 0), bias);
  return stack.gemv_end_ps();
}

}  // namespace

TEST_CASE("the closed form of a GEMV equals a command-by-command walk") {
  const std::uint64_t seed = hpimvp::random_seed(21);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 2'000; ++i) {
    const HbmPimConfig config = random_config(random);
    const GemvWork work{1 + static_cast<std::uint32_t>(random() % 12),
                        1 + static_cast<std::uint32_t>(random() % 200), random() % 2 == 0};
    PseudoChannel channel(config);
    const Cycle start = random() % 2000;
    channel.start_gemv(start, work);
    const Cycle expected = walk_gemv(config, work, start);
    INFO("case " << i);
    REQUIRE(channel.gemv_end() == expected);
    // Lazily, in pieces, it is the same GEMV.
    for (Cycle now = start; channel.gemv_active(); now += 1 + random() % 3000) channel.advance(now);
    REQUIRE(channel.gemv_end() == expected);
    const PseudoChannelCounters counters = channel.counters(expected);
    REQUIRE(gemv_cycles(counters) == expected - start);
    REQUIRE(counters.mac_commands == std::uint64_t{work.slots} * work.chunks_per_slot);
    REQUIRE(counters.all_bank_activates ==
            (counters.mac_commands + config.organisation.bursts_per_row() - 1) /
                config.organisation.bursts_per_row());
    if (config.timing.refresh_interval != 0 && expected > config.timing.refresh_interval) {
      REQUIRE(counters.refreshes == expected / config.timing.refresh_interval);
    }
  }
}

TEST_CASE("a GEMV is never faster than its banks can stream") {
  const std::uint64_t seed = hpimvp::random_seed(22);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  const HbmPimConfig config;
  for (int i = 0; i < 100; ++i) {
    const std::uint32_t inputs = 1 + random() % 30000;
    const std::uint32_t outputs = 1 + random() % 30000;
    const double bytes = 2.0 * inputs * outputs;
    const double bytes_per_ps = 32.0 * config.organisation.banks() *
                                config.organisation.pseudo_channels() /
                                (config.pim.mac_period * config.timing.clock_period_ps);
    REQUIRE(static_cast<double>(duration_ps(config, inputs, outputs)) >= bytes / bytes_per_ps);
  }
}

TEST_CASE("a GEMV takes longer with more inputs, more outputs or a bias") {
  const std::uint64_t seed = hpimvp::random_seed(23);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 200; ++i) {
    HbmPimConfig config;
    if (i % 2 == 1) config.pim.global_buffer_bytes = 2048;  // x in pieces
    const std::uint32_t inputs = 1 + random() % 8000;
    const std::uint32_t outputs = 1 + random() % 8000;
    const std::uint64_t base = duration_ps(config, inputs, outputs);
    REQUIRE(duration_ps(config, inputs + random() % 200, outputs) >= base);
    REQUIRE(duration_ps(config, inputs, outputs + random() % 200) >= base);
    REQUIRE(duration_ps(config, inputs, outputs, true) > base);
    REQUIRE(duration_ps(config, inputs, outputs + 1024) > base);
  }
}

TEST_CASE("activation power binds a GEMV of the published machine") {
  HbmPimConfig config;
  // OPT-13B's first FFN matrix over four stacks.
  const std::uint64_t constrained = duration_ps(config, 5120, 5120);
  config.pim.activates_per_window = 32;
  const std::uint64_t free = duration_ps(config, 5120, 5120);
  CHECK(constrained > free * 2);
  // What the banks deliver, in bytes a picosecond = TB/s.
  const double bandwidth = 5120.0 * 5120.0 * 2 / static_cast<double>(constrained);
  CHECK(bandwidth > 1.0);
  CHECK(bandwidth < 3.0);
}

TEST_CASE("a sequential stream comes close to the data bus, and never beyond") {
  const HbmPimConfig config;
  StackTiming stack(config);
  const std::uint64_t bytes = 8 << 20;
  const std::uint64_t end = stack.access(1'000'000, false, 3 << 20, bytes);
  const double peak = 32.0 * config.organisation.pseudo_channels() /
                      static_cast<double>(config.timing.ccd_short * config.timing.clock_period_ps);
  const double achieved = static_cast<double>(bytes) / static_cast<double>(end - 1'000'000);
  CHECK(achieved < peak);
  CHECK(achieved > 0.8 * peak);
  CHECK(stack.counters(end).read_bursts == bytes / 32);
}

TEST_CASE("a row hit is faster than an empty bank, and that than a conflict") {
  const HbmPimConfig config;
  StackTiming stack(config);
  const std::uint64_t row_stride = std::uint64_t{config.organisation.row_bytes} *
                                   config.organisation.banks() *
                                   config.organisation.pseudo_channels();
  const std::uint64_t empty = stack.access(100'000, false, 0, 32) - 100'000;
  const std::uint64_t hit = stack.access(500'000, false, 64, 32) - 500'000;
  const std::uint64_t conflict = stack.access(1'000'000, false, row_stride, 32) - 1'000'000;
  const Timing& t = config.timing;
  const std::uint64_t fixed = t.read_latency + t.burst + config.controller_latency;
  const auto cycles = [&](std::uint64_t ps) { return ps / t.clock_period_ps; };
  CHECK(cycles(hit) == fixed);
  CHECK(cycles(empty) == fixed + t.rcd_read);
  CHECK(cycles(conflict) == fixed + t.rcd_read + t.precharge);
  const PseudoChannelCounters counters = stack.counters(2'000'000);
  CHECK(counters.row_hits == 1);
  CHECK(counters.row_misses == 2);
}

TEST_CASE("refresh happens every interval, and an access waits for the one in progress") {
  const HbmPimConfig config;
  const std::uint64_t interval = config.timing.refresh_interval * config.timing.clock_period_ps;
  StackTiming stack(config);
  CHECK(stack.counters(10 * interval).refreshes == 10 * 32);
  const std::uint64_t late = stack.access(10 * interval + 1000, false, 0, 32);
  CHECK(late >= 10 * interval + config.timing.refresh * config.timing.clock_period_ps);
  CHECK(stack.counters(10 * interval + 1000).refreshes == 10 * 32);
  // Rows are closed by it.
  stack.access(late, false, 32, 32);
  const std::uint64_t misses = stack.counters(late).row_misses;
  stack.access(11 * interval + interval / 2, false, 64, 32);
  CHECK(stack.counters(12 * interval - 1).row_misses == misses + 1);
}

TEST_CASE("a normal access breaks into a GEMV between rows and delays it") {
  const HbmPimConfig config;
  StackTiming stack(config);
  const GemvLayout layout(config.organisation, 5120, 5120, 0);
  stack.start_gemv(0, layout, false);
  const std::uint64_t alone = stack.gemv_end_ps();
  const std::uint64_t middle = alone / 2;
  const std::uint64_t read = stack.access(middle, false, 20ULL << 30, 16 * 1024);
  // At most a row of the GEMV, a refresh, the change of mode and the access itself.
  CHECK(read - middle < 1'300'000);
  CHECK_FALSE(stack.advance_gemv(alone));
  const std::uint64_t shared = stack.gemv_end_ps();
  CHECK(shared > alone);
  CHECK(shared < alone + 1'500'000);
  CHECK(stack.advance_gemv(shared));
}

TEST_CASE("a flood of normal accesses cannot starve a GEMV") {
  const HbmPimConfig config;
  StackTiming stack(config);
  stack.start_gemv(0, GemvLayout(config.organisation, 512, 1024, 0), false);
  std::uint64_t now = 0;
  int accesses = 0;
  while (!stack.advance_gemv(now)) {
    now = stack.access(now, accesses % 2 == 0, (accesses % 100) << 20, 32 * 1024);
    REQUIRE(++accesses < 1000);
  }
  CHECK(accesses > 0);
}

TEST_CASE("random traffic keeps the books") {
  const std::uint64_t seed = hpimvp::random_seed(24);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (int round = 0; round < 20; ++round) {
    HbmPimConfig config = random_config(random);
    config.organisation.rows = 2000;
    StackTiming stack(config);
    std::uint64_t now = 0;
    std::uint64_t bursts = 0;
    std::uint64_t gemv_start = 0;
    std::uint64_t gemv_ps = 0;
    bool active = false;
    for (int i = 0; i < 300; ++i) {
      now += random() % 400'000;
      if (active && stack.advance_gemv(now)) {
        active = false;
        gemv_ps += stack.gemv_end_ps() - gemv_start;
      }
      if (!active && random() % 8 == 0) {
        const auto outputs = static_cast<std::uint32_t>(1 + random() % 2000);
        gemv_start = now;
        stack.start_gemv(now, GemvLayout(config.organisation, 1 + random() % 500, outputs, 0),
                         random() % 2 == 0);
        active = true;
      } else {
        const std::uint64_t length = 1 + random() % 5000;
        const std::uint64_t offset = random() % (config.organisation.stack_bytes() - length);
        REQUIRE(stack.access(now, random() % 2 == 0, offset, length) > now);
        bursts += (offset + length - 1) / 32 - offset / 32 + 1;
      }
    }
    while (active && !stack.advance_gemv(now)) now = stack.gemv_end_ps();
    const PseudoChannelCounters counters = stack.counters(now);
    REQUIRE(counters.read_bursts + counters.write_bursts == bursts);
    REQUIRE(counters.row_misses == counters.activates);
    REQUIRE(counters.mode_switches % 2 == 0);
    if (gemv_ps > 0) REQUIRE(gemv_cycles(counters) > 0);
  }
}

TEST_CASE("a configuration that makes no sense is refused with its reason") {
  const auto refused = [](auto change) {
    HbmPimConfig config;
    change(config);
    CHECK_THROWS_AS(check(config), std::invalid_argument);
  };
  CHECK_NOTHROW(check(HbmPimConfig{}));
  refused([](HbmPimConfig& c) { c.organisation.channels = 0; });
  refused([](HbmPimConfig& c) { c.organisation.banks_per_group = 0; });
  refused([](HbmPimConfig& c) { c.organisation.rows = 0; });
  refused([](HbmPimConfig& c) { c.organisation.row_bytes = 1000; });
  refused([](HbmPimConfig& c) { c.organisation.burst_bytes = 64; });
  refused([](HbmPimConfig& c) { c.organisation.bank_groups = 1000; });
  refused([](HbmPimConfig& c) { c.timing.clock_period_ps = 0; });
  refused([](HbmPimConfig& c) { c.timing.ccd_long = 1; });
  refused([](HbmPimConfig& c) { c.timing.refresh_interval = c.timing.refresh; });
  refused([](HbmPimConfig& c) { c.pim.lanes = 8; });
  refused([](HbmPimConfig& c) { c.pim.mac_period = 0; });
  refused([](HbmPimConfig& c) { c.pim.activates_per_window = 0; });
  refused([](HbmPimConfig& c) { c.pim.global_buffer_bytes = 512; });
}
