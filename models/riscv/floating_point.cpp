// The F, D and Zfh operations on the hart's registers: NaN boxing, rounding-mode selection, flags,
// and the use of the host's floating point where it provably gives the same bits and flags.
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include "models/riscv/core.h"
#include "models/riscv/softfloat.h"

namespace hpimvp::riscv {
namespace {

namespace sf = softfloat;
using sf::Double;
using sf::Half;
using sf::Rounding;
using sf::Single;

constexpr std::uint8_t kDynamic = 7;

template <class F>
constexpr std::uint64_t kBox = F::kWidth == 64 ? 0 : ~std::uint64_t{0} << (F::kWidth & 63);

/// A value narrower than its register is valid only when every upper bit is set.
template <class F>
std::uint64_t unboxed(std::uint64_t bits) {
  if constexpr (F::kWidth == 64) return bits;
  return (bits & kBox<F>) == kBox<F> ? bits & ~kBox<F> : F::kCanonicalNan;
}

template <class F>
std::uint64_t sign_extended(std::uint64_t bits) {
  constexpr int kShift = 64 - F::kWidth;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(bits << kShift) >> kShift);
}

template <class F>
struct HostType;
template <>
struct HostType<Single> {
  using Float = float;
  using Bits = std::uint32_t;
};
template <>
struct HostType<Double> {
  using Float = double;
  using Bits = std::uint64_t;
};
template <class F>
constexpr bool kHasHost = F::kWidth >= 32;

template <class F>
typename HostType<F>::Float to_host(std::uint64_t bits) {
  return std::bit_cast<typename HostType<F>::Float>(static_cast<typename HostType<F>::Bits>(bits));
}
template <class Float>
std::uint64_t from_host(Float value) {
  using Bits = std::conditional_t<sizeof(Float) == 4, std::uint32_t, std::uint64_t>;
  return std::bit_cast<Bits>(value);
}

template <class F>
bool zero_or_normal(std::uint64_t bits) {
  const std::uint64_t field = (bits >> F::kFractionBits) & F::kExponentField;
  if (field == 0) return (bits & F::kFractionMask) == 0;
  return field != F::kExponentField;
}

/// Rounds to nearest even with the inexact flag already raised, the host's own mode: then the only
/// news that an operation on zeros and normal numbers can bring are an overflow, which shows as an
/// infinite result, and an underflow, which needs a result no larger than the smallest normal
/// number. The latter is left to the integer code.
template <class F, class Operation>
bool try_host(Operation operation, bool operands_fit, Rounding rounding, std::uint8_t& flags,
              std::uint64_t& result) {
  using Float = typename HostType<F>::Float;
  if (rounding != Rounding::kNearestEven || !(flags & sf::kInexact) || !operands_fit) return false;
  const Float value = operation();
  if (!(std::fabs(value) > std::numeric_limits<Float>::min())) return false;
  if (std::isinf(value)) flags |= sf::kOverflow;
  result = from_host(value);
  return true;
}

enum class Arithmetic { kAdd, kSubtract, kMultiply, kDivide };

template <class F, Arithmetic kind>
std::uint64_t soft_binary(std::uint64_t a, std::uint64_t b, Rounding rounding,
                          std::uint8_t& flags) {
  if constexpr (kind == Arithmetic::kAdd) return sf::add<F>(a, b, rounding, flags);
  if constexpr (kind == Arithmetic::kSubtract) return sf::subtract<F>(a, b, rounding, flags);
  if constexpr (kind == Arithmetic::kMultiply) return sf::multiply<F>(a, b, rounding, flags);
  if constexpr (kind == Arithmetic::kDivide) return sf::divide<F>(a, b, rounding, flags);
}

template <class F, Arithmetic kind>
std::uint64_t binary(std::uint64_t a, std::uint64_t b, Rounding rounding, std::uint8_t& flags) {
  if constexpr (kHasHost<F>) {
    const auto operation = [&] {
      const auto x = to_host<F>(a);
      const auto y = to_host<F>(b);
      if constexpr (kind == Arithmetic::kAdd) return x + y;
      if constexpr (kind == Arithmetic::kSubtract) return x - y;
      if constexpr (kind == Arithmetic::kMultiply) return x * y;
      if constexpr (kind == Arithmetic::kDivide) return x / y;
    };
    // A zero divisor is a flag of its own.
    const bool fit = zero_or_normal<F>(a) && zero_or_normal<F>(b) &&
                     (kind != Arithmetic::kDivide || (b & (F::kSignBit - 1)) != 0);
    std::uint64_t result;
    if (try_host<F>(operation, fit, rounding, flags, result)) return result;
  }
  return soft_binary<F, kind>(a, b, rounding, flags);
}

template <class F>
std::uint64_t root(std::uint64_t a, Rounding rounding, std::uint8_t& flags) {
  if constexpr (kHasHost<F>) {
    std::uint64_t result;
    const bool fit = zero_or_normal<F>(a) && !(a & F::kSignBit);
    if (try_host<F>([&] { return std::sqrt(to_host<F>(a)); }, fit, rounding, flags, result)) {
      return result;
    }
  }
  return sf::square_root<F>(a, rounding, flags);
}

template <class F>
std::uint64_t multiply_add(std::uint64_t a, std::uint64_t b, std::uint64_t c, Rounding rounding,
                           std::uint8_t& flags) {
  if constexpr (kHasHost<F>) {
    std::uint64_t result;
    const bool fit = zero_or_normal<F>(a) && zero_or_normal<F>(b) && zero_or_normal<F>(c);
    const auto operation = [&] { return std::fma(to_host<F>(a), to_host<F>(b), to_host<F>(c)); };
    if (try_host<F>(operation, fit, rounding, flags, result)) return result;
  }
  return sf::fused_multiply_add<F>(a, b, c, rounding, flags);
}

/// Widening a normal half or single is exact: the exponent is rebased, the fraction shifted.
template <class To, class From>
std::uint64_t change_format(std::uint64_t a, Rounding rounding, std::uint8_t& flags) {
  if constexpr (To::kWidth > From::kWidth) {
    const std::uint64_t field = (a >> From::kFractionBits) & From::kExponentField;
    if (field != 0 && field != From::kExponentField) {
      const std::uint64_t magnitude = a & (From::kSignBit - 1);
      const std::uint64_t rebased = (magnitude << (To::kFractionBits - From::kFractionBits)) +
                                    (std::uint64_t{To::kBias - From::kBias} << To::kFractionBits);
      return rebased | ((a & From::kSignBit) << (To::kWidth - From::kWidth));
    }
  }
  return sf::convert<To, From>(a, rounding, flags);
}

/// One operation's view of the registers.
class Operands {
 public:
  Operands(HartState& state, const MicroOp* op, Rounding rounding)
      : state_(state), op_(op), rounding_(rounding) {}

  template <class F>
  std::uint64_t a() const {
    return unboxed<F>(state_.f[op_->rs1]);
  }
  template <class F>
  std::uint64_t b() const {
    return unboxed<F>(state_.f[op_->rs2]);
  }
  template <class F>
  std::uint64_t c() const {
    return unboxed<F>(state_.f[op_->immediate & 31]);
  }
  std::uint64_t raw_a() const { return state_.f[op_->rs1]; }
  std::uint64_t integer() const { return state_.x[op_->rs1]; }
  template <class F>
  void set(std::uint64_t bits) {
    state_.f[op_->rd] = bits | kBox<F>;
  }
  void set_integer(std::uint64_t value) { state_.x[op_->rd] = value; }
  Rounding rounding() const { return rounding_; }
  std::uint8_t& flags() { return state_.fflags; }

 private:
  HartState& state_;
  const MicroOp* op_;
  Rounding rounding_;
};

// The functions below take F's operation number relative to the first of its format, named by the
// single-precision operation: the three formats are laid out alike in the list of operations.

constexpr int kOperationsPerFormat =
    static_cast<int>(Operation::kFaddS) - static_cast<int>(Operation::kFaddH);
static_assert(static_cast<int>(Operation::kFaddD) - static_cast<int>(Operation::kFaddS) ==
              kOperationsPerFormat);

template <class F>
void execute_fused(Operation operation, Operands& o) {
  const std::uint64_t a = o.a<F>();
  const std::uint64_t b = o.b<F>();
  const std::uint64_t c = o.c<F>();
  const auto negated = [](std::uint64_t v) { return sf::is_nan<F>(v) ? v : v ^ F::kSignBit; };
  switch (operation) {
    case Operation::kFmaddS:
      o.set<F>(multiply_add<F>(a, b, c, o.rounding(), o.flags()));
      return;
    case Operation::kFmsubS:
      o.set<F>(multiply_add<F>(a, b, negated(c), o.rounding(), o.flags()));
      return;
    case Operation::kFnmsubS:
      o.set<F>(multiply_add<F>(negated(a), b, c, o.rounding(), o.flags()));
      return;
    case Operation::kFnmaddS:
      o.set<F>(multiply_add<F>(negated(a), b, negated(c), o.rounding(), o.flags()));
      return;
    default:
      return;
  }
}

template <class F>
void execute_arithmetic(Operation operation, Operands& o) {
  switch (operation) {
    case Operation::kFaddS:
      o.set<F>(binary<F, Arithmetic::kAdd>(o.a<F>(), o.b<F>(), o.rounding(), o.flags()));
      return;
    case Operation::kFsubS:
      o.set<F>(binary<F, Arithmetic::kSubtract>(o.a<F>(), o.b<F>(), o.rounding(), o.flags()));
      return;
    case Operation::kFmulS:
      o.set<F>(binary<F, Arithmetic::kMultiply>(o.a<F>(), o.b<F>(), o.rounding(), o.flags()));
      return;
    case Operation::kFdivS:
      o.set<F>(binary<F, Arithmetic::kDivide>(o.a<F>(), o.b<F>(), o.rounding(), o.flags()));
      return;
    case Operation::kFsqrtS:
      o.set<F>(root<F>(o.a<F>(), o.rounding(), o.flags()));
      return;
    default:
      return;
  }
}

template <class F>
void execute_sign_and_order(Operation operation, Operands& o) {
  const std::uint64_t a = o.a<F>();
  const std::uint64_t b = o.b<F>();
  constexpr std::uint64_t kSize = F::kSignBit - 1;
  switch (operation) {
    case Operation::kFsgnjS:
      o.set<F>((a & kSize) | (b & F::kSignBit));
      return;
    case Operation::kFsgnjnS:
      o.set<F>((a & kSize) | (~b & F::kSignBit));
      return;
    case Operation::kFsgnjxS:
      o.set<F>(a ^ (b & F::kSignBit));
      return;
    case Operation::kFminS:
      o.set<F>(sf::minimum<F>(a, b, o.flags()));
      return;
    case Operation::kFmaxS:
      o.set<F>(sf::maximum<F>(a, b, o.flags()));
      return;
    case Operation::kFeqS:
      o.set_integer(sf::equal<F>(a, b, o.flags()));
      return;
    case Operation::kFltS:
      o.set_integer(sf::less<F>(a, b, o.flags()));
      return;
    case Operation::kFleS:
      o.set_integer(sf::less_or_equal<F>(a, b, o.flags()));
      return;
    case Operation::kFclassS:
      o.set_integer(sf::classify<F>(a));
      return;
    default:
      return;
  }
}

template <class F>
void execute_integer_conversion(Operation operation, Operands& o) {
  switch (operation) {
    case Operation::kFcvtWFromS:
      o.set_integer(sf::to_int32<F>(o.a<F>(), o.rounding(), o.flags()));
      return;
    case Operation::kFcvtWuFromS:
      o.set_integer(sf::to_uint32<F>(o.a<F>(), o.rounding(), o.flags()));
      return;
    case Operation::kFcvtLFromS:
      o.set_integer(sf::to_int64<F>(o.a<F>(), o.rounding(), o.flags()));
      return;
    case Operation::kFcvtLuFromS:
      o.set_integer(sf::to_uint64<F>(o.a<F>(), o.rounding(), o.flags()));
      return;
    case Operation::kFcvtSFromW:
      o.set<F>(sf::from_int64<F>(static_cast<std::int32_t>(o.integer()), o.rounding(), o.flags()));
      return;
    case Operation::kFcvtSFromWu:
      o.set<F>(
          sf::from_uint64<F>(static_cast<std::uint32_t>(o.integer()), o.rounding(), o.flags()));
      return;
    case Operation::kFcvtSFromL:
      o.set<F>(sf::from_int64<F>(static_cast<std::int64_t>(o.integer()), o.rounding(), o.flags()));
      return;
    case Operation::kFcvtSFromLu:
      o.set<F>(sf::from_uint64<F>(o.integer(), o.rounding(), o.flags()));
      return;
    case Operation::kFmvXFromS:
      o.set_integer(sign_extended<F>(o.raw_a()));
      return;
    case Operation::kFmvSFromX:
      o.set<F>(o.integer() & ~kBox<F>);
      return;
    default:
      return;
  }
}

template <class F>
void execute_in_format(Operation operation, Operands& o) {
  if (operation < Operation::kFmaddS) {
    execute_arithmetic<F>(operation, o);
  } else if (operation < Operation::kFsgnjS) {
    execute_fused<F>(operation, o);
  } else if (operation < Operation::kFcvtWFromS) {
    execute_sign_and_order<F>(operation, o);
  } else {
    execute_integer_conversion<F>(operation, o);
  }
}

void execute_format_conversion(Operation operation, Operands& o) {
  switch (operation) {
    case Operation::kFcvtSFromH:
      return o.set<Single>(change_format<Single, Half>(o.a<Half>(), o.rounding(), o.flags()));
    case Operation::kFcvtHFromS:
      return o.set<Half>(change_format<Half, Single>(o.a<Single>(), o.rounding(), o.flags()));
    case Operation::kFcvtDFromH:
      return o.set<Double>(change_format<Double, Half>(o.a<Half>(), o.rounding(), o.flags()));
    case Operation::kFcvtHFromD:
      return o.set<Half>(change_format<Half, Double>(o.a<Double>(), o.rounding(), o.flags()));
    case Operation::kFcvtDFromS:
      return o.set<Double>(change_format<Double, Single>(o.a<Single>(), o.rounding(), o.flags()));
    default:
      return o.set<Single>(change_format<Single, Double>(o.a<Double>(), o.rounding(), o.flags()));
  }
}

/// Operations whose rm field selects a rounding mode rather than being part of the opcode.
bool uses_rounding(Operation single) {
  if (single >= Operation::kFcvtSFromH) return true;
  if (single >= Operation::kFsgnjS && single <= Operation::kFclassS) return false;
  return single != Operation::kFmvXFromS && single != Operation::kFmvSFromX;
}

}  // namespace

bool Core::execute_fp(const MicroOp* op) {
  if (state_.fs == 0) return raise_illegal(op);
  const int number = static_cast<int>(op->operation);
  const int format = op->operation >= Operation::kFcvtSFromH
                         ? 3
                         : (number - static_cast<int>(Operation::kFaddH)) / kOperationsPerFormat;
  const Operation operation =
      format == 3 ? op->operation
                  : static_cast<Operation>(number + (1 - format) * kOperationsPerFormat);
  auto rounding = static_cast<std::uint8_t>(op->immediate >> 8);
  if (rounding == kDynamic) rounding = state_.frm;
  // The static modes 5 and 6 do not get here; the operations without a mode use that field's bits.
  if (uses_rounding(operation) && rounding > 4) return raise_illegal(op);
  const std::uint8_t flags_before = state_.fflags;
  Operands operands(state_, op, static_cast<Rounding>(rounding));
  switch (format) {
    case 0:
      execute_in_format<Half>(operation, operands);
      break;
    case 1:
      execute_in_format<Single>(operation, operands);
      break;
    case 2:
      execute_in_format<Double>(operation, operands);
      break;
    default:
      execute_format_conversion(operation, operands);
      break;
  }
  // Operations with an integer result change the floating-point state through their flags only.
  if (info(op->operation).rd == RegisterFile::kFloat || state_.fflags != flags_before) {
    state_.fs = 3;
  }
  return true;
}

}  // namespace hpimvp::riscv
