// Where weights stand, against the command streams that use them and the address mapping.
#include "models/hbm_pim/weight_layout.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>

#include "models/hbm_pim/pim_cursor.h"
#include "tests/unit/common/random_seed.h"
#include "tests/unit/hbm_pim/device_presets.h"
#include "tests/unit/hbm_pim/random_gemvs.h"
#include "tests/unit/hbm_pim/random_mappings.h"

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the test
using hpimvp::test_support::device_preset;
using hpimvp::test_support::random_mapping;
using hpimvp::test_support::random_size;
using hpimvp::test_support::random_variant;
using hpimvp::test_support::scaled_cases;

namespace {

using Random = std::mt19937_64;

// A stack small enough to walk all of it.
DeviceDescription small_device(Random& random) {
  DeviceDescription device = random_variant(random);
  device.organisation.channels = 1 + random() % 3;
  device.organisation.pseudo_channels_per_channel = 1 + random() % 3;
  if (random() % 3 == 0) device.organisation.columns = 1 + random() % 40;
  return device;
}

StackGemv random_stack_gemv(const DeviceDescription& device, Random& random) {
  for (;;) {
    StackGemv gemv;
    gemv.inputs = random_size(random, 3000);
    gemv.outputs = random_size(random, 700);
    gemv.slicing = random() % 2 == 0 ? Slicing::kRows : Slicing::kColumns;
    const std::uint64_t rows = WeightLayout::rows_for(device, gemv);
    if (rows > device.organisation.rows) continue;
    gemv.weight_row = static_cast<std::uint32_t>(random() % (device.organisation.rows - rows + 1));
    return gemv;
  }
}

// Which chunks a pseudo-channel's share of x has, dealt out one chunk after the other.
std::pair<std::uint32_t, std::uint32_t> dealt_share(std::uint32_t chunks, std::uint32_t parts,
                                                    std::uint32_t part) {
  std::vector<std::uint32_t> sizes(parts, 0);
  for (std::uint32_t i = 0; i < chunks; ++i) ++sizes[i % parts];
  std::uint32_t first = 0;
  for (std::uint32_t i = 0; i < part; ++i) first += sizes[i];
  return {first, sizes[part]};
}

// What a pseudo-channel's units do with the weights that the layout put into its banks.
class Units {
 public:
  Units(const WeightLayout& layout, std::uint32_t pseudo_channel, const PseudoChannelGemv& work)
      : layout_(layout),
        device_(layout.map().device()),
        work_(work),
        samsung_(device_.pim.programming_model == ProgrammingModel::kSamsung),
        per_slot_(samsung_ ? device_.units() : device_.organisation.banks()) {
    const StackGemv& gemv = layout.gemv();
    const std::uint32_t chunks = (gemv.inputs + 15) / 16;
    for (std::uint32_t m = 0; m < gemv.outputs; ++m) {
      for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) {
        const WeightPlace place = layout.locate(m, chunk * 16);
        if (place.pseudo_channel != pseudo_channel) continue;
        REQUIRE(place.lane == 0);
        REQUIRE(
            weights_.emplace(std::tuple(place.bank, place.row, place.column), std::pair(m, chunk))
                .second);
      }
    }
    if (gemv.slicing == Slicing::kColumns) {
      first_chunk_ =
          dealt_share(chunks, device_.organisation.pseudo_channels(), pseudo_channel).first;
    }
  }

  void execute(const PimCommand& command) {
    const CommandAddress& at = command.address;
    if (command.command == DramCommand::kActivateBanks) {
      rows_[at.bank % device_.pim.banks_per_unit] = at.row;
    } else if (command.command == DramCommand::kWriteBuffer) {
      buffer_[at.column] = at.row;
    } else if (command.command == DramCommand::kMac) {
      multiply(at);
    } else if (command.command == DramCommand::kReadResult) {
      read(at.row);
    }
  }

  void finish() const { REQUIRE(done_.size() == weights_.size()); }

 private:
  void multiply(const CommandAddress& at) {
    bool useful = false;
    for (std::uint32_t bank = at.bank; bank < device_.organisation.banks();
         bank += device_.pim.banks_per_unit) {
      const auto found = weights_.find({bank, rows_.at(at.bank), at.column});
      if (found == weights_.end()) continue;
      useful = true;
      const auto [output, chunk] = found->second;
      REQUIRE(done_.insert(found->second).second);
      // The chunk of x that this column needs is in the buffer.
      bool buffered = false;
      for (const auto& [place, content] : buffer_) buffered |= content + first_chunk_ == chunk;
      REQUIRE(buffered);
      // Its sum is one that the unit of this bank is keeping, and no other bank's.
      const std::uint32_t own = own_output(output);
      REQUIRE((samsung_ ? own % per_slot_ == bank / device_.pim.banks_per_unit
                        : layout_.map().bank_of_unit(own % per_slot_) == bank));
      sums_[bank / device_.pim.banks_per_unit].insert(own / per_slot_);
      REQUIRE(sums_[bank / device_.pim.banks_per_unit].size() <= device_.pim.accumulators);
      // Ascending by chunk, which the numerics rely on.
      REQUIRE(next_chunk_[own] == chunk - first_chunk_);
      ++next_chunk_[own];
    }
    REQUIRE(useful);
  }

  // The number that the pseudo-channel's program gives to an output.
  std::uint32_t own_output(std::uint32_t output) const {
    if (layout_.gemv().slicing == Slicing::kColumns) return output;
    const std::uint32_t pseudo_channels = device_.organisation.pseudo_channels();
    return output / (per_slot_ * pseudo_channels) * per_slot_ + output % per_slot_;
  }

  void read(std::uint32_t slot) {
    for (auto& [unit, slots] : sums_) slots.erase(slot);
    for (std::uint32_t own = slot * per_slot_;
         own < std::min(work_.outputs, (slot + 1) * per_slot_); ++own) {
      const auto begun = next_chunk_.find(own);
      if (begun != next_chunk_.end()) REQUIRE(begun->second == (work_.inputs + 15) / 16);
    }
  }

  const WeightLayout& layout_;
  const DeviceDescription& device_;
  PseudoChannelGemv work_;
  bool samsung_;
  std::uint32_t per_slot_;
  std::uint32_t first_chunk_ = 0;
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>,
           std::pair<std::uint32_t, std::uint32_t>>
      weights_;
  std::map<std::uint32_t, std::uint32_t> rows_;            // open, by operand group
  std::map<std::uint32_t, std::uint32_t> buffer_;          // chunks of the share, by place
  std::map<std::uint32_t, std::set<std::uint32_t>> sums_;  // slots being summed, by unit
  std::map<std::uint32_t, std::uint32_t> next_chunk_;      // by own output
  std::set<std::pair<std::uint32_t, std::uint32_t>> done_;
};

std::string describe(const DeviceDescription& device, const StackGemv& gemv) {
  return device.name + ": " + std::to_string(gemv.inputs) + " inputs, " +
         std::to_string(gemv.outputs) + " outputs, " +
         (gemv.slicing == Slicing::kRows ? "rows" : "columns");
}

}  // namespace

TEST_CASE("Command streams find every weight once, where the layout says, with its input") {
  const std::uint64_t seed = hpimvp::random_seed(0x1A01);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (std::uint64_t i = 0; i < scaled_cases(60); ++i) {
    const DeviceDescription device = small_device(random);
    const BitFieldMapping mapping(device.organisation);
    const StackMap map(device, mapping);
    const StackGemv gemv = random_stack_gemv(device, random);
    INFO(describe(device, gemv));
    const WeightLayout layout(map, gemv);
    REQUIRE(layout.fits());
    const bool bias = random() % 2 == 0;
    const std::vector<PseudoChannelGemv> works = WeightLayout::works(device, gemv, bias);
    REQUIRE(works.size() == device.organisation.pseudo_channels());
    for (std::uint32_t p = 0; p < works.size(); ++p) {
      Units units(layout, p, works[p]);
      GemvStream stream(device, works[p]);
      const PimCommandSource source = stream.source();
      for (auto commands = source.next(source.context); !commands.empty();
           commands = source.next(source.context)) {
        for (const PimCommand& command : commands) units.execute(command);
      }
      units.finish();
    }
  }
}

TEST_CASE("Packed outputs lie where the mapping has the layout's places, padded with zeros") {
  const std::uint64_t seed = hpimvp::random_seed(0x1A02);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (std::uint64_t i = 0; i < scaled_cases(40); ++i) {
    const DeviceDescription device = small_device(random);
    const BitFieldMapping mapping(device.organisation, random_mapping(device, random));
    const StackMap map(device, mapping);
    const StackGemv gemv = random_stack_gemv(device, random);
    INFO(describe(device, gemv));
    const WeightLayout layout(map, gemv);
    std::map<std::uint64_t, std::uint8_t> memory;
    std::vector<std::uint16_t> weights(gemv.inputs);
    std::uint32_t last_row = 0;
    const std::uint32_t step = 1 + gemv.outputs / 40;
    for (std::uint32_t m = 0; m < gemv.outputs; m += step) {
      for (std::uint16_t& weight : weights) weight = static_cast<std::uint16_t>(random() | 0x0101);
      std::uint64_t packed = 0;
      std::uint64_t previous_end = ~std::uint64_t{0};
      layout.pack_output(m, weights.data(),
                         [&](std::uint64_t offset, const std::uint8_t* data, std::size_t bytes) {
                           REQUIRE(offset != previous_end);  // pieces are as long as they can be
                           previous_end = offset + bytes;
                           packed += bytes;
                           for (std::size_t byte = 0; byte < bytes; ++byte) {
                             REQUIRE(memory.emplace(offset + byte, data[byte]).second);
                           }
                         });
      REQUIRE(packed == (gemv.inputs + 15) / 16 * 32);
      for (std::uint32_t k = 0; k < (gemv.inputs + 15) / 16 * 16; ++k) {
        const WeightPlace place = layout.locate(m, k);
        CommandAddress address = device.organisation.bank_address(place.bank);
        address.row = place.row;
        address.column = static_cast<std::uint16_t>(place.column);
        const std::uint64_t offset =
            mapping.offset_of({place.pseudo_channel, address}) + place.lane * 2;
        REQUIRE(layout.offset(m, k) == offset);
        const std::uint16_t expected = k < gemv.inputs ? weights[k] : 0;
        REQUIRE((memory.at(offset) | memory.at(offset + 1) << 8) == expected);
        last_row = std::max(last_row, place.row);
      }
    }
    REQUIRE(last_row < gemv.weight_row + layout.rows());
    REQUIRE(last_row < device.organisation.rows);
  }
}

TEST_CASE("A layout fits exactly up to the last row, and huge sizes do not") {
  for (const std::string& name : hpimvp::test_support::device_preset_names()) {
    const DeviceDescription device = device_preset(name);
    for (const Slicing slicing : {Slicing::kRows, Slicing::kColumns}) {
      StackGemv gemv{5000, 3000, 0, slicing};
      const auto rows = static_cast<std::uint32_t>(WeightLayout::rows_for(device, gemv));
      REQUIRE(rows > 0);
      gemv.weight_row = device.organisation.rows - rows;
      CHECK(WeightLayout::fits(device, gemv));
      gemv.weight_row += 1;
      CHECK_FALSE(WeightLayout::fits(device, gemv));
      for (const std::uint32_t inputs : {0xFFFFFFFFu, 0xFFFFFFF0u, 1u}) {
        CHECK_FALSE(WeightLayout::fits(device, {inputs, 0xFFFFFFFF, 0, slicing}));
      }
      CHECK_FALSE(WeightLayout::fits(device, {1, 1, 0xFFFFFFFF, slicing}));
    }
    CHECK_FALSE(WeightLayout::fits(device, {0xFFFFFFFF, 1, 0, Slicing::kRows}));
  }
}

TEST_CASE("Runs of pseudo-channels are contiguous bursts and hold each of them once") {
  const std::uint64_t seed = hpimvp::random_seed(0x1A03);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  for (int i = 0; i < 100; ++i) {
    const DeviceDescription device = small_device(random);
    const StackMap map(device,
                       BitFieldMapping(device.organisation, random_mapping(device, random)));
    std::set<std::uint32_t> seen;
    for (const StackMap::Run& run : map.runs()) {
      for (std::uint32_t k = 0; k < run.count; ++k) {
        const std::uint32_t index = run.first + k * run.step;
        REQUIRE(seen.insert(index).second);
        REQUIRE(map.of_pseudo_channel(index) == map.of_pseudo_channel(run.first) + k * 32);
      }
    }
    REQUIRE(seen.size() == device.organisation.pseudo_channels());
    REQUIRE(*seen.rbegin() + 1 == seen.size());
  }
}

TEST_CASE("The default mapping keeps a column of all pseudo-channels together") {
  const DeviceDescription device = device_preset("hbm3_hpim");
  const StackMap map(device, BitFieldMapping(device.organisation));
  // The channels of pseudo-channel 0, then those of pseudo-channel 1.
  REQUIRE(map.runs().size() == 2);
  for (std::uint32_t i = 0; i < 2; ++i) {
    CHECK(map.runs()[i].first == i);
    CHECK(map.runs()[i].step == 2);
    CHECK(map.runs()[i].count == 16);
  }
  const WeightLayout layout(map, {5120, 5120, 7, Slicing::kRows});
  // Outputs 64 apart are in neighbouring channels; a chunk further is 4 KiB away.
  CHECK(layout.offset(0, 0) == 7ull << 20);
  CHECK(layout.offset(64, 0) == layout.offset(0, 0) + 32);
  CHECK(layout.offset(0, 16) == layout.offset(0, 0) + 4096);
}

// The mapping of the machine preset hpim: the lowest field is the column, then all banks of a
// pseudo-channel, then the pseudo-channels in order. A slot of a pseudo-channel is then 32 KiB in
// each DRAM row, those of neighbours follow each other.
TEST_CASE("With whole banks side by side, rows of a slot's outputs are contiguous and ascend") {
  const std::uint64_t seed = hpimvp::random_seed(0x1A04);
  INFO("HPIMVP_SEED=" << seed);
  Random random(seed);
  constexpr std::uint64_t kDramRow = 1 << 10;  // of a bank: 32 columns of 32 bytes
  constexpr std::uint64_t kSlot = 32 * kDramRow;
  constexpr std::uint64_t kStripe = 32 * kSlot;  // a row of all banks of a stack
  const DeviceDescription device = device_preset("hbm3_hpim");
  const StackMap map(device,
                     BitFieldMapping(device.organisation,
                                     "row:channel:pseudo_channel:stack_id:bank:bank_group:column"));
  for (std::uint32_t i = 0; i < 32; ++i) CHECK(map.of_pseudo_channel(i) == i * kSlot);

  for (int i = 0; i < 30; ++i) {
    StackGemv gemv;
    gemv.inputs = random_size(random, 9000);
    gemv.outputs = 64 * random_size(random, 80);
    gemv.weight_row = static_cast<std::uint32_t>(random() % 100);
    const std::uint64_t chunks = (gemv.inputs + 15) / 16;

    // Rows: outputs 64 p to 64 p + 63 are those of an even pseudo-channel and the odd one after it.
    // In each DRAM row that has weights of them, these are 64 KiB; an output's is 1 KiB of it, and
    // the weights of all 64 begin at the same column.
    const WeightLayout rows(map, gemv);
    for (int j = 0; j < 50; ++j) {
      const std::uint64_t pair = random() % (gemv.outputs / 64);
      const std::uint64_t input = random() % gemv.inputs;
      const std::uint64_t column = pair / 16 * chunks + input / 16;  // from weight_row on
      const std::uint64_t piece =
          (gemv.weight_row + column / 32) * kStripe + pair % 16 * (2 * kSlot);
      for (std::uint32_t k = 0; k < 64; ++k) {
        REQUIRE(rows.offset(static_cast<std::uint32_t>(64 * pair + k),
                            static_cast<std::uint32_t>(input)) ==
                piece + k * kDramRow + column % 32 * 32 + input % 16 * 2);
      }
    }

    // Columns: outputs 32 s to 32 s + 31 are slot s of every pseudo-channel, which has a run of
    // their chunks. In each DRAM row these are 32 KiB of a pseudo-channel, an output's 1 KiB.
    gemv.slicing = Slicing::kColumns;
    const WeightLayout columns(map, gemv);
    for (int j = 0; j < 50; ++j) {
      const auto holder =
          static_cast<std::uint32_t>(random() % std::min<std::uint64_t>(chunks, 32));
      const auto [first, size] = dealt_share(static_cast<std::uint32_t>(chunks), 32, holder);
      const std::uint64_t slot = random() % (gemv.outputs / 32);
      const std::uint64_t chunk = random() % size;
      const std::uint64_t column = slot * size + chunk;
      const std::uint64_t piece = (gemv.weight_row + column / 32) * kStripe + holder * kSlot;
      for (std::uint32_t k = 0; k < 32; ++k) {
        REQUIRE(columns.offset(static_cast<std::uint32_t>(32 * slot + k),
                               static_cast<std::uint32_t>((first + chunk) * 16)) ==
                piece + k * kDramRow + column % 32 * 32);
      }
    }
  }
}
