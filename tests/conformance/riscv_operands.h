// Operand values that find arithmetic mistakes: corner integers, and floating-point bit patterns of
// every class in every format, NaN-boxed and not.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tests/conformance/random_source.h"
#include "tests/conformance/riscv_assembler.h"

namespace hpimvp::conformance {

// The ten classes of FCLASS in its bit order (Unprivileged ISA section 11.9), and values narrower
// than the register that are not NaN-boxed (section 12.2).
enum class FloatClass : std::uint8_t {
  kNegativeInfinity,
  kNegativeNormal,
  kNegativeSubnormal,
  kNegativeZero,
  kPositiveZero,
  kPositiveSubnormal,
  kPositiveNormal,
  kPositiveInfinity,
  kSignalingNan,
  kQuietNan,
  kNotBoxed,
};
inline constexpr int kFloatClassCount = 11;
inline constexpr std::array<std::string_view, kFloatClassCount> kFloatClassNames = {
    "-inf", "-norm", "-sub", "-0", "+0", "+sub", "+norm", "+inf", "sNaN", "qNaN", "unboxed"};

// The class of a 64-bit floating-point register read as `width`.
FloatClass classify(std::uint64_t register_bits, FloatWidth width);

// A register image of `width` of exactly this class; the payload is random.
std::uint64_t float_of_class(RandomSource& random, FloatWidth width, FloatClass value_class);

// A register image of `width`: half of the time a class drawn uniformly, otherwise a finite number
// near a border where rounding, overflow or conversion changes its behaviour.
std::uint64_t interesting_float(RandomSource& random, FloatWidth width);

std::uint64_t interesting_integer(RandomSource& random);

// Operands of one floating-point experiment: a, b of interest, c often near -(a*b), near a/b or
// near a, so that fused operations cancel and sums round at the last bit; plus an integer for
// conversions.
struct OperandGroup {
  std::uint64_t a, b, c;
  std::uint64_t integer;
};
OperandGroup operand_group(RandomSource& random, FloatWidth width);

// Legal random operands for a form: any registers, immediates with a weight on the ends of their
// range, the five rounding modes and the dynamic one. Offsets of jumps and branches are arbitrary
// too.
Instruction random_operands(RandomSource& random, const InstructionForm& form);

}  // namespace hpimvp::conformance
