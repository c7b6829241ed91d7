// The instruction set of an SRAM-PIM tile, version 1.1: encodings and the table from which
// assembler, disassembler, documentation and executor are driven.
//
// Every instruction is one 32-bit word, little endian, 4-byte aligned in control memory:
//
//   R   | fn 31:27 | rs3 26:22 | rs2 21:17 | rs1 16:12 | rd 11:7 | opcode 6:0 |
//   I   |        imm15 31:17 (signed)      | rs1 16:12 | rd 11:7 | opcode 6:0 |
//   B   |        imm15 31:17 (signed)      | rs2 16:12 | rs1 11:7| opcode 6:0 |   target = pc + 4 *
//   imm15 U   |        imm20 31:12 (signed)                  | rd 11:7 | opcode 6:0 |
//
// Register fields name scalar registers of 64 bits; for unit instructions they hold byte addresses
// in activation memory (FP16 operands 2-byte aligned, FP32 4-byte aligned), element counts or byte
// counts. An element or byte count of 0 traps (BAD_LENGTH). Unused fields must be 0. Word 0 is
// illegal.
//
// h: FP16, s: FP32. Arithmetic is done in FP32 and rounded once to the type of the destination.
#pragma once

#include <cstdint>

namespace hpimvp::sram_pim {

// A program of an earlier minor version computes the same; 1.1 added the TCU and the transpose
// unit.
inline constexpr std::uint32_t kIsaVersion = 1;
inline constexpr std::uint32_t kIsaMinorVersion = 1;

enum class Format : std::uint8_t { kR, kI, kB, kU };

// Which unit executes an instruction; the values are the bits of SYNC's mask, kSequencer has none.
enum class Unit : std::uint8_t {
  kSequencer = 0,
  kVector = 1,
  kPim = 2,
  kTransfer = 4,
  kTensor = 8,
  kTranspose = 16,
};
inline constexpr std::uint32_t kAllUnits = 31;

// clang-format off
// X(name, opcode, fn, format, unit, operands, meaning). `fn` selects among R instructions of an opcode.
// `operands` lists the assembler's operands in order: d rd, a rs1, b rs2, c rs3, i immediate,
// m immediate(rs1), t branch target.
#define HPIMVP_TILE_INSTRUCTIONS(X)                                                                          \
  X(kHalt,    "halt",     0x01, 0, kI, kSequencer, "",     "end of the program; waits until all units are idle") \
  X(kSync,    "sync",     0x02, 0, kI, kSequencer, "i",    "wait until the units of mask imm are idle")         \
  X(kTileId,  "tileid",   0x03, 0, kI, kSequencer, "d",    "rd = index of this tile")                           \
  X(kTiles,   "tiles",    0x04, 0, kI, kSequencer, "d",    "rd = number of tiles in the machine")               \
  X(kAddi,    "addi",     0x08, 0, kI, kSequencer, "dai",  "rd = rs1 + imm")                                    \
  X(kLi,      "li",       0x09, 0, kU, kSequencer, "di",   "rd = imm20")                                        \
  X(kShori,   "shori",    0x0A, 0, kI, kSequencer, "dai",  "rd = rs1 << 15 | (imm & 0x7FFF)")                   \
  X(kAdd,     "add",      0x0B, 0, kR, kSequencer, "dab",  "rd = rs1 + rs2")                                    \
  X(kSub,     "sub",      0x0B, 1, kR, kSequencer, "dab",  "rd = rs1 - rs2")                                    \
  X(kMul,     "mul",      0x0B, 2, kR, kSequencer, "dab",  "rd = low 64 bits of rs1 * rs2")                     \
  X(kAnd,     "and",      0x0B, 3, kR, kSequencer, "dab",  "rd = rs1 & rs2")                                    \
  X(kOr,      "or",       0x0B, 4, kR, kSequencer, "dab",  "rd = rs1 | rs2")                                    \
  X(kXor,     "xor",      0x0B, 5, kR, kSequencer, "dab",  "rd = rs1 ^ rs2")                                    \
  X(kSll,     "sll",      0x0B, 6, kR, kSequencer, "dab",  "rd = rs1 << (rs2 & 63)")                            \
  X(kSrl,     "srl",      0x0B, 7, kR, kSequencer, "dab",  "rd = rs1 >> (rs2 & 63), zeros shifted in")          \
  X(kDivu,    "divu",     0x0B, 8, kR, kSequencer, "dab",  "rd = rs1 / rs2 unsigned; rs2 = 0 traps")            \
  X(kRemu,    "remu",     0x0B, 9, kR, kSequencer, "dab",  "rd = rs1 % rs2 unsigned; rs2 = 0 traps")            \
  X(kMinu,    "minu",     0x0B, 10, kR, kSequencer, "dab", "rd = the smaller, unsigned")                        \
  X(kMaxu,    "maxu",     0x0B, 11, kR, kSequencer, "dab", "rd = the larger, unsigned")                         \
  X(kLdd,     "ldd",      0x10, 0, kI, kSequencer, "dm",   "rd = 64 bits of control memory at rs1 + imm")       \
  X(kLdw,     "ldw",      0x11, 0, kI, kSequencer, "dm",   "rd = 32 bits of control memory at rs1 + imm, zero-extended") \
  X(kStd,     "std",      0x12, 0, kI, kSequencer, "dm",   "64 bits of control memory at rs1 + imm = rd")       \
  X(kStw,     "stw",      0x13, 0, kI, kSequencer, "dm",   "32 bits of control memory at rs1 + imm = low rd")   \
  X(kBeq,     "beq",      0x18, 0, kB, kSequencer, "abt",  "branch if rs1 == rs2")                              \
  X(kBne,     "bne",      0x19, 0, kB, kSequencer, "abt",  "branch if rs1 != rs2")                              \
  X(kBltu,    "bltu",     0x1A, 0, kB, kSequencer, "abt",  "branch if rs1 < rs2, unsigned")                     \
  X(kBgeu,    "bgeu",     0x1B, 0, kB, kSequencer, "abt",  "branch if rs1 >= rs2, unsigned")                    \
  X(kJal,     "jal",      0x1E, 0, kU, kSequencer, "dt",   "rd = pc + 4; pc += 4 * imm20")                      \
  X(kJalr,    "jalr",     0x1F, 0, kI, kSequencer, "dm",   "rd = pc + 4; pc = rs1 + imm")                       \
  X(kVhAdd,   "vh.add",   0x20, 0, kR, kVector, "dabc",    "h: rd[i] = rs1[i] + rs2[i], rs3 elements")          \
  X(kVhSub,   "vh.sub",   0x20, 1, kR, kVector, "dabc",    "h: rd[i] = rs1[i] - rs2[i]")                        \
  X(kVhMul,   "vh.mul",   0x20, 2, kR, kVector, "dabc",    "h: rd[i] = rs1[i] * rs2[i]")                        \
  X(kVhMuls,  "vh.muls",  0x20, 3, kR, kVector, "dabc",    "h: rd[i] = rs1[i] * s, s the FP32 scalar at rs2")   \
  X(kVhAdds,  "vh.adds",  0x20, 4, kR, kVector, "dabc",    "h: rd[i] = rs1[i] + s, s the FP32 scalar at rs2")   \
  X(kVhMulsv, "vh.mulsv", 0x20, 5, kR, kVector, "dabc",    "h: rd[i] = (rd[i] * s) * rs1[i], s the FP32 scalar at rs2: scale and weight of a norm, one rounding to h") \
  X(kVhCopy,  "vh.copy",  0x20, 8, kR, kVector, "dac",     "h: rd[i] = rs1[i]")                                 \
  X(kVhRelu,  "vh.relu",  0x20, 9, kR, kVector, "dac",     "h: rd[i] = max(rs1[i], +0)")                        \
  X(kVhGelu,  "vh.gelu",  0x20, 10, kR, kVector, "dac",    "h: rd[i] = gelu(rs1[i]), tanh form")                \
  X(kVhSilu,  "vh.silu",  0x20, 11, kR, kVector, "dac",    "h: rd[i] = silu(rs1[i])")                           \
  X(kVhSilumul, "vh.silumul", 0x20, 12, kR, kVector, "dabc", "h: rd[i] = silu(rs1[i]) * rs2[i]")                \
  X(kVsAdd,   "vs.add",   0x21, 0, kR, kVector, "dabc",    "s: rd[i] = rs1[i] + rs2[i]")                        \
  X(kVsMul,   "vs.mul",   0x21, 2, kR, kVector, "dabc",    "s: rd[i] = rs1[i] * rs2[i]")                        \
  X(kVsMuls,  "vs.muls",  0x21, 3, kR, kVector, "dabc",    "s: rd[i] = rs1[i] * s, s the FP32 scalar at rs2")   \
  X(kVsAdds,  "vs.adds",  0x21, 4, kR, kVector, "dabc",    "s: rd[i] = rs1[i] + s, s the FP32 scalar at rs2")   \
  X(kVsExps,  "vs.exps",  0x21, 5, kR, kVector, "dabc",    "s: rd[i] = exp(rs1[i] - s), s the FP32 scalar at rs2") \
  X(kVsCopy,  "vs.copy",  0x21, 8, kR, kVector, "dac",     "s: rd[i] = rs1[i]")                                 \
  X(kVrSumH,  "vr.sum.h", 0x22, 0, kR, kVector, "dac",     "s scalar at rd = sum of rs3 h elements at rs1")     \
  X(kVrMaxH,  "vr.max.h", 0x22, 1, kR, kVector, "dac",     "s scalar at rd = maximum of h elements")            \
  X(kVrSqH,   "vr.sq.h",  0x22, 2, kR, kVector, "dac",     "s scalar at rd = sum of squares of h elements")     \
  X(kVrSumS,  "vr.sum.s", 0x22, 8, kR, kVector, "dac",     "s scalar at rd = sum of s elements")                \
  X(kVrMaxS,  "vr.max.s", 0x22, 9, kR, kVector, "dac",     "s scalar at rd = maximum of s elements")            \
  X(kVcHtoS,  "vc.h2s",   0x23, 0, kR, kVector, "dac",     "s: rd[i] = h rs1[i], exact")                        \
  X(kVcStoH,  "vc.s2h",   0x23, 1, kR, kVector, "dac",     "h: rd[i] = s rs1[i], rounded")                      \
  X(kVcStoHMuls, "vc.s2h.muls", 0x23, 2, kR, kVector, "dabc", "h: rd[i] = s rs1[i] * s, s the FP32 scalar at rs2, one rounding to h") \
  X(kSsAdd,   "ss.add",   0x24, 0, kR, kVector, "dab",     "s scalar: rd = rs1 + rs2 (addresses)")              \
  X(kSsSub,   "ss.sub",   0x24, 1, kR, kVector, "dab",     "s scalar: rd = rs1 - rs2")                          \
  X(kSsMul,   "ss.mul",   0x24, 2, kR, kVector, "dab",     "s scalar: rd = rs1 * rs2")                          \
  X(kSsMax,   "ss.max",   0x24, 3, kR, kVector, "dab",     "s scalar: rd = max(rs1, rs2)")                      \
  X(kSsRecip, "ss.recip", 0x24, 8, kR, kVector, "da",      "s scalar: rd = 1 / rs1, correctly rounded")         \
  X(kSsRsqrt, "ss.rsqrt", 0x24, 9, kR, kVector, "da",      "s scalar: rd = 1 / sqrt(rs1): square root, then reciprocal, each correctly rounded") \
  X(kSsNeg,   "ss.neg",   0x24, 10, kR, kVector, "da",     "s scalar: rd = -rs1")                               \
  X(kVRope,   "v.rope",   0x25, 0, kR, kVector, "dabc",    "h: pairs (2i, 2i+1) of rs1, rs3 elements (even), rotated by the angle whose FP32 (cos, sin) pair i stands at rs2; rd may equal rs1") \
  X(kPimCfg,  "pim.cfg",  0x30, 0, kR, kPim, "abc",        "matrix of the following PIM instructions: rs1 rows, rs2 columns, rs3 bytes from row to row") \
  X(kPimQk,   "pim.qk",   0x31, 0, kR, kPim, "dab",        "s: rd[j] = sum over columns of h rs1[c] * h rs2[j][c]") \
  X(kPimSv,   "pim.sv",   0x32, 0, kR, kPim, "dab",        "s: rd[c] += sum over rows of h rs1[j] * h rs2[j][c]") \
  X(kPimSvz,  "pim.svz",  0x32, 1, kR, kPim, "dab",        "s: rd[c] = sum over rows of h rs1[j] * h rs2[j][c]") \
  X(kTcuCfg,  "tcu.cfg",  0x34, 0, kR, kTensor, "abc",     "matrices of the following TCU instructions: A has rs1 rows and rs2 columns, W rs3 columns") \
  X(kTcuDist, "tcu.dist", 0x34, 1, kR, kTensor, "abc",     "bytes from row to row in A (rs1), W (rs2) and C (rs3)") \
  X(kTcuWs, "tcu.ws", 0x35, 0, kR, kTensor, "dab", "weight stationary, s: C[i][j] = sum over l of A[i][l] * W[l][j], C at rd, A at rs1, W at rs2") \
  X(kTcuWsAcc, "tcu.ws.acc", 0x35, 1, kR, kTensor, "dab", "weight stationary, s: C[i][j] += sum over l of A[i][l] * W[l][j], C at rd, A at rs1, W at rs2") \
  X(kTcuWsT, "tcu.ws.t", 0x35, 2, kR, kTensor, "dab", "weight stationary, s: C[i][j] = sum over l of A[i][l] * W[j][l], C at rd, A at rs1, W at rs2, W by columns") \
  X(kTcuWsTAcc, "tcu.ws.t.acc", 0x35, 3, kR, kTensor, "dab", "weight stationary, s: C[i][j] += sum over l of A[i][l] * W[j][l], C at rd, A at rs1, W at rs2, W by columns") \
  X(kTcuWsH, "tcu.ws.h", 0x35, 4, kR, kTensor, "dab", "weight stationary, h: C[i][j] = sum over l of A[i][l] * W[l][j], C at rd, A at rs1, W at rs2") \
  X(kTcuWsHAcc, "tcu.ws.h.acc", 0x35, 5, kR, kTensor, "dab", "weight stationary, h: C[i][j] += sum over l of A[i][l] * W[l][j], C at rd, A at rs1, W at rs2") \
  X(kTcuWsTH, "tcu.ws.t.h", 0x35, 6, kR, kTensor, "dab", "weight stationary, h: C[i][j] = sum over l of A[i][l] * W[j][l], C at rd, A at rs1, W at rs2, W by columns") \
  X(kTcuWsTHAcc, "tcu.ws.t.h.acc", 0x35, 7, kR, kTensor, "dab", "weight stationary, h: C[i][j] += sum over l of A[i][l] * W[j][l], C at rd, A at rs1, W at rs2, W by columns") \
  X(kTcuOs, "tcu.os", 0x36, 0, kR, kTensor, "dab", "output stationary, s: C[i][j] = sum over l of A[i][l] * W[l][j], C at rd, A at rs1, W at rs2") \
  X(kTcuOsAcc, "tcu.os.acc", 0x36, 1, kR, kTensor, "dab", "output stationary, s: C[i][j] += sum over l of A[i][l] * W[l][j], C at rd, A at rs1, W at rs2") \
  X(kTcuOsT, "tcu.os.t", 0x36, 2, kR, kTensor, "dab", "output stationary, s: C[i][j] = sum over l of A[i][l] * W[j][l], C at rd, A at rs1, W at rs2, W by columns") \
  X(kTcuOsTAcc, "tcu.os.t.acc", 0x36, 3, kR, kTensor, "dab", "output stationary, s: C[i][j] += sum over l of A[i][l] * W[j][l], C at rd, A at rs1, W at rs2, W by columns") \
  X(kTcuOsH, "tcu.os.h", 0x36, 4, kR, kTensor, "dab", "output stationary, h: C[i][j] = sum over l of A[i][l] * W[l][j], C at rd, A at rs1, W at rs2") \
  X(kTcuOsHAcc, "tcu.os.h.acc", 0x36, 5, kR, kTensor, "dab", "output stationary, h: C[i][j] += sum over l of A[i][l] * W[l][j], C at rd, A at rs1, W at rs2") \
  X(kTcuOsTH, "tcu.os.t.h", 0x36, 6, kR, kTensor, "dab", "output stationary, h: C[i][j] = sum over l of A[i][l] * W[j][l], C at rd, A at rs1, W at rs2, W by columns") \
  X(kTcuOsTHAcc, "tcu.os.t.h.acc", 0x36, 7, kR, kTensor, "dab", "output stationary, h: C[i][j] += sum over l of A[i][l] * W[j][l], C at rd, A at rs1, W at rs2, W by columns") \
  X(kTrnCfg,  "trn.cfg",  0x37, 0, kR, kTranspose, "abc",  "matrix of the following trn.h: rs1 rows, rs2 columns, rs3 bytes from row to row") \
  X(kTrnH,    "trn.h",    0x37, 1, kR, kTranspose, "dab",  "h: row c of the matrix at rd = column c of the matrix at rs1, rs2 bytes from row to row at rd") \
  X(kXlda,    "xlda",     0x38, 0, kR, kTransfer, "dab",   "activation memory at rd = rs2 bytes from global address rs1") \
  X(kXsta,    "xsta",     0x39, 0, kR, kTransfer, "dab",   "rs2 bytes at global address rs1 = activation memory at rd") \
  X(kXldc,    "xldc",     0x3A, 0, kR, kTransfer, "dab",   "control memory at rd = rs2 bytes from global address rs1")
// clang-format on

enum class Opcode : std::uint8_t {
#define HPIMVP_X(name, mnemonic, opcode, fn, format, unit, operands, meaning) name,
  HPIMVP_TILE_INSTRUCTIONS(HPIMVP_X)
#undef HPIMVP_X
};

struct InstructionInfo {
  Opcode id;
  const char* mnemonic;
  std::uint8_t opcode;  // bits 6:0
  std::uint8_t fn;      // bits 31:27 of format R
  Format format;
  Unit unit;
  const char* operands;
  const char* meaning;
};

inline constexpr InstructionInfo kInstructions[] = {
#define HPIMVP_X(name, mnemonic, opcode, fn, format, unit, operands, meaning) \
  {Opcode::name, mnemonic, opcode, fn, Format::format, Unit::unit, operands, meaning},
    HPIMVP_TILE_INSTRUCTIONS(HPIMVP_X)
#undef HPIMVP_X
};

}  // namespace hpimvp::sram_pim
