#include "models/hbm_pim/bit_field_mapping.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <stdexcept>
#include <string>

namespace hpimvp::hbm_pim {

namespace {

constexpr const char* kFieldNames[] = {
    "channel", "pseudo_channel", "stack_id", "bank_group", "bank", "row", "column"};
constexpr unsigned kMostBits = 16;

struct Token {
  unsigned field = 0;
  std::optional<unsigned> bits;
};

Token parse_token(std::string_view text, std::string_view fields) {
  Token token;
  const std::size_t bracket = text.find('[');
  const std::string_view name = text.substr(0, bracket);
  const auto found = std::find(std::begin(kFieldNames), std::end(kFieldNames), name);
  if (found == std::end(kFieldNames)) {
    throw std::invalid_argument(
        fmt::format("address mapping \"{}\": unknown field '{}'; known are {}", fields, name,
                    fmt::join(std::begin(kFieldNames), std::end(kFieldNames), ", ")));
  }
  token.field = static_cast<unsigned>(found - std::begin(kFieldNames));
  if (bracket == std::string_view::npos) return token;
  unsigned bits = 0;
  std::size_t i = bracket + 1;
  for (; i < text.size() && text[i] >= '0' && text[i] <= '9' && bits <= kMostBits; ++i) {
    bits = bits * 10 + static_cast<unsigned>(text[i] - '0');
  }
  if (i + 1 != text.size() || text[i] != ']' || bits < 1 || bits > kMostBits) {
    throw std::invalid_argument(
        fmt::format("address mapping \"{}\": '{}' is no field with 1 to {} bits in brackets",
                    fields, text, kMostBits));
  }
  token.bits = bits;
  return token;
}

// The fields from the least significant.
std::vector<Token> parse_fields(std::string_view fields) {
  std::vector<Token> tokens;
  for (std::size_t begin = 0; begin <= fields.size();) {
    const std::size_t end = std::min(fields.find(':', begin), fields.size());
    tokens.push_back(parse_token(fields.substr(begin, end - begin), fields));
    begin = end + 1;
  }
  std::reverse(tokens.begin(), tokens.end());
  return tokens;
}

}  // namespace

BitFieldMapping::BitFieldMapping(const DeviceOrganisation& organisation, std::string_view fields)
    : burst_bytes_(organisation.burst_bytes),
      pseudo_channels_per_channel_(organisation.pseudo_channels_per_channel),
      pseudo_channels_(organisation.pseudo_channels()) {
  const std::array<std::uint32_t, kFields> sizes = {
      organisation.channels,        organisation.pseudo_channels_per_channel,
      organisation.stack_ids,       organisation.bank_groups,
      organisation.banks_per_group, organisation.rows,
      organisation.columns};
  const std::vector<Token> tokens = parse_fields(fields);
  std::array<std::uint32_t, kFields> rest = sizes;  // for the part without brackets
  std::array<unsigned, kFields> whole_parts{};
  for (const Token& token : tokens) {
    if (!token.bits) {
      ++whole_parts[token.field];
      continue;
    }
    const std::uint32_t size = 1u << *token.bits;
    if (rest[token.field] % size != 0) {
      throw std::invalid_argument(
          fmt::format("address mapping \"{}\": the parts of {} do not divide its {} values", fields,
                      kFieldNames[token.field], sizes[token.field]));
    }
    rest[token.field] /= size;
  }
  for (unsigned field = 0; field < kFields; ++field) {
    if (whole_parts[field] > 1 || (whole_parts[field] == 0 && rest[field] != 1)) {
      throw std::invalid_argument(
          fmt::format("address mapping \"{}\": {} stands {} times without brackets; must be once",
                      fields, kFieldNames[field], whole_parts[field]));
    }
  }
  std::array<std::uint32_t, kFields> weight;
  weight.fill(1);
  for (const Token& token : tokens) {
    Part part;
    part.field = static_cast<Field>(token.field);
    part.size = token.bits ? 1u << *token.bits : rest[token.field];
    part.weight = weight[token.field];
    if (std::has_single_bit(part.size)) part.shift = std::countr_zero(part.size);
    weight[token.field] *= part.size;
    parts_.push_back(part);
  }
  std::uint32_t across = 1;
  for (const Part& part : parts_) {
    if (!part.chooses_channel()) break;
    across *= part.size;
  }
  spreads_bursts_ = across == pseudo_channels_;
  for (const Part& part : parts_) {
    if (part.field != kColumn) break;
    bursts_together_ *= part.size;
  }
}

CommandAddress BitFieldMapping::address(const Values& values) {
  CommandAddress address;
  address.stack_id = static_cast<std::uint8_t>(values[kStackId]);
  address.bank_group = static_cast<std::uint8_t>(values[kBankGroup]);
  address.bank = static_cast<std::uint8_t>(values[kBank]);
  address.row = values[kRow];
  address.column = static_cast<std::uint16_t>(values[kColumn]);
  return address;
}

MappedAddress BitFieldMapping::map(std::uint64_t offset) const {
  Values values{};
  std::uint64_t burst = offset / burst_bytes_;
  for (const Part& part : parts_) values[part.field] += part.take(burst);
  return {values[kChannel] * pseudo_channels_per_channel_ + values[kPseudoChannel],
          address(values)};
}

LocalBurst BitFieldMapping::local(std::uint64_t burst) const {
  Values values{};
  LocalBurst local;
  std::uint64_t weight = 1;
  for (const Part& part : parts_) {
    const std::uint64_t before = burst;
    const std::uint32_t value = part.take(burst);
    if (part.chooses_channel()) {
      values[part.field] += value;
    } else {
      local.number += (before - burst * part.size) * weight;
      weight *= part.size;
    }
  }
  local.pseudo_channel = values[kChannel] * pseudo_channels_per_channel_ + values[kPseudoChannel];
  return local;
}

CommandAddress BitFieldMapping::local_address(std::uint64_t number) const {
  Values values{};
  for (const Part& part : parts_) {
    if (!part.chooses_channel()) values[part.field] += part.take(number);
  }
  return address(values);
}

std::uint64_t BitFieldMapping::offset_of(const MappedAddress& mapped) const {
  Values values{};
  values[kChannel] = mapped.pseudo_channel / pseudo_channels_per_channel_;
  values[kPseudoChannel] = mapped.pseudo_channel % pseudo_channels_per_channel_;
  values[kStackId] = mapped.address.stack_id;
  values[kBankGroup] = mapped.address.bank_group;
  values[kBank] = mapped.address.bank;
  values[kRow] = mapped.address.row;
  values[kColumn] = mapped.address.column;
  std::uint64_t burst = 0;
  for (auto part = parts_.rbegin(); part != parts_.rend(); ++part) {
    burst = burst * part->size + values[part->field] / part->weight % part->size;
  }
  return burst * burst_bytes_;
}

}  // namespace hpimvp::hbm_pim
