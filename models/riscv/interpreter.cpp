#include "models/riscv/interpreter.h"

#include <bit>
#include <cstring>

#include "models/riscv/core.h"

// The names of the code addresses that a block can refer to: one for each operation of the lists
// (those of a group that share code included), the specialised forms that prepare() selects, and
// pairs of operations that one handler executes without a dispatch in between.
// clang-format off
#define HPIMVP_SPECIAL_HANDLERS(X)                                                          \
  X(Nop) X(Li) X(LiUnsigned) X(LiPair) X(LiUnsignedPair) X(Mv) X(SextW) X(ZextW)            \
  X(Atomic) X(Fp) X(Csr) X(Beqz) X(Bnez) X(Bltz) X(Bgez) X(Blez) X(Bgtz)                    \
  X(JalLink) X(JalrReturn) X(UnresolvedTaken) X(UnresolvedFall)

/// X(first, second): chosen by how often compiled integer code executes them.
#define HPIMVP_FUSED_WITH_BRANCHES(X, first)                                                \
  X(first, Beqz) X(first, Bnez) X(first, Beq) X(first, Bne) X(first, Blt) X(first, Bge)     \
  X(first, Bltu) X(first, Bgeu)
#define HPIMVP_FUSED_PAIRS(X)                                                               \
  HPIMVP_FUSED_WITH_BRANCHES(X, Mv)    HPIMVP_FUSED_WITH_BRANCHES(X, Addi)                  \
  HPIMVP_FUSED_WITH_BRANCHES(X, Addiw) HPIMVP_FUSED_WITH_BRANCHES(X, Addw)                  \
  HPIMVP_FUSED_WITH_BRANCHES(X, Andi)  HPIMVP_FUSED_WITH_BRANCHES(X, Srli)                  \
  HPIMVP_FUSED_WITH_BRANCHES(X, Ld)    HPIMVP_FUSED_WITH_BRANCHES(X, Lw)                    \
  HPIMVP_FUSED_WITH_BRANCHES(X, Lh)    HPIMVP_FUSED_WITH_BRANCHES(X, Lbu)                   \
  X(Mv, Mv) X(Mv, Li) X(Mv, Addi) X(Mv, Addiw) X(Mv, Ld) X(Li, Mv)                          \
  X(Addi, Addi) X(Addi, Addiw) X(Addi, Mv) X(Addi, Mulw) X(Addi, Add) X(Add, Addi)          \
  X(Addi, Ld) X(Addi, Lw) X(Addi, Sd) X(Addiw, Ld) X(Addiw, Sw) X(Addiw, Mv)                \
  X(Addiw, Andi) X(Addw, Srliw) X(Mulw, Addw) X(Slli, Add) X(Slli, Srli)                    \
  X(Add, Ld) X(Add, Lw) X(Add, Lbu) X(Sh2add, Lw) X(Sh3add, Ld)                             \
  X(Ld, Ld) X(Ld, Sd) X(Ld, Mv) X(Ld, Addi) X(Ld, Add) X(Lw, Lw) X(Lw, Sw) X(Lw, Lbu)       \
  X(Lw, Addi) X(Lw, Add) X(Lw, Addw) X(Lh, Lh) X(Lh, Addi) X(Lh, Subw) X(Lbu, Addi)         \
  X(Sd, Sd) X(Sd, Mv) X(Sd, Addi) X(Sw, Addi) X(Sw, Sw)                                     \
  X(Xor, Andi) X(Xor, ZextH) X(ZextH, Addiw) X(Andi, Srli) X(Srli, Srli) X(Srliw, Andi)     \
  X(Srli, Xor) X(And, Xor)
// clang-format on

namespace hpimvp::riscv {
namespace {

enum class Handler : std::uint16_t {
#define HPIMVP_X(name, ...) k##name,
  HPIMVP_RISCV_ALU_OPERATIONS(HPIMVP_X) HPIMVP_RISCV_LOAD_OPERATIONS(HPIMVP_X)
      HPIMVP_RISCV_STORE_OPERATIONS(HPIMVP_X) HPIMVP_RISCV_CONTROL_OPERATIONS(HPIMVP_X)
          HPIMVP_SPECIAL_HANDLERS(HPIMVP_X)
#undef HPIMVP_X
#define HPIMVP_X(first, second) k##first##Then##second,
              HPIMVP_FUSED_PAIRS(HPIMVP_X)
#undef HPIMVP_X
                  kCount,
};

using HandlerTable = std::array<const void*, static_cast<std::size_t>(Handler::kCount)>;

std::uint64_t sign_extend_32(std::uint64_t value) {
  return static_cast<std::uint64_t>(
      static_cast<std::int64_t>(static_cast<std::int32_t>(static_cast<std::uint32_t>(value))));
}

std::uint64_t divide_signed(std::int64_t a, std::int64_t b) {
  if (b == 0) return ~std::uint64_t{0};
  if (b == -1) return 0 - static_cast<std::uint64_t>(a);
  return static_cast<std::uint64_t>(a / b);
}

std::uint64_t remainder_signed(std::int64_t a, std::int64_t b) {
  if (b == 0) return static_cast<std::uint64_t>(a);
  if (b == -1) return 0;
  return static_cast<std::uint64_t>(a % b);
}

std::uint64_t or_combine_bytes(std::uint64_t value) {
  std::uint64_t result = 0;
  for (int shift = 0; shift < 64; shift += 8) {
    if ((value >> shift) & 0xff) result |= std::uint64_t{0xff} << shift;
  }
  return result;
}

const BlockExit* exit_after(const MicroOp* op) {
  return reinterpret_cast<const BlockExit*>(op + 1);
}

}  // namespace

/// The dispatch loop and what it needs to see of the interpreter.
struct Interpreter::Loop {
  static void run(Interpreter* interpreter, Core* core, const MicroOp* op, HandlerTable* table);
  static const HandlerTable& handlers() {
    static const HandlerTable table = [] {
      HandlerTable result{};
      run(nullptr, nullptr, nullptr, &result);
      return result;
    }();
    return table;
  }
};

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#define DISPATCH() goto * op->handler
#define NEXT()  \
  do {          \
    ++op;       \
    DISPATCH(); \
  } while (0)

#define RS1 (state->x[op->rs1])
#define RS2 (state->x[op->rs2])
#define RD (state->x[op->rd])
#define IMMEDIATE (static_cast<std::uint64_t>(std::int64_t{op->immediate}))
#define SIGNED(value) (static_cast<std::int64_t>(value))
#define WORD(value) (static_cast<std::uint32_t>(value))

#define ALU(name, expression) \
  L_##name : {                \
    RD = (expression);        \
    NEXT();                   \
  }

#define SET_RD(expression) RD = (expression)

#define LOAD(Type)                                                          \
  do {                                                                      \
    const std::uint64_t offset = RS1 + IMMEDIATE - state->load_window.base; \
    if (UNLIKELY(offset >= state->load_window.size)) goto load_off_window;  \
    Type value;                                                             \
    std::memcpy(&value, state->load_window.host + offset, sizeof value);    \
    RD = static_cast<std::uint64_t>(static_cast<std::int64_t>(value));      \
  } while (0)

#define STORE(Type)                                                          \
  do {                                                                       \
    const std::uint64_t offset = RS1 + IMMEDIATE - state->store_window.base; \
    if (UNLIKELY(offset >= state->store_window.size)) goto store_off_window; \
    const auto value = static_cast<Type>(RS2);                               \
    std::memcpy(state->store_window.host + offset, &value, sizeof value);    \
  } while (0)

#define FP_LOAD(name, Type, box)                                            \
  L_##name : {                                                              \
    const std::uint64_t offset = RS1 + IMMEDIATE - state->load_window.base; \
    if (UNLIKELY(offset >= state->load_window.size || state->fs != 3)) {    \
      goto load_off_window;                                                 \
    }                                                                       \
    Type value;                                                             \
    std::memcpy(&value, state->load_window.host + offset, sizeof value);    \
    state->f[op->rd] = value | (box);                                       \
    NEXT();                                                                 \
  }

#define FP_STORE(name, Type)                                                 \
  L_##name : {                                                               \
    const std::uint64_t offset = RS1 + IMMEDIATE - state->store_window.base; \
    if (UNLIKELY(offset >= state->store_window.size || state->fs == 0)) {    \
      goto store_off_window;                                                 \
    }                                                                        \
    const auto value = static_cast<Type>(state->f[op->rs2]);                 \
    std::memcpy(state->store_window.host + offset, &value, sizeof value);    \
    NEXT();                                                                  \
  }

// Leaves the block whose exit is `out` by one of its ways.
#define LEAVE(out, way)                           \
  do {                                            \
    retired += (out)->instructions;               \
    cycles += (out)->cycles_##way;                \
    if (UNLIKELY(cycles >= state->cycle_limit)) { \
      state->pc = (out)->way##_pc;                \
      goto done;                                  \
    }                                             \
    op = (out)->way;                              \
    DISPATCH();                                   \
  } while (0)

#define BRANCH(condition)                  \
  do {                                     \
    const BlockExit* out = exit_after(op); \
    if (condition) LEAVE(out, taken);      \
    LEAVE(out, fall);                      \
  } while (0)

// The operations that may be part of a pair.
#define DO_Li SET_RD(IMMEDIATE)
#define DO_Mv SET_RD(RS1)
#define DO_Addi SET_RD(RS1 + IMMEDIATE)
#define DO_Addiw SET_RD(sign_extend_32(RS1 + IMMEDIATE))
#define DO_Add SET_RD(RS1 + RS2)
#define DO_Addw SET_RD(sign_extend_32(RS1 + RS2))
#define DO_Subw SET_RD(sign_extend_32(RS1 - RS2))
#define DO_Mulw SET_RD(sign_extend_32(RS1* RS2))
#define DO_And SET_RD(RS1& RS2)
#define DO_Andi SET_RD(RS1& IMMEDIATE)
#define DO_Xor SET_RD(RS1 ^ RS2)
#define DO_Slli SET_RD(RS1 << (op->immediate & 63))
#define DO_Srli SET_RD(RS1 >> (op->immediate & 63))
#define DO_Srliw SET_RD(sign_extend_32(WORD(RS1) >> (op->immediate & 31)))
#define DO_ZextH SET_RD(RS1 & 0xffff)
#define DO_Sh2add SET_RD((RS1 << 2) + RS2)
#define DO_Sh3add SET_RD((RS1 << 3) + RS2)
#define DO_Lh LOAD(std::int16_t)
#define DO_Lw LOAD(std::int32_t)
#define DO_Ld LOAD(std::int64_t)
#define DO_Lbu LOAD(std::uint8_t)
#define DO_Sw STORE(std::uint32_t)
#define DO_Sd STORE(std::uint64_t)
#define DO_Beq BRANCH(RS1 == RS2)
#define DO_Bne BRANCH(RS1 != RS2)
#define DO_Blt BRANCH(SIGNED(RS1) < SIGNED(RS2))
#define DO_Bge BRANCH(SIGNED(RS1) >= SIGNED(RS2))
#define DO_Bltu BRANCH(RS1 < RS2)
#define DO_Bgeu BRANCH(RS1 >= RS2)
#define DO_Beqz BRANCH(RS1 == 0)
#define DO_Bnez BRANCH(RS1 != 0)

#define HANDLER(name) \
  L_##name : {        \
    DO_##name;        \
    NEXT();           \
  }

// The second half finds its operands in the next micro-operation, which keeps its own handler: when
// an access of the first half has to leave the fast path, execution goes on there.
#define PAIR(first, second)   \
  L_##first##Then##second : { \
    DO_##first;               \
    ++op;                     \
    DO_##second;              \
    NEXT();                   \
  }

/// `table` asks for the handlers' addresses instead of execution: labels are only visible here.
void Interpreter::Loop::run(Interpreter* interpreter, Core* core, const MicroOp* op,
                            HandlerTable* table) {
  if (table != nullptr) {
    *table = {
#define HPIMVP_X(name, ...) &&L_##name,
        HPIMVP_RISCV_ALU_OPERATIONS(HPIMVP_X) HPIMVP_RISCV_LOAD_OPERATIONS(HPIMVP_X)
            HPIMVP_RISCV_STORE_OPERATIONS(HPIMVP_X) HPIMVP_RISCV_CONTROL_OPERATIONS(HPIMVP_X)
                HPIMVP_SPECIAL_HANDLERS(HPIMVP_X)
#undef HPIMVP_X
#define HPIMVP_X(first, second) &&L_##first##Then##second,
                    HPIMVP_FUSED_PAIRS(HPIMVP_X)
#undef HPIMVP_X
    };
    return;
  }

  HartState* const state = &core->state();
  std::uint64_t cycles = state->cycles;
  std::uint64_t retired = state->retired;
  DISPATCH();

  ALU(Lui, IMMEDIATE)
  HANDLER(Li)
  ALU(LiUnsigned, WORD(op->immediate))
  ALU(Auipc, exit_of(op).block->pc + site_of(op).offset + IMMEDIATE)
  HANDLER(Mv)
  HANDLER(Addi)
  ALU(Slti, SIGNED(RS1) < SIGNED(IMMEDIATE))
  ALU(Sltiu, RS1 < IMMEDIATE)
  ALU(Xori, RS1 ^ IMMEDIATE)
  ALU(Ori, RS1 | IMMEDIATE)
  HANDLER(Andi)
  HANDLER(Slli)
  HANDLER(Srli)
  ALU(Srai, static_cast<std::uint64_t>(SIGNED(RS1) >> (op->immediate & 63)))
  HANDLER(Addiw)
  ALU(SextW, sign_extend_32(RS1))
  ALU(ZextW, WORD(RS1))
  ALU(Slliw, sign_extend_32(WORD(RS1) << (op->immediate & 31)))
  HANDLER(Srliw)
  ALU(Sraiw, sign_extend_32(static_cast<std::uint64_t>(static_cast<std::int32_t>(WORD(RS1)) >>
                                                       (op->immediate & 31))))
  HANDLER(Add)
  ALU(Sub, RS1 - RS2)
  ALU(Sll, RS1 << (RS2 & 63))
  ALU(Slt, SIGNED(RS1) < SIGNED(RS2))
  ALU(Sltu, RS1 < RS2)
  HANDLER(Xor)
  ALU(Srl, RS1 >> (RS2 & 63))
  ALU(Sra, static_cast<std::uint64_t>(SIGNED(RS1) >> (RS2 & 63)))
  ALU(Or, RS1 | RS2)
  HANDLER(And)
  HANDLER(Addw)
  HANDLER(Subw)
  ALU(Sllw, sign_extend_32(WORD(RS1) << (RS2 & 31)))
  ALU(Srlw, sign_extend_32(WORD(RS1) >> (RS2 & 31)))
  ALU(Sraw, sign_extend_32(
                static_cast<std::uint64_t>(static_cast<std::int32_t>(WORD(RS1)) >> (RS2 & 31))))

  ALU(Mul, RS1 * RS2)
  ALU(Mulh, static_cast<std::uint64_t>((__int128{SIGNED(RS1)} * SIGNED(RS2)) >> 64))
  ALU(Mulhsu,
      static_cast<std::uint64_t>((__int128{SIGNED(RS1)} * static_cast<__int128>(RS2)) >> 64))
  ALU(Mulhu, static_cast<std::uint64_t>((static_cast<unsigned __int128>(RS1) * RS2) >> 64))
  HANDLER(Mulw)
  ALU(Div, divide_signed(SIGNED(RS1), SIGNED(RS2)))
  ALU(Divu, RS2 == 0 ? ~std::uint64_t{0} : RS1 / RS2)
  ALU(Rem, remainder_signed(SIGNED(RS1), SIGNED(RS2)))
  ALU(Remu, RS2 == 0 ? RS1 : RS1 % RS2)
  ALU(Divw, sign_extend_32(divide_signed(static_cast<std::int32_t>(WORD(RS1)),
                                         static_cast<std::int32_t>(WORD(RS2)))))
  ALU(Divuw, WORD(RS2) == 0 ? ~std::uint64_t{0} : sign_extend_32(WORD(RS1) / WORD(RS2)))
  ALU(Remw, sign_extend_32(remainder_signed(static_cast<std::int32_t>(WORD(RS1)),
                                            static_cast<std::int32_t>(WORD(RS2)))))
  ALU(Remuw, sign_extend_32(WORD(RS2) == 0 ? WORD(RS1) : WORD(RS1) % WORD(RS2)))

  ALU(AddUw, WORD(RS1) + RS2)
  ALU(Sh1add, (RS1 << 1) + RS2)
  HANDLER(Sh2add)
  HANDLER(Sh3add)
  ALU(Sh1addUw, (std::uint64_t{WORD(RS1)} << 1) + RS2)
  ALU(Sh2addUw, (std::uint64_t{WORD(RS1)} << 2) + RS2)
  ALU(Sh3addUw, (std::uint64_t{WORD(RS1)} << 3) + RS2)
  ALU(SlliUw, std::uint64_t{WORD(RS1)} << (op->immediate & 63))
  ALU(Andn, RS1 & ~RS2)
  ALU(Orn, RS1 | ~RS2)
  ALU(Xnor, ~(RS1 ^ RS2))
  ALU(Clz, static_cast<std::uint64_t>(std::countl_zero(RS1)))
  ALU(Ctz, static_cast<std::uint64_t>(std::countr_zero(RS1)))
  ALU(Cpop, static_cast<std::uint64_t>(std::popcount(RS1)))
  ALU(Clzw, static_cast<std::uint64_t>(std::countl_zero(WORD(RS1))))
  ALU(Ctzw, static_cast<std::uint64_t>(std::countr_zero(WORD(RS1))))
  ALU(Cpopw, static_cast<std::uint64_t>(std::popcount(WORD(RS1))))
  ALU(Max, SIGNED(RS1) > SIGNED(RS2) ? RS1 : RS2)
  ALU(Maxu, RS1 > RS2 ? RS1 : RS2)
  ALU(Min, SIGNED(RS1) < SIGNED(RS2) ? RS1 : RS2)
  ALU(Minu, RS1 < RS2 ? RS1 : RS2)
  ALU(SextB, static_cast<std::uint64_t>(std::int64_t{static_cast<std::int8_t>(RS1)}))
  ALU(SextH, static_cast<std::uint64_t>(std::int64_t{static_cast<std::int16_t>(RS1)}))
  HANDLER(ZextH)
  ALU(Rol, std::rotl(RS1, static_cast<int>(RS2 & 63)))
  ALU(Ror, std::rotr(RS1, static_cast<int>(RS2 & 63)))
  ALU(Rori, std::rotr(RS1, op->immediate & 63))
  ALU(Rolw, sign_extend_32(std::rotl(WORD(RS1), static_cast<int>(RS2 & 31))))
  ALU(Rorw, sign_extend_32(std::rotr(WORD(RS1), static_cast<int>(RS2 & 31))))
  ALU(Roriw, sign_extend_32(std::rotr(WORD(RS1), op->immediate & 31)))
  ALU(OrcB, or_combine_bytes(RS1))
  ALU(Rev8, __builtin_bswap64(RS1))

L_Fence:
L_Nop:
  NEXT();

  // A constant made by two instructions: the second one's register gets it.
L_LiPair:
  RD = IMMEDIATE;
  op += 2;
  DISPATCH();

L_LiUnsignedPair:
  RD = WORD(op->immediate);
  op += 2;
  DISPATCH();

  HPIMVP_FUSED_PAIRS(PAIR)

L_Lb : {
  LOAD(std::int8_t);
  NEXT();
}
  HANDLER(Lh)
  HANDLER(Lw)
  HANDLER(Ld)
  HANDLER(Lbu)
L_Lhu : {
  LOAD(std::uint16_t);
  NEXT();
}
L_Lwu : {
  LOAD(std::uint32_t);
  NEXT();
}
  FP_LOAD(Flh, std::uint16_t, 0xffffffffffff0000)
  FP_LOAD(Flw, std::uint32_t, 0xffffffff00000000)
  FP_LOAD(Fld, std::uint64_t, 0)
L_Sb : {
  STORE(std::uint8_t);
  NEXT();
}
L_Sh : {
  STORE(std::uint16_t);
  NEXT();
}
  HANDLER(Sw)
  HANDLER(Sd)
  FP_STORE(Fsh, std::uint16_t)
  FP_STORE(Fsw, std::uint32_t)
  FP_STORE(Fsd, std::uint64_t)

load_off_window:
  state->cycles = cycles;
  state->retired = retired;
  if (UNLIKELY(!core->execute_load(op))) goto trapped;
  cycles = state->cycles;
  NEXT();

store_off_window:
  state->cycles = cycles;
  state->retired = retired;
  if (UNLIKELY(!core->execute_store(op))) goto trapped;
  cycles = state->cycles;
  NEXT();

L_Atomic:
  state->cycles = cycles;
  state->retired = retired;
  if (UNLIKELY(!core->execute_atomic(op))) goto trapped;
  cycles = state->cycles;
  NEXT();

L_Fp:
  if (UNLIKELY(!core->execute_fp(op))) goto trapped;
  NEXT();

  HANDLER(Beq)
  HANDLER(Bne)
  HANDLER(Blt)
  HANDLER(Bge)
  HANDLER(Bltu)
  HANDLER(Bgeu)
  HANDLER(Beqz)
  HANDLER(Bnez)
L_Bltz : { BRANCH(SIGNED(RS1) < 0); }
L_Bgez : { BRANCH(SIGNED(RS1) >= 0); }
L_Blez : { BRANCH(SIGNED(RS2) <= 0); }
L_Bgtz : { BRANCH(SIGNED(RS2) > 0); }

L_Jal:
  LEAVE(exit_after(op), taken);

L_JalLink : {
  const BlockExit* out = exit_after(op);
  RD = out->fall_pc;
  LEAVE(out, taken);
}

L_JalrReturn : {
  const BlockExit* out = exit_after(op);
  const std::uint64_t target = RS1 & ~std::uint64_t{1};
  retired += out->instructions;
  cycles += out->cycles_taken;
  state->pc = target;
  goto jump;
}

L_Jalr : {
  const BlockExit* out = exit_after(op);
  const std::uint64_t target = (RS1 + IMMEDIATE) & ~std::uint64_t{1};
  RD = out->fall_pc;
  retired += out->instructions;
  cycles += out->cycles_taken;
  state->pc = target;
  goto jump;
}

jump : {
  if (UNLIKELY(cycles >= state->cycle_limit)) goto done;
  const std::uint64_t key = state->pc | state->mode_tag;
  const JumpTarget& target = interpreter->jump_targets_[(key >> 1) % kJumpTargets];
  if (LIKELY(target.key == key)) {
    op = target.op;
    DISPATCH();
  }
  const Block* block = core->block_at(state->pc);
  if (block == nullptr) goto done;
  interpreter->jump_targets_[(key >> 1) % kJumpTargets] = {key, block->ops};
  op = block->ops;
  DISPATCH();
}

L_EndOfBlock:
  LEAVE(exit_after(op), fall);

L_UnresolvedTaken : {
  auto* out = reinterpret_cast<BlockExit*>(reinterpret_cast<std::uintptr_t>(op) -
                                           offsetof(BlockExit, unresolved_taken));
  state->pc = out->taken_pc;
  const Block* block = core->block_at(out->taken_pc);
  if (block == nullptr) goto done;
  out->taken = block->ops;
  op = block->ops;
  DISPATCH();
}

L_UnresolvedFall : {
  auto* out = reinterpret_cast<BlockExit*>(reinterpret_cast<std::uintptr_t>(op) -
                                           offsetof(BlockExit, unresolved_fall));
  state->pc = out->fall_pc;
  const Block* block = core->block_at(out->fall_pc);
  if (block == nullptr) goto done;
  out->fall = block->ops;
  op = block->ops;
  DISPATCH();
}

L_Csrrw:
L_Csrrs:
L_Csrrc:
L_Csrrwi:
L_Csrrsi:
L_Csrrci:
L_Csr : {
  const BlockExit* out = exit_after(op);
  state->retired = retired + out->instructions - 1;
  state->cycles = cycles + out->block->sites[out->instructions - 1].cycles_before;
  if (UNLIKELY(!core->execute_csr(op))) goto trapped;
  LEAVE(out, fall);
}

L_FenceI:
  core->request_code_flush();
  LEAVE(exit_after(op), fall);

L_Wfi : {
  if (UNLIKELY(!core->execute_wfi(op))) goto trapped;
  LEAVE(exit_after(op), fall);
}

L_Mret : {
  const BlockExit* out = exit_after(op);
  if (UNLIKELY(!core->execute_mret(op))) goto trapped;
  retired += out->instructions;
  cycles += out->cycles_fall;
  goto done;
}

L_Ecall:
  core->raise_call();
  goto trapped;

L_Ebreak:
  core->raise_breakpoint(op);
  goto trapped;

L_Illegal:
  core->raise_illegal(op);
  goto trapped;

trapped : {
  const Block& block = *exit_of(op).block;
  const InstructionSite& site = block.sites[op - block.ops];
  state->pc = block.pc + site.offset;
  retired += static_cast<std::uint64_t>(op - block.ops);
  cycles += site.cycles_before;
}

done:
  state->cycles = cycles;
  state->retired = retired;
}

namespace {

/// The constant that an AUIPC writes, when 32 bits describe it.
Handler place_address(MicroOp& op, std::uint64_t pc) {
  const std::uint64_t value = pc + static_cast<std::uint64_t>(std::int64_t{op.immediate});
  if (value != sign_extend_32(value) && value != static_cast<std::uint32_t>(value)) {
    return Handler::kAuipc;
  }
  op.immediate = static_cast<std::int32_t>(static_cast<std::uint32_t>(value));
  return value == sign_extend_32(value) ? Handler::kLi : Handler::kLiUnsigned;
}

Handler special_branch(const MicroOp& op, Handler general) {
  if (op.rs2 == 0) {
    switch (op.operation) {
      case Operation::kBeq:
        return Handler::kBeqz;
      case Operation::kBne:
        return Handler::kBnez;
      case Operation::kBlt:
        return Handler::kBltz;
      case Operation::kBge:
        return Handler::kBgez;
      default:
        return general;
    }
  }
  if (op.rs1 == 0 && op.operation == Operation::kBlt) return Handler::kBgtz;
  if (op.rs1 == 0 && op.operation == Operation::kBge) return Handler::kBlez;
  return general;
}

Handler general_handler(Operation operation) {
  switch (operation) {
#define HPIMVP_X(name, ...) \
  case Operation::k##name:  \
    return Handler::k##name;
    HPIMVP_RISCV_ALU_OPERATIONS(HPIMVP_X)
    HPIMVP_RISCV_LOAD_OPERATIONS(HPIMVP_X)
    HPIMVP_RISCV_STORE_OPERATIONS(HPIMVP_X)
    HPIMVP_RISCV_CONTROL_OPERATIONS(HPIMVP_X)
#undef HPIMVP_X
    default:
      return operation < Operation::kFaddH ? Handler::kAtomic : Handler::kFp;
  }
}

Handler select_handler(MicroOp& op, std::uint64_t pc) {
  const Handler general = general_handler(op.operation);
  const OperationInfo& operation = info(op.operation);
  if (operation.group == OperationGroup::kAlu && op.rd == kDiscard) return Handler::kNop;
  if (operation.cost == CostClass::kBranch) return special_branch(op, general);
  switch (op.operation) {
    case Operation::kAuipc:
      return place_address(op, pc);
    case Operation::kAddi:
      if (op.rs1 == 0) return Handler::kLi;
      return op.immediate == 0 ? Handler::kMv : general;
    case Operation::kAddiw:
      return op.immediate == 0 ? Handler::kSextW : general;
    case Operation::kAddUw:
      return op.rs2 == 0 ? Handler::kZextW : general;
    case Operation::kAdd:
      if (op.rs1 != 0) return general;
      op.rs1 = op.rs2;
      return Handler::kMv;
    case Operation::kJal:
      return op.rd == kDiscard ? general : Handler::kJalLink;
    case Operation::kJalr:
      return op.rd == kDiscard && op.immediate == 0 ? Handler::kJalrReturn : general;
    default:
      return general;
  }
}

}  // namespace

namespace {

constexpr std::uint32_t pair_key(Handler first, Handler second) {
  return static_cast<std::uint32_t>(first) << 16 | static_cast<std::uint32_t>(second);
}

/// The handler that executes both, or the first one's own.
Handler fused(Handler first, Handler second) {
  switch (pair_key(first, second)) {
#define HPIMVP_X(one, two)                         \
  case pair_key(Handler::k##one, Handler::k##two): \
    return Handler::k##one##Then##two;
    HPIMVP_FUSED_PAIRS(HPIMVP_X)
#undef HPIMVP_X
    default:
      return first;
  }
}

/// LUI or AUIPC and an ADDI or ADDIW on its result into the same register are one constant.
Handler fused_constant(MicroOp& first, Handler handler, const MicroOp& second) {
  const bool constant =
      handler == Handler::kLi || handler == Handler::kLiUnsigned || handler == Handler::kLui;
  const bool adds = second.operation == Operation::kAddi || second.operation == Operation::kAddiw;
  if (!constant || !adds || second.rs1 != first.rd || second.rd != first.rd) return handler;
  std::uint64_t value = handler == Handler::kLiUnsigned
                            ? static_cast<std::uint32_t>(first.immediate)
                            : static_cast<std::uint64_t>(std::int64_t{first.immediate});
  value += static_cast<std::uint64_t>(std::int64_t{second.immediate});
  if (second.operation == Operation::kAddiw) value = sign_extend_32(value);
  const bool is_signed = value == sign_extend_32(value);
  if (!is_signed && value != static_cast<std::uint32_t>(value)) return handler;
  first.immediate = static_cast<std::int32_t>(static_cast<std::uint32_t>(value));
  return is_signed ? Handler::kLiPair : Handler::kLiUnsignedPair;
}

}  // namespace

void Interpreter::prepare(Block& block) {
  const HandlerTable& table = Loop::handlers();
  const auto address = [&](Handler handler) { return table[static_cast<std::size_t>(handler)]; };
  std::array<Handler, BlockBuilder::kMaximumInstructions + 1> chosen;
  std::size_t count = 0;
  for (MicroOp* op = block.ops;; ++op) {
    const std::uint64_t offset = count < block.exit->instructions ? block.sites[count].offset : 0;
    chosen[count++] = select_handler(*op, block.pc + offset);
    if (ends_block(op->operation)) break;
  }
  for (std::size_t i = 0; i < count; ++i) {
    MicroOp* op = block.ops + i;
    op->handler = address(chosen[i]);
    if (i + 1 == count) break;
    Handler pair = fused_constant(*op, chosen[i], op[1]);
    if (pair == chosen[i]) pair = fused(chosen[i], chosen[i + 1]);
    if (pair == chosen[i]) continue;
    op->handler = address(pair);
    ++i;
    op[1].handler = address(chosen[i]);
  }
  block.exit->unresolved_taken.handler = address(Handler::kUnresolvedTaken);
  block.exit->unresolved_fall.handler = address(Handler::kUnresolvedFall);
}

void Interpreter::execute(Core& core, const Block& block) {
  Loop::run(this, &core, block.ops, nullptr);
}

void Interpreter::forget_blocks() {
  // A key that belongs to another entry matches no look-up.
  jump_targets_.fill(JumpTarget{});
  jump_targets_[0].key = 2;
}

}  // namespace hpimvp::riscv
