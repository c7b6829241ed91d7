#include "tests/conformance/riscv_assembler.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <unordered_map>

namespace hpimvp::conformance {
namespace {

using Forms = std::vector<InstructionForm>;

void add_base_integer(Forms& forms) {
  const Forms base = {
      {"lui", 0x00000037, Format::kUpper, Extension::kI},
      {"auipc", 0x00000017, Format::kUpper, Extension::kI},
      {"jal", 0x0000006f, Format::kJump, Extension::kI},
      {"jalr", 0x00000067, Format::kJumpRegister, Extension::kI},
      {"beq", 0x00000063, Format::kBranch, Extension::kI},
      {"bne", 0x00001063, Format::kBranch, Extension::kI},
      {"blt", 0x00004063, Format::kBranch, Extension::kI},
      {"bge", 0x00005063, Format::kBranch, Extension::kI},
      {"bltu", 0x00006063, Format::kBranch, Extension::kI},
      {"bgeu", 0x00007063, Format::kBranch, Extension::kI},
      {"lb", 0x00000003, Format::kLoad, Extension::kI},
      {"lh", 0x00001003, Format::kLoad, Extension::kI},
      {"lw", 0x00002003, Format::kLoad, Extension::kI},
      {"ld", 0x00003003, Format::kLoad, Extension::kI},
      {"lbu", 0x00004003, Format::kLoad, Extension::kI},
      {"lhu", 0x00005003, Format::kLoad, Extension::kI},
      {"lwu", 0x00006003, Format::kLoad, Extension::kI},
      {"sb", 0x00000023, Format::kStore, Extension::kI},
      {"sh", 0x00001023, Format::kStore, Extension::kI},
      {"sw", 0x00002023, Format::kStore, Extension::kI},
      {"sd", 0x00003023, Format::kStore, Extension::kI},
      {"addi", 0x00000013, Format::kImmediate, Extension::kI},
      {"slti", 0x00002013, Format::kImmediate, Extension::kI},
      {"sltiu", 0x00003013, Format::kImmediate, Extension::kI},
      {"xori", 0x00004013, Format::kImmediate, Extension::kI},
      {"ori", 0x00006013, Format::kImmediate, Extension::kI},
      {"andi", 0x00007013, Format::kImmediate, Extension::kI},
      {"slli", 0x00001013, Format::kShift64, Extension::kI},
      {"srli", 0x00005013, Format::kShift64, Extension::kI},
      {"srai", 0x40005013, Format::kShift64, Extension::kI},
      {"add", 0x00000033, Format::kRegister, Extension::kI},
      {"sub", 0x40000033, Format::kRegister, Extension::kI},
      {"sll", 0x00001033, Format::kRegister, Extension::kI},
      {"slt", 0x00002033, Format::kRegister, Extension::kI},
      {"sltu", 0x00003033, Format::kRegister, Extension::kI},
      {"xor", 0x00004033, Format::kRegister, Extension::kI},
      {"srl", 0x00005033, Format::kRegister, Extension::kI},
      {"sra", 0x40005033, Format::kRegister, Extension::kI},
      {"or", 0x00006033, Format::kRegister, Extension::kI},
      {"and", 0x00007033, Format::kRegister, Extension::kI},
      {"addiw", 0x0000001b, Format::kImmediate, Extension::kI},
      {"slliw", 0x0000101b, Format::kShift32, Extension::kI},
      {"srliw", 0x0000501b, Format::kShift32, Extension::kI},
      {"sraiw", 0x4000501b, Format::kShift32, Extension::kI},
      {"addw", 0x0000003b, Format::kRegister, Extension::kI},
      {"subw", 0x4000003b, Format::kRegister, Extension::kI},
      {"sllw", 0x0000103b, Format::kRegister, Extension::kI},
      {"srlw", 0x0000503b, Format::kRegister, Extension::kI},
      {"sraw", 0x4000503b, Format::kRegister, Extension::kI},
      {"fence", 0x0ff0000f, Format::kFixed, Extension::kI},
      {"ecall", 0x00000073, Format::kFixed, Extension::kI},
      {"ebreak", 0x00100073, Format::kFixed, Extension::kI},
      {"fence.i", 0x0000100f, Format::kFixed, Extension::kZifencei},
      {"csrrw", 0x00001073, Format::kCsr, Extension::kZicsr},
      {"csrrs", 0x00002073, Format::kCsr, Extension::kZicsr},
      {"csrrc", 0x00003073, Format::kCsr, Extension::kZicsr},
      {"csrrwi", 0x00005073, Format::kCsrImmediate, Extension::kZicsr},
      {"csrrsi", 0x00006073, Format::kCsrImmediate, Extension::kZicsr},
      {"csrrci", 0x00007073, Format::kCsrImmediate, Extension::kZicsr},
      {"mret", 0x30200073, Format::kFixed, Extension::kPrivileged},
      {"wfi", 0x10500073, Format::kFixed, Extension::kPrivileged},
  };
  forms.insert(forms.end(), base.begin(), base.end());
}

void add_multiply(Forms& forms) {
  const Forms multiply = {
      {"mul", 0x02000033, Format::kRegister, Extension::kM},
      {"mulh", 0x02001033, Format::kRegister, Extension::kM},
      {"mulhsu", 0x02002033, Format::kRegister, Extension::kM},
      {"mulhu", 0x02003033, Format::kRegister, Extension::kM},
      {"div", 0x02004033, Format::kRegister, Extension::kM},
      {"divu", 0x02005033, Format::kRegister, Extension::kM},
      {"rem", 0x02006033, Format::kRegister, Extension::kM},
      {"remu", 0x02007033, Format::kRegister, Extension::kM},
      {"mulw", 0x0200003b, Format::kRegister, Extension::kM},
      {"divw", 0x0200403b, Format::kRegister, Extension::kM},
      {"divuw", 0x0200503b, Format::kRegister, Extension::kM},
      {"remw", 0x0200603b, Format::kRegister, Extension::kM},
      {"remuw", 0x0200703b, Format::kRegister, Extension::kM},
  };
  forms.insert(forms.end(), multiply.begin(), multiply.end());
}

void add_atomic(Forms& forms) {
  struct Operation {
    const char* name;
    std::uint32_t funct5;
  };
  constexpr Operation kOperations[] = {
      {"amoadd", 0x00}, {"amoswap", 0x01}, {"amoxor", 0x04},  {"amoor", 0x08},   {"amoand", 0x0c},
      {"amomin", 0x10}, {"amomax", 0x14},  {"amominu", 0x18}, {"amomaxu", 0x1c}, {"sc", 0x03}};
  for (const auto& [suffix, funct3] : {std::pair{".w", 2U}, std::pair{".d", 3U}}) {
    const std::uint32_t base = 0x2f | funct3 << 12;
    forms.push_back(
        {std::string("lr") + suffix, base | 0x02U << 27, Format::kLoadReserved, Extension::kA});
    for (const Operation& operation : kOperations) {
      forms.push_back({std::string(operation.name) + suffix, base | operation.funct5 << 27,
                       Format::kAtomic, Extension::kA});
    }
  }
}

struct FloatFormatCode {
  const char* suffix;       // of arithmetic: fadd.s
  const char* move_suffix;  // of bit moves: fmv.x.w
  std::uint32_t code;       // the fmt field
  std::uint32_t memory_funct3;
  const char* load;
  const char* store;
  Extension extension;
  FloatWidth width;
};

constexpr FloatFormatCode kFloatFormats[] = {
    {"s", "w", 0, 2, "flw", "fsw", Extension::kF, FloatWidth::kSingle},
    {"d", "d", 1, 3, "fld", "fsd", Extension::kD, FloatWidth::kDouble},
    {"h", "h", 2, 1, "flh", "fsh", Extension::kZfh, FloatWidth::kHalf},
};

void add_float_arithmetic(Forms& forms, const FloatFormatCode& f) {
  const std::uint32_t op = 0x53 | f.code << 25;
  const auto add = [&](const std::string& name, std::uint32_t match, Format format) {
    forms.push_back({name, match, format, f.extension, f.width});
  };
  const std::string dot = std::string(".") + f.suffix;
  add("fmadd" + dot, 0x43 | f.code << 25, Format::kFpFused);
  add("fmsub" + dot, 0x47 | f.code << 25, Format::kFpFused);
  add("fnmsub" + dot, 0x4b | f.code << 25, Format::kFpFused);
  add("fnmadd" + dot, 0x4f | f.code << 25, Format::kFpFused);
  add("fadd" + dot, op | 0x00U << 27, Format::kFpBinary);
  add("fsub" + dot, op | 0x01U << 27, Format::kFpBinary);
  add("fmul" + dot, op | 0x02U << 27, Format::kFpBinary);
  add("fdiv" + dot, op | 0x03U << 27, Format::kFpBinary);
  add("fsqrt" + dot, op | 0x0bU << 27, Format::kFpUnary);
  add("fsgnj" + dot, op | 0x04U << 27, Format::kFpBinaryExact);
  add("fsgnjn" + dot, op | 0x04U << 27 | 1U << 12, Format::kFpBinaryExact);
  add("fsgnjx" + dot, op | 0x04U << 27 | 2U << 12, Format::kFpBinaryExact);
  add("fmin" + dot, op | 0x05U << 27, Format::kFpBinaryExact);
  add("fmax" + dot, op | 0x05U << 27 | 1U << 12, Format::kFpBinaryExact);
  add("fle" + dot, op | 0x14U << 27, Format::kFpCompare);
  add("flt" + dot, op | 0x14U << 27 | 1U << 12, Format::kFpCompare);
  add("feq" + dot, op | 0x14U << 27 | 2U << 12, Format::kFpCompare);
  add("fclass" + dot, op | 0x1cU << 27 | 1U << 12, Format::kFpMoveToInt);
  add(std::string("fmv.x.") + f.move_suffix, op | 0x1cU << 27, Format::kFpMoveToInt);
}

void add_float_conversions(Forms& forms, const FloatFormatCode& f) {
  const std::uint32_t op = 0x53 | f.code << 25;
  constexpr const char* kIntegers[] = {"w", "wu", "l", "lu"};
  for (std::uint32_t i = 0; i < 4; ++i) {
    forms.push_back({fmt::format("fcvt.{}.{}", kIntegers[i], f.suffix), op | 0x18U << 27 | i << 20,
                     Format::kFpToInt, f.extension, f.width});
    forms.push_back({fmt::format("fcvt.{}.{}", f.suffix, kIntegers[i]), op | 0x1aU << 27 | i << 20,
                     Format::kIntToFp, f.extension});
  }
  for (const FloatFormatCode& source : kFloatFormats) {
    if (source.code == f.code) continue;
    const bool half = source.extension == Extension::kZfh || f.extension == Extension::kZfh;
    forms.push_back({fmt::format("fcvt.{}.{}", f.suffix, source.suffix),
                     op | 0x08U << 27 | source.code << 20, Format::kFpUnary,
                     half ? Extension::kZfh : Extension::kD, source.width});
  }
  forms.push_back({fmt::format("fmv.{}.x", f.move_suffix), op | 0x1eU << 27, Format::kIntMoveToFp,
                   f.extension});
  forms.push_back({f.load, 0x07 | f.memory_funct3 << 12, Format::kFpLoad, f.extension});
  forms.push_back({f.store, 0x27 | f.memory_funct3 << 12, Format::kFpStore, f.extension, f.width});
}

void add_bit_manipulation(Forms& forms) {
  const Forms bits = {
      {"sh1add", 0x20002033, Format::kRegister, Extension::kZba},
      {"sh2add", 0x20004033, Format::kRegister, Extension::kZba},
      {"sh3add", 0x20006033, Format::kRegister, Extension::kZba},
      {"add.uw", 0x0800003b, Format::kRegister, Extension::kZba},
      {"sh1add.uw", 0x2000203b, Format::kRegister, Extension::kZba},
      {"sh2add.uw", 0x2000403b, Format::kRegister, Extension::kZba},
      {"sh3add.uw", 0x2000603b, Format::kRegister, Extension::kZba},
      {"slli.uw", 0x0800101b, Format::kShift64, Extension::kZba},
      {"andn", 0x40007033, Format::kRegister, Extension::kZbb},
      {"orn", 0x40006033, Format::kRegister, Extension::kZbb},
      {"xnor", 0x40004033, Format::kRegister, Extension::kZbb},
      {"clz", 0x60001013, Format::kUnary, Extension::kZbb},
      {"ctz", 0x60101013, Format::kUnary, Extension::kZbb},
      {"cpop", 0x60201013, Format::kUnary, Extension::kZbb},
      {"clzw", 0x6000101b, Format::kUnary, Extension::kZbb},
      {"ctzw", 0x6010101b, Format::kUnary, Extension::kZbb},
      {"cpopw", 0x6020101b, Format::kUnary, Extension::kZbb},
      {"max", 0x0a006033, Format::kRegister, Extension::kZbb},
      {"maxu", 0x0a007033, Format::kRegister, Extension::kZbb},
      {"min", 0x0a004033, Format::kRegister, Extension::kZbb},
      {"minu", 0x0a005033, Format::kRegister, Extension::kZbb},
      {"sext.b", 0x60401013, Format::kUnary, Extension::kZbb},
      {"sext.h", 0x60501013, Format::kUnary, Extension::kZbb},
      {"zext.h", 0x0800403b, Format::kUnary, Extension::kZbb},
      {"rol", 0x60001033, Format::kRegister, Extension::kZbb},
      {"ror", 0x60005033, Format::kRegister, Extension::kZbb},
      {"rori", 0x60005013, Format::kShift64, Extension::kZbb},
      {"rolw", 0x6000103b, Format::kRegister, Extension::kZbb},
      {"rorw", 0x6000503b, Format::kRegister, Extension::kZbb},
      {"roriw", 0x6000501b, Format::kShift32, Extension::kZbb},
      {"orc.b", 0x28705013, Format::kUnary, Extension::kZbb},
      {"rev8", 0x6b805013, Format::kUnary, Extension::kZbb},
  };
  forms.insert(forms.end(), bits.begin(), bits.end());
}

void add_compressed(Forms& forms) {
  const Forms compressed = {
      {"c.addi4spn", 0x0000, Format::kCompressedAddi4spn, Extension::kC},
      {"c.fld", 0x2000, Format::kCompressedFpLoad, Extension::kC},
      {"c.lw", 0x4000, Format::kCompressedLoadWord, Extension::kC},
      {"c.ld", 0x6000, Format::kCompressedLoadDouble, Extension::kC},
      {"c.fsd", 0xa000, Format::kCompressedFpStore, Extension::kC, FloatWidth::kDouble},
      {"c.sw", 0xc000, Format::kCompressedStoreWord, Extension::kC},
      {"c.sd", 0xe000, Format::kCompressedStoreDouble, Extension::kC},
      {"c.nop", 0x0001, Format::kFixed, Extension::kC},
      {"c.addi", 0x0001, Format::kCompressedImmediate, Extension::kC},
      {"c.addiw", 0x2001, Format::kCompressedImmediate, Extension::kC},
      {"c.li", 0x4001, Format::kCompressedImmediate, Extension::kC},
      {"c.addi16sp", 0x6101, Format::kCompressedAddi16sp, Extension::kC},
      {"c.lui", 0x6001, Format::kCompressedLui, Extension::kC},
      {"c.srli", 0x8001, Format::kCompressedShiftPrime, Extension::kC},
      {"c.srai", 0x8401, Format::kCompressedShiftPrime, Extension::kC},
      {"c.andi", 0x8801, Format::kCompressedAndi, Extension::kC},
      {"c.sub", 0x8c01, Format::kCompressedArithmetic, Extension::kC},
      {"c.xor", 0x8c21, Format::kCompressedArithmetic, Extension::kC},
      {"c.or", 0x8c41, Format::kCompressedArithmetic, Extension::kC},
      {"c.and", 0x8c61, Format::kCompressedArithmetic, Extension::kC},
      {"c.subw", 0x9c01, Format::kCompressedArithmetic, Extension::kC},
      {"c.addw", 0x9c21, Format::kCompressedArithmetic, Extension::kC},
      {"c.j", 0xa001, Format::kCompressedJump, Extension::kC},
      {"c.beqz", 0xc001, Format::kCompressedBranch, Extension::kC},
      {"c.bnez", 0xe001, Format::kCompressedBranch, Extension::kC},
      {"c.slli", 0x0002, Format::kCompressedShift, Extension::kC},
      {"c.fldsp", 0x2002, Format::kCompressedFpLoadSp, Extension::kC},
      {"c.lwsp", 0x4002, Format::kCompressedLoadWordSp, Extension::kC},
      {"c.ldsp", 0x6002, Format::kCompressedLoadDoubleSp, Extension::kC},
      {"c.jr", 0x8002, Format::kCompressedJumpRegister, Extension::kC},
      {"c.mv", 0x8002, Format::kCompressedTwoRegisters, Extension::kC},
      {"c.ebreak", 0x9002, Format::kFixed, Extension::kC},
      {"c.jalr", 0x9002, Format::kCompressedJumpRegister, Extension::kC},
      {"c.add", 0x9002, Format::kCompressedTwoRegisters, Extension::kC},
      {"c.fsdsp", 0xa002, Format::kCompressedFpStoreSp, Extension::kC, FloatWidth::kDouble},
      {"c.swsp", 0xc002, Format::kCompressedStoreWordSp, Extension::kC},
      {"c.sdsp", 0xe002, Format::kCompressedStoreDoubleSp, Extension::kC},
  };
  forms.insert(forms.end(), compressed.begin(), compressed.end());
}

Forms build_forms() {
  Forms forms;
  add_base_integer(forms);
  add_multiply(forms);
  add_atomic(forms);
  for (const FloatFormatCode& format : kFloatFormats) {
    add_float_arithmetic(forms, format);
    add_float_conversions(forms, format);
  }
  add_bit_manipulation(forms);
  add_compressed(forms);
  return forms;
}

// Collects an instruction's bits and refuses operands that do not fit.
class Encoder {
 public:
  explicit Encoder(const Instruction& instruction)
      : in_(instruction), bits_(instruction.form->match) {}

  std::uint32_t bits() const { return bits_; }

  void require(bool condition, const char* what) const {
    if (!condition) {
      throw std::invalid_argument(
          fmt::format("cannot encode {}: {} (immediate {}, rd {}, rs1 {}, rs2 {})",
                      in_.form->mnemonic, what, in_.immediate, in_.rd, in_.rs1, in_.rs2));
    }
  }
  void signed_range(int width, int alignment) const {
    const std::int64_t half = std::int64_t{1} << (width - 1);
    require(in_.immediate >= -half && in_.immediate < half, "immediate out of range");
    require(in_.immediate % alignment == 0, "immediate not aligned");
  }
  void unsigned_range(int width, int alignment) const {
    require(in_.immediate >= 0 && in_.immediate < (std::int64_t{1} << width),
            "immediate out of range");
    require(in_.immediate % alignment == 0, "immediate not aligned");
  }

  void put(std::uint32_t value, int position) { bits_ |= value << position; }
  // Moves immediate[high:low] to the given bit position.
  void put_immediate(int high, int low, int position) {
    const auto field =
        static_cast<std::uint32_t>(in_.immediate >> low) & ((2U << (high - low)) - 1);
    put(field, position);
  }
  void put_rd() { put(in_.rd, 7); }
  void put_rs1() { put(in_.rs1, 15); }
  void put_rs2() { put(in_.rs2, 20); }
  void put_rounding() { put(in_.rounding, 12); }
  void put_three_bit(std::uint8_t number, int position) {
    require(number >= 8 && number <= 15, "register not in 8..15");
    put(number - 8U, position);
  }

 private:
  const Instruction& in_;
  std::uint32_t bits_;
};

void encode_integer(const Instruction& in, Encoder& e) {
  switch (in.form->format) {
    case Format::kRegister:
      e.put_rd(), e.put_rs1(), e.put_rs2();
      break;
    case Format::kUnary:
      e.put_rd(), e.put_rs1();
      break;
    case Format::kImmediate:
    case Format::kLoad:
    case Format::kJumpRegister:
    case Format::kFpLoad:
      e.signed_range(12, 1);
      e.put_rd(), e.put_rs1(), e.put_immediate(11, 0, 20);
      break;
    case Format::kShift64:
      e.unsigned_range(6, 1);
      e.put_rd(), e.put_rs1(), e.put_immediate(5, 0, 20);
      break;
    case Format::kShift32:
      e.unsigned_range(5, 1);
      e.put_rd(), e.put_rs1(), e.put_immediate(4, 0, 20);
      break;
    case Format::kStore:
    case Format::kFpStore:
      e.signed_range(12, 1);
      e.put_rs1(), e.put_rs2(), e.put_immediate(4, 0, 7), e.put_immediate(11, 5, 25);
      break;
    case Format::kUpper:
      e.signed_range(32, 4096);
      e.put_rd(), e.put_immediate(31, 12, 12);
      break;
    case Format::kJump:
      e.signed_range(21, 2);
      e.put_rd(), e.put_immediate(19, 12, 12), e.put_immediate(11, 11, 20);
      e.put_immediate(10, 1, 21), e.put_immediate(20, 20, 31);
      break;
    case Format::kBranch:
      e.signed_range(13, 2);
      e.put_rs1(), e.put_rs2(), e.put_immediate(11, 11, 7), e.put_immediate(4, 1, 8);
      e.put_immediate(10, 5, 25), e.put_immediate(12, 12, 31);
      break;
    case Format::kCsr:
      e.put_rd(), e.put_rs1(), e.put(in.csr, 20);
      break;
    case Format::kCsrImmediate:
      e.unsigned_range(5, 1);
      e.put_rd(), e.put_immediate(4, 0, 15), e.put(in.csr, 20);
      break;
    case Format::kLoadReserved:
    case Format::kAtomic:
      e.put_rd(), e.put_rs1();
      if (in.form->format == Format::kAtomic) e.put_rs2();
      e.put(in.acquire, 26), e.put(in.release, 25);
      break;
    default:
      break;
  }
}

void encode_float(const Instruction& in, Encoder& e) {
  switch (in.form->format) {
    case Format::kFpFused:
      e.put_rd(), e.put_rs1(), e.put_rs2(), e.put(in.rs3, 27), e.put_rounding();
      break;
    case Format::kFpBinary:
      e.put_rd(), e.put_rs1(), e.put_rs2(), e.put_rounding();
      break;
    case Format::kFpBinaryExact:
    case Format::kFpCompare:
      e.put_rd(), e.put_rs1(), e.put_rs2();
      break;
    case Format::kFpUnary:
    case Format::kFpToInt:
    case Format::kIntToFp:
      e.put_rd(), e.put_rs1(), e.put_rounding();
      break;
    case Format::kFpMoveToInt:
    case Format::kIntMoveToFp:
      e.put_rd(), e.put_rs1();
      break;
    default:
      break;
  }
}

void encode_compressed_memory(const Instruction& in, Encoder& e) {
  switch (in.form->format) {
    case Format::kCompressedLoadWord:
    case Format::kCompressedStoreWord:
      e.unsigned_range(7, 4);
      e.put_three_bit(in.rs1, 7);
      e.put_three_bit(in.form->format == Format::kCompressedLoadWord ? in.rd : in.rs2, 2);
      e.put_immediate(5, 3, 10), e.put_immediate(2, 2, 6), e.put_immediate(6, 6, 5);
      break;
    case Format::kCompressedLoadDouble:
    case Format::kCompressedFpLoad:
    case Format::kCompressedStoreDouble:
    case Format::kCompressedFpStore: {
      const bool load = in.form->format == Format::kCompressedLoadDouble ||
                        in.form->format == Format::kCompressedFpLoad;
      e.unsigned_range(8, 8);
      e.put_three_bit(in.rs1, 7), e.put_three_bit(load ? in.rd : in.rs2, 2);
      e.put_immediate(5, 3, 10), e.put_immediate(7, 6, 5);
      break;
    }
    case Format::kCompressedLoadWordSp:
      e.require(in.rd != 0, "rd is x0");
      e.unsigned_range(8, 4);
      e.put_rd(), e.put_immediate(5, 5, 12), e.put_immediate(4, 2, 4), e.put_immediate(7, 6, 2);
      break;
    case Format::kCompressedLoadDoubleSp:
      e.require(in.rd != 0, "rd is x0");
      [[fallthrough]];
    case Format::kCompressedFpLoadSp:
      e.unsigned_range(9, 8);
      e.put_rd(), e.put_immediate(5, 5, 12), e.put_immediate(4, 3, 5), e.put_immediate(8, 6, 2);
      break;
    case Format::kCompressedStoreWordSp:
      e.unsigned_range(8, 4);
      e.put(in.rs2, 2), e.put_immediate(5, 2, 9), e.put_immediate(7, 6, 7);
      break;
    case Format::kCompressedStoreDoubleSp:
    case Format::kCompressedFpStoreSp:
      e.unsigned_range(9, 8);
      e.put(in.rs2, 2), e.put_immediate(5, 3, 10), e.put_immediate(8, 6, 7);
      break;
    default:
      break;
  }
}

void encode_compressed_register(const Instruction& in, Encoder& e) {
  switch (in.form->format) {
    case Format::kCompressedAddi4spn:
      e.unsigned_range(10, 4);
      e.require(in.immediate != 0, "immediate is zero");
      e.put_three_bit(in.rd, 2);
      e.put_immediate(5, 4, 11), e.put_immediate(9, 6, 7), e.put_immediate(2, 2, 6);
      e.put_immediate(3, 3, 5);
      break;
    case Format::kCompressedImmediate:
      e.signed_range(6, 1);
      e.require(in.rd != 0, "rd is x0");
      e.put_rd(), e.put_immediate(5, 5, 12), e.put_immediate(4, 0, 2);
      break;
    case Format::kCompressedAndi:
      e.signed_range(6, 1);
      e.put_three_bit(in.rd, 7), e.put_immediate(5, 5, 12), e.put_immediate(4, 0, 2);
      break;
    case Format::kCompressedAddi16sp:
      e.signed_range(10, 16);
      e.require(in.immediate != 0, "immediate is zero");
      e.put_immediate(9, 9, 12), e.put_immediate(4, 4, 6), e.put_immediate(6, 6, 5);
      e.put_immediate(8, 7, 3), e.put_immediate(5, 5, 2);
      break;
    case Format::kCompressedLui:
      e.signed_range(18, 4096);
      e.require(in.immediate != 0 && in.rd != 0 && in.rd != 2, "reserved");
      e.put_rd(), e.put_immediate(17, 17, 12), e.put_immediate(16, 12, 2);
      break;
    case Format::kCompressedShift:
      e.unsigned_range(6, 1);
      e.require(in.rd != 0, "rd is x0");
      e.put_rd(), e.put_immediate(5, 5, 12), e.put_immediate(4, 0, 2);
      break;
    case Format::kCompressedShiftPrime:
      e.unsigned_range(6, 1);
      e.put_three_bit(in.rd, 7), e.put_immediate(5, 5, 12), e.put_immediate(4, 0, 2);
      break;
    case Format::kCompressedArithmetic:
      e.put_three_bit(in.rd, 7), e.put_three_bit(in.rs2, 2);
      break;
    case Format::kCompressedJump:
      e.signed_range(12, 2);
      e.put_immediate(11, 11, 12), e.put_immediate(4, 4, 11), e.put_immediate(9, 8, 9);
      e.put_immediate(10, 10, 8), e.put_immediate(6, 6, 7), e.put_immediate(7, 7, 6);
      e.put_immediate(3, 1, 3), e.put_immediate(5, 5, 2);
      break;
    case Format::kCompressedBranch:
      e.signed_range(9, 2);
      e.put_three_bit(in.rs1, 7);
      e.put_immediate(8, 8, 12), e.put_immediate(4, 3, 10), e.put_immediate(7, 6, 5);
      e.put_immediate(2, 1, 3), e.put_immediate(5, 5, 2);
      break;
    case Format::kCompressedJumpRegister:
      e.require(in.rs1 != 0, "rs1 is x0");
      e.put(in.rs1, 7);
      break;
    case Format::kCompressedTwoRegisters:
      e.require(in.rs2 != 0 && in.rd != 0, "a register is x0");
      e.put_rd(), e.put(in.rs2, 2);
      break;
    default:
      break;
  }
}

std::string rounding_text(const Instruction& in) {
  constexpr const char* kNames[] = {"rne", "rtz", "rdn", "rup", "rmm", "rm5", "rm6", "dyn"};
  if (is_exact_conversion(*in.form) && in.rounding == 0) return "";
  return std::string(", ") + kNames[in.rounding];
}

std::string operands_text(const Instruction& in) {
  const auto relative = [](std::int64_t offset) { return fmt::format(".{:+}", offset); };
  switch (in.form->format) {
    case Format::kFixed:
      return "";
    case Format::kRegister:
      return fmt::format("x{}, x{}, x{}", in.rd, in.rs1, in.rs2);
    case Format::kImmediate:
    case Format::kShift64:
    case Format::kShift32:
      return fmt::format("x{}, x{}, {}", in.rd, in.rs1, in.immediate);
    case Format::kUnary:
      return fmt::format("x{}, x{}", in.rd, in.rs1);
    case Format::kUpper:
      return fmt::format("x{}, {:#x}", in.rd, (in.immediate >> 12) & 0xfffff);
    case Format::kJump:
      return fmt::format("x{}, {}", in.rd, relative(in.immediate));
    case Format::kBranch:
      return fmt::format("x{}, x{}, {}", in.rs1, in.rs2, relative(in.immediate));
    case Format::kJumpRegister:
    case Format::kLoad:
    case Format::kCompressedLoadWord:
    case Format::kCompressedLoadDouble:
      return fmt::format("x{}, {}(x{})", in.rd, in.immediate, in.rs1);
    case Format::kStore:
    case Format::kCompressedStoreWord:
    case Format::kCompressedStoreDouble:
      return fmt::format("x{}, {}(x{})", in.rs2, in.immediate, in.rs1);
    case Format::kCsr:
      return fmt::format("x{}, {:#x}, x{}", in.rd, in.csr, in.rs1);
    case Format::kCsrImmediate:
      return fmt::format("x{}, {:#x}, {}", in.rd, in.csr, in.immediate);
    case Format::kLoadReserved:
      return fmt::format("x{}, (x{})", in.rd, in.rs1);
    case Format::kAtomic:
      return fmt::format("x{}, x{}, (x{})", in.rd, in.rs2, in.rs1);
    case Format::kFpLoad:
    case Format::kCompressedFpLoad:
      return fmt::format("f{}, {}(x{})", in.rd, in.immediate, in.rs1);
    case Format::kFpStore:
    case Format::kCompressedFpStore:
      return fmt::format("f{}, {}(x{})", in.rs2, in.immediate, in.rs1);
    case Format::kFpFused:
      return fmt::format("f{}, f{}, f{}, f{}{}", in.rd, in.rs1, in.rs2, in.rs3, rounding_text(in));
    case Format::kFpBinary:
      return fmt::format("f{}, f{}, f{}{}", in.rd, in.rs1, in.rs2, rounding_text(in));
    case Format::kFpBinaryExact:
      return fmt::format("f{}, f{}, f{}", in.rd, in.rs1, in.rs2);
    case Format::kFpCompare:
      return fmt::format("x{}, f{}, f{}", in.rd, in.rs1, in.rs2);
    case Format::kFpUnary:
      return fmt::format("f{}, f{}{}", in.rd, in.rs1, rounding_text(in));
    case Format::kFpToInt:
      return fmt::format("x{}, f{}{}", in.rd, in.rs1, rounding_text(in));
    case Format::kIntToFp:
      return fmt::format("f{}, x{}{}", in.rd, in.rs1, rounding_text(in));
    case Format::kFpMoveToInt:
      return fmt::format("x{}, f{}", in.rd, in.rs1);
    case Format::kIntMoveToFp:
      return fmt::format("f{}, x{}", in.rd, in.rs1);
    case Format::kCompressedAddi4spn:
      return fmt::format("x{}, sp, {}", in.rd, in.immediate);
    case Format::kCompressedImmediate:
    case Format::kCompressedAndi:
    case Format::kCompressedShift:
    case Format::kCompressedShiftPrime:
      return fmt::format("x{}, {}", in.rd, in.immediate);
    case Format::kCompressedAddi16sp:
      return fmt::format("sp, {}", in.immediate);
    case Format::kCompressedLui:
      return fmt::format("x{}, {:#x}", in.rd, (in.immediate >> 12) & 0xfffff);
    case Format::kCompressedArithmetic:
    case Format::kCompressedTwoRegisters:
      return fmt::format("x{}, x{}", in.rd, in.rs2);
    case Format::kCompressedJump:
      return relative(in.immediate);
    case Format::kCompressedBranch:
      return fmt::format("x{}, {}", in.rs1, relative(in.immediate));
    case Format::kCompressedLoadWordSp:
    case Format::kCompressedLoadDoubleSp:
      return fmt::format("x{}, {}(sp)", in.rd, in.immediate);
    case Format::kCompressedFpLoadSp:
      return fmt::format("f{}, {}(sp)", in.rd, in.immediate);
    case Format::kCompressedStoreWordSp:
    case Format::kCompressedStoreDoubleSp:
      return fmt::format("x{}, {}(sp)", in.rs2, in.immediate);
    case Format::kCompressedFpStoreSp:
      return fmt::format("f{}, {}(sp)", in.rs2, in.immediate);
    case Format::kCompressedJumpRegister:
      return fmt::format("x{}", in.rs1);
  }
  return "";
}

}  // namespace

const std::vector<InstructionForm>& instruction_forms() {
  static const Forms forms = build_forms();
  return forms;
}

const InstructionForm& find_form(std::string_view mnemonic) {
  static const auto index = [] {
    std::unordered_map<std::string_view, const InstructionForm*> by_name;
    for (const InstructionForm& form : instruction_forms()) by_name.emplace(form.mnemonic, &form);
    return by_name;
  }();
  const auto found = index.find(mnemonic);
  if (found == index.end()) {
    throw std::invalid_argument(fmt::format("no instruction is named {}", mnemonic));
  }
  return *found->second;
}

EncodedInstruction encode(const Instruction& instruction) {
  Encoder encoder(instruction);
  encode_integer(instruction, encoder);
  encode_float(instruction, encoder);
  encode_compressed_memory(instruction, encoder);
  encode_compressed_register(instruction, encoder);
  // Unprivileged ISA section 1.5: the two lowest bits of a 32-bit instruction are ones.
  return {encoder.bits(), (encoder.bits() & 3) == 3 ? 4U : 2U};
}

std::string to_text(const Instruction& instruction) {
  std::string text = instruction.form->mnemonic;
  if (instruction.acquire || instruction.release) {
    text +=
        std::string(".") + (instruction.acquire ? "aq" : "") + (instruction.release ? "rl" : "");
  }
  const std::string operands = operands_text(instruction);
  return operands.empty() ? text : text + " " + operands;
}

bool has_rounding_field(Format format) {
  return format == Format::kFpFused || format == Format::kFpBinary || format == Format::kFpUnary ||
         format == Format::kFpToInt || format == Format::kIntToFp;
}

bool is_exact_conversion(const InstructionForm& form) {
  constexpr std::string_view kExact[] = {"fcvt.d.w", "fcvt.d.wu", "fcvt.d.s", "fcvt.d.h",
                                         "fcvt.s.h"};
  return std::find(std::begin(kExact), std::end(kExact), form.mnemonic) != std::end(kExact);
}

bool reads_float_rs1(Format format) {
  switch (format) {
    case Format::kFpFused:
    case Format::kFpBinary:
    case Format::kFpBinaryExact:
    case Format::kFpCompare:
    case Format::kFpUnary:
    case Format::kFpToInt:
    case Format::kFpMoveToInt:
      return true;
    default:
      return false;
  }
}

bool is_compressed(Format format) {
  return format >= Format::kCompressedAddi4spn;
}

std::string_view to_string(Extension extension) {
  constexpr std::string_view kNames[] = {"I",     "M",        "A",   "F",   "D",   "C",
                                         "Zicsr", "Zifencei", "Zfh", "Zba", "Zbb", "privileged"};
  return kNames[static_cast<int>(extension)];
}

}  // namespace hpimvp::conformance
