#include "tests/conformance/riscv_operands.h"

#include <bit>
#include <cmath>
#include <limits>

namespace hpimvp::conformance {
namespace {

struct Layout {
  int fraction_bits;
  int exponent_bits;
  int total_bits() const { return 1 + exponent_bits + fraction_bits; }
  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  std::uint64_t max_exponent() const { return (std::uint64_t{1} << exponent_bits) - 1; }
  std::uint64_t fraction_mask() const { return (std::uint64_t{1} << fraction_bits) - 1; }
};

// IEEE 754-2008 table 3.5.
Layout layout_of(FloatWidth width) {
  switch (width) {
    case FloatWidth::kHalf:
      return {10, 5};
    case FloatWidth::kSingle:
      return {23, 8};
    default:
      return {52, 11};
  }
}

std::uint64_t box_mask(const Layout& layout) {
  return layout.total_bits() == 64 ? 0 : ~std::uint64_t{0} << layout.total_bits();
}

std::uint64_t pack(const Layout& layout, bool negative, std::uint64_t exponent,
                   std::uint64_t fraction) {
  const std::uint64_t sign = negative ? std::uint64_t{1} << (layout.total_bits() - 1) : 0;
  return box_mask(layout) | sign | exponent << layout.fraction_bits | fraction;
}

// Fractions with the bits that rounding looks at: few leading ones, few trailing ones, all ones.
std::uint64_t interesting_fraction(RandomSource& random, const Layout& layout) {
  const std::uint64_t mask = layout.fraction_mask();
  switch (random.below(6)) {
    case 0:
      return 0;
    case 1:
      return mask;
    case 2:
      return random.below(4);
    case 3:
      return mask - random.below(4);
    case 4:
      return (std::uint64_t{1} << random.below(static_cast<unsigned>(layout.fraction_bits))) & mask;
    default:
      return random.bits() & mask;
  }
}

std::uint64_t nonzero_fraction(RandomSource& random, const Layout& layout) {
  const std::uint64_t fraction = interesting_fraction(random, layout);
  return fraction == 0 ? 1 : fraction;
}

// Exponents at the borders of the format, of the integer types and of the narrower formats.
std::uint64_t interesting_exponent(RandomSource& random, const Layout& layout) {
  const std::int64_t top = static_cast<std::int64_t>(layout.max_exponent()) - 1;
  const auto clamp = [top](std::int64_t exponent) {
    return static_cast<std::uint64_t>(exponent < 1 ? 1 : exponent > top ? top : exponent);
  };
  constexpr std::int64_t kBorders[] = {-150, -149, -127, -126, -25, -24, -15, -14, -2, -1,
                                       0,    1,    10,   15,   16,  23,  24,  30,  31, 32,
                                       52,   53,   62,   63,   64,  126, 127, 128};
  switch (random.below(5)) {
    case 0:
      return clamp(1 + random.between(0, 2));
    case 1:
      return clamp(top - random.between(0, 2));
    case 2:
      return clamp(layout.bias() + random.pick(kBorders));
    case 3:
      return clamp(layout.bias() + random.between(-4, 4));
    default:
      return clamp(random.between(1, top));
  }
}

// The number nearest to `value` toward zero in the format, or an infinity; exactness does not
// matter.
std::uint64_t from_double(const Layout& layout, double value) {
  if (std::isnan(value)) return pack(layout, false, layout.max_exponent(), layout.fraction_mask());
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const bool negative = (bits >> 63) != 0;
  const auto exponent = static_cast<std::int64_t>(bits >> 52 & 0x7ff) - 1023 + layout.bias();
  const std::uint64_t fraction = (bits & 0xfffffffffffffU) >> (52 - layout.fraction_bits);
  if (exponent <= 0) return pack(layout, negative, 0, 1 + (fraction >> 1));
  if (exponent >= static_cast<std::int64_t>(layout.max_exponent())) {
    return pack(layout, negative, layout.max_exponent(), 0);
  }
  return pack(layout, negative, static_cast<std::uint64_t>(exponent), fraction);
}

double to_double(const Layout& layout, std::uint64_t image) {
  const std::uint64_t fraction = image & layout.fraction_mask();
  const std::uint64_t exponent = image >> layout.fraction_bits & layout.max_exponent();
  const bool negative = (image >> (layout.total_bits() - 1) & 1) != 0;
  const double sign = negative ? -1.0 : 1.0;
  if (exponent == layout.max_exponent()) {
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN()
                         : sign * std::numeric_limits<double>::infinity();
  }
  const auto significand =
      static_cast<double>(fraction | (exponent != 0 ? layout.fraction_mask() + 1 : 0));
  const int power = static_cast<int>(exponent == 0 ? 1 : exponent) - layout.bias();
  return sign * std::ldexp(significand, power - layout.fraction_bits);
}

// Moves a finite image by a few units in the last place.
std::uint64_t nudge(RandomSource& random, const Layout& layout, std::uint64_t image) {
  const std::uint64_t moved = image + static_cast<std::uint64_t>(random.between(-2, 2));
  return moved | box_mask(layout);
}

std::uint64_t related_operand(RandomSource& random, FloatWidth width, std::uint64_t a,
                              std::uint64_t b) {
  const Layout layout = layout_of(width);
  const double x = to_double(layout, a);
  const double y = to_double(layout, b);
  switch (random.below(5)) {
    case 0:
      return nudge(random, layout, from_double(layout, -(x * y)));
    case 1:
      return nudge(random, layout, from_double(layout, x * y));
    case 2:
      return nudge(random, layout, a ^ std::uint64_t{1} << (layout.total_bits() - 1));
    case 3:
      // Half a unit in the last place of x*y: ties in the fused result.
      return from_double(layout, std::ldexp(x * y, -layout.fraction_bits - 1));
    default:
      return from_double(layout, x * x);
  }
}

std::uint64_t finite_border(RandomSource& random, const Layout& layout) {
  return pack(layout, random.chance(50), interesting_exponent(random, layout),
              interesting_fraction(random, layout));
}

// A multiple of `alignment` in low..high, often at an end or near zero.
std::int64_t interesting_immediate(RandomSource& random, std::int64_t low, std::int64_t high,
                                   std::int64_t alignment) {
  std::int64_t value = random.between(low, high);
  const unsigned kind = static_cast<unsigned>(random.below(8));
  if (kind == 0) value = low;
  if (kind == 1) value = high;
  if (kind == 2 && low <= 0) value = 0;
  return value - (value % alignment + alignment) % alignment;
}

void random_immediate(RandomSource& random, Instruction& in) {
  const auto set = [&](std::int64_t low, std::int64_t high, std::int64_t alignment) {
    in.immediate = interesting_immediate(random, low, high, alignment);
  };
  switch (in.form->format) {
    case Format::kImmediate:
    case Format::kJumpRegister:
    case Format::kLoad:
    case Format::kStore:
    case Format::kFpLoad:
    case Format::kFpStore:
      return set(-2048, 2047, 1);
    case Format::kShift64:
      return set(0, 63, 1);
    case Format::kShift32:
    case Format::kCsrImmediate:
      return set(0, 31, 1);
    case Format::kUpper:
      return set(-(std::int64_t{1} << 31), (std::int64_t{1} << 31) - 1, 4096);
    case Format::kJump:
      return set(-(1 << 20), (1 << 20) - 2, 2);
    case Format::kBranch:
      return set(-4096, 4094, 2);
    case Format::kCompressedAddi4spn:
      return set(4, 1020, 4);
    case Format::kCompressedLoadWord:
    case Format::kCompressedStoreWord:
      return set(0, 124, 4);
    case Format::kCompressedLoadDouble:
    case Format::kCompressedFpLoad:
    case Format::kCompressedStoreDouble:
    case Format::kCompressedFpStore:
      return set(0, 248, 8);
    case Format::kCompressedImmediate:
    case Format::kCompressedAndi:
      return set(-32, 31, 1);
    case Format::kCompressedAddi16sp:
      return set(-512, 496, 16);
    case Format::kCompressedLui:
      return set(-(1 << 17), (1 << 17) - 1, 4096);
    case Format::kCompressedShift:
    case Format::kCompressedShiftPrime:
      return set(1, 63, 1);
    case Format::kCompressedJump:
      return set(-2048, 2046, 2);
    case Format::kCompressedBranch:
      return set(-256, 254, 2);
    case Format::kCompressedLoadWordSp:
    case Format::kCompressedStoreWordSp:
      return set(0, 252, 4);
    case Format::kCompressedLoadDoubleSp:
    case Format::kCompressedFpLoadSp:
    case Format::kCompressedStoreDoubleSp:
    case Format::kCompressedFpStoreSp:
      return set(0, 504, 8);
    default:
      return;
  }
}

void restrict_compressed_registers(RandomSource& random, Instruction& in) {
  const auto prime = [&] { return static_cast<std::uint8_t>(random.between(8, 15)); };
  switch (in.form->format) {
    case Format::kCompressedAddi4spn:
    case Format::kCompressedLoadWord:
    case Format::kCompressedLoadDouble:
    case Format::kCompressedFpLoad:
    case Format::kCompressedStoreWord:
    case Format::kCompressedStoreDouble:
    case Format::kCompressedFpStore:
    case Format::kCompressedAndi:
    case Format::kCompressedShiftPrime:
    case Format::kCompressedArithmetic:
    case Format::kCompressedBranch:
      in.rd = prime(), in.rs1 = prime(), in.rs2 = prime();
      return;
    case Format::kCompressedImmediate:
    case Format::kCompressedShift:
    case Format::kCompressedLoadWordSp:
    case Format::kCompressedLoadDoubleSp:
    case Format::kCompressedJumpRegister:
    case Format::kCompressedTwoRegisters:
      in.rd = static_cast<std::uint8_t>(random.between(1, 31));
      in.rs1 = static_cast<std::uint8_t>(random.between(1, 31));
      in.rs2 = static_cast<std::uint8_t>(random.between(1, 31));
      return;
    case Format::kCompressedLui:
      in.rd = static_cast<std::uint8_t>(random.between(3, 31));
      return;
    default:
      return;
  }
}

bool immediate_is_reserved(const Instruction& in) {
  const bool zero = in.immediate == 0;
  switch (in.form->format) {
    case Format::kCompressedAddi16sp:
    case Format::kCompressedLui:
    case Format::kCompressedShift:
      return zero;
    case Format::kCompressedImmediate:
      return zero && in.form->mnemonic == "c.addi";
    default:
      return false;
  }
}

}  // namespace

FloatClass classify(std::uint64_t register_bits, FloatWidth width) {
  const Layout layout = layout_of(width);
  const std::uint64_t boxes = box_mask(layout);
  if ((register_bits & boxes) != boxes) return FloatClass::kNotBoxed;
  const bool negative = (register_bits >> (layout.total_bits() - 1) & 1) != 0;
  const std::uint64_t exponent = register_bits >> layout.fraction_bits & layout.max_exponent();
  const std::uint64_t fraction = register_bits & layout.fraction_mask();
  if (exponent == layout.max_exponent()) {
    if (fraction == 0)
      return negative ? FloatClass::kNegativeInfinity : FloatClass::kPositiveInfinity;
    const bool quiet = (fraction >> (layout.fraction_bits - 1)) != 0;
    return quiet ? FloatClass::kQuietNan : FloatClass::kSignalingNan;
  }
  if (exponent == 0) {
    if (fraction == 0) return negative ? FloatClass::kNegativeZero : FloatClass::kPositiveZero;
    return negative ? FloatClass::kNegativeSubnormal : FloatClass::kPositiveSubnormal;
  }
  return negative ? FloatClass::kNegativeNormal : FloatClass::kPositiveNormal;
}

std::uint64_t float_of_class(RandomSource& random, FloatWidth width, FloatClass value_class) {
  const Layout layout = layout_of(width);
  const std::uint64_t quiet_bit = std::uint64_t{1} << (layout.fraction_bits - 1);
  const bool negative = value_class <= FloatClass::kNegativeZero;
  switch (value_class) {
    case FloatClass::kNegativeInfinity:
    case FloatClass::kPositiveInfinity:
      return pack(layout, negative, layout.max_exponent(), 0);
    case FloatClass::kNegativeNormal:
    case FloatClass::kPositiveNormal:
      return pack(layout, negative, interesting_exponent(random, layout),
                  interesting_fraction(random, layout));
    case FloatClass::kNegativeSubnormal:
    case FloatClass::kPositiveSubnormal:
      return pack(layout, negative, 0, nonzero_fraction(random, layout));
    case FloatClass::kNegativeZero:
    case FloatClass::kPositiveZero:
      return pack(layout, negative, 0, 0);
    case FloatClass::kSignalingNan: {
      const std::uint64_t payload = nonzero_fraction(random, layout) & ~quiet_bit;
      return pack(layout, random.chance(50), layout.max_exponent(), payload == 0 ? 1 : payload);
    }
    case FloatClass::kQuietNan:
      return pack(layout, random.chance(50), layout.max_exponent(),
                  interesting_fraction(random, layout) | quiet_bit);
    case FloatClass::kNotBoxed: {
      const std::uint64_t boxes = box_mask(layout);
      if (boxes == 0) return random.bits();
      const std::uint64_t image = finite_border(random, layout);
      // One wrong bit, all wrong bits, or random ones.
      switch (random.below(3)) {
        case 0:
          return image & ~(std::uint64_t{1} << random.between(layout.total_bits(), 63));
        case 1:
          return image & ~boxes;
        default:
          return image & (~boxes | (random.bits() & ~(std::uint64_t{1} << 63)));
      }
    }
  }
  return 0;
}

std::uint64_t interesting_float(RandomSource& random, FloatWidth width) {
  if (random.chance(50)) {
    return float_of_class(random, width, static_cast<FloatClass>(random.below(kFloatClassCount)));
  }
  return finite_border(random, layout_of(width));
}

std::uint64_t interesting_integer(RandomSource& random) {
  constexpr std::uint64_t kCorners[] = {0,
                                        1,
                                        2,
                                        ~std::uint64_t{0},
                                        0x7fffffffffffffff,
                                        0x8000000000000000,
                                        0x7fffffff,
                                        0x80000000,
                                        0xffffffff80000000,
                                        0xffffffff,
                                        0x100000000,
                                        0x5555555555555555,
                                        0xff00ff00ff00ff00,
                                        0x8080808080808080,
                                        0x0001000000010000};
  switch (random.below(6)) {
    case 0:
      return random.pick(kCorners);
    case 1: {
      // Around a power of two: the borders of conversions and of sticky bits.
      const std::uint64_t power = std::uint64_t{1} << random.below(64);
      const std::uint64_t value = power + static_cast<std::uint64_t>(random.between(-3, 3));
      return random.chance(50) ? value : std::uint64_t{0} - value;
    }
    case 2:
      return static_cast<std::uint64_t>(random.between(-64, 64));
    case 3:
      return random.bits() >> random.below(64);
    case 4: {
      // A halfway case for a 10, 23 or 52 bit fraction, with or without a sticky bit far below.
      constexpr int kFractionBits[] = {10, 23, 52};
      const int width = random.pick(kFractionBits);
      const std::uint64_t fraction = random.bits() >> (63 - width);
      const int shift = static_cast<int>(random.between(0, 62 - width));
      const std::uint64_t value = ((fraction | std::uint64_t{1} << width) << 1 | 1) << shift;
      return random.chance(50) ? value : value + static_cast<std::uint64_t>(random.between(-1, 1));
    }
    default:
      return random.bits();
  }
}

OperandGroup operand_group(RandomSource& random, FloatWidth width) {
  OperandGroup group{};
  group.a = interesting_float(random, width);
  group.b = interesting_float(random, width);
  group.c = random.chance(50) ? related_operand(random, width, group.a, group.b)
                              : interesting_float(random, width);
  group.integer = interesting_integer(random);
  return group;
}

Instruction random_operands(RandomSource& random, const InstructionForm& form) {
  Instruction in;
  in.form = &form;
  const auto any_register = [&] { return static_cast<std::uint8_t>(random.below(32)); };
  in.rd = any_register();
  in.rs1 = any_register();
  in.rs2 = any_register();
  in.rs3 = any_register();
  in.csr = static_cast<std::uint16_t>(random.below(4096));
  if (form.format == Format::kAtomic || form.format == Format::kLoadReserved) {
    in.acquire = random.chance(50);
    in.release = random.chance(50);
  }
  constexpr std::uint8_t kModes[] = {kRoundNearestEven, kRoundTowardZero,          kRoundDown,
                                     kRoundUp,          kRoundNearestMaxMagnitude, kRoundDynamic};
  if (has_rounding_field(form.format)) in.rounding = random.pick(kModes);
  restrict_compressed_registers(random, in);
  do {
    random_immediate(random, in);
  } while (immediate_is_reserved(in));
  return in;
}

}  // namespace hpimvp::conformance
