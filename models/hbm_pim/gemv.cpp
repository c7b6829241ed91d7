#include "models/hbm_pim/gemv.h"

#include <algorithm>
#include <vector>

#include "models/common/pim_numerics.h"

namespace hpimvp::hbm_pim {

using common::SparseMemory;

namespace {

constexpr std::uint32_t kLanes = common::kPimLanes;
constexpr std::uint32_t kBurstBytes = 2 * kLanes;

// Walks the weights in the order in which they lie in a row of all pseudo-channels, so that those
// whose bursts are neighbours in memory compute side by side.
class GemvComputation {
 public:
  GemvComputation(const WeightLayout& layout, const SparseMemory& memory,
                  std::span<const std::uint16_t> input, std::span<const std::uint16_t> bias,
                  std::span<std::uint16_t> output);

  void run();

 private:
  // Pseudo-channels begin..end - 1, whose shares have `chunks` chunks each.
  struct Segment {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::uint32_t chunks = 0;
  };

  void find_segments();
  void compute(std::uint32_t slot, std::uint32_t unit);
  void compute_run(const StackMap::Run& run, const Segment& segment, std::uint32_t slot,
                   std::uint32_t unit);
  void start(std::uint32_t first, std::uint32_t step, std::uint32_t count, std::uint32_t slot,
             std::uint32_t unit);
  void accumulate(const StackMap::Run& run, std::uint32_t from, std::uint32_t count,
                  std::uint32_t chunks, std::uint32_t slot, std::uint32_t unit);
  std::uint16_t read_out(std::uint32_t place) const;
  std::uint16_t sum_of_partial_sums() const;
  std::uint32_t output_of(std::uint32_t pseudo_channel, std::uint32_t slot,
                          std::uint32_t unit) const;
  const std::uint8_t* weights(std::uint64_t offset, std::size_t bytes);

  const WeightLayout& layout_;
  const StackMap& map_;
  const SparseMemory& memory_;
  std::span<const std::uint16_t> bias_;
  std::span<std::uint16_t> output_;
  bool by_columns_;
  bool fp16_lanes_;
  std::uint32_t per_slot_;
  std::uint32_t pseudo_channels_;
  std::vector<float> x_;  // padded
  std::vector<Segment> segments_;
  std::vector<float> sums_;                  // of pseudo-channels side by side
  std::vector<std::uint16_t> lanes_;         // the same for units that round twice: 16 each
  std::vector<std::uint16_t> partial_sums_;  // by pseudo-channel
  std::vector<std::uint8_t> buffer_;
  std::vector<std::uint8_t> zeros_;
  std::uint64_t page_number_ = ~std::uint64_t{0};
  const std::uint8_t* page_ = nullptr;
};

GemvComputation::GemvComputation(const WeightLayout& layout, const SparseMemory& memory,
                                 std::span<const std::uint16_t> input,
                                 std::span<const std::uint16_t> bias,
                                 std::span<std::uint16_t> output)
    : layout_(layout),
      map_(layout.map()),
      memory_(memory),
      bias_(bias),
      output_(output),
      by_columns_(layout.gemv().slicing == Slicing::kColumns),
      fp16_lanes_(map_.device().pim.numerics == Numerics::kFp16Lanes),
      per_slot_(layout.outputs_per_slot()),
      pseudo_channels_(map_.device().organisation.pseudo_channels()),
      x_(std::size_t{layout.chunks()} * kLanes, 0.0F),
      sums_(pseudo_channels_),
      lanes_(std::size_t{pseudo_channels_} * kLanes),
      partial_sums_(pseudo_channels_),
      buffer_(std::size_t{pseudo_channels_} * kBurstBytes),
      zeros_(buffer_.size(), 0) {
  common::fp16_to_float(input.data(), x_.data(), input.size());
  find_segments();
}

void GemvComputation::find_segments() {
  for (std::uint32_t i = 0; i < pseudo_channels_; ++i) {
    const std::uint32_t chunks = layout_.share(i).chunks;
    if (chunks == 0) break;
    if (segments_.empty() || segments_.back().chunks != chunks) segments_.push_back({i, i, chunks});
    ++segments_.back().end;
  }
}

void GemvComputation::run() {
  const auto outputs = static_cast<std::uint32_t>(output_.size());
  const std::uint32_t slots = divide_up(outputs, per_slot_);
  const std::uint32_t rounds = by_columns_ ? slots : divide_up(slots, pseudo_channels_);
  for (std::uint32_t slot = 0; slot < rounds; ++slot) {
    for (std::uint32_t unit = 0; unit < per_slot_ && output_of(0, slot, unit) < outputs; ++unit) {
      compute(slot, unit);
    }
  }
}

std::uint32_t GemvComputation::output_of(std::uint32_t pseudo_channel, std::uint32_t slot,
                                         std::uint32_t unit) const {
  if (by_columns_) return slot * per_slot_ + unit;
  return (slot * pseudo_channels_ + pseudo_channel) * per_slot_ + unit;
}

// A slot of a unit in all pseudo-channels.
void GemvComputation::compute(std::uint32_t slot, std::uint32_t unit) {
  for (const StackMap::Run& run : map_.runs()) {
    for (const Segment& segment : segments_) compute_run(run, segment, slot, unit);
  }
  if (by_columns_) output_[output_of(0, slot, unit)] = sum_of_partial_sums();
}

void GemvComputation::compute_run(const StackMap::Run& run, const Segment& segment,
                                  std::uint32_t slot, std::uint32_t unit) {
  std::uint32_t end = segment.end;
  if (!by_columns_) {
    const auto rest = static_cast<std::uint32_t>(output_.size()) - output_of(0, slot, unit);
    end = std::min(end, divide_up(rest, per_slot_));
  }
  const auto place_of = [&run](std::uint32_t pseudo_channel) {
    if (pseudo_channel <= run.first) return 0u;
    return std::min(run.count, divide_up(pseudo_channel - run.first, run.step));
  };
  const std::uint32_t from = place_of(segment.begin);
  const std::uint32_t to = place_of(end);
  if (from >= to) return;
  start(run.first + from * run.step, run.step, to - from, slot, unit);
  accumulate(run, from, to - from, segment.chunks, slot, unit);
  for (std::uint32_t i = from; i < to; ++i) {
    const std::uint32_t pseudo_channel = run.first + i * run.step;
    const std::uint16_t result = read_out(i - from);
    if (by_columns_) {
      partial_sums_[pseudo_channel] = result;
    } else {
      output_[output_of(pseudo_channel, slot, unit)] = result;
    }
  }
}

void GemvComputation::start(std::uint32_t first, std::uint32_t step, std::uint32_t count,
                            std::uint32_t slot, std::uint32_t unit) {
  std::fill_n(sums_.begin(), count, 0.0F);
  std::fill_n(lanes_.begin(), std::size_t{count} * kLanes, std::uint16_t{0});
  if (bias_.empty()) return;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t pseudo_channel = first + i * step;
    if (by_columns_ && pseudo_channel > 0) continue;
    const std::uint16_t bias = bias_[output_of(pseudo_channel, slot, unit)];
    sums_[i] = common::fp16_to_float(bias);
    lanes_[std::size_t{i} * kLanes] = bias;
  }
}

void GemvComputation::accumulate(const StackMap::Run& run, std::uint32_t from, std::uint32_t count,
                                 std::uint32_t chunks, std::uint32_t slot, std::uint32_t unit) {
  const std::uint32_t first = run.first + from * run.step;
  const float* x = x_.data() + std::size_t{layout_.share(first).first_chunk} * kLanes;
  const std::size_t stride = by_columns_ ? std::size_t{run.step} * chunks * kLanes : 0;
  const std::uint64_t start = map_.of_pseudo_channel(first);
  layout_.for_each_run(
      slot, unit, chunks,
      [&](std::uint32_t bank, std::uint32_t row, std::uint32_t column, std::uint32_t first_chunk,
          std::uint32_t columns) {
        const std::uint64_t base = start + map_.of_bank(bank) + map_.of_row(row);
        for (std::uint32_t i = 0; i < columns; ++i) {
          const std::uint8_t* values =
              weights(base + map_.of_column(column + i), std::size_t{count} * kBurstBytes);
          const float* chunk = x + std::size_t{first_chunk + i} * kLanes;
          if (fp16_lanes_) {
            common::lane_multiply_add_units(lanes_.data(), values, chunk, stride, count);
          } else {
            common::pim_dot_units(sums_.data(), values, chunk, stride, count);
          }
        }
      });
}

std::uint16_t GemvComputation::read_out(std::uint32_t place) const {
  if (fp16_lanes_) return common::lane_tree_sum(&lanes_[std::size_t{place} * kLanes]);
  return common::pim_read_out(sums_[place]);
}

std::uint16_t GemvComputation::sum_of_partial_sums() const {
  float sum = common::fp16_to_float(partial_sums_[0]);
  for (std::uint32_t i = 1; i < segments_.back().end; ++i) {
    sum += common::fp16_to_float(partial_sums_[i]);
  }
  return common::float_to_fp16(sum);
}

const std::uint8_t* GemvComputation::weights(std::uint64_t offset, std::size_t bytes) {
  const std::uint64_t in_page = offset % SparseMemory::kPageBytes;
  if (in_page + bytes > SparseMemory::kPageBytes) {
    memory_.read(offset, buffer_.data(), bytes);
    return buffer_.data();
  }
  if (offset / SparseMemory::kPageBytes != page_number_) {
    page_number_ = offset / SparseMemory::kPageBytes;
    page_ = memory_.page(offset);
  }
  return page_ != nullptr ? page_ + in_page : zeros_.data();
}

}  // namespace

void compute_gemv(const WeightLayout& layout, const SparseMemory& memory,
                  std::span<const std::uint16_t> input, std::span<const std::uint16_t> bias,
                  std::span<std::uint16_t> output) {
  GemvComputation(layout, memory, input, bias, output).run();
}

}  // namespace hpimvp::hbm_pim
