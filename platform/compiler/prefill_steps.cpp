#include "platform/compiler/prefill_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <map>

namespace hpimvp::compiler {
namespace {

using hbm_pim::Slicing;
using hbm_pim::WeightLayout;

// Into so many units a matrix is cut at least where its inputs are shared among pseudo-channels:
// one for each of HPIM's tiles, whatever the number of tiles, since the order of sums depends on
// it.
constexpr std::uint32_t kUnits = 32;

// What a step multiplies, before buffers are chosen.
struct Product {
  std::uint32_t base = 0;
  std::uint64_t weight_offset = 0;  // what is loaded, and where A begins in it
  std::uint32_t weight_bytes = 0;
  std::uint32_t a_offset = 0;
  std::uint32_t first_loaded = 0;  // inputs
  std::uint32_t inputs_loaded = 0;
  std::uint32_t first_input = 0;  // of the product
  std::uint32_t inputs = 0;
  std::uint32_t first_sum = 0;  // place among the outputs held
  std::uint32_t outputs = 0;
  std::uint32_t first_output = 0;  // of the whole matrix
  std::uint32_t flags = 0;
};

// The steps of one tile.
class StepList {
 public:
  StepList(const PrefillMemory& memory, const TileMemory& tile_memory, std::uint64_t inputs)
      : memory_(memory),
        ones_(tile_memory.constants + static_cast<std::uint32_t>(offsetof(TileConstants, ones))),
        inputs_(inputs) {}

  void add(const Product& product) {
    MatrixStep step;
    load_weights(product, step);
    if ((product.flags & MatrixStep::kBias) == 0) {
      load_inputs(product, step);
      step.w = inputs_at_ + (product.first_input - product.first_loaded) * kFeatureBytes;
    } else {
      step.w = ones_;
    }
    step.a = memory_.weights[weight_buffer_] + product.a_offset;
    step.c = memory_.sums + product.first_sum * kStatisticBytes;
    step.outputs = product.outputs;
    step.inputs = product.inputs;
    step.flags |= product.flags;
    step.base = product.base;
    step.result_offset = product.first_output * kFeatureBytes;
    steps_.push_back(step);
  }

  std::vector<MatrixStep> take() { return std::move(steps_); }

 private:
  // A piece that is there already is not loaded again.
  void load_weights(const Product& product, MatrixStep& step) {
    const Piece piece = {product.base, product.weight_offset, product.weight_bytes};
    if (piece == weights_) return;
    weights_ = piece;
    weight_buffer_ ^= 1;
    step.weight_offset = product.weight_offset;
    step.weight_bytes = product.weight_bytes;
    step.weight_buffer = memory_.weights[weight_buffer_];
  }

  void load_inputs(const Product& product, MatrixStep& step) {
    const Piece piece = {0, product.first_loaded, product.inputs_loaded};
    if (piece == loaded_inputs_) return;
    loaded_inputs_ = piece;
    step.input_address = inputs_ + std::uint64_t{product.first_loaded} * kFeatureBytes;
    step.input_bytes = product.inputs_loaded * kFeatureBytes;
    const bool took_both = takes_both_;
    takes_both_ = step.input_bytes > memory_.inputs[1] - memory_.inputs[0];
    if (took_both || takes_both_) step.flags |= MatrixStep::kAfter;
    input_buffer_ = takes_both_ ? 0 : input_buffer_ ^ 1;
    inputs_at_ = memory_.inputs[input_buffer_];
    step.input_buffer = inputs_at_;
  }

  struct Piece {
    std::uint32_t base = 0;
    std::uint64_t offset = 0;
    std::uint32_t length = 0;

    friend bool operator==(const Piece&, const Piece&) = default;
  };

  const PrefillMemory& memory_;
  std::uint32_t ones_;
  std::uint64_t inputs_;
  std::uint32_t weight_buffer_ = 0;
  std::uint32_t input_buffer_ = 0;
  std::uint32_t inputs_at_ = 0;
  bool takes_both_ = false;  // input buffers
  Piece weights_;
  Piece loaded_inputs_;
  std::vector<MatrixStep> steps_;
};

class StepBuilder {
 public:
  StepBuilder(const GemvPlacement& matrix, const hbm_pim::StackMap& map,
              const ChunkActivations& activations, ValueKind input, const PrefillMemory& memory,
              const TileMemory& tile_memory, std::uint32_t tiles)
      : matrix_(matrix),
        map_(map),
        memory_(memory),
        per_slot_(hbm_pim::outputs_per_slot(map.device())),
        pseudo_channels_(map.device().organisation.pseudo_channels()),
        columns_(map.device().organisation.columns),
        burst_bytes_(map.device().organisation.burst_bytes),
        row_bytes_(static_cast<std::uint32_t>(map.device().organisation.row_bytes())) {
    // Neighbours in a mesh row read from the same stack, those of a column from all.
    neighbours_ = std::max(1U, tiles / activations.stacks());
    for (std::uint32_t tile = 0; tile < tiles; ++tile) {
      lists_.emplace_back(memory, tile_memory, activations.address(input, tile / neighbours_));
    }
  }

  MatrixSteps build() {
    for (const GemvSlice& slice : matrix_.slices) {
      (slice.slicing == Slicing::kRows ? by_rows_ : by_columns_).push_back(&slice);
    }
    build_rows();
    build_columns();
    MatrixSteps steps;
    for (StepList& list : lists_) steps.push_back(list.take());
    return steps;
  }

 private:
  // Slots `slot` and, by rows, the one of the next pseudo-channel; by columns `slots` successive
  // ones.
  struct Unit {
    const GemvSlice* slice = nullptr;
    std::uint32_t slot = 0;
    std::uint32_t slots = 1;
    std::uint32_t first_sum = 0;
  };

  std::uint32_t slots_of(const GemvSlice& slice) const {
    return (slice.outputs + per_slot_ - 1) / per_slot_;
  }
  static std::uint32_t base_of(const GemvSlice& slice) { return slice.stack * kBaseBytes; }
  // Of a slot and those after it.
  std::uint32_t outputs_from(const GemvSlice& slice, std::uint32_t slot, std::uint32_t most) const {
    return std::min(most, slice.outputs - slot * per_slot_);
  }
  WeightLayout layout_of(const GemvSlice& slice) const {
    return {map_, {matrix_.inputs, slice.outputs, 0, slice.slicing}};
  }

  void add_bias(StepList& list, const GemvSlice& slice, std::uint32_t slot, std::uint32_t outputs,
                std::uint32_t first_sum) {
    Product product;
    product.base = base_of(slice) + kBaseBytes / 2;
    product.weight_offset = std::uint64_t{slot} * per_slot_ * 2;
    product.weight_bytes = outputs * 2;
    product.inputs = 1;
    product.first_sum = first_sum;
    product.outputs = outputs;
    product.flags = MatrixStep::kStart | MatrixStep::kBias;
    list.add(product);
  }

  // Units whose weights begin at the same column of a DRAM row take the same inputs at each row: a
  // tile does several of them at once.
  void build_rows() {
    std::map<std::uint32_t, std::vector<Unit>> by_column;
    for (const GemvSlice* slice : by_rows_) {
      const std::uint32_t chunks = layout_of(*slice).chunks();
      for (std::uint32_t slot = 0; slot < slots_of(*slice); slot += kUnitOutputs / per_slot_) {
        const std::uint32_t round = slot / pseudo_channels_;
        by_column[std::uint64_t{round} * chunks % columns_].push_back({slice, slot});
      }
    }
    std::size_t next = 0;
    for (const auto& [column, units] : by_column) {
      std::vector<std::vector<Unit>> shares(lists_.size());
      for (const Unit& unit : units) shares[next++ % lists_.size()].push_back(unit);
      for (std::size_t tile = 0; tile < lists_.size(); ++tile) add_units(tile, shares[tile]);
    }
  }

  // Tiles of a mesh column begin with different units, and so with different stacks.
  void add_units(std::size_t tile, const std::vector<Unit>& units) {
    const std::size_t together = memory_.outputs_held / kUnitOutputs;
    for (std::size_t first = 0; first < units.size(); first += together) {
      const std::size_t count = std::min(units.size() - first, together);
      std::vector<Unit> group(units.begin() + static_cast<std::ptrdiff_t>(first),
                              units.begin() + static_cast<std::ptrdiff_t>(first + count));
      std::rotate(group.begin(),
                  group.begin() + static_cast<std::ptrdiff_t>(tile / neighbours_ % count),
                  group.end());
      add_group(lists_[tile], std::move(group));
    }
  }

  void add_group(StepList& list, std::vector<Unit> units) {
    for (std::size_t i = 0; i < units.size(); ++i) {
      units[i].first_sum = static_cast<std::uint32_t>(i) * kUnitOutputs;
    }
    const bool bias = matrix_.has_bias();
    if (bias) {
      for (const Unit& unit : units) {
        add_bias(list, *unit.slice, unit.slot, outputs_from(*unit.slice, unit.slot, kUnitOutputs),
                 unit.first_sum);
      }
    }
    const WeightLayout layout = layout_of(*units.front().slice);
    const auto first_row = [&](const Unit& unit) {
      const std::uint64_t round = unit.slot / pseudo_channels_;
      return static_cast<std::uint32_t>(round * layout.chunks() / columns_);
    };
    const std::uint32_t round = units.front().slot / pseudo_channels_;
    layout.for_each_run(
        round, 0, layout.chunks(),
        [&](std::uint32_t, std::uint32_t row, std::uint32_t column, std::uint32_t chunk,
            std::uint32_t count) {
          for (const Unit& unit : units) {
            Product product = product_of(*unit.slice, unit.slot % pseudo_channels_,
                                         row + first_row(unit) - first_row(units.front()), 0);
            set_inputs(product, chunk, count);
            product.first_loaded = product.first_input;
            product.inputs_loaded = product.inputs;
            product.first_sum = unit.first_sum;
            product.outputs = outputs_from(*unit.slice, unit.slot, kUnitOutputs);
            product.first_output = unit.slice->first_output + unit.slot * per_slot_;
            product.weight_offset += std::uint64_t{column} * burst_bytes_;
            product.weight_bytes = (product.outputs - 1) * row_bytes_ + count * burst_bytes_;
            if (!bias && chunk == 0) product.flags |= MatrixStep::kStart;
            if (chunk + count == layout.chunks()) product.flags |= MatrixStep::kStore;
            list.add(product);
          }
        });
  }

  void build_columns() {
    std::uint32_t slots = 0;
    for (const GemvSlice* slice : by_columns_) slots += slots_of(*slice);
    const std::uint32_t together =
        std::clamp((slots + kUnits - 1) / kUnits, 1U, memory_.outputs_held / per_slot_);
    std::size_t next = 0;
    for (const GemvSlice* slice : by_columns_) {
      for (std::uint32_t slot = 0; slot < slots_of(*slice); slot += together) {
        add_slots(lists_[next++ % lists_.size()],
                  {slice, slot, std::min(together, slots_of(*slice) - slot)});
      }
    }
  }

  // The pseudo-channels' shares, beginning with another one in each unit of a stack: all tiles
  // would read from the same pseudo-channel at a time otherwise. Two neighbours' weights come
  // together.
  void add_slots(StepList& list, const Unit& unit) {
    const GemvSlice& slice = *unit.slice;
    const bool bias = matrix_.has_bias();
    for (std::uint32_t i = 0; bias && i < unit.slots; ++i) {
      add_bias(list, slice, unit.slot + i, outputs_from(slice, unit.slot + i, per_slot_),
               i * per_slot_);
    }
    const WeightLayout layout = layout_of(slice);
    std::uint32_t holders = 0;
    while (holders < pseudo_channels_ && layout.share(holders).chunks != 0) ++holders;
    const std::uint32_t first = unit.slot * holders / slots_of(slice);
    std::vector<Product> products;
    add_holders(products, unit, layout, first, holders);
    add_holders(products, unit, layout, 0, first);
    std::vector<Product*> last(unit.slots, nullptr);
    for (Product& product : products) {
      Product*& before = last[product.first_sum / per_slot_];
      if (before == nullptr && !bias) product.flags |= MatrixStep::kStart;
      before = &product;
    }
    for (Product* product : last) product->flags |= MatrixStep::kStore;
    for (const Product& product : products) list.add(product);
  }

  // Pseudo-channels begin..end - 1.
  void add_holders(std::vector<Product>& products, const Unit& unit, const WeightLayout& layout,
                   std::uint32_t begin, std::uint32_t end) {
    const bool adjacent = memory_.inputs[1] == memory_.inputs[0] + row_bytes_ / 2 * kFeatureBytes;
    const std::uint32_t most_chunks = adjacent ? 2 * columns_ : columns_;
    std::uint32_t loaded_begin = 0;
    std::uint32_t loaded_end = 0;  // chunks that are loaded together
    for (std::uint32_t index = begin; index < end;) {
      const std::uint32_t chunks = layout.share(index).chunks;
      const bool pair =
          index + 1 < end && layout.share(index + 1).chunks == chunks && 2 * chunks <= most_chunks;
      const std::uint32_t behind = index + (pair ? 2 : 1);
      const auto chunk_after = [&](std::uint32_t last) {
        const WeightLayout::Share share = layout.share(last - 1);
        return share.first_chunk + share.chunks;
      };
      if (chunk_after(behind) > loaded_end) {
        loaded_begin = layout.share(index).first_chunk;
        std::uint32_t together = behind;
        while (together < end && chunk_after(together + 1) - loaded_begin <= columns_) ++together;
        loaded_end = chunk_after(together);
      }
      const std::size_t first = products.size();
      for (std::uint32_t i = index; i < behind; ++i) {
        add_holder(products, unit, layout, i, index, behind - index);
      }
      std::stable_sort(
          products.begin() + static_cast<std::ptrdiff_t>(first), products.end(),
          [](const Product& a, const Product& b) { return a.weight_offset < b.weight_offset; });
      if (loaded_end - loaded_begin <= most_chunks) {
        for (std::size_t i = first; i < products.size(); ++i) {
          set_loaded(products[i], loaded_begin, loaded_end - loaded_begin);
        }
      }
      index = behind;
    }
  }

  // The slots of the unit in a pseudo-channel whose weights come with those of `together` ones from
  // `first` on.
  void add_holder(std::vector<Product>& products, const Unit& unit, const WeightLayout& layout,
                  std::uint32_t index, std::uint32_t first, std::uint32_t together) {
    const GemvSlice& slice = *unit.slice;
    const WeightLayout::Share share = layout.share(index);
    for (std::uint32_t i = 0; i < unit.slots; ++i) {
      layout.for_each_run(unit.slot + i, 0, share.chunks,
                          [&](std::uint32_t, std::uint32_t row, std::uint32_t column,
                              std::uint32_t chunk, std::uint32_t count) {
                            Product product = product_of(slice, first, row, column);
                            product.a_offset += (index - first) * per_slot_ * row_bytes_;
                            product.weight_bytes = together * per_slot_ * row_bytes_;
                            set_inputs(product, share.first_chunk + chunk, count);
                            product.first_loaded = product.first_input;
                            product.inputs_loaded = product.inputs;
                            product.first_sum = i * per_slot_;
                            product.outputs = outputs_from(slice, unit.slot + i, per_slot_);
                            product.first_output = slice.first_output + (unit.slot + i) * per_slot_;
                            products.push_back(product);
                          });
    }
  }

  Product product_of(const GemvSlice& slice, std::uint32_t pseudo_channel, std::uint32_t row,
                     std::uint32_t column) const {
    Product product;
    product.base = base_of(slice);
    product.weight_offset = map_.of_pseudo_channel(pseudo_channel) + map_.of_row(row);
    product.a_offset = column * burst_bytes_;
    return product;
  }

  // The last chunk may be padded.
  std::uint32_t inputs_of(std::uint32_t chunk, std::uint32_t count) const {
    const std::uint32_t elements = burst_bytes_ / 2;
    return std::min(count * elements, matrix_.inputs - chunk * elements);
  }
  void set_inputs(Product& product, std::uint32_t chunk, std::uint32_t count) const {
    product.first_input = chunk * (burst_bytes_ / 2);
    product.inputs = inputs_of(chunk, count);
  }
  void set_loaded(Product& product, std::uint32_t chunk, std::uint32_t count) const {
    product.first_loaded = chunk * (burst_bytes_ / 2);
    product.inputs_loaded = inputs_of(chunk, count);
  }

  const GemvPlacement& matrix_;
  const hbm_pim::StackMap& map_;
  const PrefillMemory& memory_;
  std::uint32_t per_slot_;
  std::uint32_t pseudo_channels_;
  std::uint32_t columns_;
  std::uint32_t burst_bytes_;
  std::uint32_t row_bytes_;
  std::uint32_t neighbours_ = 1;
  std::vector<StepList> lists_;
  std::vector<const GemvSlice*> by_rows_;
  std::vector<const GemvSlice*> by_columns_;
};

}  // namespace

std::string refuse_streaming(const hbm_pim::StackMap& map) {
  const hbm_pim::DeviceOrganisation& organisation = map.device().organisation;
  if (hbm_pim::is_samsung(map.device())) {
    return "the device keeps several outputs side by side in a DRAM row";
  }
  const std::uint32_t per_slot = hbm_pim::outputs_per_slot(map.device());
  const std::uint64_t row_bytes = organisation.row_bytes();
  const std::uint64_t slot_bytes = per_slot * row_bytes;
  bool contiguous = 2 * per_slot == kUnitOutputs && organisation.pseudo_channels() % 2 == 0 &&
                    2 * slot_bytes == 64 * 1024;
  // One DRAM row of every bank of the stack.
  const auto inputs = static_cast<std::uint32_t>(row_bytes / 2);
  const std::uint32_t outputs = per_slot * organisation.pseudo_channels();
  const WeightLayout layout(map, {inputs, outputs, 0, Slicing::kRows});
  for (std::uint32_t output = 0; contiguous && output < outputs; ++output) {
    for (std::uint32_t input = 0; input < inputs; input += organisation.burst_bytes / 2) {
      contiguous &= layout.offset(output, input) == output * row_bytes + std::uint64_t{input} * 2;
    }
  }
  if (contiguous) return {};
  return fmt::format(
      "with this address mapping, or banks of this number and size, the weights of {} outputs are "
      "not contiguous: row:channel:pseudo_channel:stack_id:bank:bank_group:column would do for 32 "
      "banks with rows of 1 KiB",
      kUnitOutputs);
}

MatrixSteps build_matrix_steps(const GemvPlacement& matrix, const hbm_pim::StackMap& map,
                               const ChunkActivations& activations, ValueKind input,
                               const PrefillMemory& memory, const TileMemory& tile_memory,
                               std::uint32_t tiles) {
  return StepBuilder(matrix, map, activations, input, memory, tile_memory, tiles).build();
}

}  // namespace hpimvp::compiler
