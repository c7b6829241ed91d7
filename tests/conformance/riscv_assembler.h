// A small RISC-V assembler for the conformance tests: a table of every instruction that the
// project's core supports, an encoder, and a printer whose text GNU as accepts.
//
// It is written from the specification's encoding tables and shares nothing with the core's
// decoder, so that a misread encoding cannot hide on both sides. Its own proof is
// riscv_assembler_test.cpp, which assembles the printed text with GNU as and compares the bytes.
//
// Source: RISC-V Unprivileged ISA 20191213 chapter 24 (opcode listings), chapter 16 ("C"); Zfh 1.0;
// Bit-manipulation 1.0.0; Privileged Architecture 20211203 section 3.3.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hpimvp::conformance {

enum class Extension : std::uint8_t {
  kI,
  kM,
  kA,
  kF,
  kD,
  kC,
  kZicsr,
  kZifencei,
  kZfh,
  kZba,
  kZbb,
  kPrivileged,
};

// Which operands an instruction has and where they stand in its encoding.
enum class Format : std::uint8_t {
  kFixed,                    // no operands
  kRegister,                 // rd, rs1, rs2
  kImmediate,                // rd, rs1, imm[11:0]
  kShift64,                  // rd, rs1, shamt[5:0]
  kShift32,                  // rd, rs1, shamt[4:0]
  kUnary,                    // rd, rs1
  kUpper,                    // rd, imm[31:12]
  kJump,                     // rd, offset
  kJumpRegister,             // rd, imm(rs1)
  kBranch,                   // rs1, rs2, offset
  kLoad,                     // rd, imm(rs1)
  kStore,                    // rs2, imm(rs1)
  kCsr,                      // rd, csr, rs1
  kCsrImmediate,             // rd, csr, imm[4:0]
  kLoadReserved,             // rd, (rs1)
  kAtomic,                   // rd, rs2, (rs1)
  kFpLoad,                   // fd, imm(rs1)
  kFpStore,                  // fs2, imm(rs1)
  kFpFused,                  // fd, fs1, fs2, fs3, rm
  kFpBinary,                 // fd, fs1, fs2, rm
  kFpBinaryExact,            // fd, fs1, fs2
  kFpCompare,                // rd, fs1, fs2
  kFpUnary,                  // fd, fs1, rm
  kFpToInt,                  // rd, fs1, rm
  kIntToFp,                  // fd, rs1, rm
  kFpMoveToInt,              // rd, fs1
  kIntMoveToFp,              // fd, rs1
  kCompressedAddi4spn,       // rd', sp, imm
  kCompressedLoadWord,       // rd', imm(rs1')
  kCompressedLoadDouble,     // rd', imm(rs1')
  kCompressedFpLoad,         // fd', imm(rs1')
  kCompressedStoreWord,      // rs2', imm(rs1')
  kCompressedStoreDouble,    // rs2', imm(rs1')
  kCompressedFpStore,        // fs2', imm(rs1')
  kCompressedImmediate,      // rd, imm[5:0]
  kCompressedAndi,           // rd', imm[5:0]
  kCompressedAddi16sp,       // sp, imm
  kCompressedLui,            // rd, imm
  kCompressedShift,          // rd, shamt[5:0]
  kCompressedShiftPrime,     // rd', shamt[5:0]
  kCompressedArithmetic,     // rd', rs2'
  kCompressedJump,           // offset
  kCompressedBranch,         // rs1', offset
  kCompressedLoadWordSp,     // rd, imm(sp)
  kCompressedLoadDoubleSp,   // rd, imm(sp)
  kCompressedFpLoadSp,       // fd, imm(sp)
  kCompressedStoreWordSp,    // rs2, imm(sp)
  kCompressedStoreDoubleSp,  // rs2, imm(sp)
  kCompressedFpStoreSp,      // fs2, imm(sp)
  kCompressedJumpRegister,   // rs1
  kCompressedTwoRegisters,   // rd, rs2
};

// The format of a floating-point instruction's register operands.
enum class FloatWidth : std::uint8_t { kNone, kHalf, kSingle, kDouble };

struct InstructionForm {
  std::string mnemonic;
  std::uint32_t match;  // the fixed bits; all operand bits are zero
  Format format;
  Extension extension;
  FloatWidth source_width = FloatWidth::kNone;  // of fs1 (and fs2, fs3), when it reads any
};

// Rounding mode codes of the rm field, Unprivileged ISA section 11.2.
enum RoundingMode : std::uint8_t {
  kRoundNearestEven = 0,
  kRoundTowardZero = 1,
  kRoundDown = 2,
  kRoundUp = 3,
  kRoundNearestMaxMagnitude = 4,
  kRoundDynamic = 7,
};

// One instruction with its operands. Register numbers are 0..31 (also for compressed forms, which
// accept 8..15 where the encoding has three bits); `immediate` is the value or byte offset itself.
struct Instruction {
  const InstructionForm* form = nullptr;
  std::uint8_t rd = 0;
  std::uint8_t rs1 = 0;
  std::uint8_t rs2 = 0;
  std::uint8_t rs3 = 0;
  std::uint8_t rounding = 0;
  bool acquire = false;
  bool release = false;
  std::uint16_t csr = 0;
  std::int64_t immediate = 0;
};

struct EncodedInstruction {
  std::uint32_t bits = 0;
  unsigned length_bytes = 4;
};

// Every instruction form, grouped by extension; the addresses stay valid for the program's life.
const std::vector<InstructionForm>& instruction_forms();

// Throws std::invalid_argument when no form has this name.
const InstructionForm& find_form(std::string_view mnemonic);

// Throws std::invalid_argument, naming the instruction, when an operand does not fit its field.
EncodedInstruction encode(const Instruction& instruction);

// The instruction as GNU as reads it; jump and branch targets are printed relative to ".".
std::string to_text(const Instruction& instruction);

bool has_rounding_field(Format format);
// Conversions to a wider format that never round. They have an rm field, but GNU as takes no
// rounding operand for them and writes zero.
bool is_exact_conversion(const InstructionForm& form);
bool reads_float_rs1(Format format);
bool is_compressed(Format format);
std::string_view to_string(Extension extension);

}  // namespace hpimvp::conformance
