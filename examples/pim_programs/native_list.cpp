// Firmware: y = W x + b by a list of PIM commands, on stack 0 of a machine with hbm3_hpim. Output m
// of a pseudo-channel has its weights in columns 0 to 3 of row 100 in bank m. Each result is held
// against plain arithmetic; then a wrong list is refused, and the good one runs again.
#include <cstdint>

#include "examples/pim_programs/stack_queue.h"
#include "firmware/host/bank_map.h"
#include "firmware/host/pim_program_builder.h"

namespace hpimvp::firmware {
namespace {

using hal::hbm_pim_stack::PimProgramDescriptor;

constexpr std::uint32_t kFirst = 1;     // the first pseudo-channel in use
constexpr std::uint32_t kChannels = 3;  // pseudo-channels in use
constexpr std::uint32_t kOutputs = 32;  // of each: one in each bank
constexpr std::uint32_t kInputs = 64;
constexpr std::uint32_t kLanes = 16;  // FP16 values in a burst
constexpr std::uint32_t kChunks = kInputs / kLanes;
constexpr std::uint32_t kRow = 100;

// The input buffer of a pseudo-channel.
struct Input {
  std::uint16_t x[kInputs];
  std::uint16_t bias[kOutputs];
};

std::uint16_t weights[kChannels][kOutputs][kInputs];
Input inputs[kChannels];
std::uint16_t results[kChannels][kOutputs];
alignas(8) PimProgramBuilder::Word words[16];

void make_data() {
  Random random(1);
  for (auto& channel : weights) {
    for (auto& output : channel) {
      for (auto& weight : output) weight = random_half(random);
    }
  }
  for (Input& input : inputs) {
    for (auto& value : input.x) value = random_half(random);
    for (auto& value : input.bias) value = random_half(random);
  }
}

void write_weights() {
  for (std::uint32_t channel = 0; channel < kChannels; ++channel) {
    for (std::uint32_t output = 0; output < kOutputs; ++output) {
      for (std::uint32_t chunk = 0; chunk < kChunks; ++chunk) {
        write_burst(kHbm3HpimShape.offset(kFirst + channel, output, kRow, chunk),
                    &weights[channel][output][chunk * kLanes]);
      }
    }
  }
}

// As docs/machine.md states it ("Numerics"): in each chunk, lane i with i + 8, then i + 4, i + 2,
// i + 1; chunks one after the other; one rounding to FP16 at the end.
std::uint16_t expected(const std::uint16_t* w, const std::uint16_t* x, std::uint16_t bias) {
  float sum = half_to_float(bias);
  for (std::uint32_t chunk = 0; chunk < kChunks; ++chunk) {
    float lanes[kLanes];
    for (std::uint32_t i = 0; i < kLanes; ++i) {
      const std::uint32_t k = chunk * kLanes + i;
      lanes[i] = half_to_float(w[k]) * half_to_float(x[k]);
    }
    for (std::uint32_t half = kLanes / 2; half > 0; half /= 2) {
      for (std::uint32_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    }
    sum += lanes[0];
  }
  return to_half(sum);
}

// The list of docs/pim_programming.md. `closes` false: without its PRE_AB, which is wrong.
PimProgramDescriptor make_program(bool closes) {
  PimProgramBuilder list(words);
  list.write_buffer(0, kChunks, offsetof(Input, x));  // x into entries 0 to 3
  list.write_bias(0, 0, 2, offsetof(Input, bias));    // b into accumulator 0 of 32 units
  list.activate(kRow, 0, 8);                          // 8 activate groups of 4 banks
  list.multiply(0, 0, 0, kChunks);                    // columns 0 to 3 with entries 0 to 3
  if (closes) list.precharge();
  list.read_result(0, 0, 2, 0);  // 64 bytes of y

  PimProgramDescriptor descriptor{};
  descriptor.list_address = reinterpret_cast<std::uint64_t>(words);
  descriptor.word_count = static_cast<std::uint32_t>(list.words().size());
  descriptor.first_pseudo_channel = kFirst;
  descriptor.pseudo_channel_count = kChannels;
  descriptor.input_address = reinterpret_cast<std::uint64_t>(inputs);
  descriptor.input_bytes = sizeof(Input);
  descriptor.input_stride = sizeof(Input);
  descriptor.output_address = reinterpret_cast<std::uint64_t>(results);
  descriptor.output_bytes = sizeof results[0];
  descriptor.output_stride = sizeof results[0];
  return descriptor;
}

void check_results(TextOutput& out) {
  for (std::uint32_t channel = 0; channel < kChannels; ++channel) {
    const Input& input = inputs[channel];
    for (std::uint32_t m = 0; m < kOutputs; ++m) {
      const std::uint16_t right = expected(weights[channel][m], input.x, input.bias[m]);
      if (results[channel][m] == right) continue;
      out << "pseudo-channel " << std::uint64_t{kFirst + channel} << " output " << std::uint64_t{m}
          << ": " << Hex{results[channel][m]} << ", not " << Hex{right} << "\n";
      exit_machine(1);
    }
  }
  out << std::uint64_t{kChannels * kOutputs} << " outputs are right\n";
}

}  // namespace

extern "C" std::uint32_t firmware_main(std::uint64_t /*hart*/, std::uint64_t /*plan_address*/) {
  PimMachine machine;
  StackQueue& queue = machine.queue;
  Uart& uart = machine.uart;

  make_data();
  write_weights();
  require(queue.run(make_program(true)), queue, uart);
  check_results(uart);

  require_refusal(queue.run(make_program(false)), queue, uart);
  queue.restart();
  for (auto& channel : results) {
    for (auto& value : channel) value = 0;
  }
  require(queue.run(make_program(true)), queue, uart);
  check_results(uart);
  if (queue.corrected_words() != 0) uart << "words corrected: " << queue.corrected_words() << "\n";
  exit_machine(0);
}

}  // namespace hpimvp::firmware
