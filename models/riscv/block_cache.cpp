#include "models/riscv/block_cache.h"

#include <algorithm>
#include <new>

namespace hpimvp::riscv {
namespace {

/// Whether `next` reads the register that `first` writes.
bool uses_result(const Instruction& first, const Instruction& next) {
  const OperationInfo& written = info(first.operation);
  if (written.rd == RegisterFile::kNone) return false;
  if (written.rd == RegisterFile::kInteger && first.rd == 0) return false;
  const OperationInfo& read = info(next.operation);
  return (read.rs1 == written.rd && next.rs1 == first.rd) ||
         (read.rs2 == written.rd && next.rs2 == first.rd) ||
         (read.rs3 == written.rd && next.rs3 == first.rd);
}

MicroOp to_micro_op(const Instruction& i) {
  const OperationInfo& operands = info(i.operation);
  MicroOp op{};
  op.rd = operands.rd == RegisterFile::kInteger && i.rd == 0 ? kDiscard : i.rd;
  op.rs1 = i.rs1;
  op.rs2 = i.rs2;
  op.operation = i.operation;
  op.immediate = operands.group == OperationGroup::kFp ? i.rs3 | i.rounding << 8 : i.immediate;
  return op;
}

}  // namespace

void* Arena::allocate(std::size_t bytes) {
  bytes = (bytes + 15) & ~std::size_t{15};
  if (offset_ + bytes > kChunkBytes) {
    chunks_.push_back(std::make_unique<std::byte[]>(kChunkBytes));
    offset_ = 0;
  }
  void* result = chunks_.back().get() + offset_;
  offset_ += bytes;
  used_bytes_ += bytes;
  return result;
}

void Arena::clear() {
  used_bytes_ = 0;
  if (chunks_.empty()) return;
  chunks_.resize(1);
  offset_ = 0;
}

BlockCache::BlockCache() : buckets_(kBuckets, nullptr) {}

Block* BlockCache::find(std::uint64_t pc, std::uint64_t mode_tag) const {
  Block* block = buckets_[bucket(pc, mode_tag)];
  while (block != nullptr && (block->pc != pc || block->mode_tag != mode_tag)) block = block->next;
  return block;
}

void BlockCache::insert(Block* block) {
  Block*& head = buckets_[bucket(block->pc, block->mode_tag)];
  block->next = head;
  head = block;
}

void BlockCache::clear() {
  std::fill(buckets_.begin(), buckets_.end(), nullptr);
  arena_.clear();
}

void BlockBuilder::start(std::uint64_t pc, std::uint64_t mode_tag) {
  pc_ = next_pc_ = pc;
  mode_tag_ = mode_tag;
  instructions_.clear();
}

void BlockBuilder::append(const Instruction& instruction) {
  instructions_.push_back(instruction);
  next_pc_ += instruction.length;
}

std::uint32_t BlockBuilder::cost(std::size_t index, const Instruction* following) const {
  const Instruction& instruction = instructions_[index];
  const OperationInfo& operands = info(instruction.operation);
  const ClassCost& cost = table_[operands.cost];
  const Instruction* next =
      index + 1 < instructions_.size() ? &instructions_[index + 1] : following;
  std::uint32_t cycles = std::max<std::uint32_t>(cost.issue, 1);
  if (next != nullptr && uses_result(instruction, *next)) cycles += cost.use_stall;
  if (operands.group == OperationGroup::kLoad) cycles += extra_.load_cycles;
  if (operands.group == OperationGroup::kStore) cycles += extra_.store_cycles;
  return cycles;
}

void BlockBuilder::set_ways_out(const Instruction& last, BlockExit& exit,
                                std::uint64_t cycles) const {
  exit.cycles_taken = exit.cycles_fall = cycles;
  exit.fall_pc = next_pc_;
  exit.taken_pc = next_pc_;
  const std::uint64_t last_pc = next_pc_ - last.length;
  switch (info(last.operation).cost) {
    case CostClass::kBranch: {
      const bool backwards = last.immediate < 0;
      exit.taken_pc = last_pc + static_cast<std::uint64_t>(std::int64_t{last.immediate});
      exit.cycles_taken += backwards ? table_.predicted_taken : table_.mispredict;
      exit.cycles_fall += backwards ? table_.mispredict : 0;
      break;
    }
    case CostClass::kJump:
      if (last.operation == Operation::kJal) {
        exit.taken_pc = last_pc + static_cast<std::uint64_t>(std::int64_t{last.immediate});
        exit.cycles_taken += table_.predicted_taken;
      } else {
        const bool is_return = last.rd == 0 && last.rs1 == 1;
        exit.cycles_taken += is_return ? table_.predicted_taken : table_.mispredict;
      }
      break;
    default:
      break;
  }
}

Block* BlockBuilder::finish(Arena& arena, const Instruction* following) {
  const std::size_t count = instructions_.size();
  const std::size_t slots = count + (ended() ? 0 : 1);
  auto* block = new (arena.allocate(sizeof(Block))) Block{};
  std::byte* code =
      static_cast<std::byte*>(arena.allocate(slots * sizeof(MicroOp) + sizeof(BlockExit)));
  block->pc = pc_;
  block->mode_tag = mode_tag_;
  block->ops = new (code) MicroOp[slots];
  block->exit = new (code + slots * sizeof(MicroOp)) BlockExit{};
  block->sites = new (arena.allocate(count * sizeof(InstructionSite))) InstructionSite[count];
  std::uint32_t cycles = 0;
  std::uint16_t offset = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Instruction& instruction = instructions_[i];
    block->ops[i] = to_micro_op(instruction);
    block->sites[i] = {cycles, instruction.raw, offset, instruction.length};
    cycles += cost(i, following);
    offset = static_cast<std::uint16_t>(offset + instruction.length);
  }
  if (slots > count) {
    block->ops[count] = MicroOp{};
    block->ops[count].operation = Operation::kEndOfBlock;
  }
  BlockExit& exit = *block->exit;
  exit.block = block;
  exit.instructions = count;
  set_ways_out(instructions_.back(), exit, cycles);
  exit.taken = &exit.unresolved_taken;
  exit.fall = &exit.unresolved_fall;
  return block;
}

}  // namespace hpimvp::riscv
