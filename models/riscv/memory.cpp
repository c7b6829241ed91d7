// Data accesses off the fast path: Core's loads, stores, atomics and memory map.
#include <algorithm>
#include <bit>
#include <cstring>

#include "models/riscv/core.h"

namespace hpimvp::riscv {
namespace {

static_assert(std::endian::native == std::endian::little,
              "guest memory is accessed as host integers");

constexpr std::uint64_t kBoxSingle = 0xffffffff00000000;
constexpr std::uint64_t kBoxHalf = 0xffffffffffff0000;

std::uint64_t sign_extend(std::uint64_t value, unsigned bytes) {
  const unsigned shift = 64 - 8 * bytes;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << shift) >> shift);
}

unsigned access_size(Operation operation) {
  switch (operation) {
    case Operation::kLb:
    case Operation::kLbu:
    case Operation::kSb:
      return 1;
    case Operation::kLh:
    case Operation::kLhu:
    case Operation::kFlh:
    case Operation::kSh:
    case Operation::kFsh:
      return 2;
    case Operation::kLw:
    case Operation::kLwu:
    case Operation::kFlw:
    case Operation::kSw:
    case Operation::kFsw:
      return 4;
    default:
      return 8;
  }
}

bool is_fp(const MicroOp* op) {
  const OperationInfo& operands = info(op->operation);
  return operands.rd == RegisterFile::kFloat || operands.rs2 == RegisterFile::kFloat;
}

bool overlaps(const MemoryRegion& region, std::uint64_t first, std::uint64_t last) {
  return region.base <= last && region.base + (region.size_bytes - 1) >= first;
}

}  // namespace

// ---- The memory map ----

void Core::add_memory(const MemoryRegion& region) {
  if (region.size_bytes == 0) return;
  // Asking again for what is mapped must not cost the decoded code.
  if (std::find(regions_.begin(), regions_.end(), region) != regions_.end()) return;
  const std::uint64_t last = region.base + (region.size_bytes - 1);
  const bool replaces = std::any_of(regions_.begin(), regions_.end(), [&](const MemoryRegion& r) {
    return overlaps(r, region.base, last);
  });
  if (replaces) remove_memory(region.base, last);
  regions_.push_back(region);
  choose_home();
}

void Core::remove_memory(std::uint64_t first, std::uint64_t last) {
  const auto removed = std::erase_if(
      regions_, [&](const MemoryRegion& region) { return overlaps(region, first, last); });
  if (removed == 0) return;
  close_windows();
  request_code_flush();
  choose_home();
}

/// The extra cycles of the largest region are part of every block's cycle count.
void Core::choose_home() {
  BlockBuilder::Extra extra;
  std::uint64_t largest = 0;
  for (const MemoryRegion& region : regions_) {
    if (region.size_bytes <= largest) continue;
    largest = region.size_bytes;
    extra = {region.extra_cycles_per_load, region.extra_cycles_per_store};
  }
  if (extra == home_extra_) return;
  home_extra_ = extra;
  builder_ = BlockBuilder(config_.cycles, extra);
  close_windows();
  request_code_flush();
}

const MemoryRegion* Core::region_of(std::uint64_t address, unsigned size) const {
  for (const MemoryRegion& region : regions_) {
    const std::uint64_t offset = address - region.base;
    if (offset < region.size_bytes && region.size_bytes - offset >= size) return &region;
  }
  return nullptr;
}

void Core::close_windows() {
  state_.load_window = DataWindow{};
  state_.store_window = DataWindow{};
}

void Core::open_window(DataWindow& window, const MemoryRegion& region, std::uint64_t address) {
  std::uint64_t first = region.base;
  std::uint64_t last = region.base + (region.size_bytes - 1);
  if (pmp_.restricts(data_machine_mode())) pmp_.clip_to_uniform(address, first, last);
  for (const Watchpoint& watch : watchpoints_) {
    const std::uint64_t watch_last = watch.address + (watch.size_bytes - 1);
    if (watch_last < first || watch.address > last) continue;
    if (address < watch.address) {
      last = watch.address - 1;
    } else if (address > watch_last) {
      first = watch_last + 1;
    } else {
      return;
    }
  }
  if (last - first < 7) return;
  window = {first, last - first - 6, region.host + (first - region.base)};
}

bool Core::data_machine_mode() const {
  if (csrs_.mstatus & mstatus::kMprv) {
    return (csrs_.mstatus & mstatus::kMpp) == mstatus::kMpp;
  }
  return state_.privilege == Privilege::kMachine;
}

void Core::check_watchpoints(std::uint64_t address, unsigned size, bool is_store) {
  for (const Watchpoint& watch : watchpoints_) {
    if (!(is_store ? watch.on_store : watch.on_load)) continue;
    if (address > watch.address + (watch.size_bytes - 1) || address + (size - 1) < watch.address) {
      continue;
    }
    watch_hit_ = true;
    watch_hit_address_ = std::max(address, watch.address);
    attend();
  }
}

/// Makes pc exact for the bus and returns the cycle count at the instruction.
std::uint64_t Core::locate(const MicroOp* op) {
  const Block& block = *exit_of(op).block;
  const InstructionSite& site = block.sites[op - block.ops];
  state_.pc = block.pc + site.offset;
  return state_.cycles + site.cycles_before;
}

// ---- Single accesses ----

bool Core::load(const MicroOp* op, std::uint64_t address, unsigned size, std::uint64_t& value,
                bool for_store) {
  const Cause fault = for_store ? Cause::kStoreAccess : Cause::kLoadAccess;
  const bool machine_mode = data_machine_mode();
  if (pmp_.restricts(machine_mode)) {
    const bool allowed =
        pmp_.allows(address, size, AccessKind::kLoad, machine_mode) &&
        (!for_store || pmp_.allows(address, size, AccessKind::kStore, machine_mode));
    if (!allowed) return raise(fault, address);
  }
  if (!watchpoints_.empty()) check_watchpoints(address, size, false);
  const bool plain = info(op->operation).group == OperationGroup::kLoad;
  const std::uint64_t counted = plain ? home_extra_.load_cycles : 0;
  value = 0;
  if (const MemoryRegion* region = region_of(address, size); region && region->readable) {
    std::memcpy(&value, region->host + (address - region->base), size);
    state_.cycles += region->extra_cycles_per_load - counted;
    if (region->extra_cycles_per_load == home_extra_.load_cycles) {
      open_window(state_.load_window, *region, address);
    }
    return true;
  }
  std::byte bytes[8];
  const std::uint64_t now = locate(op);
  const BusResponse response = bus_.read(address, {bytes, size}, AccessKind::kLoad, now);
  if (!response.ok) return raise(fault, address);
  state_.cycles += response.latency_cycles - counted;
  std::memcpy(&value, bytes, size);
  return true;
}

bool Core::store(const MicroOp* op, std::uint64_t address, unsigned size, std::uint64_t value) {
  const bool machine_mode = data_machine_mode();
  if (pmp_.restricts(machine_mode) &&
      !pmp_.allows(address, size, AccessKind::kStore, machine_mode)) {
    return raise(Cause::kStoreAccess, address);
  }
  if (!watchpoints_.empty()) check_watchpoints(address, size, true);
  const bool plain = info(op->operation).group == OperationGroup::kStore;
  const std::uint64_t counted = plain ? home_extra_.store_cycles : 0;
  if (const MemoryRegion* region = region_of(address, size); region && region->writable) {
    std::memcpy(region->host + (address - region->base), &value, size);
    state_.cycles += region->extra_cycles_per_store - counted;
    if (region->extra_cycles_per_store == home_extra_.store_cycles) {
      open_window(state_.store_window, *region, address);
    }
    return true;
  }
  std::byte bytes[8];
  std::memcpy(bytes, &value, sizeof bytes);
  const std::uint64_t now = locate(op);
  const BusResponse response = bus_.write(address, {bytes, size}, now);
  if (!response.ok) return raise(Cause::kStoreAccess, address);
  state_.cycles += response.latency_cycles - counted;
  return true;
}

// ---- Instructions ----

bool Core::execute_load(const MicroOp* op) {
  const bool fp = is_fp(op);
  if (fp && state_.fs == 0) return raise_illegal(op);
  const std::uint64_t address =
      state_.x[op->rs1] + static_cast<std::uint64_t>(std::int64_t{op->immediate});
  const unsigned size = access_size(op->operation);
  std::uint64_t value;
  if (!load(op, address, size, value)) return false;
  switch (op->operation) {
    case Operation::kLb:
    case Operation::kLh:
    case Operation::kLw:
      value = sign_extend(value, size);
      break;
    case Operation::kFlh:
      value |= kBoxHalf;
      break;
    case Operation::kFlw:
      value |= kBoxSingle;
      break;
    default:
      break;
  }
  if (fp) {
    state_.f[op->rd] = value;
    state_.fs = 3;
  } else {
    state_.x[op->rd] = value;
  }
  return true;
}

bool Core::execute_store(const MicroOp* op) {
  const bool fp = is_fp(op);
  if (fp && state_.fs == 0) return raise_illegal(op);
  const std::uint64_t address =
      state_.x[op->rs1] + static_cast<std::uint64_t>(std::int64_t{op->immediate});
  const std::uint64_t value = fp ? state_.f[op->rs2] : state_.x[op->rs2];
  return store(op, address, access_size(op->operation), value);
}

bool Core::load_reserved(const MicroOp* op, unsigned size) {
  const std::uint64_t address = state_.x[op->rs1];
  if (address % size != 0) return raise(Cause::kLoadMisaligned, address);
  std::uint64_t value;
  if (!load(op, address, size, value)) return false;
  reserved_ = true;
  reserved_address_ = address;
  reserved_value_ = sign_extend(value, size);
  state_.x[op->rd] = reserved_value_;
  return true;
}

/// Succeeds when the reserved location still holds what was loaded: stores by other bus masters go
/// to the same memory without passing through this core.
bool Core::store_conditional(const MicroOp* op, unsigned size) {
  const std::uint64_t address = state_.x[op->rs1];
  if (address % size != 0) return raise(Cause::kStoreMisaligned, address);
  bool success = reserved_ && reserved_address_ == address;
  if (success) {
    std::uint64_t value;
    if (!load(op, address, size, value, true)) return false;
    success = sign_extend(value, size) == reserved_value_;
  }
  if (success && !store(op, address, size, state_.x[op->rs2])) return false;
  reserved_ = false;
  state_.x[op->rd] = success ? 0 : 1;
  return true;
}

namespace {

std::uint64_t combine(Operation operation, std::uint64_t old, std::uint64_t operand) {
  using enum Operation;
  const auto signed_old = static_cast<std::int64_t>(old);
  const auto signed_operand = static_cast<std::int64_t>(operand);
  switch (operation) {
    case kAmoaddW:
    case kAmoaddD:
      return old + operand;
    case kAmoxorW:
    case kAmoxorD:
      return old ^ operand;
    case kAmoandW:
    case kAmoandD:
      return old & operand;
    case kAmoorW:
    case kAmoorD:
      return old | operand;
    case kAmominW:
    case kAmominD:
      return signed_old < signed_operand ? old : operand;
    case kAmomaxW:
    case kAmomaxD:
      return signed_old > signed_operand ? old : operand;
    case kAmominuW:
    case kAmominuD:
      return std::min(old, operand);
    case kAmomaxuW:
    case kAmomaxuD:
      return std::max(old, operand);
    default:  // the swaps
      return operand;
  }
}

}  // namespace

bool Core::execute_atomic(const MicroOp* op) {
  const unsigned size = op->operation >= Operation::kLrD ? 8 : 4;
  switch (op->operation) {
    case Operation::kLrW:
    case Operation::kLrD:
      return load_reserved(op, size);
    case Operation::kScW:
    case Operation::kScD:
      return store_conditional(op, size);
    default:
      break;
  }
  const std::uint64_t address = state_.x[op->rs1];
  if (address % size != 0) return raise(Cause::kStoreMisaligned, address);
  std::uint64_t old;
  if (!load(op, address, size, old, true)) return false;
  // Sign extension keeps the order of unsigned 32-bit values too.
  old = sign_extend(old, size);
  const std::uint64_t operand = sign_extend(state_.x[op->rs2], size);
  if (!store(op, address, size, combine(op->operation, old, operand))) return false;
  state_.x[op->rd] = old;
  return true;
}

}  // namespace hpimvp::riscv
