// The tiles' lists of steps for matrices of any shape, followed step by step: every weight is
// multiplied once with its input, and nothing is overwritten that is still needed.
#include "platform/compiler/prefill_steps.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "platform/compiler/model_config.h"
#include "tests/unit/compiler/model_files.h"
#include "tests/unit/compiler/reference_shapes.h"
#include "tests/unit/hbm_pim/device_presets.h"

using namespace hpimvp;
using compiler::MatrixStep;

namespace {

constexpr const char* kMapping = "row:channel:pseudo_channel:stack_id:bank:bank_group:column";

struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  bool meets(const Range& other) const { return begin < other.end && other.begin < end; }
};

class Follower {
 public:
  Follower(const compiler::GemvPlacement& matrix, const hbm_pim::StackMap& map,
           std::uint64_t inputs_at)
      : matrix_(matrix),
        map_(map),
        inputs_at_(inputs_at),
        row_bytes_(map.device().organisation.row_bytes()),
        products_(matrix.outputs, std::vector<std::uint8_t>(matrix.inputs, 0)),
        biases_(matrix.outputs, 0),
        stored_(matrix.outputs, 0) {}

  void follow(const std::vector<MatrixStep>& steps) {
    Range a;
    Range w;
    std::map<std::uint32_t, std::uint32_t> open;  // sums at this place: how many outputs
    for (const MatrixStep& step : steps) {
      for (const Range& load : {Range{step.weight_buffer, step.weight_buffer + step.weight_bytes},
                                Range{step.input_buffer, step.input_buffer + step.input_bytes}}) {
        if ((step.flags & MatrixStep::kAfter) == 0) REQUIRE(!(load.meets(a) || load.meets(w)));
      }
      if (step.weight_bytes != 0) weights_[step.weight_buffer] = {step.base, step.weight_offset};
      if (step.input_bytes != 0) {
        inputs_.erase(inputs_.lower_bound(step.input_buffer),
                      inputs_.lower_bound(step.input_buffer + step.input_bytes));
        inputs_[step.input_buffer] = (step.input_address - inputs_at_) / compiler::kFeatureBytes;
      }
      const bool start = (step.flags & MatrixStep::kStart) != 0;
      REQUIRE(open.contains(step.c) != start);
      if (start) open[step.c] = step.outputs;
      REQUIRE(open[step.c] == step.outputs);
      const bool bias = (step.flags & MatrixStep::kBias) != 0;
      a = {step.a, step.a + (step.outputs - 1) * (bias ? 2 : row_bytes_) + step.inputs * 2};
      w = {step.w, step.w + step.inputs * compiler::kFeatureBytes};
      bias ? add_bias(step) : multiply(step);
      if ((step.flags & MatrixStep::kStore) == 0) continue;
      open.erase(step.c);
      for (std::uint32_t i = 0; i < step.outputs; ++i) {
        ++stored_.at(step.result_offset / compiler::kFeatureBytes + i);
      }
    }
    REQUIRE(open.empty());
  }

  void check() const {
    for (std::uint32_t output = 0; output < matrix_.outputs; ++output) {
      CAPTURE(output);
      REQUIRE(stored_[output] == 1);
      REQUIRE(biases_[output] == (matrix_.has_bias() ? 1 : 0));
      REQUIRE(std::all_of(products_[output].begin(), products_[output].end(),
                          [](std::uint8_t times) { return times == 1; }));
    }
  }

 private:
  const compiler::GemvSlice& slice_of(std::uint32_t stack) const {
    return *std::find_if(matrix_.slices.begin(), matrix_.slices.end(),
                         [&](const auto& slice) { return slice.stack == stack; });
  }

  // What a buffer holds that begins at or before `address`.
  template <typename Value>
  static std::pair<std::uint32_t, Value> buffer(const std::map<std::uint32_t, Value>& buffers,
                                                std::uint32_t address) {
    auto found = buffers.upper_bound(address);
    REQUIRE(found != buffers.begin());
    return *--found;
  }

  void add_bias(const MatrixStep& step) {
    REQUIRE(step.inputs == 1);
    const auto [at, source] = buffer(weights_, step.a);
    REQUIRE(at == step.a);
    REQUIRE(source.first % compiler::kBaseBytes == compiler::kBaseBytes / 2);
    const compiler::GemvSlice& slice = slice_of(source.first / compiler::kBaseBytes);
    for (std::uint32_t i = 0; i < step.outputs; ++i) {
      ++biases_.at(slice.first_output + source.second / 2 + i);
    }
  }

  void multiply(const MatrixStep& step) {
    const auto [at, source] = buffer(weights_, step.a);
    REQUIRE(source.first % compiler::kBaseBytes == 0);
    const compiler::GemvSlice& slice = slice_of(source.first / compiler::kBaseBytes);
    const auto [inputs_buffer, first_loaded] = buffer(inputs_, step.w);
    const std::uint64_t first_input =
        first_loaded + (step.w - inputs_buffer) / compiler::kFeatureBytes;
    const hbm_pim::WeightLayout layout(map_, {matrix_.inputs, slice.outputs, 0, slice.slicing});
    const std::uint32_t first_output = step.result_offset / compiler::kFeatureBytes;
    for (std::uint32_t i = 0; i < step.outputs; ++i) {
      const std::uint64_t weights = source.second + (step.a - at) + i * row_bytes_;
      for (std::uint32_t k = 0; k < step.inputs; ++k) {
        const auto input = static_cast<std::uint32_t>(first_input) + k;
        if (k % 16 == 0) {
          REQUIRE(layout.offset(first_output + i - slice.first_output, input) == weights + 2 * k);
        }
        ++products_.at(first_output + i).at(input);
      }
    }
  }

  const compiler::GemvPlacement& matrix_;
  const hbm_pim::StackMap& map_;
  std::uint64_t inputs_at_;
  std::uint64_t row_bytes_;
  std::vector<std::vector<std::uint8_t>> products_;
  std::vector<std::uint8_t> biases_;
  std::vector<std::uint8_t> stored_;
  std::map<std::uint32_t, std::pair<std::uint32_t, std::uint64_t>> weights_;  // base and offset
  std::map<std::uint32_t, std::uint64_t> inputs_;                             // first feature
};

void check_steps(std::uint32_t inputs, std::uint32_t outputs, std::uint32_t stacks,
                 std::uint32_t tiles, hbm_pim::Slicing slicing, bool bias) {
  CAPTURE(inputs, outputs, stacks, tiles, slicing == hbm_pim::Slicing::kColumns, bias);
  auto machine = compiler::default_machine_shape(stacks, tiles, 0x8800'0000, 0x9000'0000,
                                                 test_support::device_preset("hbm3_hpim"));
  machine.mapping = kMapping;
  const hbm_pim::StackMap map(
      machine.device, hbm_pim::BitFieldMapping(machine.device.organisation, machine.mapping));
  REQUIRE(compiler::refuse_streaming(map).empty());
  const compiler::ModelConfig config = compiler::parse_hugging_face_config(
      test::hugging_face_config(test::odd_llama()), "config.json");
  compiler::ChunkActivations activations(config, machine);
  activations.place(std::vector<std::uint64_t>(stacks, 0x1000));  // all the same: one address
  compiler::TileMemory tile_memory;
  compiler::PrefillMemory memory;
  REQUIRE(compiler::allocate_prefill_memory(config, machine, tile_memory, 200, memory).empty());

  compiler::GemvPlacement matrix;
  matrix.inputs = inputs;
  matrix.outputs = outputs;
  const std::uint32_t per_stack = ((outputs + 31) / 32 + stacks - 1) / stacks * 32;
  for (std::uint32_t stack = 0; stack * per_stack < outputs; ++stack) {
    compiler::GemvSlice slice;
    slice.stack = stack;
    slice.first_output = stack * per_stack;
    slice.outputs = std::min(per_stack, outputs - slice.first_output);
    slice.slicing = slicing;
    slice.bias_address = bias ? 64 : 0;
    matrix.slices.push_back(slice);
  }
  const auto steps = compiler::build_matrix_steps(
      matrix, map, activations, compiler::ValueKind::kNormed, memory, tile_memory, tiles);
  REQUIRE(steps.size() == tiles);
  Follower follower(matrix, map, activations.address(compiler::ValueKind::kNormed, 0));
  for (const auto& list : steps) follower.follow(list);
  follower.check();
}

}  // namespace

TEST_CASE("a chunk's steps multiply every weight once") {
  const auto seed = static_cast<std::uint32_t>(Catch::rngSeed());
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 40; ++i) {
    check_steps(1 + random() % 1500, 1 + random() % 3000, 1 + random() % 5, 1 + random() % 40,
                random() % 2 == 0 ? hbm_pim::Slicing::kRows : hbm_pim::Slicing::kColumns,
                random() % 2 == 0);
  }
}

TEST_CASE("a chunk's steps of wide matrices multiply every weight once") {
  using enum hbm_pim::Slicing;
  // Shares of a pseudo-channel below, at and above what fits beside a neighbour's, into both
  // buffers, and into neither.
  for (const std::uint32_t inputs : {16384U, 16385U, 20480U, 32768U, 33000U}) {
    check_steps(inputs, 200, 2, 3, kColumns, true);
    check_steps(inputs, 200, 2, 3, kRows, true);
  }
  check_steps(5120, 5120, 4, 32, kColumns, true);
  check_steps(5120, 5120, 4, 32, kRows, true);
}
