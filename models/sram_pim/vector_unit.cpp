#include "models/sram_pim/vector_unit.h"

#include <algorithm>
#include <cstring>

#include "models/common/pim_numerics.h"

namespace hpimvp::sram_pim {
namespace {

// What stands at an operand's address.
enum class Shape : std::uint8_t {
  kNone,
  kHalf,    // elements in FP16
  kSingle,  // elements in FP32
  kScalar,  // one FP32 value
  kAngles,  // an FP32 (cos, sin) pair for every two elements
};

enum class Pace : std::uint8_t { kSimple, kSpecial, kReduction, kScalarSpecial, kRotation };

struct VectorForm {
  Shape rd;
  Shape rs1;
  Shape rs2 = Shape::kNone;
  Pace pace = Pace::kSimple;
  bool reads_rd = false;
};

constexpr VectorForm form_of(Opcode opcode) {
  using enum Shape;
  switch (opcode) {
    case Opcode::kVhAdd:
    case Opcode::kVhSub:
    case Opcode::kVhMul:
      return {kHalf, kHalf, kHalf};
    case Opcode::kVhMuls:
    case Opcode::kVhAdds:
      return {kHalf, kHalf, kScalar};
    case Opcode::kVhMulsv:
      return {kHalf, kHalf, kScalar, Pace::kSimple, true};
    case Opcode::kVhCopy:
    case Opcode::kVhRelu:
      return {kHalf, kHalf};
    case Opcode::kVhGelu:
    case Opcode::kVhSilu:
      return {kHalf, kHalf, kNone, Pace::kSpecial};
    case Opcode::kVhSilumul:
      return {kHalf, kHalf, kHalf, Pace::kSpecial};
    case Opcode::kVsAdd:
    case Opcode::kVsMul:
      return {kSingle, kSingle, kSingle};
    case Opcode::kVsMuls:
    case Opcode::kVsAdds:
      return {kSingle, kSingle, kScalar};
    case Opcode::kVsExps:
      return {kSingle, kSingle, kScalar, Pace::kSpecial};
    case Opcode::kVsCopy:
      return {kSingle, kSingle};
    case Opcode::kVrSumH:
    case Opcode::kVrMaxH:
    case Opcode::kVrSqH:
      return {kScalar, kHalf, kNone, Pace::kReduction};
    case Opcode::kVrSumS:
    case Opcode::kVrMaxS:
      return {kScalar, kSingle, kNone, Pace::kReduction};
    case Opcode::kVcHtoS:
      return {kSingle, kHalf};
    case Opcode::kVcStoH:
      return {kHalf, kSingle};
    case Opcode::kVcStoHMuls:
      return {kHalf, kSingle, kScalar};
    case Opcode::kSsAdd:
    case Opcode::kSsSub:
    case Opcode::kSsMul:
    case Opcode::kSsMax:
      return {kScalar, kScalar, kScalar};
    case Opcode::kSsRecip:
    case Opcode::kSsRsqrt:
      return {kScalar, kScalar, kNone, Pace::kScalarSpecial};
    case Opcode::kSsNeg:
      return {kScalar, kScalar};
    case Opcode::kVRope:
      return {kHalf, kHalf, kAngles, Pace::kRotation};
    default:
      return {kNone, kNone};
  }
}

constexpr std::uint64_t kPassElements = 64;

std::uint64_t shape_bytes(Shape shape, std::uint64_t elements) {
  switch (shape) {
    case Shape::kNone:
      return 0;
    case Shape::kHalf:
      return elements * 2;
    case Shape::kSingle:
    case Shape::kAngles:
      return elements * 4;
    case Shape::kScalar:
      return 4;
  }
  return 0;
}

std::uint64_t shape_alignment(Shape shape) {
  return shape == Shape::kHalf ? 2 : 4;
}

bool is_scalar(Opcode opcode) {
  return form_of(opcode).rs1 == Shape::kScalar;
}

float load_float(const std::uint8_t* at) {
  float value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

void store_float(std::uint8_t* at, float value) {
  value = common::canonical(value);
  std::memcpy(at, &value, sizeof value);
}

// Elements `first` to `first + count - 1` of an operand, as FP32.
void load_elements(Shape shape, const std::uint8_t* base, std::uint64_t first, std::size_t count,
                   float* values) {
  if (shape == Shape::kHalf) {
    std::uint16_t halves[kPassElements];
    std::memcpy(halves, base + first * 2, count * 2);
    common::fp16_to_float(halves, values, count);
  } else {
    std::memcpy(values, base + first * 4, count * 4);
  }
}

void store_elements(Shape shape, std::uint8_t* base, std::uint64_t first, std::size_t count,
                    const float* values) {
  if (shape == Shape::kHalf) {
    std::uint16_t halves[kPassElements];
    common::float_to_fp16(values, halves, count);
    std::memcpy(base + first * 2, halves, count * 2);
  } else {
    for (std::size_t i = 0; i < count; ++i) store_float(base + (first + i) * 4, values[i]);
  }
}

struct Pass {
  const float* a;  // rs1
  const float* b;  // rs2
  const float* d;  // rd before
  float s;         // the scalar at rs2
  float* result;
  std::size_t count;
};

template <typename Operation>
void apply(const Pass& pass, Operation operation) {
  for (std::size_t i = 0; i < pass.count; ++i) pass.result[i] = operation(i);
}

// The rotation of RoPE; b holds (cos, sin) pairs.
void rotate(const Pass& pass) {
  for (std::size_t i = 0; i < pass.count; i += 2) {
    const float cosine = pass.b[i];
    const float sine = pass.b[i + 1];
    pass.result[i] = pass.a[i] * cosine - pass.a[i + 1] * sine;
    pass.result[i + 1] = pass.a[i] * sine + pass.a[i + 1] * cosine;
  }
}

void compute(Opcode opcode, const Pass& p) {
  switch (opcode) {
    case Opcode::kVhAdd:
    case Opcode::kVsAdd:
      return apply(p, [&](std::size_t i) { return p.a[i] + p.b[i]; });
    case Opcode::kVhSub:
      return apply(p, [&](std::size_t i) { return p.a[i] - p.b[i]; });
    case Opcode::kVhMul:
    case Opcode::kVsMul:
      return apply(p, [&](std::size_t i) { return p.a[i] * p.b[i]; });
    case Opcode::kVhMuls:
    case Opcode::kVsMuls:
    case Opcode::kVcStoHMuls:
      return apply(p, [&](std::size_t i) { return p.a[i] * p.s; });
    case Opcode::kVhAdds:
    case Opcode::kVsAdds:
      return apply(p, [&](std::size_t i) { return p.a[i] + p.s; });
    case Opcode::kVhMulsv:
      return apply(p, [&](std::size_t i) { return (p.d[i] * p.s) * p.a[i]; });
    case Opcode::kVhRelu:
      return apply(p, [&](std::size_t i) { return common::vector_max(p.a[i], 0.0F); });
    case Opcode::kVhGelu:
      return apply(p, [&](std::size_t i) { return common::vector_gelu(p.a[i]); });
    case Opcode::kVhSilu:
      return apply(p, [&](std::size_t i) { return common::vector_silu(p.a[i]); });
    case Opcode::kVhSilumul:
      return apply(p, [&](std::size_t i) { return common::vector_silu(p.a[i]) * p.b[i]; });
    case Opcode::kVsExps:
      return apply(p, [&](std::size_t i) { return common::vector_exp(p.a[i] - p.s); });
    case Opcode::kVRope:
      return rotate(p);
    default:  // copies and conversions
      return apply(p, [&](std::size_t i) { return p.a[i]; });
  }
}

float scalar_result(Opcode opcode, float a, float b) {
  switch (opcode) {
    case Opcode::kSsAdd:
      return a + b;
    case Opcode::kSsSub:
      return a - b;
    case Opcode::kSsMul:
      return a * b;
    case Opcode::kSsMax:
      return common::vector_max(a, b);
    case Opcode::kSsRecip:
      return common::vector_recip(a);
    case Opcode::kSsRsqrt:
      return common::vector_rsqrt(a);
    default:
      return -a;
  }
}

}  // namespace

std::uint64_t VectorUnit::elements(const Instruction& instruction,
                                   const ScalarRegisters& registers) {
  return is_scalar(instruction.opcode) ? 1 : registers[instruction.rs3];
}

void VectorUnit::operands(const Instruction& instruction, const ScalarRegisters& registers,
                          OperandRanges& ranges) {
  const VectorForm form = form_of(instruction.opcode);
  const std::uint64_t count = elements(instruction, registers);
  if (count == 0 || (form.pace == Pace::kRotation && count % 2 != 0)) {
    ranges.bad_length(count);
    return;
  }
  // More elements than bytes cannot fit, and would overflow the products below.
  const std::uint64_t bounded = std::min(count, ranges.memory_bytes() + 1);
  ranges.write(registers[instruction.rd], shape_bytes(form.rd, bounded), shape_alignment(form.rd));
  ranges.read(registers[instruction.rs1], shape_bytes(form.rs1, bounded),
              shape_alignment(form.rs1));
  if (form.rs2 != Shape::kNone) {
    ranges.read(registers[instruction.rs2], shape_bytes(form.rs2, bounded),
                shape_alignment(form.rs2));
  }
  if (form.reads_rd) {
    ranges.read(registers[instruction.rd], shape_bytes(form.rd, bounded), shape_alignment(form.rd));
  }
}

bool VectorUnit::is_special(const Instruction& instruction) {
  const Pace pace = form_of(instruction.opcode).pace;
  return pace == Pace::kSpecial || pace == Pace::kScalarSpecial;
}

std::uint64_t VectorUnit::cycles(const Instruction& instruction, std::uint64_t elements) const {
  const auto passes = [elements](std::uint64_t lanes) { return (elements + lanes - 1) / lanes; };
  switch (form_of(instruction.opcode).pace) {
    case Pace::kSimple:
      return config_.vector_latency + passes(config_.vector_lanes);
    case Pace::kSpecial:
      return config_.special_latency + passes(config_.special_lanes);
    case Pace::kReduction:
      return config_.reduction_latency + passes(config_.vector_lanes);
    case Pace::kScalarSpecial:
      return config_.special_latency + 1;
    case Pace::kRotation:
      return config_.vector_latency + 2 * passes(config_.vector_lanes);
  }
  return 0;
}

void VectorUnit::execute(const Instruction& instruction, const ScalarRegisters& registers,
                         std::uint8_t* memory) {
  const VectorForm form = form_of(instruction.opcode);
  if (form.pace == Pace::kReduction) return reduce(instruction, registers, memory);
  std::uint8_t* rd = memory + registers[instruction.rd];
  const std::uint8_t* rs1 = memory + registers[instruction.rs1];
  const std::uint8_t* rs2 = memory + registers[instruction.rs2];
  const float scalar = form.rs2 == Shape::kScalar ? load_float(rs2) : 0.0F;
  if (form.rs1 == Shape::kScalar) {
    store_float(rd, scalar_result(instruction.opcode, load_float(rs1), scalar));
    return;
  }
  float a[kPassElements];
  float b[kPassElements];
  float d[kPassElements];
  float result[kPassElements];
  const std::uint64_t count = registers[instruction.rs3];
  const bool has_b = form.rs2 != Shape::kNone && form.rs2 != Shape::kScalar;
  for (std::uint64_t first = 0; first < count; first += kPassElements) {
    const auto width = static_cast<std::size_t>(std::min(kPassElements, count - first));
    load_elements(form.rs1, rs1, first, width, a);
    if (has_b) load_elements(form.rs2, rs2, first, width, b);
    if (form.reads_rd) load_elements(form.rd, rd, first, width, d);
    compute(instruction.opcode, {a, b, d, scalar, result, width});
    store_elements(form.rd, rd, first, width, result);
  }
}

void VectorUnit::reduce(const Instruction& instruction, const ScalarRegisters& registers,
                        std::uint8_t* memory) {
  const Shape shape = form_of(instruction.opcode).rs1;
  const std::uint64_t count = registers[instruction.rs3];
  const std::uint8_t* rs1 = memory + registers[instruction.rs1];
  scratch_.resize(count);
  for (std::uint64_t first = 0; first < count; first += kPassElements) {
    const auto width = static_cast<std::size_t>(std::min(kPassElements, count - first));
    load_elements(shape, rs1, first, width, scratch_.data() + first);
  }
  float result = 0.0F;
  switch (instruction.opcode) {
    case Opcode::kVrMaxH:
    case Opcode::kVrMaxS:
      result = common::vector_maximum(scratch_.data(), count);
      break;
    case Opcode::kVrSqH:
      result = common::vector_sum_of_squares(scratch_.data(), count);
      break;
    default:
      result = common::vector_sum(scratch_.data(), count);
      break;
  }
  store_float(memory + registers[instruction.rd], result);
}

}  // namespace hpimvp::sram_pim
