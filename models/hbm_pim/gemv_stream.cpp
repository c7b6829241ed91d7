#include "models/hbm_pim/gemv_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "models/hbm_pim/gemv_tiling.h"

namespace hpimvp::hbm_pim {

std::uint32_t outputs_per_slot(const DeviceDescription& device) {
  return is_samsung(device) ? device.units() : device.organisation.banks();
}

std::uint64_t weight_rows(const DeviceDescription& device, const PseudoChannelGemv& gemv) {
  if (gemv.outputs == 0) return 0;
  if (is_samsung(device)) {
    const SamsungTiling tiling(device, gemv.inputs, gemv.outputs);
    return std::uint64_t{tiling.blocks} * tiling.tiles;
  }
  const std::uint64_t slots = divide_up(gemv.outputs, outputs_per_slot(device));
  return divide_up(slots * chunks_of_inputs(device, gemv.inputs),
                   std::uint64_t{device.organisation.columns});
}

std::vector<PseudoChannelGemv> slice_rows(const DeviceDescription& device, std::uint32_t stacks,
                                          const PseudoChannelGemv& whole) {
  const std::uint32_t pseudo_channels = device.organisation.pseudo_channels();
  const std::uint32_t slot = outputs_per_slot(device);
  std::vector<PseudoChannelGemv> slices;
  for (std::uint32_t stack = 0; stack < stacks; ++stack) {
    const std::uint32_t outputs = whole.outputs / stacks + (stack < whole.outputs % stacks ? 1 : 0);
    const std::uint32_t round = slot * pseudo_channels;
    for (std::uint32_t i = 0; i < pseudo_channels; ++i) {
      const std::uint32_t rest = outputs % round;
      const std::uint32_t before = i * slot;
      PseudoChannelGemv slice = whole;
      slice.outputs = outputs / round * slot + std::min(slot, rest > before ? rest - before : 0u);
      slices.push_back(slice);
    }
  }
  return slices;
}

std::vector<PseudoChannelGemv> slice_columns(const DeviceDescription& device, std::uint32_t stacks,
                                             const PseudoChannelGemv& whole) {
  const std::uint32_t parts = stacks * device.organisation.pseudo_channels();
  const std::uint32_t elements = elements_per_chunk(device);
  const std::uint32_t chunks = chunks_of_inputs(device, whole.inputs);
  std::vector<PseudoChannelGemv> slices;
  std::uint32_t first = 0;
  for (std::uint32_t part = 0; part < parts; ++part) {
    const std::uint32_t size = chunks / parts + (part < chunks % parts ? 1 : 0);
    PseudoChannelGemv slice = whole;
    const std::uint64_t end = std::uint64_t{first + size} * elements;
    slice.inputs =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(whole.inputs, end)) - first * elements;
    // The bias is added once.
    slice.bias = whole.bias && part == 0;
    if (size == 0) slice = {0, 0, whole.weight_row, false};
    slices.push_back(slice);
    first += size;
  }
  return slices;
}

// Collects runs into blocks, opening and closing rows as columns are needed.
class GemvProgramBuilder {
 public:
  GemvProgramBuilder(GemvProgram& program, const DeviceDescription& device,
                     const PseudoChannelGemv& gemv)
      : program_(program),
        device_(device),
        gemv_(gemv),
        chunks_(chunks_of_inputs(device, gemv.inputs)) {}

  void build_native();
  void build_samsung();

 private:
  static constexpr std::uint32_t kNoRow = 0xFFFFFFFF;

  void broadcast(std::uint32_t first_chunk, std::uint32_t count);
  void open(std::uint32_t group, std::uint32_t row);
  void close();
  void multiply(std::uint32_t group, std::uint32_t row, std::uint32_t column, std::uint32_t count);
  void write_bias(std::uint32_t group, std::uint32_t slot);
  void read_results(std::uint32_t group, std::uint32_t slot);
  void end_block();
  bool repeats_previous() const;

  void native_slots(std::uint32_t group, std::uint32_t first, std::uint32_t end);
  void native_columns(std::uint32_t group, std::uint64_t first, std::uint64_t end);
  void samsung_block(std::uint32_t block);
  std::uint32_t bursts(std::uint32_t group, std::uint32_t slot) const;
  void add(DramCommand command, std::uint32_t bank, std::uint32_t column, std::uint32_t count,
           std::uint32_t row);

  GemvProgram& program_;
  const DeviceDescription& device_;
  const PseudoChannelGemv& gemv_;
  std::uint32_t chunks_;  // of an output
  std::uint32_t block_begin_ = 0;
  std::uint32_t open_group_ = 0;
  std::uint32_t open_row_ = kNoRow;
};

void GemvProgramBuilder::add(DramCommand command, std::uint32_t bank, std::uint32_t column,
                             std::uint32_t count, std::uint32_t row) {
  program_.runs_.push_back(
      {command, static_cast<std::uint8_t>(bank), static_cast<std::uint16_t>(column), count, row});
}

void GemvProgramBuilder::broadcast(std::uint32_t first_chunk, std::uint32_t count) {
  add(DramCommand::kWriteBuffer, 0, 0, count, first_chunk);
}

void GemvProgramBuilder::open(std::uint32_t group, std::uint32_t row) {
  if (open_row_ == row && open_group_ == group) return;
  close();
  add(DramCommand::kActivateBanks, group, 0, device_.activate_groups() / device_.operand_groups(),
      row);
  open_row_ = row;
  open_group_ = group;
}

void GemvProgramBuilder::close() {
  if (open_row_ == kNoRow) return;
  add(DramCommand::kPrechargeBanks, open_group_, 0, 1, open_row_);
  open_row_ = kNoRow;
  end_block();
}

void GemvProgramBuilder::multiply(std::uint32_t group, std::uint32_t row, std::uint32_t column,
                                  std::uint32_t count) {
  open(group, row);
  CommandRun& last = program_.runs_.back();
  if (last.command == DramCommand::kMac && last.column + last.count == column) {
    last.count += count;
  } else {
    add(DramCommand::kMac, group, column, count, row);
  }
}

// Bursts with the accumulators of a slot.
std::uint32_t GemvProgramBuilder::bursts(std::uint32_t group, std::uint32_t slot) const {
  const std::uint32_t per_slot = outputs_per_slot(device_);
  const std::uint32_t outputs = std::min(per_slot, gemv_.outputs - slot * per_slot);
  const std::uint32_t units =
      is_samsung(device_) ? outputs
                          : divide_up(outputs - std::min(outputs, group), device_.operand_groups());
  return divide_up(units * device_.pim.result_bytes, device_.organisation.burst_bytes);
}

void GemvProgramBuilder::write_bias(std::uint32_t group, std::uint32_t slot) {
  if (gemv_.bias) add(DramCommand::kWriteBias, 0, 0, bursts(group, slot), slot);
}

void GemvProgramBuilder::read_results(std::uint32_t group, std::uint32_t slot) {
  add(DramCommand::kReadResult, 0, 0, bursts(group, slot), slot);
}

bool GemvProgramBuilder::repeats_previous() const {
  const std::vector<CommandRun>& runs = program_.runs_;
  if (program_.blocks_.empty()) return false;
  const CommandBlock& previous = program_.blocks_.back();
  if (previous.run_count != runs.size() - block_begin_) return false;
  for (std::uint32_t i = 0; i < previous.run_count; ++i) {
    const CommandRun& run = runs[block_begin_ + i];
    const CommandRun& before = runs[previous.first_run + i];
    const bool about_a_row = run.command == DramCommand::kActivateBanks ||
                             run.command == DramCommand::kMac ||
                             run.command == DramCommand::kPrechargeBanks;
    if (!about_a_row || !run.same_shape(before) || run.row != before.row + previous.repetitions) {
      return false;
    }
  }
  return true;
}

void GemvProgramBuilder::end_block() {
  const auto size = static_cast<std::uint32_t>(program_.runs_.size());
  if (size == block_begin_) return;
  if (repeats_previous()) {
    ++program_.blocks_.back().repetitions;
    program_.runs_.resize(block_begin_);
    return;
  }
  program_.blocks_.push_back({block_begin_, size - block_begin_, 1});
  block_begin_ = size;
}

void GemvProgramBuilder::build_native() {
  const std::uint32_t banks = device_.organisation.banks();
  const bool fits = chunks_ <= buffer_chunks(device_);
  if (fits) broadcast(0, chunks_);
  for (std::uint32_t group = 0; group < device_.operand_groups(); ++group) {
    // Slots in which a bank of the group has an output.
    const std::uint32_t slots = divide_up(gemv_.outputs - std::min(gemv_.outputs, group), banks);
    for (std::uint32_t first = 0; first < slots; first += device_.pim.accumulators) {
      native_slots(group, first, std::min(slots, first + device_.pim.accumulators));
    }
    close();
  }
  end_block();
}

// Slots whose sums are kept at once.
void GemvProgramBuilder::native_slots(std::uint32_t group, std::uint32_t first, std::uint32_t end) {
  const std::uint32_t columns = device_.organisation.columns;
  const std::uint32_t piece = std::min(chunks_, buffer_chunks(device_));
  for (std::uint32_t from = 0; from < chunks_; from += piece) {
    const std::uint32_t to = std::min(chunks_, from + piece);
    if (piece < chunks_) broadcast(from, to - from);
    if (from == 0 && gemv_.bias) {
      const std::uint64_t column = std::uint64_t{first} * chunks_;
      open(group, gemv_.weight_row + static_cast<std::uint32_t>(column / columns));
      for (std::uint32_t slot = first; slot < end; ++slot) write_bias(group, slot);
    }
    for (std::uint32_t slot = first; slot < end; ++slot) {
      native_columns(group, std::uint64_t{slot} * chunks_ + from,
                     std::uint64_t{slot} * chunks_ + to);
    }
  }
  // A row with no column left is closed first, so that the results are read while it closes.
  const std::uint32_t banks = device_.organisation.banks();
  const bool last = std::uint64_t{end} * banks + group >= gemv_.outputs;
  if (last || std::uint64_t{end} * chunks_ % columns == 0) close();
  for (std::uint32_t slot = first; slot < end; ++slot) read_results(group, slot);
}

// Columns of a group's banks counted through all rows.
void GemvProgramBuilder::native_columns(std::uint32_t group, std::uint64_t first,
                                        std::uint64_t end) {
  const std::uint32_t columns = device_.organisation.columns;
  while (first < end) {
    const auto column = static_cast<std::uint32_t>(first % columns);
    const auto count =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(columns - column, end - first));
    multiply(group, gemv_.weight_row + static_cast<std::uint32_t>(first / columns), column, count);
    first += count;
  }
}

void GemvProgramBuilder::build_samsung() {
  const SamsungTiling tiling(device_, gemv_.inputs, gemv_.outputs);
  for (std::uint32_t block = 0; block < tiling.blocks; ++block) samsung_block(block);
  end_block();
}

void GemvProgramBuilder::samsung_block(std::uint32_t block) {
  const SamsungTiling tiling(device_, gemv_.inputs, gemv_.outputs);
  const std::uint32_t first = block * tiling.slots_per_block;
  const std::uint32_t slots = std::min(tiling.slots_per_block, tiling.slots - first);
  for (std::uint32_t slot = first; slot < first + slots; ++slot) write_bias(0, slot);
  for (std::uint32_t tile = 0; tile < tiling.tiles; ++tile) {
    const std::uint32_t first_chunk = tile * tiling.chunks_per_tile;
    const std::uint32_t width = std::min(tiling.chunks_per_tile, chunks_ - first_chunk);
    broadcast(first_chunk, width);
    for (std::uint32_t i = 0; i < slots; ++i) {
      multiply(i / tiling.slots_per_row, gemv_.weight_row + block * tiling.tiles + tile,
               i % tiling.slots_per_row * tiling.chunks_per_tile, width);
    }
    close();
  }
  for (std::uint32_t slot = first; slot < first + slots; ++slot) read_results(0, slot);
}

GemvProgram::GemvProgram(const DeviceDescription& device, const PseudoChannelGemv& gemv)
    : operand_groups_(device.operand_groups()) {
  if (gemv.outputs == 0) return;
  if (gemv.inputs == 0) throw std::invalid_argument("a GEMV without inputs");
  const std::uint64_t rows = weight_rows(device, gemv);
  if (gemv.weight_row + rows > device.organisation.rows) {
    throw std::invalid_argument(fmt::format("weights of {} rows from row {} on do not fit in {}",
                                            rows, gemv.weight_row, device.organisation.rows));
  }
  GemvProgramBuilder builder(*this, device, gemv);
  if (is_samsung(device)) {
    builder.build_samsung();
  } else {
    builder.build_native();
  }
}

}  // namespace hpimvp::hbm_pim
