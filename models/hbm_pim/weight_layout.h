// Where the weights of a GEMV stand in a stack (GemvDescriptor in hbm_pim_stack.registers.json):
// shared by the processing units, which multiply, and the compiler, which places them. The same
// places as the commands of gemv_stream.h touch.
//
// W[m][k] belongs to a pseudo-channel, by the slicing, and has a place in it, by the programming
// model. `S` is outputs_per_slot(), `P` the number of pseudo-channels; a chunk is 16 values of one
// output, from a multiple of 16 inputs on, padded with zeros: a burst of 32 bytes.
//   Rows:    output m is in pseudo-channel m / S % P, as its output m / (S * P) * S + m % S, with
//            all chunks.
//   Columns: each pseudo-channel has all outputs, and a run of the C chunks of x: the first C % P
//            of them have C / P + 1 chunks, the others C / P.
// In the pseudo-channel, output o is in slot o / S of unit o % S:
//   Native:  the unit is a bank; units are numbered in the order of their banks' addresses, so that
//            outputs and addresses ascend together (but as the banks are where several share a
//            processing unit: commands leave out the groups of banks of a slot that have no
//            output). Slots follow each other without a gap from row weight_row on, and cross rows.
//   Samsung: see SamsungTiling in gemv_tiling.h. Slot s of unit u, chunk c: bank
//            u * banks_per_unit + s % slots_per_block / slots_per_row, row
//            weight_row + s / slots_per_block * tiles + c / chunks_per_tile, column
//            s % slots_per_block % slots_per_row * chunks_per_tile + c % chunks_per_tile.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "models/hbm_pim/bit_field_mapping.h"
#include "models/hbm_pim/device_description.h"
#include "models/hbm_pim/gemv_stream.h"
#include "models/hbm_pim/gemv_tiling.h"

namespace hpimvp::hbm_pim {

enum class Slicing : std::uint8_t {
  kRows,     // outputs are shared among the pseudo-channels
  kColumns,  // inputs are; the stack adds up the partial sums
};

// What one stack computes.
struct StackGemv {
  std::uint32_t inputs = 1;
  std::uint32_t outputs = 1;
  std::uint32_t weight_row = 0;
  Slicing slicing = Slicing::kRows;
};

// A stack's address mapping as tables. Every field of an address contributes its own summand to the
// offset, whatever the mapping, so a burst's offset is the sum of four look-ups.
class StackMap {
 public:
  // Pseudo-channels first, first + step, first + 2 step, ...: all else being equal, their bursts
  // follow each other in memory.
  struct Run {
    std::uint32_t first = 0;
    std::uint32_t step = 1;
    std::uint32_t count = 0;
  };

  // `device` has passed check(), and `mapping` is one of its organisation.
  StackMap(const DeviceDescription& device, const BitFieldMapping& mapping);

  const DeviceDescription& device() const { return device_; }

  std::uint64_t of_pseudo_channel(std::uint32_t index) const { return pseudo_channels_[index]; }
  std::uint64_t of_bank(std::uint32_t index) const { return banks_[index]; }
  // The bank of a pseudo-channel that is unit `unit` of the native programming model, and back.
  std::uint32_t bank_of_unit(std::uint32_t unit) const { return bank_of_unit_[unit]; }
  std::uint32_t unit_of_bank(std::uint32_t bank) const { return unit_of_bank_[bank]; }
  std::uint64_t of_column(std::uint32_t column) const { return columns_[column]; }
  std::uint64_t of_row(std::uint32_t row) const;  // computed: once a row, not once a burst
  // All pseudo-channels, each in one run.
  const std::vector<Run>& runs() const { return runs_; }

 private:
  void find_runs();

  DeviceDescription device_;
  BitFieldMapping mapping_;
  std::vector<std::uint64_t> pseudo_channels_;
  std::vector<std::uint64_t> banks_;
  std::vector<std::uint32_t> bank_of_unit_;
  std::vector<std::uint32_t> unit_of_bank_;
  std::vector<std::uint64_t> columns_;
  std::vector<Run> runs_;
};

struct WeightPlace {
  std::uint32_t pseudo_channel = 0;
  std::uint32_t bank = 0;  // index in the pseudo-channel
  std::uint32_t row = 0;
  std::uint32_t column = 0;
  std::uint32_t lane = 0;  // value in the burst

  friend auto operator<=>(const WeightPlace&, const WeightPlace&) = default;
};

class WeightLayout {
 public:
  // The run of chunks of x that a pseudo-channel multiplies.
  struct Share {
    std::uint32_t first_chunk = 0;
    std::uint32_t chunks = 0;
  };

  // `gemv` has at least one input and one output. `map` must outlive the layout.
  WeightLayout(const StackMap& map, const StackGemv& gemv);

  // Rows that the weights take in every bank from weight_row on: what a placement reserves.
  static std::uint64_t rows_for(const DeviceDescription& device, const StackGemv& gemv);
  // Whether they end within the banks.
  static bool fits(const DeviceDescription& device, const StackGemv& gemv) {
    return gemv.weight_row + rows_for(device, gemv) <= device.organisation.rows;
  }
  // What each pseudo-channel computes. With columns, the first one adds the bias.
  static std::vector<PseudoChannelGemv> works(const DeviceDescription& device,
                                              const StackGemv& gemv, bool bias);

  const StackMap& map() const { return map_; }
  const StackGemv& gemv() const { return gemv_; }
  std::uint64_t rows() const { return rows_for(map_.device(), gemv_); }
  bool fits() const { return fits(map_.device(), gemv_); }
  std::uint32_t chunks() const { return chunks_; }  // of an output
  std::uint32_t outputs_per_slot() const { return per_slot_; }
  Share share(std::uint32_t pseudo_channel) const;

  // Of W[output][input]. `input` may lie in the padding.
  WeightPlace locate(std::uint32_t output, std::uint32_t input) const;
  // The same as an offset in the stack's memory.
  std::uint64_t offset(std::uint32_t output, std::uint32_t input) const;

  // The columns that a slot of a unit takes in a pseudo-channel with a share of `chunks` chunks:
  // run(bank, row, column, first chunk of the share, count), ascending by chunk.
  template <typename Run>
  void for_each_run(std::uint32_t slot, std::uint32_t unit, std::uint32_t chunks, Run&& run) const;

  // The contiguous pieces of an output's weights, ascending by input, padding included:
  // piece(offset in the stack's memory, first chunk, chunks).
  template <typename Piece>
  void for_each_piece(std::uint32_t output, Piece&& piece) const;

  // Lays out one row of W (`inputs` FP16 values): write(offset in the stack's memory, const
  // uint8_t* data, bytes) for each piece, padding with zeros.
  template <typename Write>
  void pack_output(std::uint32_t output, const std::uint16_t* weights, Write&& write) const;

 private:
  // Calls visit(pseudo-channel, its output, share) for each that has weights of `output`.
  template <typename Visit>
  void for_each_holder(std::uint32_t output, Visit&& visit) const;

  const StackMap& map_;
  StackGemv gemv_;
  std::uint32_t chunks_;
  std::uint32_t per_slot_;
  std::uint32_t pseudo_channels_;
  std::uint32_t banks_per_unit_;
  std::uint32_t columns_;
  bool samsung_;
};

template <typename Run>
void WeightLayout::for_each_run(std::uint32_t slot, std::uint32_t unit, std::uint32_t chunks,
                                Run&& run) const {
  if (!samsung_) {
    const std::uint32_t bank = map_.bank_of_unit(unit);
    std::uint64_t at = std::uint64_t{slot} * chunks;
    for (std::uint32_t done = 0; done < chunks;) {
      const auto column = static_cast<std::uint32_t>(at % columns_);
      const std::uint32_t count = std::min(columns_ - column, chunks - done);
      run(bank, gemv_.weight_row + static_cast<std::uint32_t>(at / columns_), column, done, count);
      done += count;
      at += count;
    }
    return;
  }
  const SamsungTiling tiling(map_.device(), chunks * elements_per_chunk(map_.device()), 1);
  const std::uint32_t in_block = slot % tiling.slots_per_block;
  const std::uint32_t bank = unit * banks_per_unit_ + in_block / tiling.slots_per_row;
  const std::uint32_t column = in_block % tiling.slots_per_row * tiling.chunks_per_tile;
  std::uint32_t row = gemv_.weight_row + slot / tiling.slots_per_block * tiling.tiles;
  for (std::uint32_t done = 0; done < chunks; ++row) {
    const std::uint32_t count = std::min(tiling.chunks_per_tile, chunks - done);
    run(bank, row, column, done, count);
    done += count;
  }
}

template <typename Visit>
void WeightLayout::for_each_holder(std::uint32_t output, Visit&& visit) const {
  if (gemv_.slicing == Slicing::kRows) {
    const std::uint32_t slot = output / per_slot_;
    visit(slot % pseudo_channels_, slot / pseudo_channels_ * per_slot_ + output % per_slot_,
          Share{0, chunks_});
    return;
  }
  for (std::uint32_t i = 0; i < pseudo_channels_; ++i) {
    const Share part = share(i);
    if (part.chunks == 0) return;
    visit(i, output, part);
  }
}

template <typename Piece>
void WeightLayout::for_each_piece(std::uint32_t output, Piece&& piece) const {
  const std::uint32_t burst_bytes = map_.device().organisation.burst_bytes;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint32_t first_chunk = 0;
  std::uint32_t length = 0;
  const auto flush = [&] {
    if (length > 0) piece(begin, first_chunk, length);
  };
  for_each_holder(output, [&](std::uint32_t index, std::uint32_t own_output, const Share& part) {
    for_each_run(own_output / per_slot_, own_output % per_slot_, part.chunks,
                 [&](std::uint32_t bank, std::uint32_t row, std::uint32_t column,
                     std::uint32_t first, std::uint32_t count) {
                   const std::uint64_t base =
                       map_.of_pseudo_channel(index) + map_.of_bank(bank) + map_.of_row(row);
                   for (std::uint32_t i = 0; i < count; ++i) {
                     const std::uint64_t at = base + map_.of_column(column + i);
                     if (length == 0 || at != end) {
                       flush();
                       begin = at;
                       end = at;
                       first_chunk = part.first_chunk + first + i;
                       length = 0;
                     }
                     end += burst_bytes;
                     ++length;
                   }
                 });
  });
  flush();
}

template <typename Write>
void WeightLayout::pack_output(std::uint32_t output, const std::uint16_t* weights,
                               Write&& write) const {
  const std::size_t burst_bytes = map_.device().organisation.burst_bytes;
  std::vector<std::uint8_t> bytes(chunks_ * burst_bytes, 0);
  for (std::uint32_t k = 0; k < gemv_.inputs; ++k) {
    bytes[2 * std::size_t{k}] = static_cast<std::uint8_t>(weights[k]);
    bytes[2 * std::size_t{k} + 1] = static_cast<std::uint8_t>(weights[k] >> 8);
  }
  for_each_piece(output,
                 [&](std::uint64_t offset, std::uint32_t first_chunk, std::uint32_t chunks) {
                   write(offset, bytes.data() + first_chunk * burst_bytes, chunks * burst_bytes);
                 });
}

}  // namespace hpimvp::hbm_pim
