// The soft floating point against two references: the host's hardware (binary32, binary64, four
// rounding modes) and a rounding from a wider type in the mode "round to odd" (binary16, binary32
// from double, binary64 from long double; all five modes).
#include "models/riscv/softfloat.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cfenv>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>

#include "tests/unit/common/random_seed.h"

namespace {

using namespace hpimvp::riscv::softfloat;

constexpr Rounding kModes[] = {Rounding::kNearestEven, Rounding::kTowardZero, Rounding::kDown,
                               Rounding::kUp, Rounding::kNearestMaxMagnitude};

struct Outcome {
  std::uint64_t bits;
  std::uint8_t flags;
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  return out << std::hex << outcome.bits << " flags " << unsigned{outcome.flags};
}

/// Random operands with a preference for what goes wrong: specials, subnormals, near exponents.
template <class F>
class OperandSource {
 public:
  explicit OperandSource(std::uint64_t seed) : random_(seed) {}

  std::uint64_t next() {
    const std::uint64_t raw = random_() & (F::kSignBit | (F::kSignBit - 1));
    switch (random_() % 8) {
      case 0:
        return special(raw);
      case 1:  // a few set bits at the bottom or the top
        return (raw & ~F::kFractionMask) | (raw & F::kFractionMask & random_() & random_());
      case 2:  // subnormal
        return raw & (F::kSignBit | F::kFractionMask);
      case 3:  // exponents around 1
      case 4: {
        const std::uint64_t field = F::kBias - 3 + random_() % 7;
        return (raw & (F::kSignBit | F::kFractionMask)) | field << F::kFractionBits;
      }
      default:
        return raw;
    }
  }

 private:
  static std::uint64_t special(std::uint64_t raw) {
    constexpr std::uint64_t kSpecials[] = {
        0,
        1,
        F::kFractionMask,
        F::kFractionMask + 1,
        F::kLargestFinite,
        F::kInfinity,
        F::kCanonicalNan,
        F::kInfinity | 1,
        std::uint64_t{F::kBias} << F::kFractionBits,
        (std::uint64_t{F::kBias} << F::kFractionBits) + 1,
        (std::uint64_t{F::kBias} << F::kFractionBits) - 1,
    };
    return kSpecials[(raw >> 1) % std::size(kSpecials)] | (raw & F::kSignBit);
  }

  std::mt19937_64 random_;
};

// ---- The host's hardware ----

template <class F>
using HostFloat = std::conditional_t<F::kWidth == 32, float, double>;

template <class F>
HostFloat<F> to_host(std::uint64_t bits) {
  HostFloat<F> value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <class F>
std::uint64_t from_host(HostFloat<F> value) {
  if (std::isnan(value)) return F::kCanonicalNan;
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

std::optional<int> host_mode(Rounding rounding) {
  switch (rounding) {
    case Rounding::kNearestEven:
      return FE_TONEAREST;
    case Rounding::kTowardZero:
      return FE_TOWARDZERO;
    case Rounding::kDown:
      return FE_DOWNWARD;
    case Rounding::kUp:
      return FE_UPWARD;
    default:
      return std::nullopt;
  }
}

std::uint8_t host_flags() {
  const int raised = std::fetestexcept(FE_ALL_EXCEPT);
  return static_cast<std::uint8_t>(
      (raised & FE_INEXACT ? kInexact : 0) | (raised & FE_UNDERFLOW ? kUnderflow : 0) |
      (raised & FE_OVERFLOW ? kOverflow : 0) | (raised & FE_DIVBYZERO ? kDivideByZero : 0) |
      (raised & FE_INVALID ? kInvalid : 0));
}

/// Evaluates under a host rounding mode and collects the flags.
template <class F, class Operation>
Outcome on_host(int mode, Operation operation) {
  std::fesetround(mode);
  std::feclearexcept(FE_ALL_EXCEPT);
  volatile auto value = operation();
  const std::uint8_t flags = host_flags();
  std::fesetround(FE_TONEAREST);
  return {from_host<F>(value), flags};
}

template <class Operation>
Outcome with_flags(Operation operation) {
  Outcome outcome{0, 0};
  outcome.bits = operation(outcome.flags);
  return outcome;
}

template <class F>
void compare_with_hardware() {
  const std::uint64_t seed = hpimvp::random_seed(1);
  INFO("HPIMVP_SEED=" << seed);
  OperandSource<F> source(seed);
  for (int round = 0; round < 200000; ++round) {
    const std::uint64_t a = source.next();
    const std::uint64_t b = source.next();
    const std::uint64_t c = source.next();
    const Rounding rounding = kModes[round % 4];
    const int mode = *host_mode(rounding);
    volatile auto x = to_host<F>(a);
    volatile auto y = to_host<F>(b);
    volatile auto z = to_host<F>(c);
    INFO(std::hex << "a " << a << " b " << b << " c " << c << " mode " << int(rounding));
    const auto soft = [&](auto function) {
      return with_flags([&](std::uint8_t& flags) { return function(flags); });
    };
    const Outcome outcomes[][2] = {
        {soft([&](auto& f) { return add<F>(a, b, rounding, f); }),
         on_host<F>(mode, [&] { return x + y; })},
        {soft([&](auto& f) { return subtract<F>(a, b, rounding, f); }),
         on_host<F>(mode, [&] { return x - y; })},
        {soft([&](auto& f) { return multiply<F>(a, b, rounding, f); }),
         on_host<F>(mode, [&] { return x * y; })},
        {soft([&](auto& f) { return divide<F>(a, b, rounding, f); }),
         on_host<F>(mode, [&] { return x / y; })},
        {soft([&](auto& f) { return square_root<F>(a, rounding, f); }),
         on_host<F>(mode, [&] { return std::sqrt(x); })},
    };
    for (const auto& pair : outcomes) {
      if (!(pair[0] == pair[1])) CHECK(pair[0] == pair[1]);
    }
    // x86 reports an infinity times zero plus a quiet NaN differently: has a test of its own.
    if (is_nan<F>(c)) continue;
    const Outcome fused =
        soft([&](auto& f) { return fused_multiply_add<F>(a, b, c, rounding, f); });
    const Outcome expected = on_host<F>(mode, [&] { return std::fma(x, y, z); });
    if (!(fused == expected)) CHECK(fused == expected);
  }
}

// ---- Rounding from a wider type ----

/// Makes the last bit of an inexact, truncated result one: a later rounding to a format that is at
/// least two bits narrower is then correct in every mode.
template <class Wide, class Operation>
Wide round_to_odd(Operation operation) {
  std::fesetround(FE_TOWARDZERO);
  std::feclearexcept(FE_ALL_EXCEPT);
  volatile Wide value = operation();
  const bool inexact = std::fetestexcept(FE_INEXACT) != 0;
  std::fesetround(FE_TONEAREST);
  Wide result = value;
  if (inexact) {
    std::uint64_t low;
    std::memcpy(&low, &result, sizeof low);  // the mantissa's low end in both wide types
    low |= 1;
    std::memcpy(&result, &low, sizeof low);
  }
  return result;
}

template <class Wide>
Wide round_to_integer(Wide value, bool negative, Rounding rounding) {
  const Wide below = std::floor(value);
  const Wide rest = value - below;
  bool up = false;
  switch (rounding) {
    case Rounding::kNearestEven:
      up = rest > Wide{0.5} || (rest == Wide{0.5} && std::fmod(below, Wide{2}) != 0);
      break;
    case Rounding::kTowardZero:
      break;
    case Rounding::kDown:
      up = negative && rest != 0;
      break;
    case Rounding::kUp:
      up = !negative && rest != 0;
      break;
    case Rounding::kNearestMaxMagnitude:
      up = rest >= Wide{0.5};
      break;
  }
  return below + (up ? 1 : 0);
}

/// The definition of rounding, by scaling so that a unit in the last place is one.
template <class F, class Wide>
Outcome round_from(Wide value, Rounding rounding) {
  const bool negative = std::signbit(value);
  const std::uint64_t sign = negative ? F::kSignBit : 0;
  const Wide size = std::fabs(value);
  int exponent;
  std::frexp(size, &exponent);
  --exponent;
  const auto at_exponent = [&](int e) {
    const int unit = e - F::kFractionBits;
    return std::ldexp(round_to_integer(std::ldexp(size, -unit), negative, rounding), unit);
  };
  const Wide smallest_normal = std::ldexp(Wide{1}, F::kMinExponent);
  const Wide unbounded = at_exponent(exponent);
  const Wide rounded = at_exponent(std::max(exponent, F::kMinExponent));
  if (rounded >= std::ldexp(Wide{1}, F::kMaxExponent + 1)) {
    const bool stays_finite = rounding == Rounding::kTowardZero ||
                              (rounding == Rounding::kDown && !negative) ||
                              (rounding == Rounding::kUp && negative);
    return {sign | (stays_finite ? F::kLargestFinite : F::kInfinity), kOverflow | kInexact};
  }
  std::uint8_t flags = 0;
  if (rounded != size) flags = unbounded < smallest_normal ? kInexact | kUnderflow : kInexact;
  // Encode: scale to the units of the result's binade.
  if (rounded < smallest_normal) {
    const Wide units = std::ldexp(rounded, F::kFractionBits - F::kMinExponent);
    return {sign | static_cast<std::uint64_t>(units), flags};
  }
  int result_exponent;
  std::frexp(rounded, &result_exponent);
  --result_exponent;
  const auto units =
      static_cast<std::uint64_t>(std::ldexp(rounded, F::kFractionBits - result_exponent));
  const auto field = static_cast<std::uint64_t>(result_exponent + F::kBias);
  return {sign | field << F::kFractionBits | (units & F::kFractionMask), flags};
}

template <class F, class Wide>
Wide widen(std::uint64_t bits) {
  const std::uint64_t field = (bits >> F::kFractionBits) & F::kExponentField;
  const std::uint64_t fraction = bits & F::kFractionMask;
  const Wide size = field == 0 ? std::ldexp(Wide(fraction), F::kMinExponent - F::kFractionBits)
                               : std::ldexp(Wide(fraction | (F::kFractionMask + 1)),
                                            static_cast<int>(field) - F::kBias - F::kFractionBits);
  return bits & F::kSignBit ? -size : size;
}

template <class F>
bool finite(std::uint64_t bits) {
  return (bits & (F::kSignBit - 1)) < F::kInfinity;
}

template <class F, class Wide, class Soft, class Operation>
void check_against_wide(Rounding rounding, Soft soft, Operation operation) {
  const Wide exact = round_to_odd<Wide>(operation);
  if (exact == 0 || !std::isfinite(exact)) return;
  const Outcome expected = round_from<F, Wide>(exact, rounding);
  const Outcome actual = with_flags(soft);
  if (!(actual == expected)) CHECK(actual == expected);
}

template <class F, class Wide, bool fused_is_exact>
void compare_with_wider_type() {
  const std::uint64_t seed = hpimvp::random_seed(2);
  INFO("HPIMVP_SEED=" << seed);
  OperandSource<F> source(seed);
  for (int round = 0; round < 200000; ++round) {
    const std::uint64_t a = source.next();
    const std::uint64_t b = source.next();
    const std::uint64_t c = source.next();
    if (!finite<F>(a) || !finite<F>(b) || !finite<F>(c)) continue;
    const Rounding rounding = kModes[round % 5];
    volatile Wide x = widen<F, Wide>(a);
    volatile Wide y = widen<F, Wide>(b);
    volatile Wide z = widen<F, Wide>(c);
    INFO(std::hex << "a " << a << " b " << b << " c " << c << " mode " << int(rounding));
    check_against_wide<F, Wide>(
        rounding, [&](auto& f) { return add<F>(a, b, rounding, f); }, [&] { return x + y; });
    check_against_wide<F, Wide>(
        rounding, [&](auto& f) { return subtract<F>(a, b, rounding, f); }, [&] { return x - y; });
    check_against_wide<F, Wide>(
        rounding, [&](auto& f) { return multiply<F>(a, b, rounding, f); }, [&] { return x * y; });
    if (y != 0) {
      check_against_wide<F, Wide>(
          rounding, [&](auto& f) { return divide<F>(a, b, rounding, f); }, [&] { return x / y; });
    }
    if (x > 0) {
      check_against_wide<F, Wide>(
          rounding, [&](auto& f) { return square_root<F>(a, rounding, f); },
          [&] { return std::sqrt(x); });
    }
    if (fused_is_exact) {
      check_against_wide<F, Wide>(
          rounding, [&](auto& f) { return fused_multiply_add<F>(a, b, c, rounding, f); },
          [&] { return x * y + z; });
    }
  }
}

/// Conversions to integers by their definition, from a type that holds every value exactly.
template <class F>
Outcome reference_to_integer(std::uint64_t bits, int width, bool is_signed, Rounding rounding) {
  const long double top = std::ldexp(1.0L, is_signed ? width - 1 : width);
  const std::uint64_t largest =
      is_signed ? (std::uint64_t{1} << (width - 1)) - 1 : ~std::uint64_t{0} >> (64 - width);
  const std::uint64_t smallest = is_signed ? ~largest : 0;
  const bool negative = (bits & F::kSignBit) != 0;
  if (is_nan<F>(bits)) return {largest, kInvalid};
  if (!finite<F>(bits)) return {negative ? smallest : largest, kInvalid};
  const long double size = std::fabs(widen<F, long double>(bits));
  const long double rounded = round_to_integer(size, negative, rounding);
  const bool fits = negative ? (is_signed ? rounded <= top : rounded == 0) : rounded < top;
  if (!fits) return {negative ? smallest : largest, kInvalid};
  const auto magnitude = static_cast<std::uint64_t>(rounded);
  const auto flags = static_cast<std::uint8_t>(rounded != size ? kInexact : 0);
  return {negative ? 0 - magnitude : magnitude, flags};
}

std::uint64_t sign_extend_32(std::uint64_t value) {
  return static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(value)});
}

template <class F>
void compare_integer_conversions() {
  const std::uint64_t seed = hpimvp::random_seed(3);
  INFO("HPIMVP_SEED=" << seed);
  OperandSource<F> source(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200000; ++round) {
    std::uint64_t a = source.next();
    if (round % 2 == 0) {  // exponents where integers end
      const std::uint64_t field = F::kBias + random() % 67;
      if (field < F::kExponentField) {
        a = (a & (F::kSignBit | F::kFractionMask)) | field << F::kFractionBits;
      }
    }
    const Rounding rounding = kModes[round % 5];
    INFO(std::hex << "a " << a << " mode " << int(rounding));
    const Outcome actual[] = {with_flags([&](auto& f) { return to_int32<F>(a, rounding, f); }),
                              with_flags([&](auto& f) { return to_uint32<F>(a, rounding, f); }),
                              with_flags([&](auto& f) { return to_int64<F>(a, rounding, f); }),
                              with_flags([&](auto& f) { return to_uint64<F>(a, rounding, f); })};
    Outcome expected[] = {reference_to_integer<F>(a, 32, true, rounding),
                          reference_to_integer<F>(a, 32, false, rounding),
                          reference_to_integer<F>(a, 64, true, rounding),
                          reference_to_integer<F>(a, 64, false, rounding)};
    expected[0].bits = sign_extend_32(expected[0].bits);
    expected[1].bits = sign_extend_32(expected[1].bits);
    for (int i = 0; i < 4; ++i) {
      if (!(actual[i] == expected[i])) CHECK(actual[i] == expected[i]);
    }
    const std::uint64_t integer = random() >> (random() % 64);
    if (integer == 0) continue;
    INFO("integer " << integer);
    const Outcome from_unsigned =
        with_flags([&](auto& f) { return from_uint64<F>(integer, rounding, f); });
    const Outcome from_signed = with_flags(
        [&](auto& f) { return from_int64<F>(static_cast<std::int64_t>(integer), rounding, f); });
    const auto as_unsigned = static_cast<long double>(integer);
    const auto as_signed = static_cast<long double>(static_cast<std::int64_t>(integer));
    if (!(from_unsigned == round_from<F, long double>(as_unsigned, rounding))) {
      CHECK(from_unsigned == round_from<F, long double>(as_unsigned, rounding));
    }
    if (!(from_signed == round_from<F, long double>(as_signed, rounding))) {
      CHECK(from_signed == round_from<F, long double>(as_signed, rounding));
    }
  }
}

template <class To, class From>
void compare_format_conversion() {
  const std::uint64_t seed = hpimvp::random_seed(4);
  INFO("HPIMVP_SEED=" << seed);
  OperandSource<From> source(seed);
  for (int round = 0; round < 100000; ++round) {
    const std::uint64_t a = source.next();
    if (!finite<From>(a) || (a & (From::kSignBit - 1)) == 0) continue;
    const Rounding rounding = kModes[round % 5];
    INFO(std::hex << "a " << a << " mode " << int(rounding));
    const Outcome actual = with_flags([&](auto& f) { return convert<To, From>(a, rounding, f); });
    const Outcome expected = round_from<To, long double>(widen<From, long double>(a), rounding);
    if (!(actual == expected)) CHECK(actual == expected);
  }
}

}  // namespace

TEST_CASE("softfloat: single precision equals the host's hardware") {
  compare_with_hardware<Single>();
}
TEST_CASE("softfloat: double precision equals the host's hardware") {
  compare_with_hardware<Double>();
}
TEST_CASE("softfloat: half precision equals rounding the exact result, all modes") {
  compare_with_wider_type<Half, double, true>();
}
TEST_CASE("softfloat: single precision equals rounding the exact result, all modes") {
  compare_with_wider_type<Single, double, true>();
}
TEST_CASE("softfloat: double precision equals rounding the exact result, all modes") {
  // Products of doubles do not fit a long double: the fused operation is compared with hardware.
  compare_with_wider_type<Double, long double, false>();
}
TEST_CASE("softfloat: integer conversions follow their definition") {
  compare_integer_conversions<Half>();
  compare_integer_conversions<Single>();
  compare_integer_conversions<Double>();
}
TEST_CASE("softfloat: format conversions follow the definition of rounding") {
  compare_format_conversion<Half, Single>();
  compare_format_conversion<Half, Double>();
  compare_format_conversion<Single, Half>();
  compare_format_conversion<Single, Double>();
  compare_format_conversion<Double, Half>();
  compare_format_conversion<Double, Single>();
}

TEST_CASE("softfloat: every half survives a round trip through the wider formats") {
  for (std::uint64_t a = 0; a < 0x10000; ++a) {
    if (is_nan<Half>(a)) continue;
    std::uint8_t flags = 0;
    const std::uint64_t single = convert<Single, Half>(a, Rounding::kNearestEven, flags);
    const std::uint64_t back = convert<Half, Single>(single, Rounding::kNearestEven, flags);
    REQUIRE(back == a);
    REQUIRE(flags == 0);
  }
}

TEST_CASE("softfloat: NaN operands give the canonical NaN and signal when they are signalling") {
  std::uint8_t flags = 0;
  const std::uint64_t one = 0x3c00;
  CHECK(add<Half>(0x7e01, one, Rounding::kNearestEven, flags) == Half::kCanonicalNan);
  CHECK(flags == 0);
  CHECK(add<Half>(0xfc01, one, Rounding::kNearestEven, flags) == Half::kCanonicalNan);
  CHECK(flags == kInvalid);
}

TEST_CASE("softfloat: infinity times zero is invalid even when a quiet NaN is added") {
  std::uint8_t flags = 0;
  CHECK(fused_multiply_add<Single>(0x7f800000, 0, Single::kCanonicalNan, Rounding::kNearestEven,
                                   flags) == Single::kCanonicalNan);
  CHECK(flags == kInvalid);
}

TEST_CASE("softfloat: minimum and maximum order zeros and ignore one NaN") {
  std::uint8_t flags = 0;
  CHECK(minimum<Single>(0x80000000, 0, flags) == 0x80000000);
  CHECK(minimum<Single>(0, 0x80000000, flags) == 0x80000000);
  CHECK(maximum<Single>(0x80000000, 0, flags) == 0);
  CHECK(minimum<Single>(0x3f800000, Single::kCanonicalNan, flags) == 0x3f800000);
  CHECK(flags == 0);
  CHECK(maximum<Single>(0x7f800001, 0x3f800000, flags) == 0x3f800000);
  CHECK(flags == kInvalid);
}

TEST_CASE("softfloat: comparisons signal as IEEE 754 says") {
  std::uint8_t flags = 0;
  CHECK(equal<Double>(0, Double::kSignBit, flags));
  CHECK_FALSE(less<Double>(Double::kSignBit, 0, flags));
  CHECK(less_or_equal<Double>(Double::kSignBit, 0, flags));
  CHECK_FALSE(equal<Double>(Double::kCanonicalNan, 0, flags));
  CHECK(flags == 0);
  CHECK_FALSE(less_or_equal<Double>(Double::kCanonicalNan, 0, flags));
  CHECK(flags == kInvalid);
  flags = 0;
  CHECK_FALSE(equal<Double>(Double::kInfinity | 1, 0, flags));
  CHECK(flags == kInvalid);
}

TEST_CASE("softfloat: classify names each of the ten classes") {
  CHECK(classify<Half>(0xfc00) == 1u << 0);
  CHECK(classify<Half>(0xbc00) == 1u << 1);
  CHECK(classify<Half>(0x8001) == 1u << 2);
  CHECK(classify<Half>(0x8000) == 1u << 3);
  CHECK(classify<Half>(0x0000) == 1u << 4);
  CHECK(classify<Half>(0x03ff) == 1u << 5);
  CHECK(classify<Half>(0x0400) == 1u << 6);
  CHECK(classify<Half>(0x7c00) == 1u << 7);
  CHECK(classify<Half>(0x7c01) == 1u << 8);
  CHECK(classify<Half>(0x7e00) == 1u << 9);
}
