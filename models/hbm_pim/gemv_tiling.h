// How a GEMV of one pseudo-channel is cut into chunks, slots, tiles and blocks: shared by the
// command stream (gemv_stream.h) and the weight layout (weight_layout.h), which must agree.
#pragma once

#include <algorithm>
#include <cstdint>

#include "models/common/divide.h"
#include "models/hbm_pim/device_description.h"

namespace hpimvp::hbm_pim {

inline constexpr std::uint32_t kBytesPerElement = 2;  // FP16

using common::divide_up;

// Values in a burst: what a column command multiplies in one bank.
inline std::uint32_t elements_per_chunk(const DeviceDescription& device) {
  return device.organisation.burst_bytes / kBytesPerElement;
}

inline std::uint32_t chunks_of_inputs(const DeviceDescription& device, std::uint32_t inputs) {
  return divide_up(inputs, elements_per_chunk(device));
}

// Chunks that the buffer holds.
inline std::uint32_t buffer_chunks(const DeviceDescription& device) {
  return std::max(1u, device.pim.buffer_bytes / device.organisation.burst_bytes);
}

inline bool is_samsung(const DeviceDescription& device) {
  return device.pim.programming_model == ProgrammingModel::kSamsung;
}

// Samsung's tiling. Slot s of a unit is number s % slots_per_block of block s / slots_per_block; in
// a block, slots_per_row of them lie side by side in a row of each of the unit's banks. A row holds
// one tile of each.
struct SamsungTiling {
  std::uint32_t chunks_per_tile;
  std::uint32_t tiles;
  std::uint32_t slots_per_row;    // of one bank
  std::uint32_t slots_per_block;  // whose sums a unit keeps
  std::uint32_t slots;
  std::uint32_t blocks;

  SamsungTiling(const DeviceDescription& device, std::uint32_t inputs, std::uint32_t outputs)
      : chunks_per_tile(std::min(buffer_chunks(device), device.organisation.columns)),
        tiles(divide_up(chunks_of_inputs(device, inputs), chunks_per_tile)),
        slots_per_row(device.organisation.columns / chunks_per_tile),
        slots_per_block(
            std::min(device.pim.accumulators, slots_per_row * device.pim.banks_per_unit)),
        slots(divide_up(outputs, device.units())),
        blocks(divide_up(slots, slots_per_block)) {}
};

}  // namespace hpimvp::hbm_pim
