// Firmware: y = W x by a microkernel of Samsung's programming model, on stack 0 of a machine with
// hbm2_samsung_pim. 8 units of a pseudo-channel compute 8 outputs each; the host sums the 16 lanes
// of each. All lanes are held against plain arithmetic; then a wrong list is refused, and the good
// one runs again.
#include <cstdint>

#include "examples/pim_programs/stack_queue.h"
#include "firmware/host/bank_map.h"
#include "firmware/host/pim_kernel_builder.h"

namespace hpimvp::firmware {
namespace {

using hal::hbm_pim_stack::PimKernelDescriptor;
using hal::hbm_pim_stack::PimKernelImage;

constexpr std::uint32_t kFirst = 3;     // the first pseudo-channel in use
constexpr std::uint32_t kChannels = 2;  // pseudo-channels in use
constexpr std::uint32_t kUnits = 8;     // each between an even and an odd bank
constexpr std::uint32_t kOutputs = 8;   // of a unit: GRF_B has 8 registers
constexpr std::uint32_t kInputs = 128;  // GRF_A has 8 registers
constexpr std::uint32_t kLanes = 16;    // FP16 values in a burst
constexpr std::uint32_t kChunks = kInputs / kLanes;
constexpr std::uint32_t kChunksInRow = 4;
constexpr std::uint32_t kRow = 100;  // even: AAM takes GRF_A's number from the row too

std::uint16_t weights[kChannels][kUnits][kOutputs][kInputs];
std::uint16_t x[kInputs];
std::uint16_t lanes[kChannels][kOutputs][kUnits][kLanes];  // as the list reads them out
PimKernelBuilder::Command commands[32];
alignas(8) PimKernelImage kernel;

void make_data() {
  Random random(2);
  for (auto& channel : weights) {
    for (auto& unit : channel) {
      for (auto& output : unit) {
        for (auto& weight : output) weight = random_half(random);
      }
    }
  }
  for (auto& value : x) value = random_half(random);
}

// Chunk a of output b stands in column a % 4 * 8 + b of row kRow + a / 4 of the unit's even bank.
void write_weights() {
  for (std::uint32_t channel = 0; channel < kChannels; ++channel) {
    for (std::uint32_t unit = 0; unit < kUnits; ++unit) {
      for (std::uint32_t b = 0; b < kOutputs; ++b) {
        for (std::uint32_t a = 0; a < kChunks; ++a) {
          write_burst(kHbm2SamsungShape.offset(kFirst + channel, 2 * unit, kRow + a / kChunksInRow,
                                               a % kChunksInRow * kOutputs + b),
                      &weights[channel][unit][b][a * kLanes]);
        }
      }
    }
  }
}

void make_kernel() {
  const std::uint32_t multiply = crf::mac(crf::grf_b(0), crf::grf_a(0), crf::kEvenBank,
                                          crf::Numbering::kByAddress);  // 8 triggers
  kernel.instructions[0] = multiply;
  kernel.instructions[1] = crf::jump(7, 2);
  kernel.instructions[2] = crf::kExit;
}

// `rows` 2: the list of docs/pim_programming.md. With 3 the microkernel ends before the list does.
PimKernelDescriptor make_program(std::uint32_t rows) {
  PimKernelBuilder list(commands);
  list.write_grf_a(0, kChunks, 0);  // x
  for (std::uint32_t row = 0; row < rows; ++row) {
    list.activate(Banks::kEven, kRow + row);
    list.read(Banks::kEven, 0, kChunksInRow * kOutputs);
    list.precharge(Banks::kEven);
  }
  for (std::uint16_t b = 0; b < kOutputs; ++b) {
    list.read_grf_b(b, 0, kUnits, b * sizeof lanes[0][0]);
  }

  PimKernelDescriptor descriptor{};
  descriptor.kernel_address = reinterpret_cast<std::uint64_t>(&kernel);
  descriptor.list_address = reinterpret_cast<std::uint64_t>(commands);
  descriptor.command_count = static_cast<std::uint32_t>(list.commands().size());
  descriptor.first_pseudo_channel = kFirst;
  descriptor.pseudo_channel_count = kChannels;
  descriptor.input_address = reinterpret_cast<std::uint64_t>(x);
  descriptor.input_bytes = sizeof x;
  descriptor.input_stride = 0;  // all pseudo-channels have the same x
  descriptor.output_address = reinterpret_cast<std::uint64_t>(lanes);
  descriptor.output_bytes = sizeof lanes[0];
  descriptor.output_stride = sizeof lanes[0];
  return descriptor;
}

std::uint16_t multiply(std::uint16_t a, std::uint16_t b) {
  return to_half(half_to_float(a) * half_to_float(b));
}
std::uint16_t add(std::uint16_t a, std::uint16_t b) {
  return to_half(half_to_float(a) + half_to_float(b));
}

// What lane `lane` of an output is: rounded after each operation.
std::uint16_t expected(const std::uint16_t* w, std::uint32_t lane) {
  std::uint16_t sum = 0;
  for (std::uint32_t k = lane; k < kInputs; k += kLanes) sum = add(multiply(x[k], w[k]), sum);
  return sum;
}

void check_output(std::uint32_t channel, std::uint32_t unit, std::uint32_t b, TextOutput& out) {
  const std::uint16_t* const w = weights[channel][unit][b];
  float y = 0;      // what the host makes of the lanes
  float exact = 0;  // in FP32 throughout
  for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
    const std::uint16_t found = lanes[channel][b][unit][lane];
    const std::uint16_t right = expected(w, lane);
    if (found != right) {
      out << "pseudo-channel " << std::uint64_t{kFirst + channel} << " unit " << std::uint64_t{unit}
          << " output " << std::uint64_t{b} << " lane " << std::uint64_t{lane} << ": " << Hex{found}
          << ", not " << Hex{right} << "\n";
      exit_machine(1);
    }
    y += half_to_float(found);
  }
  for (std::uint32_t k = 0; k < kInputs; ++k) exact += half_to_float(w[k]) * half_to_float(x[k]);
  // 16 roundings a lane, each by at most 2^-11 of sums below 8.
  const float difference = y > exact ? y - exact : exact - y;
  if (difference > kLanes * 16 * 8 * 0x1p-11F) {
    out << "the sum of the lanes is far from W x\n";
    exit_machine(1);
  }
}

void check_results(TextOutput& out) {
  for (std::uint32_t channel = 0; channel < kChannels; ++channel) {
    for (std::uint32_t unit = 0; unit < kUnits; ++unit) {
      for (std::uint32_t b = 0; b < kOutputs; ++b) check_output(channel, unit, b, out);
    }
  }
  out << std::uint64_t{kChannels * kUnits * kOutputs} << " outputs are right\n";
}

}  // namespace

extern "C" std::uint32_t firmware_main(std::uint64_t /*hart*/, std::uint64_t /*plan_address*/) {
  PimMachine machine;
  StackQueue& queue = machine.queue;
  Uart& uart = machine.uart;

  make_data();
  write_weights();
  make_kernel();
  require(queue.run(make_program(2)), queue, uart);
  check_results(uart);

  require_refusal(queue.run(make_program(3)), queue, uart);
  queue.restart();
  for (auto& channel : lanes) {
    for (auto& output : channel) {
      for (auto& unit : output) {
        for (auto& value : unit) value = 0;
      }
    }
  }
  require(queue.run(make_program(2)), queue, uart);
  check_results(uart);
  if (queue.corrected_words() != 0) uart << "words corrected: " << queue.corrected_words() << "\n";
  exit_machine(0);
}

}  // namespace hpimvp::firmware
