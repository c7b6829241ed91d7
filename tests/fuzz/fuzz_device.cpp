// Any bytes as a device: an answer or a ConfigError; and a device that was accepted can be
// scheduled. Bytes that begin with a digit are changes of a preset's numbers and constraints on top
// of its own, others the text of a preset.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "models/hbm_pim/checker.h"
#include "models/hbm_pim/energy.h"
#include "models/hbm_pim/memory_controller.h"
#include "platform/config/device_reader.h"

namespace {

using namespace hpimvp;           // NOLINT: what the target is about
using namespace hpimvp::hbm_pim;  // NOLINT

constexpr const char* kFolder = HPIMVP_SOURCE_DIR "/scenarios/presets/hbm";
constexpr std::array kPresets = {"hbm3_hpim", "hbm3_6400", "hbm3_attacc", "hbm3_attacc_power",
                                 "hbm2_samsung_pim"};
constexpr std::array kSizes = {"organisation/channels",
                               "organisation/pseudo_channels_per_channel",
                               "organisation/stack_ids",
                               "organisation/bank_groups",
                               "organisation/banks_per_group",
                               "organisation/rows",
                               "organisation/columns",
                               "organisation/burst_bytes",
                               "pim/lanes",
                               "pim/unit_clock_mhz",
                               "pim/banks_per_unit",
                               "pim/banks_per_activate_group",
                               "pim/activate_groups_per_window",
                               "pim/buffer_bytes",
                               "pim/accumulators",
                               "pim/result_bytes",
                               "clock_period_ps"};

class Numbers {
 public:
  Numbers(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  bool ended() const { return size_ == 0; }
  std::uint32_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  // Of up to 31 bits.
  std::uint32_t number() {
    const std::uint32_t bits = byte() % 32;
    std::uint32_t value = 0;
    for (std::uint32_t i = 0; i < bits; i += 8) value = value << 8 | byte();
    return value & ((1u << bits) - 1);
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

std::string constraint(Numbers& numbers) {
  const auto command = [&numbers] {
    return command_name(static_cast<DramCommand>(numbers.byte() % kDramCommands));
  };
  const auto level = static_cast<ConstraintLevel>(numbers.byte() % kConstraintLevels);
  const char* before = command();
  const char* after = command();
  const std::uint32_t latency = numbers.number();
  const std::uint32_t window = numbers.byte();
  return fmt::format(
      R"({{"name": "own", "level": "{}", "before": ["{}"], "after": ["{}"], "latency": {}, {}}})",
      level_name(level), before, after, latency,
      window == 0 ? R"("other_instances": true)" : fmt::format(R"("window": {})", window));
}

// A preset with changes, as text.
std::string changed_preset(const std::uint8_t* data, std::size_t size) {
  Numbers numbers(data, size);
  const char* base = kPresets[numbers.byte() % kPresets.size()];
  config::Json device;
  device["base"] = base;
  device["constraints"] = config::Json::array();
  while (!numbers.ended()) {
    const std::uint32_t which = numbers.byte() % 128;
    if (which >= kSizes.size() + kParameters) {
      device["constraints"].push_back(config::Json::parse(constraint(numbers)));
      continue;
    }
    const std::string path =
        which < kSizes.size() ? std::string("/") + kSizes[which]
                              : std::string("/parameters/") +
                                    parameter_name(static_cast<Parameter>(which - kSizes.size()));
    device[config::Json::json_pointer(path)] = {numbers.number(), "fuzz"};
  }
  return device.dump();
}

// A device with constraints of its own may break the checker's rules: it need only survive.
void check_command(void* context, const CommandRecord& record) {
  static_cast<DramChecker*>(context)->check(record);
}

void run_requests(const DeviceDescription& device) {
  ControllerConfig config;
  const DeviceOrganisation& organisation = device.organisation;
  config.page_policy = organisation.rows % 2 == 0 ? PagePolicy::kOpen : PagePolicy::kClosed;
  config.refresh =
      device[Parameter::kTREFIpb] == 0 ? RefreshPolicy::kAllBank : RefreshPolicy::kPerBank;
  config.power_down_after = 50;
  MemoryController controller(device, config);
  DramChecker checker(device);
  controller.set_command_sink({&check_command, &checker});
  for (std::uint32_t i = 0; i < 24; ++i) {
    MemoryRequest request;
    request.id = i;
    request.write = i % 3 == 0;
    request.address = organisation.bank_address(i * 7 % organisation.banks());
    request.address.row = i % std::min(organisation.rows, 3u);
    request.address.column = static_cast<std::uint16_t>(i % organisation.columns);
    controller.push(request);
  }
  // Latencies may be long, and a refresh due in nearly every cycle.
  constexpr MemoryController::Cycle kEnd = 1u << 19;
  for (int i = 0; i < 200 && controller.issue_next(kEnd); ++i) {
  }
  CommandCounts counts;
  counts.commands = controller.counters().commands;
  counts.cycles = controller.now();
  if (!(energy_of(device, counts).total() >= 0)) std::abort();
}

// Commands that the state allows, each as early as possible.
void run_commands(const DeviceDescription& device) {
  CommandTiming timing(device);
  DramChecker checker(device);
  CommandTiming::Cycle now = 0;
  for (std::uint32_t i = 0; i < 200; ++i) {
    const auto command = static_cast<DramCommand>(i * 5 % kDramCommands);
    CommandAddress address;
    if (command == DramCommand::kActivateBanks) {
      address.bank = static_cast<std::uint8_t>(i % device.activate_groups());
    } else if (acts_on(command, ConstraintLevel::kOperandGroup)) {
      address.bank = static_cast<std::uint8_t>(i % device.operand_groups());
    } else if (acts_on(command, ConstraintLevel::kBank)) {
      address = device.organisation.bank_address(i % device.organisation.banks());
    }
    if (!timing.is_legal(command, address)) continue;
    now = std::max(now, timing.earliest(command, address));
    timing.issue(command, address, now);
    checker.check({now, 0, command, address});
  }
  checker.finish(0, now);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const bool changes = size > 0 && data[0] >= '0' && data[0] <= '9';
  const std::string text =
      changes ? changed_preset(data, size) : std::string(reinterpret_cast<const char*>(data), size);
  try {
    const DeviceDescription device =
        config::read_device(config::Document::parse(text, "fuzz.json"), kFolder);
    run_commands(device);
    run_requests(device);
  } catch (const config::ConfigError&) {
  }
  return 0;
}
