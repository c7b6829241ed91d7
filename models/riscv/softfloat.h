// IEEE 754 arithmetic in integers, as the RISC-V F, D and Zfh extensions define it: binary16,
// binary32 and binary64, five rounding modes, accrued exception flags, canonical NaNs, tininess
// detected after rounding (RISC-V unprivileged specification 20191213, sections 11.2 to 11.8).
//
// Values travel as their bit patterns in the low bits of a uint64_t. Every function is pure apart
// from the flags that it accumulates through its last parameter.
#pragma once

#include <cstdint>

namespace hpimvp::riscv::softfloat {

/// The encodings of the `rm` field and of the frm CSR (table 11.1).
enum class Rounding : std::uint8_t {
  kNearestEven = 0,
  kTowardZero = 1,
  kDown = 2,
  kUp = 3,
  kNearestMaxMagnitude = 4,
};

/// The bits of the fflags CSR.
enum Flag : std::uint8_t {
  kInexact = 1,
  kUnderflow = 2,
  kOverflow = 4,
  kDivideByZero = 8,
  kInvalid = 16,
};

/// The shape of one interchange format. `kPrecision` counts the hidden bit.
template <int exponent_bits, int fraction_bits>
struct Format {
  static constexpr int kExponentBits = exponent_bits;
  static constexpr int kFractionBits = fraction_bits;
  static constexpr int kPrecision = fraction_bits + 1;
  static constexpr int kWidth = 1 + exponent_bits + fraction_bits;
  static constexpr int kBias = (1 << (exponent_bits - 1)) - 1;
  static constexpr int kMinExponent = 1 - kBias;
  static constexpr int kMaxExponent = kBias;
  static constexpr std::uint64_t kExponentField = (1u << exponent_bits) - 1;
  static constexpr std::uint64_t kFractionMask = (std::uint64_t{1} << fraction_bits) - 1;
  static constexpr std::uint64_t kSignBit = std::uint64_t{1} << (kWidth - 1);
  static constexpr std::uint64_t kInfinity = kExponentField << fraction_bits;
  static constexpr std::uint64_t kQuietBit = std::uint64_t{1} << (fraction_bits - 1);
  static constexpr std::uint64_t kCanonicalNan = kInfinity | kQuietBit;
  static constexpr std::uint64_t kLargestFinite = kInfinity - 1;
};

using Half = Format<5, 10>;
using Single = Format<8, 23>;
using Double = Format<11, 52>;

template <class F>
constexpr bool is_nan(std::uint64_t a) {
  return (a & (F::kSignBit - 1)) > F::kInfinity;
}
template <class F>
constexpr bool is_signaling_nan(std::uint64_t a) {
  return is_nan<F>(a) && (a & F::kQuietBit) == 0;
}

template <class F>
std::uint64_t add(std::uint64_t a, std::uint64_t b, Rounding rounding, std::uint8_t& flags);
template <class F>
std::uint64_t subtract(std::uint64_t a, std::uint64_t b, Rounding rounding, std::uint8_t& flags);
template <class F>
std::uint64_t multiply(std::uint64_t a, std::uint64_t b, Rounding rounding, std::uint8_t& flags);
template <class F>
std::uint64_t divide(std::uint64_t a, std::uint64_t b, Rounding rounding, std::uint8_t& flags);
template <class F>
std::uint64_t square_root(std::uint64_t a, Rounding rounding, std::uint8_t& flags);
/// a * b + c with one rounding. Infinity times zero is invalid whatever c is.
template <class F>
std::uint64_t fused_multiply_add(std::uint64_t a, std::uint64_t b, std::uint64_t c,
                                 Rounding rounding, std::uint8_t& flags);

/// Quiet comparison (FEQ): only signalling NaNs are invalid.
template <class F>
bool equal(std::uint64_t a, std::uint64_t b, std::uint8_t& flags);
/// Signalling comparisons (FLT, FLE): every NaN is invalid.
template <class F>
bool less(std::uint64_t a, std::uint64_t b, std::uint8_t& flags);
template <class F>
bool less_or_equal(std::uint64_t a, std::uint64_t b, std::uint8_t& flags);
/// minimumNumber and maximumNumber of IEEE 754-2019 (FMIN, FMAX): -0 is below +0, a NaN loses.
template <class F>
std::uint64_t minimum(std::uint64_t a, std::uint64_t b, std::uint8_t& flags);
template <class F>
std::uint64_t maximum(std::uint64_t a, std::uint64_t b, std::uint8_t& flags);
/// The ten-bit mask of FCLASS (table 11.5).
template <class F>
std::uint64_t classify(std::uint64_t a);

template <class To, class From>
std::uint64_t convert(std::uint64_t a, Rounding rounding, std::uint8_t& flags);

/// Conversions to integers saturate as table 11.4 says; NaN converts to the largest value. The
/// 32-bit results are returned sign-extended to 64 bits, as the instructions write them.
template <class F>
std::uint64_t to_int32(std::uint64_t a, Rounding rounding, std::uint8_t& flags);
template <class F>
std::uint64_t to_uint32(std::uint64_t a, Rounding rounding, std::uint8_t& flags);
template <class F>
std::uint64_t to_int64(std::uint64_t a, Rounding rounding, std::uint8_t& flags);
template <class F>
std::uint64_t to_uint64(std::uint64_t a, Rounding rounding, std::uint8_t& flags);

template <class F>
std::uint64_t from_int64(std::int64_t value, Rounding rounding, std::uint8_t& flags);
template <class F>
std::uint64_t from_uint64(std::uint64_t value, Rounding rounding, std::uint8_t& flags);

}  // namespace hpimvp::riscv::softfloat
