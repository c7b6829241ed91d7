// Address mappings by bit fields: one to one, in the written order, for sizes of any kind.
#include "models/hbm_pim/bit_field_mapping.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <tuple>

#include "tests/unit/common/random_seed.h"
#include "tests/unit/hbm_pim/device_presets.h"

using namespace hpimvp::hbm_pim;  // NOLINT: the subject of the test

namespace {

auto place_of(const MappedAddress& mapped) {
  const CommandAddress& at = mapped.address;
  return std::make_tuple(mapped.pseudo_channel, at.stack_id, at.bank_group, at.bank, at.row,
                         at.column);
}

DeviceOrganisation small_organisation(std::mt19937_64& random) {
  DeviceOrganisation organisation;
  organisation.channels = 1 + random() % 3;
  organisation.pseudo_channels_per_channel = 1 + random() % 2;
  organisation.stack_ids = 1 + random() % 3;
  organisation.bank_groups = 1 + random() % 4;
  organisation.banks_per_group = 1 + random() % 4;
  organisation.rows = 1 + random() % 7;
  organisation.columns = 4 * (1 + random() % 3);
  return organisation;
}

}  // namespace

TEST_CASE("A mapping gives every place of a stack once") {
  const auto seed = hpimvp::random_seed(7);
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  for (unsigned round = 0; round < 200; ++round) {
    const DeviceOrganisation organisation = small_organisation(random);
    std::vector<std::string> fields = {"channel",    "pseudo_channel", "stack_id",
                                       "bank_group", "bank",           "row",
                                       "column",     "column[1]",      "column[1]"};
    std::shuffle(fields.begin(), fields.end(), random);
    std::string text;
    for (const std::string& field : fields) text += (text.empty() ? "" : ":") + field;
    INFO(text);
    const BitFieldMapping mapping(organisation, text);
    std::set<decltype(place_of({}))> places;
    for (std::uint64_t offset = 0; offset < organisation.stack_bytes();
         offset += organisation.burst_bytes) {
      const MappedAddress mapped = mapping.map(offset + random() % organisation.burst_bytes);
      REQUIRE(mapped.pseudo_channel < organisation.pseudo_channels());
      REQUIRE(mapped.address.stack_id < organisation.stack_ids);
      REQUIRE(mapped.address.bank_group < organisation.bank_groups);
      REQUIRE(mapped.address.bank < organisation.banks_per_group);
      REQUIRE(mapped.address.row < organisation.rows);
      REQUIRE(mapped.address.column < organisation.columns);
      REQUIRE(places.insert(place_of(mapped)).second);
      REQUIRE(mapping.offset_of(mapped) == offset);
    }
  }
}

TEST_CASE("Fields stand from the most to the least significant") {
  const auto organisation = hpimvp::test_support::device_preset("hbm3_hpim").organisation;
  const BitFieldMapping mapping(organisation,
                                "row:column[3]:stack_id:bank_group:bank:column:channel:"
                                "pseudo_channel");
  // 1 pseudo-channel bit, 4 of channels, 2 low column bits, 2 bank, 2 group, 1 SID, 3 high columns.
  const std::uint64_t number =
      (((((((5ull << 3 | 6) << 1 | 1) << 2 | 3) << 2 | 2) << 2 | 1) << 4 | 9) << 1) | 1;
  const MappedAddress mapped = mapping.map(number * 32 + 31);
  CHECK(mapped.address.row == 5);
  CHECK(mapped.address.column == (6 << 2 | 1));
  CHECK(mapped.address.stack_id == 1);
  CHECK(mapped.address.bank_group == 3);
  CHECK(mapped.address.bank == 2);
  CHECK(mapped.pseudo_channel == 9 * 2 + 1);
}

TEST_CASE("A mapping that is none says why") {
  const auto organisation = hpimvp::test_support::device_preset("hbm3_hpim").organisation;
  const std::string rest = "stack_id:bank_group:bank:column:channel:pseudo_channel";
  for (const std::string& bad :
       {std::string(), "rows:" + rest, rest, "row:row:" + rest, "row[2]:" + rest,
        "row[0]:row:" + rest, "row[17]:row:" + rest, "row[:row:" + rest, "row[2:row:" + rest,
        "row:" + rest + ":", "row:column[5]:column[1]:" + rest,
        "row[99999999999999]:row:" + rest}) {
    INFO(bad);
    CHECK_THROWS_AS(BitFieldMapping(organisation, bad), std::invalid_argument);
  }
}
