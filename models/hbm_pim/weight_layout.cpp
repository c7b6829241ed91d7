#include "models/hbm_pim/weight_layout.h"

#include <algorithm>
#include <numeric>

namespace hpimvp::hbm_pim {

StackMap::StackMap(const DeviceDescription& device, const BitFieldMapping& mapping)
    : device_(device), mapping_(mapping) {
  const DeviceOrganisation& organisation = device_.organisation;
  for (std::uint32_t i = 0; i < organisation.pseudo_channels(); ++i) {
    pseudo_channels_.push_back(mapping_.offset_of({i, {}}));
  }
  for (std::uint32_t i = 0; i < organisation.banks(); ++i) {
    banks_.push_back(mapping_.offset_of({0, organisation.bank_address(i)}));
  }
  bank_of_unit_.resize(banks_.size());
  std::iota(bank_of_unit_.begin(), bank_of_unit_.end(), 0U);
  if (device_.pim.banks_per_unit == 1) {
    std::sort(bank_of_unit_.begin(), bank_of_unit_.end(),
              [this](std::uint32_t a, std::uint32_t b) { return banks_[a] < banks_[b]; });
  }
  unit_of_bank_.resize(banks_.size());
  for (std::uint32_t unit = 0; unit < bank_of_unit_.size(); ++unit) {
    unit_of_bank_[bank_of_unit_[unit]] = unit;
  }
  for (std::uint32_t i = 0; i < organisation.columns; ++i) {
    CommandAddress address;
    address.column = static_cast<std::uint16_t>(i);
    columns_.push_back(mapping_.offset_of({0, address}));
  }
  find_runs();
}

void StackMap::find_runs() {
  std::vector<std::uint32_t> order(pseudo_channels_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
    return pseudo_channels_[a] < pseudo_channels_[b];
  });
  for (std::size_t i = 0; i < order.size(); ++i) {
    const bool adjacent = i > 0 && order[i] > order[i - 1] &&
                          pseudo_channels_[order[i]] ==
                              pseudo_channels_[order[i - 1]] + device_.organisation.burst_bytes;
    const std::uint32_t step = adjacent ? order[i] - order[i - 1] : 0;
    if (adjacent && (runs_.back().count == 1 || runs_.back().step == step)) {
      runs_.back().step = step;
      ++runs_.back().count;
    } else {
      runs_.push_back({order[i], 1, 1});
    }
  }
}

std::uint64_t StackMap::of_row(std::uint32_t row) const {
  CommandAddress address;
  address.row = row;
  return mapping_.offset_of({0, address});
}

WeightLayout::WeightLayout(const StackMap& map, const StackGemv& gemv)
    : map_(map),
      gemv_(gemv),
      chunks_(chunks_of_inputs(map.device(), gemv.inputs)),
      per_slot_(hbm_pim::outputs_per_slot(map.device())),
      pseudo_channels_(map.device().organisation.pseudo_channels()),
      banks_per_unit_(map.device().pim.banks_per_unit),
      columns_(map.device().organisation.columns),
      samsung_(is_samsung(map.device())) {}

// The first pseudo-channel has most.
std::uint64_t WeightLayout::rows_for(const DeviceDescription& device, const StackGemv& gemv) {
  const std::uint32_t pseudo_channels = device.organisation.pseudo_channels();
  PseudoChannelGemv most{gemv.inputs, gemv.outputs, gemv.weight_row, false};
  if (gemv.slicing == Slicing::kRows) {
    const std::uint32_t slot = hbm_pim::outputs_per_slot(device);
    const std::uint32_t round = slot * pseudo_channels;
    most.outputs = gemv.outputs / round * slot + std::min(slot, gemv.outputs % round);
  } else {
    const std::uint32_t chunks = divide_up(chunks_of_inputs(device, gemv.inputs), pseudo_channels);
    most.inputs = std::min(gemv.inputs, chunks * elements_per_chunk(device));
  }
  return weight_rows(device, most);
}

std::vector<PseudoChannelGemv> WeightLayout::works(const DeviceDescription& device,
                                                   const StackGemv& gemv, bool bias) {
  const PseudoChannelGemv whole{gemv.inputs, gemv.outputs, gemv.weight_row, bias};
  return gemv.slicing == Slicing::kRows ? slice_rows(device, 1, whole)
                                        : slice_columns(device, 1, whole);
}

WeightLayout::Share WeightLayout::share(std::uint32_t pseudo_channel) const {
  if (gemv_.slicing == Slicing::kRows) return {0, chunks_};
  const std::uint32_t size = chunks_ / pseudo_channels_;
  const std::uint32_t larger = chunks_ % pseudo_channels_;
  return {pseudo_channel * size + std::min(pseudo_channel, larger),
          size + (pseudo_channel < larger ? 1 : 0)};
}

WeightPlace WeightLayout::locate(std::uint32_t output, std::uint32_t input) const {
  const std::uint32_t elements = elements_per_chunk(map_.device());
  const std::uint32_t chunk = input / elements;
  WeightPlace place;
  for_each_holder(output, [&](std::uint32_t index, std::uint32_t own_output, const Share& part) {
    if (chunk < part.first_chunk || chunk - part.first_chunk >= part.chunks) return;
    const std::uint32_t own_chunk = chunk - part.first_chunk;
    for_each_run(own_output / per_slot_, own_output % per_slot_, part.chunks,
                 [&](std::uint32_t bank, std::uint32_t row, std::uint32_t column,
                     std::uint32_t first, std::uint32_t count) {
                   if (own_chunk < first || own_chunk - first >= count) return;
                   place = {index, bank, row, column + own_chunk - first, input % elements};
                 });
  });
  return place;
}

std::uint64_t WeightLayout::offset(std::uint32_t output, std::uint32_t input) const {
  const WeightPlace place = locate(output, input);
  return map_.of_pseudo_channel(place.pseudo_channel) + map_.of_bank(place.bank) +
         map_.of_row(place.row) + map_.of_column(place.column) + place.lane * kBytesPerElement;
}

}  // namespace hpimvp::hbm_pim
