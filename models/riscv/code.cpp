// Fetching and decoding: the part of Core that turns memory into blocks.
#include <cstring>

#include "models/riscv/core.h"

namespace hpimvp::riscv {

const Block* Core::block_at(std::uint64_t pc) {
  if (!breakpoints_.empty() && breakpoints_.count(pc) != 0) return nullptr;
  if (cache_.full()) request_code_flush();
  if (flush_requested_) return nullptr;
  if (const Block* block = cache_.find(pc, state_.mode_tag)) return block;
  return decode_mapped(pc);
}

const Block* Core::decode_mapped(std::uint64_t pc) {
  builder_.start(pc, state_.mode_tag);
  while (!builder_.full() && !builder_.ended()) {
    const std::uint64_t next = builder_.next_pc();
    if (!builder_.empty() && !breakpoints_.empty() && breakpoints_.count(next) != 0) break;
    // A run ends at a block's end: with watchpoints that has to be right behind any access.
    if (!builder_.empty() && !watchpoints_.empty()) break;
    const auto instruction = peek_mapped(next);
    if (!instruction) break;
    builder_.append(*instruction);
  }
  if (builder_.empty()) return nullptr;
  const auto following = builder_.ended() ? std::nullopt : peek_mapped(builder_.next_pc());
  Block* block = builder_.finish(cache_.arena(), following ? &*following : nullptr);
  engine_->prepare(*block);
  cache_.insert(block);
  return block;
}

/// A block of the one instruction at `pc`, wherever it comes from, for immediate execution; null
/// with a trap pending when it cannot be fetched.
const Block* Core::decode_single(std::uint64_t pc) {
  std::uint16_t low = 0;
  std::uint16_t high = 0;
  if (!fetch_parcel(pc, low)) return nullptr;
  if (!is_compressed(low) && !fetch_parcel(pc + 2, high)) return nullptr;
  single_arena_.clear();
  builder_.start(pc, state_.mode_tag);
  builder_.append(decode(low | std::uint32_t{high} << 16));
  const auto following = builder_.ended() ? std::nullopt : peek_mapped(builder_.next_pc());
  Block* block = builder_.finish(single_arena_, following ? &*following : nullptr);
  engine_->prepare(*block);
  return block;
}

std::optional<Instruction> Core::peek_mapped(std::uint64_t pc) const {
  const auto low = mapped_parcel(pc);
  if (!low) return std::nullopt;
  if (is_compressed(*low)) return decode(*low);
  const auto high = mapped_parcel(pc + 2);
  if (!high) return std::nullopt;
  return decode(*low | std::uint32_t{*high} << 16);
}

std::optional<std::uint16_t> Core::mapped_parcel(std::uint64_t pc) const {
  const bool machine_mode = state_.privilege == Privilege::kMachine;
  if (pmp_.restricts(machine_mode) && !pmp_.allows(pc, 2, AccessKind::kFetch, machine_mode)) {
    return std::nullopt;
  }
  const MemoryRegion* region = region_of(pc, 2);
  if (region == nullptr || !region->executable) return std::nullopt;
  std::uint16_t parcel;
  std::memcpy(&parcel, region->host + (pc - region->base), sizeof parcel);
  return parcel;
}

bool Core::fetch_parcel(std::uint64_t pc, std::uint16_t& parcel) {
  if (const auto mapped = mapped_parcel(pc)) {
    parcel = *mapped;
    return true;
  }
  const bool machine_mode = state_.privilege == Privilege::kMachine;
  if (pmp_.restricts(machine_mode) && !pmp_.allows(pc, 2, AccessKind::kFetch, machine_mode)) {
    return raise(Cause::kFetchAccess, pc);
  }
  std::byte bytes[2];
  const BusResponse response = bus_.read(pc, bytes, AccessKind::kFetch, state_.cycles);
  if (!response.ok) return raise(Cause::kFetchAccess, pc);
  state_.cycles += response.latency_cycles;
  std::memcpy(&parcel, bytes, sizeof parcel);
  return true;
}

void Core::forget_code() {
  request_code_flush();
}

void Core::request_code_flush() {
  flush_requested_ = true;
  attend();
}

/// Only at block boundaries: nothing that the engine still uses goes away.
void Core::flush_code() {
  flush_requested_ = false;
  engine_->forget_blocks();
  if (!cache_.empty()) cache_.clear();
}

}  // namespace hpimvp::riscv
