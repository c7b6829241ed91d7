// The controller of a pseudo-channel: rules, policies, and throughput against closed forms that the
// tests compute from the device's parameters.
#include "models/hbm_pim/memory_controller.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "models/hbm_pim/bit_field_mapping.h"
#include "tests/unit/common/random_seed.h"
#include "tests/unit/hbm_pim/controller_bench.h"
#include "tests/unit/hbm_pim/device_presets.h"

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the test
using hpimvp::test_support::ControllerBench;
using hpimvp::test_support::device_preset;
using hpimvp::test_support::device_preset_names;

namespace {

using Random = std::mt19937_64;
using Cycle = std::uint64_t;

ControllerConfig without_refresh() {
  ControllerConfig config;
  config.refresh = RefreshPolicy::kNone;
  return config;
}

// One pseudo-channel of the device, as a stack of its own.
BitFieldMapping mapping_of(const DeviceDescription& device) {
  DeviceOrganisation organisation = device.organisation;
  organisation.channels = 1;
  organisation.pseudo_channels_per_channel = 1;
  return BitFieldMapping(organisation);
}

std::vector<MemoryRequest> sequential_reads(const DeviceDescription& device, std::uint64_t count) {
  const BitFieldMapping mapping = mapping_of(device);
  std::vector<MemoryRequest> requests;
  for (std::uint64_t i = 0; i < count; ++i) {
    MemoryRequest request;
    request.id = i;
    request.address = mapping.map(i * device.organisation.burst_bytes).address;
    requests.push_back(request);
  }
  return requests;
}

CommandAddress random_address(const DeviceDescription& device, Random& random, std::uint32_t rows) {
  CommandAddress address = device.organisation.bank_address(
      static_cast<std::uint32_t>(random() % device.organisation.banks()));
  address.row = static_cast<std::uint32_t>(random() % rows);
  address.column = static_cast<std::uint16_t>(random() % device.organisation.columns);
  return address;
}

// Rows of a GEMV.
std::vector<PimCommand> gemv_rows(const DeviceDescription& device, std::uint32_t rows) {
  std::vector<PimCommand> commands;
  const auto add = [&commands](DramCommand command, std::uint32_t bank, std::uint32_t row,
                               std::uint32_t column) {
    CommandAddress address;
    address.bank = static_cast<std::uint8_t>(bank);
    address.row = row;
    address.column = static_cast<std::uint16_t>(column);
    commands.push_back({command, address});
  };
  add(DramCommand::kWriteBuffer, 0, 0, 0);
  add(DramCommand::kWriteBias, 0, 0, 0);
  for (std::uint32_t row = 0; row < rows; ++row) {
    for (std::uint32_t a = 0; a < device.activate_groups(); ++a) {
      add(DramCommand::kActivateBanks, a, row, 0);
    }
    for (std::uint32_t group = 0; group < device.operand_groups(); ++group) {
      for (std::uint32_t column = 0; column < device.organisation.columns; ++column) {
        add(DramCommand::kMac, group, row, column);
      }
      add(DramCommand::kPrechargeBanks, group, 0, 0);
    }
  }
  add(DramCommand::kReadResult, 0, 0, 0);
  return commands;
}

double fraction_of_peak(const DeviceDescription& device, std::uint64_t bursts, Cycle cycles) {
  return static_cast<double>(bursts * device[Parameter::kTCCDS]) / static_cast<double>(cycles);
}

double refresh_share(const DeviceDescription& device) {
  return static_cast<double>(device[Parameter::kTRFC]) /
         static_cast<double>(device[Parameter::kTREFI]);
}

}  // namespace

TEST_CASE("Random traffic keeps all rules and every request completes once") {
  const auto seed = hpimvp::random_seed(11);
  INFO("seed " << seed);
  Random random(seed);
  for (unsigned round = 0; round < 120; ++round) {
    const std::string& name = device_preset_names()[round % device_preset_names().size()];
    const DeviceDescription device = device_preset(name);
    ControllerConfig config;
    config.page_policy = static_cast<PagePolicy>(random() % 2);
    config.refresh = static_cast<RefreshPolicy>(random() % 3);
    config.most_postponed = static_cast<std::uint32_t>(random() % 9);
    config.arbitration = static_cast<Arbitration>(random() % 3);
    config.read_queue = 1 + random() % 64;
    config.write_queue = 1 + random() % 64;
    config.drain_from = 1 + random() % config.write_queue;
    config.drain_to = random() % config.drain_from;
    config.starvation_limit = 100 + random() % 5000;
    config.power_down_after = random() % 2 == 0 ? 0 : 1 + random() % 200;
    INFO(name << " round " << round);
    ControllerBench bench(device, config);
    std::vector<MemoryRequest> requests;
    Cycle arrival = 0;
    const unsigned pause = 1 + random() % 60;
    const std::uint32_t rows = 1 + random() % 8;
    for (std::uint64_t id = 0; id < 3000; ++id) {
      arrival += random() % pause + (random() % 500 == 0 ? 20'000 : 0);
      requests.push_back({id, arrival, random_address(device, random, rows), random() % 3 == 0, 0});
    }
    const bool pim = random() % 2 == 0;
    if (pim) bench.start_pim(gemv_rows(device, 50));
    bench.play(requests);
    bench.finish();
    REQUIRE(bench.violation() == "");
    REQUIRE(bench.completions().size() == requests.size());
    const ControllerCounters& counters = bench.controller().counters();
    CHECK(counters[DramCommand::kRead] + counters[DramCommand::kWrite] + counters.forwarded_reads ==
          requests.size());
    if (pim) {
      CHECK(counters[DramCommand::kMac] ==
            50u * device.organisation.columns * device.operand_groups());
      CHECK(counters[DramCommand::kReadResult] == 1);
    }
  }
}

TEST_CASE("A lone read or write takes what its parameters add up to") {
  for (const std::string& name : device_preset_names()) {
    INFO(name);
    const DeviceDescription device = device_preset(name);
    CommandAddress address = device.organisation.bank_address(3);
    address.row = 77;
    ControllerBench bench(device, without_refresh());
    const Cycle read =
        device[Parameter::kTRCDRD] + device[Parameter::kTRL] + device[Parameter::kTBL];
    bench.play({{1, 1000, address, false, 0}});
    bench.finish();
    CHECK(bench.completions().at(1) == 1000 + read);
    // A hit; then another row; then the same bank written.
    address.column = 5;
    bench.play({{2, 2000, address, false, 0}});
    bench.finish();
    CHECK(bench.completions().at(2) == 2000 + device[Parameter::kTRL] + device[Parameter::kTBL]);
    address.row = 78;
    bench.play({{3, 3000, address, false, 0}});
    bench.finish();
    CHECK(bench.completions().at(3) == 3000 + device[Parameter::kTRP] + read);
    address.row = 79;
    bench.play({{4, 4000, address, true, 0}});
    bench.finish();
    CHECK(bench.completions().at(4) == 4000 + device[Parameter::kTRP] + device[Parameter::kTRCDWR] +
                                           device[Parameter::kTWL] + device[Parameter::kTBL]);
    CHECK(bench.violation() == "");
  }
}

TEST_CASE("Sequential reads reach the peak less all-bank refresh") {
  for (const std::string& name : device_preset_names()) {
    const DeviceDescription device = device_preset(name);
    ControllerBench bench(device, {});
    const std::uint64_t bursts = 400'000;
    bench.play(sequential_reads(device, bursts));
    bench.finish();
    const double reached = fraction_of_peak(device, bursts, bench.last_data());
    const double possible = 1 - refresh_share(device);
    WARN(name << ": " << 100 * reached << " % of the peak, " << 100 * possible
              << " % outside refresh");
    CHECK(bench.violation() == "");
    CHECK(reached <= possible * 1.01);  // 8 refreshes may be outstanding at the end
    CHECK(reached >= possible * 0.99);
    if (name == "hbm3_6400") CHECK(reached >= 0.92);
  }
}

TEST_CASE("Per-bank refresh costs a sequential stream less than all-bank refresh") {
  for (const char* name : {"hbm3_6400", "hbm3_hpim"}) {
    const DeviceDescription device = device_preset(name);
    const std::uint64_t bursts = 200'000;
    ControllerConfig config;
    config.refresh = RefreshPolicy::kPerBank;
    ControllerBench bench(device, config);
    bench.play(sequential_reads(device, bursts));
    bench.finish();
    const double reached = fraction_of_peak(device, bursts, bench.last_data());
    WARN(name << ": " << 100 * reached << " % of the peak");
    CHECK(bench.violation() == "");
    CHECK(reached > 1 - refresh_share(device));
    // As many as fell due, but for the postponed ones, and the banks in turn.
    const auto due = bench.controller().now() / device[Parameter::kTREFIpb];
    CHECK(bench.controller().counters()[DramCommand::kRefreshBank] + 9 >= due);
    std::map<std::uint32_t, std::uint64_t> by_bank;
    for (const CommandRecord& record : bench.commands()) {
      if (record.command == DramCommand::kRefreshBank) {
        ++by_bank[device.organisation.bank_index(record.address)];
      }
    }
    CHECK(by_bank.size() == device.organisation.banks());
    for (const auto& [bank, count] : by_bank) {
      CHECK(count + 1 >= by_bank.begin()->second);
      CHECK(count <= by_bank.begin()->second + 1);
    }
  }
}

TEST_CASE("Random reads are bound by activation") {
  const auto seed = hpimvp::random_seed(13);
  INFO("seed " << seed);
  Random random(seed);
  for (const std::string& name : device_preset_names()) {
    const DeviceDescription device = device_preset(name);
    std::vector<MemoryRequest> requests;
    for (std::uint64_t id = 0; id < 50'000; ++id) {
      requests.push_back(
          {id, 0, random_address(device, random, device.organisation.rows), false, 0});
    }
    ControllerConfig config = without_refresh();
    config.read_queue = 128;
    ControllerBench bench(device, config);
    bench.play(requests);
    bench.finish();
    // Every read opens a row: four in tFAW, one in tRRD_S, and in each bank one in tRC.
    const double bound =
        std::max({device[Parameter::kTFAW] / 4.0, static_cast<double>(device[Parameter::kTRRDS]),
                  static_cast<double>(device[Parameter::kTRC]) / device.organisation.banks()});
    const double reached = static_cast<double>(bench.last_data()) / requests.size();
    WARN(name << ": " << reached << " cycles a read, bound " << bound);
    CHECK(bench.violation() == "");
    CHECK(reached >= bound * 0.995);  // a few rows are hit twice
    CHECK(reached <= bound * 1.08);
  }
}

TEST_CASE("A stream of row conflicts takes a row cycle for each read") {
  for (const std::string& name : device_preset_names()) {
    INFO(name);
    const DeviceDescription device = device_preset(name);
    std::vector<MemoryRequest> requests;
    for (std::uint64_t id = 0; id < 1000; ++id) {
      CommandAddress address = device.organisation.bank_address(2);
      address.row = static_cast<std::uint32_t>(id);
      requests.push_back({id, 0, address, false, 0});
    }
    ControllerBench bench(device, without_refresh());
    bench.play(requests);
    bench.finish();
    const Cycle open = std::max<Cycle>(device[Parameter::kTRAS],
                                       device[Parameter::kTRCDRD] + device[Parameter::kTRTP]);
    const Cycle period = std::max<Cycle>(device[Parameter::kTRC], open + device[Parameter::kTRP]);
    CHECK(bench.violation() == "");
    CHECK(bench.last_data() == 999 * period + device[Parameter::kTRCDRD] + device[Parameter::kTRL] +
                                   device[Parameter::kTBL]);
  }
}

TEST_CASE("Mixed reads and writes of open rows pay the turnarounds of the data bus") {
  for (const std::string& name : device_preset_names()) {
    INFO(name);
    const DeviceDescription device = device_preset(name);
    // Rows 0 of four bank groups; half the accesses write.
    std::vector<MemoryRequest> requests;
    for (std::uint64_t id = 0; id < 20'000; ++id) {
      CommandAddress address;
      address.bank_group = static_cast<std::uint8_t>(id / 2 % 4);
      address.column = static_cast<std::uint16_t>((id / 8 % 16) * 2 + id % 2);
      requests.push_back({id, 0, address, id % 2 == 1, 0});
    }
    ControllerConfig config = without_refresh();
    ControllerBench bench(device, config);
    bench.play(requests);
    bench.finish();
    const ControllerCounters& counters = bench.controller().counters();
    // There and back: the first read after a write waits for tWTR of its own bank group at worst.
    const double shortest = device[Parameter::kTRTW] + device[Parameter::kTWL] +
                            device[Parameter::kTBL] + device[Parameter::kTWTRS];
    const double longest = shortest + device[Parameter::kTWTRL] - device[Parameter::kTWTRS];
    const double bursts = static_cast<double>(device[Parameter::kTCCDS]) * requests.size();
    const double pairs = static_cast<double>(counters.turnarounds) / 2;
    const double two_slots = 2.0 * device[Parameter::kTCCDS];
    CHECK(bench.violation() == "");
    CHECK(counters.forwarded_reads == 0);
    CHECK(counters[DramCommand::kActivate] == 4);
    CHECK(pairs >= 20'000 / 2 / config.write_queue);
    CHECK(pairs <= 20'000 / 2 / (config.drain_from - config.drain_to) + 2);
    CHECK(bench.last_data() >= bursts + (pairs - 1) * (shortest - two_slots));
    CHECK(bench.last_data() <= (bursts + pairs * (longest - two_slots)) * 1.02 + 200);
  }
}

TEST_CASE("A read of a queued write is answered from the queue") {
  const DeviceDescription device = device_preset("hbm3_hpim");
  ControllerBench bench(device, without_refresh());
  CommandAddress address;
  address.row = 3;
  address.column = 7;
  CommandAddress beside = address;
  beside.column = 8;
  bench.play({{1, 100, address, true, 0}, {2, 100, address, false, 0}, {3, 100, beside, false, 0}});
  bench.finish();
  CHECK(bench.completions().at(2) == 101);
  CHECK(bench.completions().at(3) > 101);
  CHECK(bench.controller().counters().forwarded_reads == 1);
}

TEST_CASE("A request waits no longer than the starvation limit for row hits of others") {
  const DeviceDescription device = device_preset("hbm3_hpim");
  const auto wait_with_limit = [&device](std::uint32_t limit) {
    ControllerConfig config = without_refresh();
    config.starvation_limit = limit;
    config.read_queue = 8;
    ControllerBench bench(device, config);
    std::vector<MemoryRequest> requests;
    for (std::uint64_t id = 0; id < 8000; ++id) {
      CommandAddress address;
      address.column = static_cast<std::uint16_t>(id % 32);
      address.row = id == 4 ? 9 : 0;
      requests.push_back({id, 0, address, false, 0});
    }
    bench.play(requests);
    bench.finish();
    CHECK(bench.violation() == "");
    return bench.completions().at(4);
  };
  const Cycle service = device[Parameter::kTRAS] + device[Parameter::kTRP] +
                        device[Parameter::kTRCDRD] + device[Parameter::kTRL] +
                        device[Parameter::kTBL];
  CHECK(wait_with_limit(500) >= 500);
  CHECK(wait_with_limit(500) <= 500 + service);
  CHECK(wait_with_limit(3000) <= 3000 + service);
  CHECK(wait_with_limit(1'000'000) > 8000 * device[Parameter::kTCCDL]);
}

TEST_CASE("Writes are not forgotten while reads keep coming") {
  const DeviceDescription device = device_preset("hbm3_hpim");
  ControllerConfig config = without_refresh();
  config.starvation_limit = 1000;
  ControllerBench bench(device, config);
  auto requests = sequential_reads(device, 20'000);
  CommandAddress address;
  address.row = 500;
  requests.insert(requests.begin() + 10, MemoryRequest{1'000'000, 0, address, true, 0});
  bench.play(requests);
  bench.finish();
  CHECK(bench.violation() == "");
  CHECK(bench.completions().at(1'000'000) >= 1000);
  CHECK(bench.completions().at(1'000'000) <= 1000 + 200);
}

TEST_CASE("Closed pages cost hits and spare conflicts") {
  const DeviceDescription device = device_preset("hbm3_hpim");
  const auto latency = [&device](PagePolicy policy, bool same_row) {
    ControllerConfig config = without_refresh();
    config.page_policy = policy;
    ControllerBench bench(device, config);
    CommandAddress address;
    bench.play({{1, 0, address, false, 0}});
    bench.controller().run(1000);
    address.row = same_row ? 0 : 1;
    bench.play({{2, 1000, address, false, 0}});
    bench.finish();
    CHECK(bench.violation() == "");
    return bench.completions().at(2) - 1000;
  };
  const Cycle hit = device[Parameter::kTRL] + device[Parameter::kTBL];
  CHECK(latency(PagePolicy::kOpen, true) == hit);
  CHECK(latency(PagePolicy::kOpen, false) ==
        device[Parameter::kTRP] + device[Parameter::kTRCDRD] + hit);
  CHECK(latency(PagePolicy::kClosed, true) == device[Parameter::kTRCDRD] + hit);
  CHECK(latency(PagePolicy::kClosed, false) == device[Parameter::kTRCDRD] + hit);
}

TEST_CASE("Refresh is postponed under load, no further than allowed, and not when idle") {
  const DeviceDescription device = device_preset("hbm3_hpim");
  const Cycle interval = device[Parameter::kTREFI];
  for (const std::uint32_t most : {0u, 1u, 4u, 8u}) {
    INFO(most);
    ControllerConfig config;
    config.most_postponed = most;
    ControllerBench bench(device, config);
    bench.play(sequential_reads(device, 100'000));
    bench.finish();
    bench.controller().run(bench.controller().now() + 20 * interval);
    CHECK(bench.violation() == "");
    Cycle last = 0;
    Cycle longest = 0;
    std::uint64_t refreshes = 0;
    for (const CommandRecord& record : bench.commands()) {
      if (record.command != DramCommand::kRefresh) continue;
      longest = std::max(longest, record.cycle - last);
      last = record.cycle;
      ++refreshes;
      CHECK(refreshes * interval <= record.cycle);  // none before it is due
      CHECK(refreshes + std::max(most, 1u) >= record.cycle / interval);
    }
    CHECK(longest <= (std::max(most, 1u) + 1) * interval);
    CHECK(longest >= (std::max(most, 1u) - 1) * interval);
    // Nothing is owed when all is quiet.
    CHECK(refreshes >= (bench.controller().now() - 1) / interval);
  }
}

TEST_CASE("PIM first: the stream runs as if alone") {
  for (const std::string& name : device_preset_names()) {
    INFO(name);
    const DeviceDescription device = device_preset(name);
    ControllerConfig config = without_refresh();
    config.arbitration = Arbitration::kPimFirst;
    // By hand, command behind command.
    CommandTiming timing(device);
    timing.issue(DramCommand::kPimEnter, {}, 0);
    Cycle alone = 0;
    for (const PimCommand& command : gemv_rows(device, 40)) {
      alone = std::max(alone, timing.earliest(command.command, command.address));
      timing.issue(command.command, command.address, alone);
    }
    ControllerBench bench(device, config);
    bench.start_pim(gemv_rows(device, 40));
    bench.play(sequential_reads(device, 50));
    bench.finish();
    CHECK(bench.violation() == "");
    CHECK(bench.controller().last_pim_cycle() == alone);
    CHECK(bench.completions().at(0) > alone);
    CHECK(bench.controller().counters()[DramCommand::kPimEnter] == 1);
  }
}

TEST_CASE("Memory first: requests break in at the next row, and PIM goes on in between") {
  const DeviceDescription device = device_preset("hbm3_hpim");
  ControllerConfig config = without_refresh();
  config.arbitration = Arbitration::kMemoryFirst;
  ControllerBench bench(device, config);
  bench.start_pim(gemv_rows(device, 100));
  const Cycle row = device.activate_groups() * device[Parameter::kTFAWAB] +
                    device[Parameter::kTRCDMAC] +
                    device.organisation.columns * device[Parameter::kTMAC] +
                    device[Parameter::kTRTP] + device[Parameter::kTRP];
  std::vector<MemoryRequest> requests;
  for (std::uint64_t id = 0; id < 5; ++id) {
    CommandAddress address;
    address.row = 9;
    requests.push_back({id, 5000 + id * 4000, address, false, 0});
  }
  bench.play(requests);
  bench.finish();
  CHECK(bench.violation() == "");
  const Cycle change = device[Parameter::kTPIMOUT] + device[Parameter::kTMACL];
  const Cycle read = device[Parameter::kTRCDRD] + device[Parameter::kTRL] + device[Parameter::kTBL];
  for (const MemoryRequest& request : requests) {
    CHECK(bench.completions().at(request.id) - request.arrival <= row + change + read);
  }
  CHECK(bench.controller().counters()[DramCommand::kPimEnter] == 6);
}

TEST_CASE("Bounded interleave: both sides go on, each within its window") {
  const DeviceDescription device = device_preset("hbm3_hpim");
  ControllerConfig config = without_refresh();
  config.arbitration = Arbitration::kBoundedInterleave;
  config.pim_window = 3000;
  config.memory_window = 700;
  ControllerBench bench(device, config);
  bench.start_pim(gemv_rows(device, 100));
  bench.play(sequential_reads(device, 4000));
  bench.finish();
  CHECK(bench.violation() == "");
  Cycle entered = 0;
  Cycle left = 0;
  unsigned changes = 0;
  unsigned reads = 0;
  bool pim_waits = true;
  for (const CommandRecord& record : bench.commands()) {
    reads += record.command == DramCommand::kRead;
    if (record.command == DramCommand::kReadResult) pim_waits = false;
    if (record.command == DramCommand::kPimEnter) {
      // Requests have waited all the time.
      if (changes > 0) CHECK(record.cycle - left <= 700 + 150);
      entered = record.cycle;
      ++changes;
    }
    if (record.command == DramCommand::kPimExit) {
      if (pim_waits) CHECK(record.cycle - entered >= 3000);
      if (reads < 4000) CHECK(record.cycle - entered <= 3000 + 800);
      left = record.cycle;
    }
  }
  CHECK(changes >= 10);
}

TEST_CASE("An idle pseudo-channel powers down, wakes for requests and refresh") {
  const DeviceDescription device = device_preset("hbm3_hpim");
  ControllerConfig config;
  config.power_down_after = 100;
  ControllerBench bench(device, config);
  CommandAddress address;
  bench.play({{1, 0, address, false, 0}});
  bench.controller().run(4000);
  CHECK(bench.controller().timing().powered_down());
  address.column = 1;
  bench.play({{2, 4000, address, false, 0}});
  bench.finish();
  CHECK(bench.completions().at(2) ==
        4000 + device[Parameter::kTXP] + device[Parameter::kTRL] + device[Parameter::kTBL]);
  bench.controller().run(10 * device[Parameter::kTREFI] + 1000);
  CHECK(bench.controller().counters()[DramCommand::kRefresh] == 10);
  CHECK(bench.controller().counters()[DramCommand::kPowerDownEnter] == 12);
  CHECK(bench.violation() == "");
}

TEST_CASE("A controller's configuration is checked") {
  const auto bad = [](auto change) {
    ControllerConfig config;
    change(config);
    CHECK_THROWS_AS(check(config), std::invalid_argument);
  };
  CHECK_NOTHROW(check(ControllerConfig{}));
  bad([](ControllerConfig& config) { config.read_queue = 0; });
  bad([](ControllerConfig& config) { config.drain_from = config.write_queue + 1; });
  bad([](ControllerConfig& config) { config.drain_to = config.drain_from; });
  bad([](ControllerConfig& config) { config.most_postponed = 9; });
  bad([](ControllerConfig& config) { config.pim_window = 0; });
}
