// What published parts say about their bandwidth, and the independent checker on GEMV streams.
#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "models/hbm_pim/checker.h"
#include "models/hbm_pim/gemv_command_engine.h"
#include "models/hbm_pim/gemv_stream.h"
#include "models/hbm_pim/pim_cursor.h"
#include "tests/unit/common/random_seed.h"
#include "tests/unit/hbm_pim/device_presets.h"
#include "tests/unit/hbm_pim/random_gemvs.h"

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the test
using hpimvp::test_support::device_preset;
using hpimvp::test_support::device_preset_names;
using hpimvp::test_support::random_gemv;
using hpimvp::test_support::scaled_cases;

namespace {

std::vector<CommandRecord> trace(const DeviceDescription& device, const PseudoChannelGemv& gemv,
                                 const GemvRefresh& refresh) {
  std::vector<CommandRecord> records;
  PseudoChannelState state(device, refresh);
  GemvStream stream(device, gemv);
  GemvCommandEngine(device).run(
      state, stream.source(),
      {[](void* context, const CommandRecord& record) {
         static_cast<std::vector<CommandRecord>*>(context)->push_back(record);
       },
       &records});
  return records;
}

double bytes_per_mac(const DeviceDescription& device) {
  return static_cast<double>(device.units()) * device.organisation.burst_bytes;
}

// While columns of a row stream: from the first MAC of each row to its last.
double streaming_bytes_per_cycle(const DeviceDescription& device,
                                 const std::vector<CommandRecord>& records) {
  double bytes = 0;
  std::uint64_t cycles = 0;
  for (std::size_t i = 1; i < records.size(); ++i) {
    if (records[i].command != DramCommand::kMac || records[i - 1].command != DramCommand::kMac) {
      continue;
    }
    bytes += bytes_per_mac(device);
    cycles += records[i].cycle - records[i - 1].cycle;
  }
  REQUIRE(cycles > 0);
  return bytes / static_cast<double>(cycles);
}

// Changes of rows included: between the first MACs of the second and of the last row.
double steady_bytes_per_cycle(const DeviceDescription& device,
                              const std::vector<CommandRecord>& records) {
  std::vector<std::size_t> row_begins;
  for (std::size_t i = 1; i < records.size(); ++i) {
    if (records[i].command == DramCommand::kMac && records[i - 1].command != DramCommand::kMac) {
      row_begins.push_back(i);
    }
  }
  REQUIRE(row_begins.size() > 10);
  const std::size_t first = row_begins[1];
  const std::size_t last = row_begins.back();
  double bytes = 0;
  for (std::size_t i = first; i < last; ++i) {
    if (records[i].command == DramCommand::kMac) bytes += bytes_per_mac(device);
  }
  return bytes / static_cast<double>(records[last].cycle - records[first].cycle);
}

double external_bytes_per_cycle(const DeviceDescription& device) {
  return static_cast<double>(device.organisation.burst_bytes) / device[Parameter::kTCCDS];
}

}  // namespace

TEST_CASE("Samsung's preset streams 1.23 TB/s inside a stack") {
  const DeviceDescription device = device_preset("hbm2_samsung_pim");
  const std::vector<CommandRecord> records =
      trace(device, {4096, 256, 0, false}, {.enabled = false});
  const double bytes_per_second = streaming_bytes_per_cycle(device, records) *
                                  device.organisation.pseudo_channels() /
                                  (static_cast<double>(device.clock_period_ps) * 1e-12);
  CHECK(bytes_per_second == Approx(1.23e12).epsilon(0.03));
  const double external = external_bytes_per_cycle(device) * device.organisation.pseudo_channels() /
                          (static_cast<double>(device.clock_period_ps) * 1e-12);
  CHECK(external == Approx(0.307e12).epsilon(0.03));
}

TEST_CASE("AttAcc's preset streams 16 times the external bandwidth") {
  const DeviceDescription device = device_preset("hbm3_attacc");
  const std::vector<CommandRecord> records =
      trace(device, {16384, 64, 0, false}, {.enabled = false});
  CHECK(streaming_bytes_per_cycle(device, records) / external_bytes_per_cycle(device) ==
        Approx(16.0).epsilon(0.03));
}

TEST_CASE("AttAcc's preset under its power constraint reaches 9 times the external bandwidth") {
  const DeviceDescription device = device_preset("hbm3_attacc_power");
  const std::vector<CommandRecord> records =
      trace(device, {16384, 64, 0, false}, {.enabled = false});
  CHECK(steady_bytes_per_cycle(device, records) / external_bytes_per_cycle(device) ==
        Approx(9.0).epsilon(0.03));
}

TEST_CASE("The checker finds nothing in the streams of any preset") {
  const std::uint64_t seed = hpimvp::random_seed(0x6E41);
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (const std::string& name : device_preset_names()) {
    const DeviceDescription device = device_preset(name);
    for (std::uint64_t i = 0; i < scaled_cases(60); ++i) {
      // The first is long enough for refresh to be postponed as far as it may be, and done.
      const PseudoChannelGemv gemv =
          i == 0 ? PseudoChannelGemv{20480, 320, 0, true} : random_gemv(device, random);
      INFO(name << ": " << gemv.inputs << " inputs, " << gemv.outputs << " outputs");
      DramChecker checker(device);
      const std::vector<CommandRecord> records = trace(device, gemv, {});
      if (i == 0) {
        REQUIRE(std::any_of(records.begin(), records.end(), [](const CommandRecord& record) {
          return record.command == DramCommand::kRefresh;
        }));
      }
      for (const CommandRecord& record : records) {
        const auto violation = checker.check(record);
        INFO((violation ? to_string(*violation) : std::string()));
        REQUIRE(!violation);
      }
      if (!records.empty()) REQUIRE(!checker.finish(0, records.back().cycle));
    }
  }
}
