// What a stream of PIM commands computes: every weight once, with its input in the buffer, summed
// for its own output. The places of weights are computed here anew.
#include "models/hbm_pim/gemv_stream.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>

#include "models/hbm_pim/command_timing.h"
#include "models/hbm_pim/pim_cursor.h"
#include "tests/unit/common/random_seed.h"
#include "tests/unit/hbm_pim/device_presets.h"
#include "tests/unit/hbm_pim/random_gemvs.h"

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the test
using hpimvp::test_support::device_preset;
using hpimvp::test_support::random_gemv;
using hpimvp::test_support::random_variant;
using hpimvp::test_support::scaled_cases;

namespace {

struct Place {
  std::uint32_t bank;
  std::uint32_t row;
  std::uint32_t column;
  auto operator<=>(const Place&) const = default;
};

Place native_place(const DeviceDescription& device, const PseudoChannelGemv& gemv,
                   std::uint32_t output, std::uint32_t chunk) {
  const std::uint32_t banks = device.organisation.banks();
  const std::uint32_t columns = device.organisation.columns;
  const std::uint64_t chunks = (gemv.inputs + 15) / 16;
  const std::uint64_t burst = output / banks * chunks + chunk;
  return {output % banks, gemv.weight_row + static_cast<std::uint32_t>(burst / columns),
          static_cast<std::uint32_t>(burst % columns)};
}

// With a GRF_A of `registers` and a GRF_B of `sums` registers.
Place samsung_place(const DeviceDescription& device, const PseudoChannelGemv& gemv,
                    std::uint32_t output, std::uint32_t chunk) {
  const std::uint32_t banks_per_unit = device.pim.banks_per_unit;
  const std::uint32_t units = device.organisation.banks() / banks_per_unit;
  const std::uint32_t registers = std::min(device.pim.buffer_bytes / 32, 32u);
  const std::uint32_t per_bank = 32 / registers;
  const std::uint32_t sums = std::min(device.pim.accumulators, banks_per_unit * per_bank);
  const std::uint32_t tiles = ((gemv.inputs + 15) / 16 + registers - 1) / registers;
  const std::uint32_t slot = output / units;
  const std::uint32_t sum = slot % sums;
  return {output % units * banks_per_unit + sum / per_bank,
          gemv.weight_row + slot / sums * tiles + chunk / registers,
          sum % per_bank * registers + chunk % registers};
}

// Follows a stream's meaning.
class Machine {
 public:
  Machine(const DeviceDescription& device, const PseudoChannelGemv& gemv)
      : device_(device),
        gemv_(gemv),
        samsung_(device.pim.programming_model == ProgrammingModel::kSamsung),
        chunks_((gemv.inputs + 15) / 16),
        per_slot_(samsung_ ? device.units() : device.organisation.banks()),
        timing_(device),
        done_(gemv.outputs) {
    for (std::uint32_t output = 0; output < gemv.outputs; ++output) {
      for (std::uint32_t chunk = 0; chunk < chunks_; ++chunk) {
        const Place place = samsung_ ? samsung_place(device, gemv, output, chunk)
                                     : native_place(device, gemv, output, chunk);
        REQUIRE(weights_.emplace(place, std::pair(output, chunk)).second);
      }
    }
    timing_.issue(DramCommand::kPimEnter, {}, 0);
  }

  void execute(const PimCommand& command) {
    REQUIRE(timing_.is_legal(command.command, command.address));
    timing_.issue(command.command, command.address, 0);
    switch (command.command) {
      case DramCommand::kWriteBuffer:
        REQUIRE(command.address.column < device_.pim.buffer_bytes / 32);
        buffer_[command.address.column] = command.address.row;
        break;
      case DramCommand::kWriteBias:
        ++biases_written_;
        break;
      case DramCommand::kMac:
        multiply(command.address);
        break;
      case DramCommand::kReadResult:
        read(command.address);
        break;
      default:
        break;
    }
  }

  void finish() const {
    REQUIRE(timing_.all_closed());
    REQUIRE(products_ == weights_.size());
    REQUIRE(sums_.empty());
    REQUIRE(results_read_ == expected_bursts());
    REQUIRE(biases_written_ == (gemv_.bias ? expected_bursts() : 0));
  }

 private:
  void multiply(const CommandAddress& at) {
    bool useful = false;
    for (std::uint32_t bank = at.bank; bank < device_.organisation.banks();
         bank += device_.pim.banks_per_unit) {
      const auto weight = weights_.find({bank, timing_.open_row(bank), at.column});
      if (weight == weights_.end()) continue;
      useful = true;
      const auto [output, chunk] = weight->second;
      REQUIRE(in_buffer(chunk));
      REQUIRE(done_[output].insert(chunk).second);
      sums_.insert(sum_of(output));
      ++products_;
    }
    REQUIRE(useful);
    REQUIRE(sums_.size() <= device_.pim.accumulators);
  }

  bool in_buffer(std::uint32_t chunk) const {
    for (const auto& [place, content] : buffer_) {
      if (content == chunk) return true;
    }
    return false;
  }

  // Outputs that units sum up side by side; in the native model operand groups take turns.
  std::pair<std::uint32_t, std::uint32_t> sum_of(std::uint32_t output) const {
    return {output / per_slot_,
            samsung_ ? 0 : output % device_.organisation.banks() % device_.pim.banks_per_unit};
  }

  // All outputs of a slot that are being summed must be complete.
  void read(const CommandAddress& at) {
    ++results_read_;
    for (std::uint32_t output = at.row * per_slot_;
         output < std::min(gemv_.outputs, (at.row + 1) * per_slot_); ++output) {
      const auto sum = sums_.find(sum_of(output));
      if (sum != sums_.end()) REQUIRE(done_[output].size() == chunks_);
    }
    const std::uint32_t group = group_being_read(at.row);
    if (at.column + 1u == bursts(at.row, group)) {
      sums_.erase({at.row, group});
      reads_.insert({at.row, group});
    }
  }

  // Operand groups come in ascending order.
  std::uint32_t group_being_read(std::uint32_t slot) const {
    std::uint32_t group = 0;
    while (reads_.count({slot, group}) != 0) ++group;
    return group;
  }

  std::uint32_t bursts(std::uint32_t slot, std::uint32_t group) const {
    std::uint32_t units = 0;
    for (std::uint32_t output = slot * per_slot_;
         output < std::min(gemv_.outputs, (slot + 1) * per_slot_); ++output) {
      units += sum_of(output).second == group;
    }
    return (units * device_.pim.result_bytes + 31) / 32;
  }

  std::uint64_t expected_bursts() const {
    std::uint64_t sum = 0;
    for (std::uint32_t slot = 0; slot * per_slot_ < gemv_.outputs; ++slot) {
      for (std::uint32_t group = 0; group < (samsung_ ? 1 : device_.pim.banks_per_unit); ++group) {
        sum += bursts(slot, group);
      }
    }
    return sum;
  }

  const DeviceDescription& device_;
  PseudoChannelGemv gemv_;
  bool samsung_;
  std::uint32_t chunks_;
  std::uint32_t per_slot_;
  CommandTiming timing_;  // for the rows
  std::map<Place, std::pair<std::uint32_t, std::uint32_t>> weights_;
  std::map<std::uint32_t, std::uint32_t> buffer_;
  std::vector<std::set<std::uint32_t>> done_;
  std::set<std::pair<std::uint32_t, std::uint32_t>> sums_;  // not read yet: slot, operand group
  std::set<std::pair<std::uint32_t, std::uint32_t>> reads_;
  std::uint64_t products_ = 0;
  std::uint64_t results_read_ = 0;
  std::uint64_t biases_written_ = 0;
};

void check_stream(const DeviceDescription& device, const PseudoChannelGemv& gemv) {
  INFO(device.name << ": " << gemv.inputs << " inputs, " << gemv.outputs << " outputs, bias "
                   << gemv.bias << ", banks per unit " << device.pim.banks_per_unit << ", buffer "
                   << device.pim.buffer_bytes << ", accumulators " << device.pim.accumulators);
  Machine machine(device, gemv);
  GemvStream stream(device, gemv);
  const PimCommandSource source = stream.source();
  for (auto commands = source.next(source.context); !commands.empty();
       commands = source.next(source.context)) {
    for (const PimCommand& command : commands) machine.execute(command);
  }
  machine.finish();
}

}  // namespace

TEST_CASE("A GEMV stream multiplies every weight once, in its bank, with its input") {
  const std::uint64_t seed = hpimvp::random_seed(0x6E21);
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (std::uint64_t i = 0; i < scaled_cases(12); ++i) {
    for (const std::string& name : hpimvp::test_support::device_preset_names()) {
      const DeviceDescription device = device_preset(name);
      check_stream(device, random_gemv(device, random));
    }
    for (int variant = 0; variant < 4; ++variant) {
      const DeviceDescription device = random_variant(random);
      check_stream(device, random_gemv(device, random));
    }
  }
}

TEST_CASE("Samsung's stream takes 8 broadcasts, then 32 columns of the even and of the odd banks") {
  const DeviceDescription device = device_preset("hbm2_samsung_pim");
  GemvStream stream(device, {256, 64, 100, false});
  std::string text;
  DramCommand previous = DramCommand::kCount;
  const PimCommandSource source = stream.source();
  std::uint32_t count = 0;
  const auto flush = [&] {
    if (count > 0) text += std::string(command_name(previous)) + "x" + std::to_string(count) + " ";
  };
  for (auto commands = source.next(source.context); !commands.empty();
       commands = source.next(source.context)) {
    for (const PimCommand& command : commands) {
      if (command.command != previous) {
        flush();
        count = 0;
        previous = command.command;
      }
      ++count;
    }
  }
  flush();
  const std::string tile = "WR_GBx8 ACT_ABx1 MAC_ABx32 PRE_ABx1 ACT_ABx1 MAC_ABx32 PRE_ABx1 ";
  CHECK(text == tile + tile + "RD_MACx64 ");
}

TEST_CASE("Slices of a GEMV cover it") {
  const std::uint64_t seed = hpimvp::random_seed(0x6E22);
  INFO("HPIMVP_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (const std::string& name : hpimvp::test_support::device_preset_names()) {
    const DeviceDescription device = device_preset(name);
    for (int i = 0; i < 200; ++i) {
      const auto stacks = static_cast<std::uint32_t>(1 + random() % 4);
      PseudoChannelGemv whole;
      whole.inputs = static_cast<std::uint32_t>(1 + random() % 9000);
      whole.outputs = static_cast<std::uint32_t>(1 + random() % 30000);
      whole.bias = true;
      std::uint64_t outputs = 0;
      std::vector<std::uint32_t> sizes;
      for (const PseudoChannelGemv& slice : slice_rows(device, stacks, whole)) {
        REQUIRE(slice.inputs == whole.inputs);
        outputs += slice.outputs;
        sizes.push_back(slice.outputs);
      }
      REQUIRE(outputs == whole.outputs);
      REQUIRE(sizes.size() == stacks * device.organisation.pseudo_channels());
      // No pseudo-channel has more than a slot more than another.
      REQUIRE(*std::max_element(sizes.begin(), sizes.end()) <=
              *std::min_element(sizes.begin(), sizes.end()) + outputs_per_slot(device) + 1);
      std::uint64_t inputs = 0;
      std::uint32_t biased = 0;
      for (const PseudoChannelGemv& slice : slice_columns(device, stacks, whole)) {
        REQUIRE((slice.outputs == 0) == (slice.inputs == 0));
        if (slice.inputs > 0) REQUIRE(slice.outputs == whole.outputs);
        inputs += slice.inputs;
        biased += slice.bias;
      }
      REQUIRE(inputs == whole.inputs);
      REQUIRE(biased == 1);
    }
  }
}

TEST_CASE("The slices of rows are what the weight layout gives each pseudo-channel") {
  const DeviceDescription device = device_preset("hbm3_hpim");
  for (const std::uint32_t outputs : {1u, 31u, 33u, 1023u, 1024u, 1025u, 5000u}) {
    const std::vector<PseudoChannelGemv> slices = slice_rows(device, 1, {64, outputs, 0, false});
    std::vector<std::uint32_t> expected(32, 0);
    for (std::uint32_t m = 0; m < outputs; ++m) ++expected[m / 32 % 32];
    for (std::uint32_t i = 0; i < 32; ++i) CHECK(slices[i].outputs == expected[i]);
  }
}

TEST_CASE("A GEMV that does not fit is refused") {
  const DeviceDescription device = device_preset("hbm3_hpim");
  CHECK_THROWS_AS(GemvProgram(device, {0, 5, 0, false}), std::invalid_argument);
  CHECK_THROWS_AS(GemvProgram(device, {512, 32, device.organisation.rows, false}),
                  std::invalid_argument);
  CHECK_NOTHROW(GemvProgram(device, {512, 32, device.organisation.rows - 1, false}));
  CHECK(GemvProgram(device, {512, 0, 0, false}).blocks().empty());
}
