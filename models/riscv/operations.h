// Every operation that the core executes, after decompression: name, cost class, and which register
// files its operands come from. One list, so that the decoder, the cycle model and the engines
// cannot disagree.
#pragma once

#include <cstdint>

#include "models/riscv/cycle_table.h"

namespace hpimvp::riscv {

/// Operand use, one letter each for rd, rs1, rs2, rs3: x integer, f floating point, _ none.
/// X(Name, CostClass, rd, rs1, rs2, rs3)
// clang-format off
#define HPIMVP_RISCV_ALU_OPERATIONS(X)                                        \
  X(Lui, Alu, x, _, _, _)      X(Auipc, Alu, x, _, _, _)                      \
  X(Addi, Alu, x, x, _, _)     X(Slti, Alu, x, x, _, _)                       \
  X(Sltiu, Alu, x, x, _, _)    X(Xori, Alu, x, x, _, _)                       \
  X(Ori, Alu, x, x, _, _)      X(Andi, Alu, x, x, _, _)                       \
  X(Slli, Alu, x, x, _, _)     X(Srli, Alu, x, x, _, _)                       \
  X(Srai, Alu, x, x, _, _)     X(Addiw, Alu, x, x, _, _)                      \
  X(Slliw, Alu, x, x, _, _)    X(Srliw, Alu, x, x, _, _)                      \
  X(Sraiw, Alu, x, x, _, _)    X(Add, Alu, x, x, x, _)                        \
  X(Sub, Alu, x, x, x, _)      X(Sll, Alu, x, x, x, _)                        \
  X(Slt, Alu, x, x, x, _)      X(Sltu, Alu, x, x, x, _)                       \
  X(Xor, Alu, x, x, x, _)      X(Srl, Alu, x, x, x, _)                        \
  X(Sra, Alu, x, x, x, _)      X(Or, Alu, x, x, x, _)                         \
  X(And, Alu, x, x, x, _)      X(Addw, Alu, x, x, x, _)                       \
  X(Subw, Alu, x, x, x, _)     X(Sllw, Alu, x, x, x, _)                       \
  X(Srlw, Alu, x, x, x, _)     X(Sraw, Alu, x, x, x, _)                       \
  X(Mul, Multiply, x, x, x, _)    X(Mulh, Multiply, x, x, x, _)               \
  X(Mulhsu, Multiply, x, x, x, _) X(Mulhu, Multiply, x, x, x, _)              \
  X(Mulw, Multiply, x, x, x, _)   X(Div, Divide, x, x, x, _)                  \
  X(Divu, Divide, x, x, x, _)     X(Rem, Divide, x, x, x, _)                  \
  X(Remu, Divide, x, x, x, _)     X(Divw, Divide, x, x, x, _)                 \
  X(Divuw, Divide, x, x, x, _)    X(Remw, Divide, x, x, x, _)                 \
  X(Remuw, Divide, x, x, x, _)                                                \
  X(AddUw, Alu, x, x, x, _)    X(Sh1add, Alu, x, x, x, _)                     \
  X(Sh2add, Alu, x, x, x, _)   X(Sh3add, Alu, x, x, x, _)                     \
  X(Sh1addUw, Alu, x, x, x, _) X(Sh2addUw, Alu, x, x, x, _)                   \
  X(Sh3addUw, Alu, x, x, x, _) X(SlliUw, Alu, x, x, _, _)                     \
  X(Andn, Alu, x, x, x, _)     X(Orn, Alu, x, x, x, _)                        \
  X(Xnor, Alu, x, x, x, _)     X(Clz, Alu, x, x, _, _)                        \
  X(Ctz, Alu, x, x, _, _)      X(Cpop, Alu, x, x, _, _)                       \
  X(Clzw, Alu, x, x, _, _)     X(Ctzw, Alu, x, x, _, _)                       \
  X(Cpopw, Alu, x, x, _, _)    X(Max, Alu, x, x, x, _)                        \
  X(Maxu, Alu, x, x, x, _)     X(Min, Alu, x, x, x, _)                        \
  X(Minu, Alu, x, x, x, _)     X(SextB, Alu, x, x, _, _)                      \
  X(SextH, Alu, x, x, _, _)    X(ZextH, Alu, x, x, _, _)                      \
  X(Rol, Alu, x, x, x, _)      X(Ror, Alu, x, x, x, _)                        \
  X(Rori, Alu, x, x, _, _)     X(Rolw, Alu, x, x, x, _)                       \
  X(Rorw, Alu, x, x, x, _)     X(Roriw, Alu, x, x, _, _)                      \
  X(OrcB, Alu, x, x, _, _)     X(Rev8, Alu, x, x, _, _)                       \
  X(Fence, Alu, _, _, _, _)

#define HPIMVP_RISCV_LOAD_OPERATIONS(X)                                       \
  X(Lb, LoadNarrow, x, x, _, _)      X(Lh, LoadNarrow, x, x, _, _)                        \
  X(Lw, Load, x, x, _, _)      X(Ld, Load, x, x, _, _)                        \
  X(Lbu, LoadNarrow, x, x, _, _)     X(Lhu, LoadNarrow, x, x, _, _)                       \
  X(Lwu, Load, x, x, _, _)                                                    \
  X(Flh, LoadNarrow, f, x, _, _)     X(Flw, Load, f, x, _, _)                       \
  X(Fld, Load, f, x, _, _)

#define HPIMVP_RISCV_STORE_OPERATIONS(X)                                      \
  X(Sb, Store, _, x, x, _)     X(Sh, Store, _, x, x, _)                       \
  X(Sw, Store, _, x, x, _)     X(Sd, Store, _, x, x, _)                       \
  X(Fsh, Store, _, x, f, _)    X(Fsw, Store, _, x, f, _)                      \
  X(Fsd, Store, _, x, f, _)

#define HPIMVP_RISCV_ATOMIC_OPERATIONS(X)                                     \
  X(LrW, Atomic, x, x, _, _)      X(ScW, Atomic, x, x, x, _)                  \
  X(AmoswapW, Atomic, x, x, x, _) X(AmoaddW, Atomic, x, x, x, _)              \
  X(AmoxorW, Atomic, x, x, x, _)  X(AmoandW, Atomic, x, x, x, _)              \
  X(AmoorW, Atomic, x, x, x, _)   X(AmominW, Atomic, x, x, x, _)              \
  X(AmomaxW, Atomic, x, x, x, _)  X(AmominuW, Atomic, x, x, x, _)             \
  X(AmomaxuW, Atomic, x, x, x, _)                                             \
  X(LrD, Atomic, x, x, _, _)      X(ScD, Atomic, x, x, x, _)                  \
  X(AmoswapD, Atomic, x, x, x, _) X(AmoaddD, Atomic, x, x, x, _)              \
  X(AmoxorD, Atomic, x, x, x, _)  X(AmoandD, Atomic, x, x, x, _)              \
  X(AmoorD, Atomic, x, x, x, _)   X(AmominD, Atomic, x, x, x, _)              \
  X(AmomaxD, Atomic, x, x, x, _)  X(AmominuD, Atomic, x, x, x, _)             \
  X(AmomaxuD, Atomic, x, x, x, _)

/// The arithmetic of one format: P is its letter, SIZE the word of its cost classes.
#define HPIMVP_RISCV_FP_FORMAT_OPERATIONS(X, P, SIZE)                         \
  X(Fadd##P, FpAdd##SIZE, f, f, f, _)        X(Fsub##P, FpAdd##SIZE, f, f, f, _)          \
  X(Fmul##P, FpMultiply##SIZE, f, f, f, _)   X(Fdiv##P, FpDivide##SIZE, f, f, f, _) \
  X(Fsqrt##P, FpSqrt##SIZE, f, f, _, _)                                       \
  X(Fmadd##P, FpMultiply##SIZE, f, f, f, f)  X(Fmsub##P, FpMultiply##SIZE, f, f, f, f)    \
  X(Fnmsub##P, FpMultiply##SIZE, f, f, f, f) X(Fnmadd##P, FpMultiply##SIZE, f, f, f, f)   \
  X(Fsgnj##P, FpAdd##SIZE, f, f, f, _)    X(Fsgnjn##P, FpAdd##SIZE, f, f, f, _)     \
  X(Fsgnjx##P, FpAdd##SIZE, f, f, f, _)   X(Fmin##P, FpAdd##SIZE, f, f, f, _)       \
  X(Fmax##P, FpAdd##SIZE, f, f, f, _)     X(Feq##P, FpConvert, x, f, f, _)        \
  X(Flt##P, FpConvert, x, f, f, _)      X(Fle##P, FpConvert, x, f, f, _)        \
  X(Fclass##P, FpConvert, x, f, _, _)                                          \
  X(FcvtWFrom##P, FpConvert, x, f, _, _)   X(FcvtWuFrom##P, FpConvert, x, f, _, _)    \
  X(FcvtLFrom##P, FpConvert, x, f, _, _)   X(FcvtLuFrom##P, FpConvert, x, f, _, _)    \
  X(Fcvt##P##FromW, FpConvert, f, x, _, _) X(Fcvt##P##FromWu, FpConvert, f, x, _, _)  \
  X(Fcvt##P##FromL, FpConvert, f, x, _, _) X(Fcvt##P##FromLu, FpConvert, f, x, _, _)  \
  X(FmvXFrom##P, FpConvert, x, f, _, _) X(Fmv##P##FromX, FpConvert, f, x, _, _)

#define HPIMVP_RISCV_FP_OPERATIONS(X)                                         \
  HPIMVP_RISCV_FP_FORMAT_OPERATIONS(X, H, Half)                               \
  HPIMVP_RISCV_FP_FORMAT_OPERATIONS(X, S, Single)                             \
  HPIMVP_RISCV_FP_FORMAT_OPERATIONS(X, D, Double)                             \
  X(FcvtSFromH, FpConvert, f, f, _, _)     X(FcvtHFromS, FpConvert, f, f, _, _)       \
  X(FcvtDFromH, FpConvert, f, f, _, _)     X(FcvtHFromD, FpConvert, f, f, _, _)       \
  X(FcvtDFromS, FpConvert, f, f, _, _)     X(FcvtSFromD, FpConvert, f, f, _, _)

/// Operations that end a block. EndOfBlock is no instruction: it closes a block that ends without
/// one of the others.
#define HPIMVP_RISCV_CONTROL_OPERATIONS(X)                                    \
  X(Beq, Branch, _, x, x, _)   X(Bne, Branch, _, x, x, _)                     \
  X(Blt, Branch, _, x, x, _)   X(Bge, Branch, _, x, x, _)                     \
  X(Bltu, Branch, _, x, x, _)  X(Bgeu, Branch, _, x, x, _)                    \
  X(Jal, Jump, x, _, _, _)     X(Jalr, Jump, x, x, _, _)                      \
  X(Csrrw, Csr, x, x, _, _)    X(Csrrs, Csr, x, x, _, _)                      \
  X(Csrrc, Csr, x, x, _, _)    X(Csrrwi, Csr, x, _, _, _)                     \
  X(Csrrsi, Csr, x, _, _, _)   X(Csrrci, Csr, x, _, _, _)                     \
  X(FenceI, System, _, _, _, _) X(Ecall, System, _, _, _, _)                  \
  X(Ebreak, System, _, _, _, _) X(Mret, System, _, _, _, _)                   \
  X(Wfi, System, _, _, _, _)   X(Illegal, System, _, _, _, _)                 \
  X(EndOfBlock, System, _, _, _, _)

#define HPIMVP_RISCV_OPERATIONS(X)   \
  HPIMVP_RISCV_ALU_OPERATIONS(X)     \
  HPIMVP_RISCV_LOAD_OPERATIONS(X)    \
  HPIMVP_RISCV_STORE_OPERATIONS(X)   \
  HPIMVP_RISCV_ATOMIC_OPERATIONS(X)  \
  HPIMVP_RISCV_FP_OPERATIONS(X)      \
  HPIMVP_RISCV_CONTROL_OPERATIONS(X)
// clang-format on

enum class Operation : std::uint8_t {
#define HPIMVP_X(name, ...) k##name,
  HPIMVP_RISCV_OPERATIONS(HPIMVP_X)
#undef HPIMVP_X
};

enum class OperationGroup : std::uint8_t { kAlu, kLoad, kStore, kAtomic, kFp, kControl };
enum class RegisterFile : std::uint8_t { kNone, kInteger, kFloat };

struct OperationInfo {
  const char* name;
  CostClass cost;
  OperationGroup group;
  RegisterFile rd, rs1, rs2, rs3;
};

const OperationInfo& info(Operation operation);

/// Whether the operation ends a block: the control operations stand last in the list.
constexpr bool ends_block(Operation operation) {
  return operation >= Operation::kBeq;
}

}  // namespace hpimvp::riscv
