#include "models/riscv/softfloat.h"

#include <bit>
#include <utility>

namespace hpimvp::riscv::softfloat {
namespace {

using Wide = unsigned __int128;

/// A finite non-zero number as significand * 2^(exponent - 63), the significand's top bit set.
struct Unpacked {
  bool sign;
  int exponent;
  std::uint64_t significand;
};

template <class F>
constexpr bool sign_of(std::uint64_t a) {
  return (a & F::kSignBit) != 0;
}
template <class F>
constexpr std::uint64_t magnitude(std::uint64_t a) {
  return a & (F::kSignBit - 1);
}
template <class F>
constexpr bool is_infinite(std::uint64_t a) {
  return magnitude<F>(a) == F::kInfinity;
}
template <class F>
constexpr bool is_zero(std::uint64_t a) {
  return magnitude<F>(a) == 0;
}
template <class F>
constexpr std::uint64_t with_sign(bool sign, std::uint64_t bits) {
  return sign ? bits | F::kSignBit : bits;
}

template <class F>
Unpacked unpack(std::uint64_t a) {
  const std::uint64_t fraction = a & F::kFractionMask;
  const int field = static_cast<int>((a >> F::kFractionBits) & F::kExponentField);
  if (field == 0) {
    const int shift = std::countl_zero(fraction);
    return {sign_of<F>(a), F::kMinExponent + (63 - F::kFractionBits) - shift, fraction << shift};
  }
  const std::uint64_t significand = (fraction | (F::kFractionMask + 1)) << (63 - F::kFractionBits);
  return {sign_of<F>(a), field - F::kBias, significand};
}

std::uint64_t shift_right_jam(std::uint64_t value, int distance) {
  if (distance == 0) return value;
  if (distance > 63) return value != 0;
  return value >> distance | ((value << (64 - distance)) != 0);
}

Wide shift_right_jam(Wide value, int distance) {
  if (distance == 0) return value;
  if (distance > 127) return value != 0;
  return value >> distance | Wide{(value << (128 - distance)) != 0};
}

/// Whether `kept` goes up by one when the bits below it are `rest`, `half` being one half.
bool rounds_up(bool sign, std::uint64_t kept, std::uint64_t rest, std::uint64_t half,
               Rounding rounding) {
  switch (rounding) {
    case Rounding::kNearestEven:
      return rest > half || (rest == half && (kept & 1));
    case Rounding::kTowardZero:
      return false;
    case Rounding::kDown:
      return sign && rest != 0;
    case Rounding::kUp:
      return !sign && rest != 0;
    case Rounding::kNearestMaxMagnitude:
      return rest >= half;
  }
  return false;
}

template <class F>
std::uint64_t overflow_result(bool sign, Rounding rounding, std::uint8_t& flags) {
  flags |= kOverflow | kInexact;
  const bool to_infinity =
      rounding == Rounding::kNearestEven || rounding == Rounding::kNearestMaxMagnitude ||
      (rounding == Rounding::kUp && !sign) || (rounding == Rounding::kDown && sign);
  return with_sign<F>(sign, to_infinity ? F::kInfinity : F::kLargestFinite);
}

/// Rounds significand * 2^(exponent - 63) to the format. The top bit of `significand` is set; bits
/// lost earlier are jammed into its lowest bit.
template <class F>
std::uint64_t round_and_pack(bool sign, int exponent, std::uint64_t significand, Rounding rounding,
                             std::uint8_t& flags) {
  constexpr int kDropped = 64 - F::kPrecision;
  constexpr std::uint64_t kRestMask = (std::uint64_t{1} << kDropped) - 1;
  constexpr std::uint64_t kHalf = std::uint64_t{1} << (kDropped - 1);
  constexpr std::uint64_t kCarry = std::uint64_t{1} << F::kPrecision;
  bool tiny = false;
  if (exponent < F::kMinExponent) {
    // Tiny after rounding: the result rounded with an unbounded exponent stays below 2^emin.
    const std::uint64_t kept = significand >> kDropped;
    const bool reaches_normal =
        exponent == F::kMinExponent - 1 &&
        kept + rounds_up(sign, kept, significand & kRestMask, kHalf, rounding) == kCarry;
    tiny = !reaches_normal;
    significand = shift_right_jam(significand, F::kMinExponent - exponent);
    exponent = F::kMinExponent;
  }
  const std::uint64_t rest = significand & kRestMask;
  std::uint64_t kept = significand >> kDropped;
  kept += rounds_up(sign, kept, rest, kHalf, rounding);
  if (kept == kCarry) {
    kept >>= 1;
    ++exponent;
  }
  if (exponent > F::kMaxExponent) return overflow_result<F>(sign, rounding, flags);
  if (rest != 0) flags |= tiny ? kUnderflow | kInexact : kInexact;
  // The hidden bit of a normal number adds one to the exponent field of a subnormal one.
  const std::uint64_t field = static_cast<std::uint64_t>(exponent - F::kMinExponent);
  return with_sign<F>(sign, (field << F::kFractionBits) + kept);
}

template <class F>
std::uint64_t normalize_round_and_pack(bool sign, int exponent, std::uint64_t significand,
                                       Rounding rounding, std::uint8_t& flags) {
  const int shift = std::countl_zero(significand);
  return round_and_pack<F>(sign, exponent - shift, significand << shift, rounding, flags);
}

template <class F>
std::uint64_t nan_result(std::uint64_t a, std::uint64_t b, std::uint8_t& flags) {
  if (is_signaling_nan<F>(a) || is_signaling_nan<F>(b)) flags |= kInvalid;
  return F::kCanonicalNan;
}

template <class F>
std::uint64_t invalid_result(std::uint8_t& flags) {
  flags |= kInvalid;
  return F::kCanonicalNan;
}

template <class F>
std::uint64_t exact_zero_sum(bool sign_a, bool sign_b, Rounding rounding) {
  if (sign_a == sign_b) return with_sign<F>(sign_a, 0);
  return with_sign<F>(rounding == Rounding::kDown, 0);
}

int leading_zeros(Wide value) {
  const std::uint64_t high = static_cast<std::uint64_t>(value >> 64);
  return high != 0 ? std::countl_zero(high)
                   : 64 + std::countl_zero(static_cast<std::uint64_t>(value));
}

/// The floor of the square root of `value`, with a remainder jammed into the lowest bit.
std::uint64_t root_jam(Wide value) {
  std::uint64_t root = 0;
  Wide remainder = 0;
  for (int bit = 63; bit >= 0; --bit) {
    remainder = remainder << 2 | (value >> 126);
    value <<= 2;
    const Wide trial = (Wide{root} << 2) | 1;
    root <<= 1;
    if (remainder >= trial) {
      remainder -= trial;
      root |= 1;
    }
  }
  return root | (remainder != 0);
}

/// A finite number rounded to an integer magnitude; `overflows` when 64 bits do not hold it.
struct IntegerMagnitude {
  bool sign;
  bool overflows;
  bool inexact;
  std::uint64_t value;
};

template <class F>
IntegerMagnitude to_integer(std::uint64_t a, Rounding rounding) {
  if (is_zero<F>(a)) return {sign_of<F>(a), false, false, 0};
  const Unpacked u = unpack<F>(a);
  if (u.exponent > 63) return {u.sign, true, false, 0};
  if (u.exponent == 63) return {u.sign, false, false, u.significand};
  // `rest` holds the fraction with its weight-1/2 bit on top; what is far below it only has to be
  // not zero.
  const int shift = 63 - u.exponent;
  const std::uint64_t whole = shift > 63 ? 0 : u.significand >> shift;
  const std::uint64_t rest = shift > 64    ? std::uint64_t{1}
                             : shift == 64 ? u.significand
                                           : u.significand << (64 - shift);
  const std::uint64_t half = std::uint64_t{1} << 63;
  return {u.sign, false, rest != 0, whole + rounds_up(u.sign, whole, rest, half, rounding)};
}

template <class F>
std::uint64_t to_signed(std::uint64_t a, int width, Rounding rounding, std::uint8_t& flags) {
  const std::uint64_t largest = (std::uint64_t{1} << (width - 1)) - 1;
  const std::uint64_t smallest = ~largest;
  if (is_nan<F>(a) || is_infinite<F>(a)) {
    flags |= kInvalid;
    return is_nan<F>(a) || !sign_of<F>(a) ? largest : smallest;
  }
  const IntegerMagnitude m = to_integer<F>(a, rounding);
  if (m.overflows || m.value > largest + m.sign) {
    flags |= kInvalid;
    return m.sign ? smallest : largest;
  }
  if (m.inexact) flags |= kInexact;
  return m.sign ? 0 - m.value : m.value;
}

template <class F>
std::uint64_t to_unsigned(std::uint64_t a, int width, Rounding rounding, std::uint8_t& flags) {
  const std::uint64_t largest = ~std::uint64_t{0} >> (64 - width);
  if (is_nan<F>(a) || is_infinite<F>(a)) {
    flags |= kInvalid;
    return is_nan<F>(a) || !sign_of<F>(a) ? largest : 0;
  }
  const IntegerMagnitude m = to_integer<F>(a, rounding);
  if (m.overflows || m.value > largest || (m.sign && m.value != 0)) {
    flags |= kInvalid;
    return m.sign ? 0 : largest;
  }
  if (m.inexact) flags |= kInexact;
  return m.value;
}

std::uint64_t sign_extend_32(std::uint64_t value) {
  return static_cast<std::uint64_t>(
      static_cast<std::int64_t>(static_cast<std::int32_t>(static_cast<std::uint32_t>(value))));
}

/// Order of two numbers that are not NaN, zeros of either sign being equal.
template <class F>
bool is_below(std::uint64_t a, std::uint64_t b) {
  if (is_zero<F>(a) && is_zero<F>(b)) return false;
  const bool sign_a = sign_of<F>(a);
  if (sign_a != sign_of<F>(b)) return sign_a;
  return sign_a ? a > b : a < b;
}

}  // namespace

template <class F>
std::uint64_t add(std::uint64_t a, std::uint64_t b, Rounding rounding, std::uint8_t& flags) {
  if (is_nan<F>(a) || is_nan<F>(b)) return nan_result<F>(a, b, flags);
  if (is_infinite<F>(a)) {
    if (is_infinite<F>(b) && sign_of<F>(a) != sign_of<F>(b)) return invalid_result<F>(flags);
    return a;
  }
  if (is_infinite<F>(b)) return b;
  if (is_zero<F>(a)) {
    return is_zero<F>(b) ? exact_zero_sum<F>(sign_of<F>(a), sign_of<F>(b), rounding) : b;
  }
  if (is_zero<F>(b)) return a;
  Unpacked large = unpack<F>(a);
  Unpacked small = unpack<F>(b);
  if (small.exponent > large.exponent ||
      (small.exponent == large.exponent && small.significand > large.significand)) {
    std::swap(large, small);
  }
  // The significands have at least eleven zero bits at the bottom: one is given up for the carry,
  // the others guard the rounding.
  const std::uint64_t left = large.significand >> 1;
  const std::uint64_t right =
      shift_right_jam(small.significand >> 1, large.exponent - small.exponent);
  const std::uint64_t sum = large.sign == small.sign ? left + right : left - right;
  if (sum == 0) return exact_zero_sum<F>(large.sign, small.sign, rounding);
  return normalize_round_and_pack<F>(large.sign, large.exponent + 1, sum, rounding, flags);
}

template <class F>
std::uint64_t subtract(std::uint64_t a, std::uint64_t b, Rounding rounding, std::uint8_t& flags) {
  return add<F>(a, is_nan<F>(b) ? b : b ^ F::kSignBit, rounding, flags);
}

template <class F>
std::uint64_t multiply(std::uint64_t a, std::uint64_t b, Rounding rounding, std::uint8_t& flags) {
  if (is_nan<F>(a) || is_nan<F>(b)) return nan_result<F>(a, b, flags);
  const bool sign = sign_of<F>(a) != sign_of<F>(b);
  if (is_infinite<F>(a) || is_infinite<F>(b)) {
    if (is_zero<F>(a) || is_zero<F>(b)) return invalid_result<F>(flags);
    return with_sign<F>(sign, F::kInfinity);
  }
  if (is_zero<F>(a) || is_zero<F>(b)) return with_sign<F>(sign, 0);
  const Unpacked x = unpack<F>(a);
  const Unpacked y = unpack<F>(b);
  const Wide product = Wide{x.significand} * y.significand;
  const std::uint64_t high =
      static_cast<std::uint64_t>(product >> 64) | (static_cast<std::uint64_t>(product) != 0);
  return normalize_round_and_pack<F>(sign, x.exponent + y.exponent + 1, high, rounding, flags);
}

template <class F>
std::uint64_t divide(std::uint64_t a, std::uint64_t b, Rounding rounding, std::uint8_t& flags) {
  if (is_nan<F>(a) || is_nan<F>(b)) return nan_result<F>(a, b, flags);
  const bool sign = sign_of<F>(a) != sign_of<F>(b);
  if (is_infinite<F>(a)) {
    if (is_infinite<F>(b)) return invalid_result<F>(flags);
    return with_sign<F>(sign, F::kInfinity);
  }
  if (is_infinite<F>(b)) return with_sign<F>(sign, 0);
  if (is_zero<F>(b)) {
    if (is_zero<F>(a)) return invalid_result<F>(flags);
    flags |= kDivideByZero;
    return with_sign<F>(sign, F::kInfinity);
  }
  if (is_zero<F>(a)) return with_sign<F>(sign, 0);
  const Unpacked x = unpack<F>(a);
  const Unpacked y = unpack<F>(b);
  // The quotient of two significands in [1, 2) is in (1/2, 2): 63 fraction bits fit.
  const Wide dividend = Wide{x.significand} << 62;
  const std::uint64_t quotient = static_cast<std::uint64_t>(dividend / y.significand);
  const bool remainder = Wide{quotient} * y.significand != dividend;
  return normalize_round_and_pack<F>(sign, x.exponent - y.exponent + 1, quotient | remainder,
                                     rounding, flags);
}

template <class F>
std::uint64_t square_root(std::uint64_t a, Rounding rounding, std::uint8_t& flags) {
  if (is_nan<F>(a)) return nan_result<F>(a, a, flags);
  if (is_zero<F>(a)) return a;
  if (sign_of<F>(a)) return invalid_result<F>(flags);
  if (is_infinite<F>(a)) return a;
  const Unpacked u = unpack<F>(a);
  // An even exponent e gives sqrt(significand * 2^63) * 2^(e/2 - 63); an odd one doubles it.
  const bool odd = (u.exponent & 1) != 0;
  const Wide radicand = Wide{u.significand} << (odd ? 64 : 63);
  return round_and_pack<F>(false, (u.exponent - odd) / 2, root_jam(radicand), rounding, flags);
}

template <class F>
std::uint64_t fused_multiply_add(std::uint64_t a, std::uint64_t b, std::uint64_t c,
                                 Rounding rounding, std::uint8_t& flags) {
  const bool infinite_product = is_infinite<F>(a) || is_infinite<F>(b);
  const bool zero_product = is_zero<F>(a) || is_zero<F>(b);
  if (infinite_product && zero_product) return invalid_result<F>(flags);
  if (is_nan<F>(a) || is_nan<F>(b) || is_nan<F>(c)) {
    if (is_signaling_nan<F>(c)) flags |= kInvalid;
    return nan_result<F>(a, b, flags);
  }
  const bool sign = sign_of<F>(a) != sign_of<F>(b);
  if (infinite_product) {
    if (is_infinite<F>(c) && sign_of<F>(c) != sign) return invalid_result<F>(flags);
    return with_sign<F>(sign, F::kInfinity);
  }
  if (is_infinite<F>(c)) return c;
  if (zero_product) return is_zero<F>(c) ? exact_zero_sum<F>(sign, sign_of<F>(c), rounding) : c;
  const Unpacked x = unpack<F>(a);
  const Unpacked y = unpack<F>(b);
  // Both terms as significand * 2^(exponent - 126), the top bit at 126 so that a sum has room.
  Wide product = Wide{x.significand} * y.significand;
  int product_exponent = x.exponent + y.exponent;
  if (product >> 127) {
    product = shift_right_jam(product, 1);  // exact: the lowest bits of a product are zero
    ++product_exponent;
  }
  if (is_zero<F>(c)) {
    const std::uint64_t high =
        static_cast<std::uint64_t>(product >> 63) | ((product & ((Wide{1} << 63) - 1)) != 0);
    return round_and_pack<F>(sign, product_exponent, high, rounding, flags);
  }
  const Unpacked z = unpack<F>(c);
  const Wide addend = Wide{z.significand} << 63;
  Wide sum;
  bool sum_sign = sign;
  int exponent = product_exponent;
  const int distance = product_exponent - z.exponent;
  const Wide left = distance >= 0 ? product : shift_right_jam(product, -distance);
  const Wide right = distance >= 0 ? shift_right_jam(addend, distance) : addend;
  if (distance < 0) exponent = z.exponent;
  if (sign == z.sign) {
    sum = left + right;
  } else if (left >= right) {
    sum = left - right;
  } else {
    sum = right - left;
    sum_sign = z.sign;
  }
  if (sum == 0) return exact_zero_sum<F>(sign, z.sign, rounding);
  const int shift = leading_zeros(sum);
  const Wide normalized = sum << shift;
  const std::uint64_t high =
      static_cast<std::uint64_t>(normalized >> 64) | (static_cast<std::uint64_t>(normalized) != 0);
  return round_and_pack<F>(sum_sign, exponent + 1 - shift, high, rounding, flags);
}

template <class F>
bool equal(std::uint64_t a, std::uint64_t b, std::uint8_t& flags) {
  if (is_nan<F>(a) || is_nan<F>(b)) {
    nan_result<F>(a, b, flags);
    return false;
  }
  return a == b || (is_zero<F>(a) && is_zero<F>(b));
}

template <class F>
bool less(std::uint64_t a, std::uint64_t b, std::uint8_t& flags) {
  if (is_nan<F>(a) || is_nan<F>(b)) {
    flags |= kInvalid;
    return false;
  }
  return is_below<F>(a, b);
}

template <class F>
bool less_or_equal(std::uint64_t a, std::uint64_t b, std::uint8_t& flags) {
  if (is_nan<F>(a) || is_nan<F>(b)) {
    flags |= kInvalid;
    return false;
  }
  return !is_below<F>(b, a);
}

template <class F>
std::uint64_t minimum(std::uint64_t a, std::uint64_t b, std::uint8_t& flags) {
  if (is_signaling_nan<F>(a) || is_signaling_nan<F>(b)) flags |= kInvalid;
  if (is_nan<F>(a)) return is_nan<F>(b) ? F::kCanonicalNan : b;
  if (is_nan<F>(b)) return a;
  if (is_zero<F>(a) && is_zero<F>(b)) return sign_of<F>(a) ? a : b;
  return is_below<F>(a, b) ? a : b;
}

template <class F>
std::uint64_t maximum(std::uint64_t a, std::uint64_t b, std::uint8_t& flags) {
  if (is_signaling_nan<F>(a) || is_signaling_nan<F>(b)) flags |= kInvalid;
  if (is_nan<F>(a)) return is_nan<F>(b) ? F::kCanonicalNan : b;
  if (is_nan<F>(b)) return a;
  if (is_zero<F>(a) && is_zero<F>(b)) return sign_of<F>(a) ? b : a;
  return is_below<F>(b, a) ? a : b;
}

template <class F>
std::uint64_t classify(std::uint64_t a) {
  const bool sign = sign_of<F>(a);
  if (is_nan<F>(a)) return is_signaling_nan<F>(a) ? 1u << 8 : 1u << 9;
  if (is_infinite<F>(a)) return sign ? 1u << 0 : 1u << 7;
  if (is_zero<F>(a)) return sign ? 1u << 3 : 1u << 4;
  if (magnitude<F>(a) <= F::kFractionMask) return sign ? 1u << 2 : 1u << 5;
  return sign ? 1u << 1 : 1u << 6;
}

template <class To, class From>
std::uint64_t convert(std::uint64_t a, Rounding rounding, std::uint8_t& flags) {
  if (is_nan<From>(a)) {
    if (is_signaling_nan<From>(a)) flags |= kInvalid;
    return To::kCanonicalNan;
  }
  const bool sign = sign_of<From>(a);
  if (is_infinite<From>(a)) return with_sign<To>(sign, To::kInfinity);
  if (is_zero<From>(a)) return with_sign<To>(sign, 0);
  const Unpacked u = unpack<From>(a);
  return round_and_pack<To>(sign, u.exponent, u.significand, rounding, flags);
}

template <class F>
std::uint64_t to_int32(std::uint64_t a, Rounding rounding, std::uint8_t& flags) {
  return sign_extend_32(to_signed<F>(a, 32, rounding, flags));
}
template <class F>
std::uint64_t to_uint32(std::uint64_t a, Rounding rounding, std::uint8_t& flags) {
  return sign_extend_32(to_unsigned<F>(a, 32, rounding, flags));
}
template <class F>
std::uint64_t to_int64(std::uint64_t a, Rounding rounding, std::uint8_t& flags) {
  return to_signed<F>(a, 64, rounding, flags);
}
template <class F>
std::uint64_t to_uint64(std::uint64_t a, Rounding rounding, std::uint8_t& flags) {
  return to_unsigned<F>(a, 64, rounding, flags);
}

template <class F>
std::uint64_t from_int64(std::int64_t value, Rounding rounding, std::uint8_t& flags) {
  if (value == 0) return 0;
  const bool sign = value < 0;
  const std::uint64_t size =
      sign ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  return normalize_round_and_pack<F>(sign, 63, size, rounding, flags);
}

template <class F>
std::uint64_t from_uint64(std::uint64_t value, Rounding rounding, std::uint8_t& flags) {
  return value == 0 ? 0 : normalize_round_and_pack<F>(false, 63, value, rounding, flags);
}

#define INSTANTIATE(F)                                                                       \
  template std::uint64_t add<F>(std::uint64_t, std::uint64_t, Rounding, std::uint8_t&);      \
  template std::uint64_t subtract<F>(std::uint64_t, std::uint64_t, Rounding, std::uint8_t&); \
  template std::uint64_t multiply<F>(std::uint64_t, std::uint64_t, Rounding, std::uint8_t&); \
  template std::uint64_t divide<F>(std::uint64_t, std::uint64_t, Rounding, std::uint8_t&);   \
  template std::uint64_t square_root<F>(std::uint64_t, Rounding, std::uint8_t&);             \
  template std::uint64_t fused_multiply_add<F>(std::uint64_t, std::uint64_t, std::uint64_t,  \
                                               Rounding, std::uint8_t&);                     \
  template bool equal<F>(std::uint64_t, std::uint64_t, std::uint8_t&);                       \
  template bool less<F>(std::uint64_t, std::uint64_t, std::uint8_t&);                        \
  template bool less_or_equal<F>(std::uint64_t, std::uint64_t, std::uint8_t&);               \
  template std::uint64_t minimum<F>(std::uint64_t, std::uint64_t, std::uint8_t&);            \
  template std::uint64_t maximum<F>(std::uint64_t, std::uint64_t, std::uint8_t&);            \
  template std::uint64_t classify<F>(std::uint64_t);                                         \
  template std::uint64_t to_int32<F>(std::uint64_t, Rounding, std::uint8_t&);                \
  template std::uint64_t to_uint32<F>(std::uint64_t, Rounding, std::uint8_t&);               \
  template std::uint64_t to_int64<F>(std::uint64_t, Rounding, std::uint8_t&);                \
  template std::uint64_t to_uint64<F>(std::uint64_t, Rounding, std::uint8_t&);               \
  template std::uint64_t from_int64<F>(std::int64_t, Rounding, std::uint8_t&);               \
  template std::uint64_t from_uint64<F>(std::uint64_t, Rounding, std::uint8_t&);             \
  template std::uint64_t convert<F, Half>(std::uint64_t, Rounding, std::uint8_t&);           \
  template std::uint64_t convert<F, Single>(std::uint64_t, Rounding, std::uint8_t&);         \
  template std::uint64_t convert<F, Double>(std::uint64_t, Rounding, std::uint8_t&);
INSTANTIATE(Half)
INSTANTIATE(Single)
INSTANTIATE(Double)
#undef INSTANTIATE

}  // namespace hpimvp::riscv::softfloat
