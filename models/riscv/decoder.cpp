#include "models/riscv/decoder.h"

#include <array>

namespace hpimvp::riscv {
namespace {

constexpr std::uint32_t field(std::uint32_t bits, int low, int width) {
  return (bits >> low) & ((1u << width) - 1);
}

constexpr std::int32_t sign_extend(std::uint32_t value, int width) {
  return static_cast<std::int32_t>(value << (32 - width)) >> (32 - width);
}

constexpr std::int32_t immediate_i(std::uint32_t b) {
  return static_cast<std::int32_t>(b) >> 20;
}
constexpr std::int32_t immediate_s(std::uint32_t b) {
  return sign_extend(field(b, 25, 7) << 5 | field(b, 7, 5), 12);
}
constexpr std::int32_t immediate_b(std::uint32_t b) {
  return sign_extend(
      field(b, 31, 1) << 12 | field(b, 7, 1) << 11 | field(b, 25, 6) << 5 | field(b, 8, 4) << 1,
      13);
}
constexpr std::int32_t immediate_j(std::uint32_t b) {
  return sign_extend(
      field(b, 31, 1) << 20 | field(b, 12, 8) << 12 | field(b, 20, 1) << 11 | field(b, 21, 10) << 1,
      21);
}

Instruction with_operands(Operation operation, std::uint32_t b, std::int32_t immediate = 0) {
  Instruction i;
  i.operation = operation;
  i.rd = static_cast<std::uint8_t>(field(b, 7, 5));
  i.rs1 = static_cast<std::uint8_t>(field(b, 15, 5));
  i.rs2 = static_cast<std::uint8_t>(field(b, 20, 5));
  i.rs3 = static_cast<std::uint8_t>(field(b, 27, 5));
  i.rounding = static_cast<std::uint8_t>(field(b, 12, 3));
  i.immediate = immediate;
  return i;
}

Instruction illegal() {
  return Instruction{};
}

Instruction decode_load(std::uint32_t b) {
  constexpr std::array<Operation, 8> kLoads = {Operation::kLb,  Operation::kLh,     Operation::kLw,
                                               Operation::kLd,  Operation::kLbu,    Operation::kLhu,
                                               Operation::kLwu, Operation::kIllegal};
  return with_operands(kLoads[field(b, 12, 3)], b, immediate_i(b));
}

Instruction decode_store(std::uint32_t b) {
  constexpr std::array<Operation, 4> kStores = {Operation::kSb, Operation::kSh, Operation::kSw,
                                                Operation::kSd};
  const std::uint32_t width = field(b, 12, 3);
  return width < 4 ? with_operands(kStores[width], b, immediate_s(b)) : illegal();
}

Instruction decode_branch(std::uint32_t b) {
  constexpr std::array<Operation, 8> kBranches = {
      Operation::kBeq, Operation::kBne, Operation::kIllegal, Operation::kIllegal,
      Operation::kBlt, Operation::kBge, Operation::kBltu,    Operation::kBgeu};
  return with_operands(kBranches[field(b, 12, 3)], b, immediate_b(b));
}

Instruction decode_shift_left_immediate(std::uint32_t b) {
  const auto amount = static_cast<std::int32_t>(field(b, 20, 6));
  switch (field(b, 26, 6)) {
    case 0x00:
      return with_operands(Operation::kSlli, b, amount);
    case 0x18:
      switch (field(b, 20, 6)) {
        case 0:
          return with_operands(Operation::kClz, b);
        case 1:
          return with_operands(Operation::kCtz, b);
        case 2:
          return with_operands(Operation::kCpop, b);
        case 4:
          return with_operands(Operation::kSextB, b);
        case 5:
          return with_operands(Operation::kSextH, b);
      }
  }
  return illegal();
}

Instruction decode_shift_right_immediate(std::uint32_t b) {
  const auto amount = static_cast<std::int32_t>(field(b, 20, 6));
  switch (field(b, 26, 6)) {
    case 0x00:
      return with_operands(Operation::kSrli, b, amount);
    case 0x10:
      return with_operands(Operation::kSrai, b, amount);
    case 0x18:
      return with_operands(Operation::kRori, b, amount);
  }
  if (field(b, 20, 12) == 0x287) return with_operands(Operation::kOrcB, b);
  if (field(b, 20, 12) == 0x6b8) return with_operands(Operation::kRev8, b);
  return illegal();
}

Instruction decode_op_immediate(std::uint32_t b) {
  constexpr std::array<Operation, 8> kSimple = {
      Operation::kAddi, Operation::kIllegal, Operation::kSlti, Operation::kSltiu,
      Operation::kXori, Operation::kIllegal, Operation::kOri,  Operation::kAndi};
  switch (field(b, 12, 3)) {
    case 1:
      return decode_shift_left_immediate(b);
    case 5:
      return decode_shift_right_immediate(b);
    default:
      return with_operands(kSimple[field(b, 12, 3)], b, immediate_i(b));
  }
}

Instruction decode_op_immediate_32(std::uint32_t b) {
  const auto amount = static_cast<std::int32_t>(field(b, 20, 5));
  const std::uint32_t upper = field(b, 25, 7);
  switch (field(b, 12, 3)) {
    case 0:
      return with_operands(Operation::kAddiw, b, immediate_i(b));
    case 1:
      if (upper == 0x00) return with_operands(Operation::kSlliw, b, amount);
      if (upper >> 1 == 0x02) {
        return with_operands(Operation::kSlliUw, b, static_cast<std::int32_t>(field(b, 20, 6)));
      }
      if (upper == 0x30 && amount == 0) return with_operands(Operation::kClzw, b);
      if (upper == 0x30 && amount == 1) return with_operands(Operation::kCtzw, b);
      if (upper == 0x30 && amount == 2) return with_operands(Operation::kCpopw, b);
      break;
    case 5:
      if (upper == 0x00) return with_operands(Operation::kSrliw, b, amount);
      if (upper == 0x20) return with_operands(Operation::kSraiw, b, amount);
      if (upper == 0x30) return with_operands(Operation::kRoriw, b, amount);
      break;
  }
  return illegal();
}

Operation op_operation(std::uint32_t upper, std::uint32_t funct3) {
  using enum Operation;
  constexpr std::array<Operation, 8> kBase = {kAdd, kSll, kSlt, kSltu, kXor, kSrl, kOr, kAnd};
  constexpr std::array<Operation, 8> kMultiply = {kMul, kMulh, kMulhsu, kMulhu,
                                                  kDiv, kDivu, kRem,    kRemu};
  switch (upper << 4 | funct3) {
    case 0x200:
      return kSub;
    case 0x205:
      return kSra;
    case 0x102:
      return kSh1add;
    case 0x104:
      return kSh2add;
    case 0x106:
      return kSh3add;
    case 0x207:
      return kAndn;
    case 0x206:
      return kOrn;
    case 0x204:
      return kXnor;
    case 0x054:
      return kMin;
    case 0x055:
      return kMinu;
    case 0x056:
      return kMax;
    case 0x057:
      return kMaxu;
    case 0x301:
      return kRol;
    case 0x305:
      return kRor;
  }
  if (upper == 0x00) return kBase[funct3];
  if (upper == 0x01) return kMultiply[funct3];
  return kIllegal;
}

Operation op_32_operation(std::uint32_t upper, std::uint32_t funct3) {
  using enum Operation;
  switch (upper << 4 | funct3) {
    case 0x000:
      return kAddw;
    case 0x200:
      return kSubw;
    case 0x001:
      return kSllw;
    case 0x005:
      return kSrlw;
    case 0x205:
      return kSraw;
    case 0x010:
      return kMulw;
    case 0x014:
      return kDivw;
    case 0x015:
      return kDivuw;
    case 0x016:
      return kRemw;
    case 0x017:
      return kRemuw;
    case 0x040:
      return kAddUw;
    case 0x102:
      return kSh1addUw;
    case 0x104:
      return kSh2addUw;
    case 0x106:
      return kSh3addUw;
    case 0x301:
      return kRolw;
    case 0x305:
      return kRorw;
  }
  return kIllegal;
}

Instruction decode_op_32(std::uint32_t b) {
  const std::uint32_t upper = field(b, 25, 7);
  const std::uint32_t funct3 = field(b, 12, 3);
  if (upper == 0x04 && funct3 == 4) {
    return field(b, 20, 5) == 0 ? with_operands(Operation::kZextH, b) : illegal();
  }
  return with_operands(op_32_operation(upper, funct3), b);
}

Instruction decode_atomic(std::uint32_t b) {
  using enum Operation;
  const std::uint32_t width = field(b, 12, 3);
  if (width != 2 && width != 3) return illegal();
  const bool wide = width == 3;
  switch (field(b, 27, 5)) {
    case 0x02:
      return field(b, 20, 5) == 0 ? with_operands(wide ? kLrD : kLrW, b) : illegal();
    case 0x03:
      return with_operands(wide ? kScD : kScW, b);
    case 0x01:
      return with_operands(wide ? kAmoswapD : kAmoswapW, b);
    case 0x00:
      return with_operands(wide ? kAmoaddD : kAmoaddW, b);
    case 0x04:
      return with_operands(wide ? kAmoxorD : kAmoxorW, b);
    case 0x0c:
      return with_operands(wide ? kAmoandD : kAmoandW, b);
    case 0x08:
      return with_operands(wide ? kAmoorD : kAmoorW, b);
    case 0x10:
      return with_operands(wide ? kAmominD : kAmominW, b);
    case 0x14:
      return with_operands(wide ? kAmomaxD : kAmomaxW, b);
    case 0x18:
      return with_operands(wide ? kAmominuD : kAmominuW, b);
    case 0x1c:
      return with_operands(wide ? kAmomaxuD : kAmomaxuW, b);
  }
  return illegal();
}

/// One operation in its three formats; the fmt field is S = 0, D = 1, H = 2 (Q = 3 is absent).
struct FormatSet {
  Operation single, dbl, half;
  Operation pick(std::uint32_t format) const {
    return format == 0 ? single : format == 1 ? dbl : format == 2 ? half : Operation::kIllegal;
  }
};
#define HPIMVP_FORMATS(before, after)                                                     \
  FormatSet {                                                                             \
    Operation::before##S##after, Operation::before##D##after, Operation::before##H##after \
  }

/// Rounding modes 5 and 6 are reserved: QEMU and this core raise an illegal instruction for them.
Instruction rounded(Operation operation, std::uint32_t b) {
  const std::uint32_t mode = field(b, 12, 3);
  return mode == 5 || mode == 6 ? illegal() : with_operands(operation, b);
}

Operation convert_format(std::uint32_t to, std::uint32_t from) {
  using enum Operation;
  switch (to << 5 | from) {  // rs2 has five bits
    case 0x01:
      return kFcvtSFromD;
    case 0x02:
      return kFcvtSFromH;
    case 0x20:
      return kFcvtDFromS;
    case 0x22:
      return kFcvtDFromH;
    case 0x40:
      return kFcvtHFromS;
    case 0x41:
      return kFcvtHFromD;
  }
  return kIllegal;
}

Operation to_integer_operation(std::uint32_t format, std::uint32_t kind) {
  switch (kind) {
    case 0:
      return HPIMVP_FORMATS(kFcvtWFrom, ).pick(format);
    case 1:
      return HPIMVP_FORMATS(kFcvtWuFrom, ).pick(format);
    case 2:
      return HPIMVP_FORMATS(kFcvtLFrom, ).pick(format);
    case 3:
      return HPIMVP_FORMATS(kFcvtLuFrom, ).pick(format);
  }
  return Operation::kIllegal;
}

Operation from_integer_operation(std::uint32_t format, std::uint32_t kind) {
  switch (kind) {
    case 0:
      return HPIMVP_FORMATS(kFcvt, FromW).pick(format);
    case 1:
      return HPIMVP_FORMATS(kFcvt, FromWu).pick(format);
    case 2:
      return HPIMVP_FORMATS(kFcvt, FromL).pick(format);
    case 3:
      return HPIMVP_FORMATS(kFcvt, FromLu).pick(format);
  }
  return Operation::kIllegal;
}

/// Operations whose funct3 selects the operation rather than a rounding mode.
Operation unrounded_fp_operation(std::uint32_t funct5, std::uint32_t format, std::uint32_t funct3,
                                 std::uint32_t rs2) {
  switch (funct5 << 4 | funct3) {
    case 0x040:
      return HPIMVP_FORMATS(kFsgnj, ).pick(format);
    case 0x041:
      return HPIMVP_FORMATS(kFsgnjn, ).pick(format);
    case 0x042:
      return HPIMVP_FORMATS(kFsgnjx, ).pick(format);
    case 0x050:
      return HPIMVP_FORMATS(kFmin, ).pick(format);
    case 0x051:
      return HPIMVP_FORMATS(kFmax, ).pick(format);
    case 0x142:
      return HPIMVP_FORMATS(kFeq, ).pick(format);
    case 0x141:
      return HPIMVP_FORMATS(kFlt, ).pick(format);
    case 0x140:
      return HPIMVP_FORMATS(kFle, ).pick(format);
    case 0x1c0:
      return rs2 == 0 ? HPIMVP_FORMATS(kFmvXFrom, ).pick(format) : Operation::kIllegal;
    case 0x1c1:
      return rs2 == 0 ? HPIMVP_FORMATS(kFclass, ).pick(format) : Operation::kIllegal;
    case 0x1e0:
      return rs2 == 0 ? HPIMVP_FORMATS(kFmv, FromX).pick(format) : Operation::kIllegal;
  }
  return Operation::kIllegal;
}

Instruction decode_fp(std::uint32_t b) {
  const std::uint32_t format = field(b, 25, 2);
  const std::uint32_t funct5 = field(b, 27, 5);
  const std::uint32_t rs2 = field(b, 20, 5);
  switch (funct5) {
    case 0x00:
      return rounded(HPIMVP_FORMATS(kFadd, ).pick(format), b);
    case 0x01:
      return rounded(HPIMVP_FORMATS(kFsub, ).pick(format), b);
    case 0x02:
      return rounded(HPIMVP_FORMATS(kFmul, ).pick(format), b);
    case 0x03:
      return rounded(HPIMVP_FORMATS(kFdiv, ).pick(format), b);
    case 0x0b:
      return rs2 == 0 ? rounded(HPIMVP_FORMATS(kFsqrt, ).pick(format), b) : illegal();
    case 0x08:
      return rounded(convert_format(format, rs2), b);
    case 0x18:
      return rounded(to_integer_operation(format, rs2), b);
    case 0x1a:
      return rounded(from_integer_operation(format, rs2), b);
    default:
      return with_operands(unrounded_fp_operation(funct5, format, field(b, 12, 3), rs2), b);
  }
}

Instruction decode_fp_memory(std::uint32_t b, bool store) {
  using enum Operation;
  switch (field(b, 12, 3)) {
    case 1:
      return store ? with_operands(kFsh, b, immediate_s(b))
                   : with_operands(kFlh, b, immediate_i(b));
    case 2:
      return store ? with_operands(kFsw, b, immediate_s(b))
                   : with_operands(kFlw, b, immediate_i(b));
    case 3:
      return store ? with_operands(kFsd, b, immediate_s(b))
                   : with_operands(kFld, b, immediate_i(b));
  }
  return illegal();
}

Instruction decode_system(std::uint32_t b) {
  using enum Operation;
  constexpr std::array<Operation, 8> kCsr = {kIllegal, kCsrrw,  kCsrrs,  kCsrrc,
                                             kIllegal, kCsrrwi, kCsrrsi, kCsrrci};
  const std::uint32_t funct3 = field(b, 12, 3);
  if (funct3 != 0) {
    return with_operands(kCsr[funct3], b, static_cast<std::int32_t>(field(b, 20, 12)));
  }
  switch (b) {
    case 0x00000073:
      return with_operands(kEcall, b);
    case 0x00100073:
      return with_operands(kEbreak, b);
    case 0x30200073:
      return with_operands(kMret, b);
    case 0x10500073:
      return with_operands(kWfi, b);
  }
  return illegal();
}

Instruction decode_full(std::uint32_t b) {
  using enum Operation;
  switch (field(b, 2, 5)) {
    case 0x00:
      return decode_load(b);
    case 0x01:
      return decode_fp_memory(b, false);
    case 0x03:
      if (field(b, 12, 3) == 0) return with_operands(kFence, b);
      return field(b, 12, 3) == 1 ? with_operands(kFenceI, b) : illegal();
    case 0x04:
      return decode_op_immediate(b);
    case 0x05:
      return with_operands(kAuipc, b, static_cast<std::int32_t>(b & 0xfffff000));
    case 0x06:
      return decode_op_immediate_32(b);
    case 0x08:
      return decode_store(b);
    case 0x09:
      return decode_fp_memory(b, true);
    case 0x0b:
      return decode_atomic(b);
    case 0x0c:
      return with_operands(op_operation(field(b, 25, 7), field(b, 12, 3)), b);
    case 0x0d:
      return with_operands(kLui, b, static_cast<std::int32_t>(b & 0xfffff000));
    case 0x0e:
      return decode_op_32(b);
    case 0x10:
      return rounded(HPIMVP_FORMATS(kFmadd, ).pick(field(b, 25, 2)), b);
    case 0x11:
      return rounded(HPIMVP_FORMATS(kFmsub, ).pick(field(b, 25, 2)), b);
    case 0x12:
      return rounded(HPIMVP_FORMATS(kFnmsub, ).pick(field(b, 25, 2)), b);
    case 0x13:
      return rounded(HPIMVP_FORMATS(kFnmadd, ).pick(field(b, 25, 2)), b);
    case 0x14:
      return decode_fp(b);
    case 0x18:
      return decode_branch(b);
    case 0x19:
      return field(b, 12, 3) == 0 ? with_operands(kJalr, b, immediate_i(b)) : illegal();
    case 0x1b:
      return with_operands(kJal, b, immediate_j(b));
    case 0x1c:
      return decode_system(b);
  }
  return illegal();
}

// ---- The compressed extension (unprivileged specification, chapter 16) ----

Instruction make(Operation operation, std::uint32_t rd, std::uint32_t rs1, std::uint32_t rs2,
                 std::int32_t immediate) {
  Instruction i;
  i.operation = operation;
  i.rd = static_cast<std::uint8_t>(rd);
  i.rs1 = static_cast<std::uint8_t>(rs1);
  i.rs2 = static_cast<std::uint8_t>(rs2);
  i.immediate = immediate;
  return i;
}

/// A three-bit register field names x8 to x15.
constexpr std::uint32_t short_register(std::uint32_t c, int low) {
  return 8 + field(c, low, 3);
}

constexpr std::int32_t immediate_ci(std::uint32_t c) {
  return sign_extend(field(c, 12, 1) << 5 | field(c, 2, 5), 6);
}
constexpr std::int32_t shift_amount(std::uint32_t c) {
  return static_cast<std::int32_t>(field(c, 12, 1) << 5 | field(c, 2, 5));
}
constexpr std::int32_t offset_word(std::uint32_t c) {
  return static_cast<std::int32_t>(field(c, 5, 1) << 6 | field(c, 10, 3) << 3 |
                                   field(c, 6, 1) << 2);
}
constexpr std::int32_t offset_double(std::uint32_t c) {
  return static_cast<std::int32_t>(field(c, 5, 2) << 6 | field(c, 10, 3) << 3);
}

Instruction decode_quadrant_0(std::uint32_t c) {
  using enum Operation;
  const std::uint32_t base = short_register(c, 7);
  const std::uint32_t value = short_register(c, 2);
  switch (field(c, 13, 3)) {
    case 0: {
      const auto offset = static_cast<std::int32_t>(field(c, 7, 4) << 6 | field(c, 11, 2) << 4 |
                                                    field(c, 5, 1) << 3 | field(c, 6, 1) << 2);
      return offset == 0 ? illegal() : make(kAddi, value, 2, 0, offset);
    }
    case 1:
      return make(kFld, value, base, 0, offset_double(c));
    case 2:
      return make(kLw, value, base, 0, offset_word(c));
    case 3:
      return make(kLd, value, base, 0, offset_double(c));
    case 5:
      return make(kFsd, 0, base, value, offset_double(c));
    case 6:
      return make(kSw, 0, base, value, offset_word(c));
    case 7:
      return make(kSd, 0, base, value, offset_double(c));
  }
  return illegal();
}

Instruction decode_compressed_arithmetic(std::uint32_t c) {
  using enum Operation;
  constexpr std::array<Operation, 8> kRegister = {kSub,  kXor,  kOr,      kAnd,
                                                  kSubw, kAddw, kIllegal, kIllegal};
  const std::uint32_t rd = short_register(c, 7);
  switch (field(c, 10, 2)) {
    case 0:
      return make(kSrli, rd, rd, 0, shift_amount(c));
    case 1:
      return make(kSrai, rd, rd, 0, shift_amount(c));
    case 2:
      return make(kAndi, rd, rd, 0, immediate_ci(c));
  }
  return make(kRegister[field(c, 12, 1) << 2 | field(c, 5, 2)], rd, rd, short_register(c, 2), 0);
}

std::int32_t compressed_jump_offset(std::uint32_t c) {
  return sign_extend(field(c, 12, 1) << 11 | field(c, 8, 1) << 10 | field(c, 9, 2) << 8 |
                         field(c, 6, 1) << 7 | field(c, 7, 1) << 6 | field(c, 2, 1) << 5 |
                         field(c, 11, 1) << 4 | field(c, 3, 3) << 1,
                     12);
}

std::int32_t compressed_branch_offset(std::uint32_t c) {
  return sign_extend(field(c, 12, 1) << 8 | field(c, 5, 2) << 6 | field(c, 2, 1) << 5 |
                         field(c, 10, 2) << 3 | field(c, 3, 2) << 1,
                     9);
}

Instruction decode_quadrant_1(std::uint32_t c) {
  using enum Operation;
  const std::uint32_t rd = field(c, 7, 5);
  switch (field(c, 13, 3)) {
    case 0:
      return make(kAddi, rd, rd, 0, immediate_ci(c));
    case 1:
      return rd == 0 ? illegal() : make(kAddiw, rd, rd, 0, immediate_ci(c));
    case 2:
      return make(kAddi, rd, 0, 0, immediate_ci(c));
    case 3: {
      if (rd == 2) {
        const std::int32_t offset =
            sign_extend(field(c, 12, 1) << 9 | field(c, 3, 2) << 7 | field(c, 5, 1) << 6 |
                            field(c, 2, 1) << 5 | field(c, 6, 1) << 4,
                        10);
        return offset == 0 ? illegal() : make(kAddi, 2, 2, 0, offset);
      }
      const std::int32_t upper = immediate_ci(c) * 4096;
      return upper == 0 ? illegal() : make(kLui, rd, 0, 0, upper);
    }
    case 4:
      return decode_compressed_arithmetic(c);
    case 5:
      return make(kJal, 0, 0, 0, compressed_jump_offset(c));
    case 6:
      return make(kBeq, 0, short_register(c, 7), 0, compressed_branch_offset(c));
    default:
      return make(kBne, 0, short_register(c, 7), 0, compressed_branch_offset(c));
  }
}

Instruction decode_compressed_register(std::uint32_t c) {
  using enum Operation;
  const std::uint32_t rd = field(c, 7, 5);
  const std::uint32_t rs2 = field(c, 2, 5);
  if (field(c, 12, 1) == 0) {
    if (rs2 != 0) return make(kAdd, rd, 0, rs2, 0);
    return rd == 0 ? illegal() : make(kJalr, 0, rd, 0, 0);
  }
  if (rs2 != 0) return make(kAdd, rd, rd, rs2, 0);
  return rd == 0 ? make(kEbreak, 0, 0, 0, 0) : make(kJalr, 1, rd, 0, 0);
}

Instruction decode_quadrant_2(std::uint32_t c) {
  using enum Operation;
  const std::uint32_t rd = field(c, 7, 5);
  const std::uint32_t rs2 = field(c, 2, 5);
  const auto load_double =
      static_cast<std::int32_t>(field(c, 2, 3) << 6 | field(c, 12, 1) << 5 | field(c, 5, 2) << 3);
  const auto load_word =
      static_cast<std::int32_t>(field(c, 2, 2) << 6 | field(c, 12, 1) << 5 | field(c, 4, 3) << 2);
  const auto store_double = static_cast<std::int32_t>(field(c, 7, 3) << 6 | field(c, 10, 3) << 3);
  const auto store_word = static_cast<std::int32_t>(field(c, 7, 2) << 6 | field(c, 9, 4) << 2);
  switch (field(c, 13, 3)) {
    case 0:
      return make(kSlli, rd, rd, 0, shift_amount(c));
    case 1:
      return make(kFld, rd, 2, 0, load_double);
    case 2:
      return rd == 0 ? illegal() : make(kLw, rd, 2, 0, load_word);
    case 3:
      return rd == 0 ? illegal() : make(kLd, rd, 2, 0, load_double);
    case 4:
      return decode_compressed_register(c);
    case 5:
      return make(kFsd, 0, 2, rs2, store_double);
    case 6:
      return make(kSw, 0, 2, rs2, store_word);
    default:
      return make(kSd, 0, 2, rs2, store_double);
  }
}

Instruction decode_compressed(std::uint32_t c) {
  switch (c & 3) {
    case 0:
      return decode_quadrant_0(c);
    case 1:
      return decode_quadrant_1(c);
    default:
      return decode_quadrant_2(c);
  }
}

}  // namespace

Instruction decode(std::uint32_t bits) {
  Instruction instruction;
  if (is_compressed(bits)) {
    bits &= 0xffff;
    instruction = decode_compressed(bits);
    instruction.length = 2;
  } else {
    instruction = decode_full(bits);
    instruction.length = 4;
  }
  instruction.raw = bits;
  return instruction;
}

const OperationInfo& info(Operation operation) {
  // Short names, as the table's columns have them.
  // NOLINTBEGIN(readability-identifier-naming)
  constexpr RegisterFile x = RegisterFile::kInteger;
  constexpr RegisterFile f = RegisterFile::kFloat;
  constexpr RegisterFile _ = RegisterFile::kNone;
  // NOLINTEND(readability-identifier-naming)
  static constexpr OperationInfo kInfo[] = {
#define HPIMVP_ALU(name, cost, rd, rs1, rs2, rs3) \
  {#name, CostClass::k##cost, OperationGroup::kAlu, rd, rs1, rs2, rs3},
#define HPIMVP_LOAD(name, cost, rd, rs1, rs2, rs3) \
  {#name, CostClass::k##cost, OperationGroup::kLoad, rd, rs1, rs2, rs3},
#define HPIMVP_STORE(name, cost, rd, rs1, rs2, rs3) \
  {#name, CostClass::k##cost, OperationGroup::kStore, rd, rs1, rs2, rs3},
#define HPIMVP_ATOMIC(name, cost, rd, rs1, rs2, rs3) \
  {#name, CostClass::k##cost, OperationGroup::kAtomic, rd, rs1, rs2, rs3},
#define HPIMVP_FP(name, cost, rd, rs1, rs2, rs3) \
  {#name, CostClass::k##cost, OperationGroup::kFp, rd, rs1, rs2, rs3},
#define HPIMVP_CONTROL(name, cost, rd, rs1, rs2, rs3) \
  {#name, CostClass::k##cost, OperationGroup::kControl, rd, rs1, rs2, rs3},
      HPIMVP_RISCV_ALU_OPERATIONS(HPIMVP_ALU) HPIMVP_RISCV_LOAD_OPERATIONS(HPIMVP_LOAD)
          HPIMVP_RISCV_STORE_OPERATIONS(HPIMVP_STORE) HPIMVP_RISCV_ATOMIC_OPERATIONS(HPIMVP_ATOMIC)
              HPIMVP_RISCV_FP_OPERATIONS(HPIMVP_FP)
                  HPIMVP_RISCV_CONTROL_OPERATIONS(HPIMVP_CONTROL)};
  return kInfo[static_cast<std::size_t>(operation)];
}

}  // namespace hpimvp::riscv
