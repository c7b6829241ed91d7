// Where the weights of a GEMV stand in a stack (GemvDescriptor in hbm_pim_stack.registers.json):
// shared by the engine that multiplies and the compiler that places them.
//
// Output m is computed in bank m % BANKS of pseudo-channel (m / BANKS) % PSEUDO_CHANNELS, as its
// slot m / (BANKS * PSEUDO_CHANNELS). A slot is ceil(inputs / 16) * 32 bytes of the bank, padded
// with zeros; slots follow each other without a gap from byte 0 of row weight_row on and cross
// rows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "models/hbm_pim/address_mapping.h"

namespace hpimvp::hbm_pim {

class GemvLayout {
 public:
  // `inputs` and `outputs` (of this stack) at least 1.
  GemvLayout(const Organisation& organisation, std::uint32_t inputs, std::uint32_t outputs,
             std::uint32_t weight_row)
      : mapping_(organisation), inputs_(inputs), outputs_(outputs), weight_row_(weight_row) {}

  std::uint32_t inputs() const { return inputs_; }
  std::uint32_t outputs() const { return outputs_; }
  std::uint32_t weight_row() const { return weight_row_; }

  // Column accesses of 16 elements that an output needs.
  std::uint32_t chunks_per_slot() const {
    return static_cast<std::uint32_t>((inputs_ + 15ull) / 16);
  }
  std::uint64_t slot_bytes() const { return std::uint64_t{chunks_per_slot()} * 32; }
  std::uint32_t outputs_per_slot() const {
    return mapping_.organisation().banks() * mapping_.organisation().pseudo_channels();
  }
  // Outputs per bank, in the banks that have most.
  std::uint32_t slots() const { return (outputs_ - 1) / outputs_per_slot() + 1; }
  // Slots that pseudo-channel `index` computes; banks without an output in the last one idle.
  std::uint32_t slots_in(std::uint32_t pseudo_channel) const {
    const std::uint32_t first = pseudo_channel * mapping_.organisation().banks();
    if (outputs_ <= first) return 0;
    return (outputs_ - first - 1) / outputs_per_slot() + 1;
  }
  // DRAM rows that the weights take in every bank, from weight_row on: what a placement reserves.
  std::uint64_t rows() const { return rows_for(mapping_.organisation(), inputs_, outputs_); }
  static std::uint64_t rows_for(const Organisation& organisation, std::uint32_t inputs,
                                std::uint32_t outputs) {
    const std::uint64_t slot_bytes = (inputs + 15ull) / 16 * 32;
    const std::uint64_t per_slot =
        std::uint64_t{organisation.banks()} * organisation.pseudo_channels();
    const std::uint64_t bytes = (outputs + per_slot - 1) / per_slot * slot_bytes;
    return (bytes + organisation.row_bytes - 1) / organisation.row_bytes;
  }
  bool fits() const { return std::uint64_t{weight_row_} + rows() <= mapping_.organisation().rows; }

  // Of W[output][input]. `input` may lie in the padding.
  Coordinates locate(std::uint32_t output, std::uint32_t input) const {
    const Organisation& organisation = mapping_.organisation();
    Coordinates at;
    at.bank = output % organisation.banks();
    at.pseudo_channel = output / organisation.banks() % organisation.pseudo_channels();
    const std::uint64_t byte =
        output / outputs_per_slot() * slot_bytes() + std::uint64_t{input} * 2;
    at.row = weight_row_ + static_cast<std::uint32_t>(byte / organisation.row_bytes);
    at.byte = static_cast<std::uint32_t>(byte % organisation.row_bytes);
    return at;
  }
  // The same as an offset in the stack's memory.
  std::uint64_t offset(std::uint32_t output, std::uint32_t input) const {
    return mapping_.encode(locate(output, input));
  }

  // The contiguous pieces of an output's weights in ascending order, padding included:
  // piece(offset in the stack's memory, first byte in the slot, bytes). A piece ends with its row.
  template <typename Piece>
  void for_each_piece(std::uint32_t output, Piece&& piece) const {
    const std::uint32_t row_bytes = mapping_.organisation().row_bytes;
    for (std::uint64_t done = 0; done < slot_bytes();) {
      const Coordinates at = locate(output, static_cast<std::uint32_t>(done / 2));
      const std::uint64_t bytes = std::min<std::uint64_t>(row_bytes - at.byte, slot_bytes() - done);
      piece(mapping_.encode(at), done, bytes);
      done += bytes;
    }
  }

  // Lays out one row of W (`inputs` FP16 values): write(offset in the stack's memory, const
  // uint8_t* data, bytes) is called for each piece, padding with zeros.
  template <typename Write>
  void pack_output(std::uint32_t output, const std::uint16_t* weights, Write&& write) const {
    std::vector<std::uint8_t> slot(slot_bytes(), 0);
    for (std::uint32_t k = 0; k < inputs_; ++k) {
      slot[2 * std::size_t{k}] = static_cast<std::uint8_t>(weights[k]);
      slot[2 * std::size_t{k} + 1] = static_cast<std::uint8_t>(weights[k] >> 8);
    }
    for_each_piece(output, [&](std::uint64_t offset, std::uint64_t first, std::uint64_t bytes) {
      write(offset, slot.data() + first, static_cast<std::size_t>(bytes));
    });
  }

 private:
  AddressMapping mapping_;
  std::uint32_t inputs_;
  std::uint32_t outputs_;
  std::uint32_t weight_row_;
};

}  // namespace hpimvp::hbm_pim
