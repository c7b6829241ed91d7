#include "models/riscv/interpreter.h"

#include <bit>
#include <cstring>

#include "models/riscv/core.h"

// The names of the code addresses that a block can refer to. One for each operation of the lists
// (those of a group that share code included) and the specialised forms that prepare() selects.
#define HPIMVP_SPECIAL_HANDLERS(X)                                                               \
  X(Nop)                                                                                         \
  X(Li)                                                                                          \
  X(LiUnsigned)                                                                                  \
  X(Mv) X(SextW) X(ZextW) X(Atomic) X(Fp) X(Csr) X(Beqz) X(Bnez) X(Bltz) X(Bgez) X(Blez) X(Bgtz) \
      X(JalLink) X(JalrReturn) X(UnresolvedTaken) X(UnresolvedFall)

namespace hpimvp::riscv {
namespace {

enum class Handler : std::uint16_t {
#define HPIMVP_X(name, ...) k##name,
  HPIMVP_RISCV_ALU_OPERATIONS(HPIMVP_X) HPIMVP_RISCV_LOAD_OPERATIONS(HPIMVP_X)
      HPIMVP_RISCV_STORE_OPERATIONS(HPIMVP_X) HPIMVP_RISCV_CONTROL_OPERATIONS(HPIMVP_X)
          HPIMVP_SPECIAL_HANDLERS(HPIMVP_X)
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

#define LOAD(name, Type)                                                    \
  L_##name : {                                                              \
    const std::uint64_t offset = RS1 + IMMEDIATE - state->load_window.base; \
    if (UNLIKELY(offset >= state->load_window.size)) goto load_off_window;  \
    Type value;                                                             \
    std::memcpy(&value, state->load_window.host + offset, sizeof value);    \
    RD = static_cast<std::uint64_t>(static_cast<std::int64_t>(value));      \
    NEXT();                                                                 \
  }

#define STORE(name, Type)                                                    \
  L_##name : {                                                               \
    const std::uint64_t offset = RS1 + IMMEDIATE - state->store_window.base; \
    if (UNLIKELY(offset >= state->store_window.size)) goto store_off_window; \
    const auto value = static_cast<Type>(RS2);                               \
    std::memcpy(state->store_window.host + offset, &value, sizeof value);    \
    NEXT();                                                                  \
  }

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

#define BRANCH(name, condition)            \
  L_##name : {                             \
    const BlockExit* out = exit_after(op); \
    if (condition) LEAVE(out, taken);      \
    LEAVE(out, fall);                      \
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
    };
    return;
  }

  HartState* const state = &core->state();
  std::uint64_t cycles = state->cycles;
  std::uint64_t retired = state->retired;
  DISPATCH();

  ALU(Lui, IMMEDIATE)
  ALU(Li, IMMEDIATE)
  ALU(LiUnsigned, WORD(op->immediate))
  ALU(Auipc, exit_of(op).block->pc + site_of(op).offset + IMMEDIATE)
  ALU(Mv, RS1)
  ALU(Addi, RS1 + IMMEDIATE)
  ALU(Slti, SIGNED(RS1) < SIGNED(IMMEDIATE))
  ALU(Sltiu, RS1 < IMMEDIATE)
  ALU(Xori, RS1 ^ IMMEDIATE)
  ALU(Ori, RS1 | IMMEDIATE)
  ALU(Andi, RS1 & IMMEDIATE)
  ALU(Slli, RS1 << (op->immediate & 63))
  ALU(Srli, RS1 >> (op->immediate & 63))
  ALU(Srai, static_cast<std::uint64_t>(SIGNED(RS1) >> (op->immediate & 63)))
  ALU(Addiw, sign_extend_32(RS1 + IMMEDIATE))
  ALU(SextW, sign_extend_32(RS1))
  ALU(ZextW, WORD(RS1))
  ALU(Slliw, sign_extend_32(WORD(RS1) << (op->immediate & 31)))
  ALU(Srliw, sign_extend_32(WORD(RS1) >> (op->immediate & 31)))
  ALU(Sraiw, sign_extend_32(static_cast<std::uint64_t>(static_cast<std::int32_t>(WORD(RS1)) >>
                                                       (op->immediate & 31))))
  ALU(Add, RS1 + RS2)
  ALU(Sub, RS1 - RS2)
  ALU(Sll, RS1 << (RS2 & 63))
  ALU(Slt, SIGNED(RS1) < SIGNED(RS2))
  ALU(Sltu, RS1 < RS2)
  ALU(Xor, RS1 ^ RS2)
  ALU(Srl, RS1 >> (RS2 & 63))
  ALU(Sra, static_cast<std::uint64_t>(SIGNED(RS1) >> (RS2 & 63)))
  ALU(Or, RS1 | RS2)
  ALU(And, RS1 & RS2)
  ALU(Addw, sign_extend_32(RS1 + RS2))
  ALU(Subw, sign_extend_32(RS1 - RS2))
  ALU(Sllw, sign_extend_32(WORD(RS1) << (RS2 & 31)))
  ALU(Srlw, sign_extend_32(WORD(RS1) >> (RS2 & 31)))
  ALU(Sraw, sign_extend_32(
                static_cast<std::uint64_t>(static_cast<std::int32_t>(WORD(RS1)) >> (RS2 & 31))))

  ALU(Mul, RS1 * RS2)
  ALU(Mulh, static_cast<std::uint64_t>((__int128{SIGNED(RS1)} * SIGNED(RS2)) >> 64))
  ALU(Mulhsu,
      static_cast<std::uint64_t>((__int128{SIGNED(RS1)} * static_cast<__int128>(RS2)) >> 64))
  ALU(Mulhu, static_cast<std::uint64_t>((static_cast<unsigned __int128>(RS1) * RS2) >> 64))
  ALU(Mulw, sign_extend_32(RS1 * RS2))
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
  ALU(Sh2add, (RS1 << 2) + RS2)
  ALU(Sh3add, (RS1 << 3) + RS2)
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
  ALU(ZextH, RS1 & 0xffff)
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

  LOAD(Lb, std::int8_t)
  LOAD(Lh, std::int16_t)
  LOAD(Lw, std::int32_t)
  LOAD(Ld, std::int64_t)
  LOAD(Lbu, std::uint8_t)
  LOAD(Lhu, std::uint16_t)
  LOAD(Lwu, std::uint32_t)
  FP_LOAD(Flh, std::uint16_t, 0xffffffffffff0000)
  FP_LOAD(Flw, std::uint32_t, 0xffffffff00000000)
  FP_LOAD(Fld, std::uint64_t, 0)
  STORE(Sb, std::uint8_t)
  STORE(Sh, std::uint16_t)
  STORE(Sw, std::uint32_t)
  STORE(Sd, std::uint64_t)
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

  BRANCH(Beq, RS1 == RS2)
  BRANCH(Bne, RS1 != RS2)
  BRANCH(Blt, SIGNED(RS1) < SIGNED(RS2))
  BRANCH(Bge, SIGNED(RS1) >= SIGNED(RS2))
  BRANCH(Bltu, RS1 < RS2)
  BRANCH(Bgeu, RS1 >= RS2)
  BRANCH(Beqz, RS1 == 0)
  BRANCH(Bnez, RS1 != 0)
  BRANCH(Bltz, SIGNED(RS1) < 0)
  BRANCH(Bgez, SIGNED(RS1) >= 0)
  BRANCH(Blez, SIGNED(RS2) <= 0)
  BRANCH(Bgtz, SIGNED(RS2) > 0)

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

void Interpreter::prepare(Block& block) {
  const HandlerTable& table = Loop::handlers();
  const auto address = [&](Handler handler) { return table[static_cast<std::size_t>(handler)]; };
  for (MicroOp* op = block.ops;; ++op) {
    const auto index = static_cast<std::size_t>(op - block.ops);
    const std::uint64_t offset = index < block.exit->instructions ? block.sites[index].offset : 0;
    op->handler = address(select_handler(*op, block.pc + offset));
    if (ends_block(op->operation)) break;
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
