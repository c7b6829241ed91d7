#include <fmt/format.h>

#include "tests/conformance/riscv_directed_experiments.h"

namespace hpimvp::conformance {
namespace {

constexpr int kFcsr = 0x003;
constexpr int kFflags = 0x001;
constexpr int kMstatus = 0x300;

// Accrued exception flags, Unprivileged ISA figure 11.2.
constexpr std::uint64_t kInexact = 0x01;
constexpr std::uint64_t kUnderflow = 0x02;
constexpr std::uint64_t kOverflow = 0x04;
constexpr std::uint64_t kDivideByZero = 0x08;
constexpr std::uint64_t kInvalid = 0x10;

struct IntegerCase {
  const char* name;
  const char* mnemonic;
  std::uint64_t a;
  std::uint64_t b;
  std::uint64_t result;
};

constexpr std::uint64_t kMinimum = 0x8000000000000000;
constexpr std::uint64_t kOnes = 0xffffffffffffffff;

// Unprivileged ISA table 7.1; Bit-manipulation 1.0.0 chapter 2.
constexpr IntegerCase kIntegerCases[] = {
    {"division by zero", "div", 42, 0, kOnes},
    {"unsigned division by zero", "divu", 42, 0, kOnes},
    {"remainder by zero", "rem", 42, 0, 42},
    {"unsigned remainder by zero", "remu", 42, 0, 42},
    {"signed division overflow", "div", kMinimum, kOnes, kMinimum},
    {"signed remainder overflow", "rem", kMinimum, kOnes, 0},
    {"word division by zero", "divw", 0x1ffffffff, 0x100000000, kOnes},
    {"unsigned word division by zero", "divuw", 7, 0, kOnes},
    {"word remainder by zero", "remuw", 0x80000001, 0, 0xffffffff80000001},
    {"word division overflow", "divw", 0x80000000, kOnes, 0xffffffff80000000},
    {"word remainder overflow", "remw", 0x80000000, kOnes, 0},
    {"high product of minus one and the largest unsigned", "mulhsu", kOnes, kOnes, kOnes},
    {"unsigned high product", "mulhu", kOnes, kOnes, 0xfffffffffffffffe},
    {"leading zeros of zero", "clz", 0, 0, 64},
    {"trailing zeros of zero", "ctz", 0, 0, 64},
    {"leading zeros of a zero word", "clzw", 0xffffffff00000000, 0, 32},
    {"byte-wise or", "orc.b", 0x0100020000800001, 0, 0xff00ff0000ff00ff},
    {"byte reversal", "rev8", 0x0102030405060708, 0, 0x0807060504030201},
    {"rotation by more than the width", "rol", 3, 65, 6},
    {"zero-extended addition", "add.uw", 0xffffffff80000000, 1, 0x80000001},
    {"arithmetic shift of a word", "sraw", 0x80000000, 33, 0xffffffffc0000000},
};

constexpr IntegerCase kZeroWordCases[] = {
    {"trailing zeros of a zero word", "ctzw", 0, 0, 32},
    {"trailing zeros of a zero word below ones", "ctzw", 0xff00000000, 0, 32},
};

enum class Result { kFloat, kInteger };

struct FloatCase {
  const char* name;
  const char* mnemonic;
  RoundingMode rounding;
  std::uint64_t a, b, c;
  Result kind;
  std::uint64_t result;
  std::uint64_t flags;
};

constexpr std::uint64_t boxed(std::uint32_t bits) {
  return 0xffffffff00000000 | bits;
}
constexpr std::uint64_t boxed_half(std::uint16_t bits) {
  return 0xffffffffffff0000 | bits;
}

constexpr std::uint64_t kOne = boxed(0x3f800000);
constexpr std::uint64_t kMinusOne = boxed(0xbf800000);
constexpr std::uint64_t kInfinity = boxed(0x7f800000);
constexpr std::uint64_t kMinusInfinity = boxed(0xff800000);
constexpr std::uint64_t kZero = boxed(0);
constexpr std::uint64_t kMinusZero = boxed(0x80000000);
constexpr std::uint64_t kQuiet = boxed(0xffc12345);
constexpr std::uint64_t kSignaling = boxed(0x7f812345);
constexpr std::uint64_t kCanonical = boxed(0x7fc00000);
constexpr RoundingMode kNear = kRoundNearestEven;
constexpr RoundingMode kZeroward = kRoundTowardZero;

// Unprivileged ISA chapters 11 and 12 (tables 11.4 and 11.5 of version 20191213); Zfh 1.0.
constexpr FloatCase kFloatCases[] = {
    {"inf - inf", "fadd.s", kNear, kInfinity, kMinusInfinity, 0, Result::kFloat, kCanonical,
     kInvalid},
    {"quiet NaN payloads vanish", "fadd.s", kNear, kQuiet, kOne, 0, Result::kFloat, kCanonical, 0},
    {"signaling NaN", "fmul.s", kNear, kOne, kSignaling, 0, Result::kFloat, kCanonical, kInvalid},
    {"unboxed operand", "fadd.s", kNear, 0x3f800000, kOne, 0, Result::kFloat, kCanonical, 0},
    {"unboxed sign injection", "fsgnj.s", kNear, 0x3f800000, kMinusOne, 0, Result::kFloat,
     boxed(0xffc00000), 0},
    {"one by zero", "fdiv.s", kNear, kOne, kMinusZero, 0, Result::kFloat, kMinusInfinity,
     kDivideByZero},
    {"zero by zero", "fdiv.s", kNear, kZero, kZero, 0, Result::kFloat, kCanonical, kInvalid},
    {"root of minus one", "fsqrt.s", kNear, kMinusOne, 0, 0, Result::kFloat, kCanonical, kInvalid},
    {"root of minus zero", "fsqrt.s", kNear, kMinusZero, 0, 0, Result::kFloat, kMinusZero, 0},
    {"infinity times zero plus quiet NaN", "fmadd.s", kNear, kInfinity, kZero, kQuiet,
     Result::kFloat, kCanonical, kInvalid},
    {"minimum of zeros", "fmin.s", kNear, kZero, kMinusZero, 0, Result::kFloat, kMinusZero, 0},
    {"maximum of zeros", "fmax.s", kNear, kMinusZero, kZero, 0, Result::kFloat, kZero, 0},
    {"maximum with a signaling NaN", "fmax.s", kNear, kSignaling, kOne, 0, Result::kFloat, kOne,
     kInvalid},
    {"minimum of quiet NaNs", "fmin.s", kNear, kQuiet, kQuiet, 0, Result::kFloat, kCanonical, 0},
    {"quiet comparison of a NaN", "feq.s", kNear, kQuiet, kOne, 0, Result::kInteger, 0, 0},
    {"signaling comparison of a NaN", "flt.s", kNear, kQuiet, kOne, 0, Result::kInteger, 0,
     kInvalid},
    {"NaN to word", "fcvt.w.s", kNear, kQuiet, 0, 0, Result::kInteger, 0x7fffffff, kInvalid},
    {"NaN to unsigned word", "fcvt.wu.s", kNear, kQuiet, 0, 0, Result::kInteger, kOnes, kInvalid},
    {"-inf to long", "fcvt.l.s", kNear, kMinusInfinity, 0, 0, Result::kInteger, kMinimum, kInvalid},
    {"minus one to unsigned", "fcvt.lu.s", kNear, kMinusOne, 0, 0, Result::kInteger, 0, kInvalid},
    {"minus a half to unsigned, toward zero", "fcvt.wu.s", kZeroward, boxed(0xbf000000), 0, 0,
     Result::kInteger, 0, kInexact},
    {"two and a half to even", "fcvt.w.s", kNear, boxed(0x40200000), 0, 0, Result::kInteger, 2,
     kInexact},
    {"two and a half away from zero", "fcvt.w.s", kRoundNearestMaxMagnitude, boxed(0x40200000), 0,
     0, Result::kInteger, 3, kInexact},
    {"overflow to infinity", "fmul.s", kNear, boxed(0x7f7fffff), boxed(0x40000000), 0,
     Result::kFloat, kInfinity, kOverflow | kInexact},
    {"overflow toward zero", "fmul.s", kZeroward, boxed(0x7f7fffff), boxed(0x40000000), 0,
     Result::kFloat, boxed(0x7f7fffff), kOverflow | kInexact},
    // Section 11.3: tininess is detected after rounding. Both products round to the least normal
    // number; the first is tiny even after rounding to 24 bits with an unbounded exponent, the
    // second is not.
    {"tiny after rounding", "fmul.s", kNear, boxed(0x3f7fffff), boxed(0x00800000), 0,
     Result::kFloat, boxed(0x00800000), kUnderflow | kInexact},
    {"tiny before rounding only", "fmul.s", kNear, boxed(0x3f800001), boxed(0x007fffff), 0,
     Result::kFloat, boxed(0x00800000), kInexact},
    {"exact subnormal", "fmul.s", kNear, boxed(0x00800000), boxed(0x3f000000), 0, Result::kFloat,
     boxed(0x00400000), 0},
    {"exact cancellation rounding down", "fsub.s", kRoundDown, kOne, kOne, 0, Result::kFloat,
     kMinusZero, 0},
    {"half overflow", "fadd.h", kNear, boxed_half(0x7bff), boxed_half(0x4c00), 0, Result::kFloat,
     boxed_half(0x7c00), kOverflow | kInexact},
    {"half of a double", "fcvt.h.d", kNear, 0x3ff0000000000001, 0, 0, Result::kFloat,
     boxed_half(0x3c00), kInexact},
    {"single of a signaling half", "fcvt.s.h", kNear, boxed_half(0x7d00), 0, 0, Result::kFloat,
     kCanonical, kInvalid},
    {"class of a signaling NaN", "fclass.s", kNear, kSignaling, 0, 0, Result::kInteger, 0x100, 0},
    {"class of an unboxed half", "fclass.h", kNear, boxed(0x3c003c00) & ~(kMinimum), 0, 0,
     Result::kInteger, 0x200, 0},
    {"bits of a single extend their sign", "fmv.x.w", kNear, kMinusOne, 0, 0, Result::kInteger,
     0xffffffffbf800000, 0},
    {"bits of an unboxed half", "fmv.x.h", kNear, 0x1234567812349234, 0, 0, Result::kInteger,
     0xffffffffffff9234, 0},
};

void run_integer_case(DirectedProgram& program, const IntegerCase& c) {
  ImageBuilder& code = program.code();
  code.load_constant(5, c.a);
  code.load_constant(6, c.b);
  const InstructionForm& form = find_form(c.mnemonic);
  Instruction in;
  in.form = &form;
  in.rd = 7, in.rs1 = 5, in.rs2 = 6;
  code.emit(in);
  program.log(c.name, 7);
  program.specify(c.name, c.result);
}

void run_float_case(DirectedProgram& program, const FloatCase& c) {
  ImageBuilder& code = program.code();
  int reg = 1;
  for (const std::uint64_t operand : {c.a, c.b, c.c}) {
    code.load_constant(5, operand);
    code.emit({&find_form("fmv.d.x"), static_cast<std::uint8_t>(reg++), 5});
  }
  code.csr("csrrwi", 0, kFcsr, 0);
  Instruction in;
  in.form = &find_form(c.mnemonic);
  in.rd = 7, in.rs1 = 1, in.rs2 = 2, in.rs3 = 3;
  in.rounding = has_rounding_field(in.form->format) ? c.rounding : 0;
  code.emit(in);
  code.csr("csrrs", 8, kFflags, 0);
  if (c.kind == Result::kFloat) code.emit({&find_form("fmv.x.d"), 7, 7});
  program.log(c.name, 7);
  const std::string flags = fmt::format("{}, flags", c.name);
  program.log(flags, 8);
  program.specify(c.name, c.result);
  program.specify(flags, c.flags);
}

}  // namespace

void add_arithmetic_corner_experiments(DirectedProgram& program) {
  ImageBuilder& code = program.code();
  code.load_constant(5, 0x6000);  // mstatus.FS
  code.csr("csrrs", 0, kMstatus, 5);
  for (const IntegerCase& c : kIntegerCases) run_integer_case(program, c);
  for (const IntegerCase& c : kZeroWordCases) {
    run_integer_case(program, c);
    program.specify(c.name, c.result,
                    "Bit-manipulation 1.0.0, ctzw: 32 for a zero word; QEMU 7.2 reads 64 bits");
  }
  for (const FloatCase& c : kFloatCases) run_float_case(program, c);
}

}  // namespace hpimvp::conformance
