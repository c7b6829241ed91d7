// Encodings of the instructions that the tests of the RISC-V core use, and a machine of 64 KiB of
// RAM with a recording bus to run them on.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <vector>

#include "models/riscv/core.h"

namespace hpimvp::riscv::assembly {

constexpr std::uint32_t i_type(std::uint32_t opcode, int funct3, int rd, int rs1, int immediate) {
  return static_cast<std::uint32_t>(immediate) << 20 | static_cast<std::uint32_t>(rs1) << 15 |
         static_cast<std::uint32_t>(funct3) << 12 | static_cast<std::uint32_t>(rd) << 7 | opcode;
}
constexpr std::uint32_t r_type(std::uint32_t opcode, int funct7, int funct3, int rd, int rs1,
                               int rs2) {
  return i_type(opcode, funct3, rd, rs1, funct7 << 5 | rs2);
}
constexpr std::uint32_t s_type(std::uint32_t opcode, int funct3, int rs2, int rs1, int offset) {
  return r_type(opcode, (offset >> 5) & 127, funct3, offset & 31, rs1, rs2);
}

constexpr std::uint32_t addi(int rd, int rs1, int immediate) {
  return i_type(0x13, 0, rd, rs1, immediate);
}
constexpr std::uint32_t nop() {
  return addi(0, 0, 0);
}
constexpr std::uint32_t add(int rd, int rs1, int rs2) {
  return r_type(0x33, 0, 0, rd, rs1, rs2);
}
constexpr std::uint32_t mul(int rd, int rs1, int rs2) {
  return r_type(0x33, 1, 0, rd, rs1, rs2);
}
constexpr std::uint32_t divu(int rd, int rs1, int rs2) {
  return r_type(0x33, 1, 5, rd, rs1, rs2);
}
constexpr std::uint32_t lui(int rd, std::uint32_t upper) {
  return upper << 12 | static_cast<std::uint32_t>(rd) << 7 | 0x37;
}
constexpr std::uint32_t auipc(int rd, std::uint32_t upper) {
  return upper << 12 | static_cast<std::uint32_t>(rd) << 7 | 0x17;
}
constexpr std::uint32_t lw(int rd, int rs1, int offset) {
  return i_type(0x03, 2, rd, rs1, offset);
}
constexpr std::uint32_t ld(int rd, int rs1, int offset) {
  return i_type(0x03, 3, rd, rs1, offset);
}
constexpr std::uint32_t lhu(int rd, int rs1, int offset) {
  return i_type(0x03, 5, rd, rs1, offset);
}
constexpr std::uint32_t sw(int rs2, int rs1, int offset) {
  return s_type(0x23, 2, rs2, rs1, offset);
}
constexpr std::uint32_t sd(int rs2, int rs1, int offset) {
  return s_type(0x23, 3, rs2, rs1, offset);
}
constexpr std::uint32_t flw(int rd, int rs1, int offset) {
  return i_type(0x07, 2, rd, rs1, offset);
}
constexpr std::uint32_t branch(int funct3, int rs1, int rs2, int offset) {
  const auto o = static_cast<std::uint32_t>(offset);
  return ((o >> 12) & 1) << 31 | ((o >> 5) & 63) << 25 | static_cast<std::uint32_t>(rs2) << 20 |
         static_cast<std::uint32_t>(rs1) << 15 | static_cast<std::uint32_t>(funct3) << 12 |
         ((o >> 1) & 15) << 8 | ((o >> 11) & 1) << 7 | 0x63;
}
constexpr std::uint32_t beq(int rs1, int rs2, int offset) {
  return branch(0, rs1, rs2, offset);
}
constexpr std::uint32_t bne(int rs1, int rs2, int offset) {
  return branch(1, rs1, rs2, offset);
}
constexpr std::uint32_t jal(int rd, int offset) {
  const auto o = static_cast<std::uint32_t>(offset);
  return ((o >> 20) & 1) << 31 | ((o >> 1) & 1023) << 21 | ((o >> 11) & 1) << 20 |
         ((o >> 12) & 255) << 12 | static_cast<std::uint32_t>(rd) << 7 | 0x6f;
}
constexpr std::uint32_t jalr(int rd, int rs1, int offset) {
  return i_type(0x67, 0, rd, rs1, offset);
}
constexpr std::uint32_t csrrw(int rd, int number, int rs1) {
  return i_type(0x73, 1, rd, rs1, number);
}
constexpr std::uint32_t csrrs(int rd, int number, int rs1) {
  return i_type(0x73, 2, rd, rs1, number);
}
constexpr std::uint32_t csrr(int rd, int number) {
  return csrrs(rd, number, 0);
}
constexpr std::uint32_t csrw(int number, int rs1) {
  return csrrw(0, number, rs1);
}
constexpr std::uint32_t lr_d(int rd, int rs1) {
  return r_type(0x2f, 2 << 2, 3, rd, rs1, 0);
}
constexpr std::uint32_t sc_d(int rd, int rs1, int rs2) {
  return r_type(0x2f, 3 << 2, 3, rd, rs1, rs2);
}
constexpr std::uint32_t amoadd_w(int rd, int rs1, int rs2) {
  return r_type(0x2f, 0, 2, rd, rs1, rs2);
}
constexpr std::uint32_t fadd_s(int rd, int rs1, int rs2) {
  return r_type(0x53, 0, 7, rd, rs1, rs2);
}
constexpr std::uint32_t feq_s(int rd, int rs1, int rs2) {
  return r_type(0x53, 0x50, 2, rd, rs1, rs2);
}
constexpr std::uint32_t op_immediate(int funct3, int rd, int rs1, int immediate) {
  return i_type(0x13, funct3, rd, rs1, immediate);
}
constexpr std::uint32_t op_immediate_32(int funct3, int rd, int rs1, int immediate) {
  return i_type(0x1b, funct3, rd, rs1, immediate);
}
constexpr std::uint32_t op(int funct7, int funct3, int rd, int rs1, int rs2) {
  return r_type(0x33, funct7, funct3, rd, rs1, rs2);
}
constexpr std::uint32_t op_32(int funct7, int funct3, int rd, int rs1, int rs2) {
  return r_type(0x3b, funct7, funct3, rd, rs1, rs2);
}
inline constexpr std::uint32_t kEcall = 0x00000073;
inline constexpr std::uint32_t kEbreak = 0x00100073;
inline constexpr std::uint32_t kMret = 0x30200073;
inline constexpr std::uint32_t kWfi = 0x10500073;
inline constexpr std::uint32_t kFenceI = 0x0000100f;

inline constexpr std::uint64_t kRam = 0x80000000;
inline constexpr std::uint64_t kRamBytes = 0x10000;

struct BusAccess {
  std::uint64_t address;
  std::size_t size;
  bool is_write;
  std::uint64_t now_cycles;
  std::uint64_t pc;
};

/// RAM at kRam, reached directly or over the bus. Device accesses are recorded and handed to a
/// callback; addresses below 0x1000 do not answer.
class Machine : public Bus {
 public:
  explicit Machine(bool direct = true, CoreConfig config = {})
      : ram(kRamBytes), core(at_ram(config), *this) {
    if (direct) core.add_memory(region());
  }

  MemoryRegion region() {
    MemoryRegion result;
    result.base = kRam;
    result.size_bytes = kRamBytes;
    result.host = ram.data();
    return result;
  }

  void write_code(std::uint64_t address, std::initializer_list<std::uint32_t> code) {
    for (const std::uint32_t instruction : code) {
      std::memcpy(ram.data() + (address - kRam), &instruction, 4);
      address += 4;
    }
  }
  void load(std::initializer_list<std::uint32_t> code) { write_code(kRam, code); }

  template <class Integer>
  void poke(std::uint64_t address, Integer value) {
    std::memcpy(ram.data() + (address - kRam), &value, sizeof value);
  }
  template <class Integer>
  Integer peek(std::uint64_t address) const {
    Integer value;
    std::memcpy(&value, ram.data() + (address - kRam), sizeof value);
    return value;
  }

  BusResponse read(std::uint64_t address, std::span<std::byte> data, AccessKind kind,
                   std::uint64_t now_cycles) override {
    if (in_ram(address, data.size())) {
      std::memcpy(data.data(), ram.data() + (address - kRam), data.size());
      return {true, 0};
    }
    if (address < 0x1000 || kind == AccessKind::kFetch) return {};
    accesses.push_back({address, data.size(), false, now_cycles, core.pc()});
    std::memset(data.data(), 0, data.size());
    if (on_access) on_access(accesses.back());
    return {true, latency};
  }

  BusResponse write(std::uint64_t address, std::span<const std::byte> data,
                    std::uint64_t now_cycles) override {
    if (in_ram(address, data.size())) {
      std::memcpy(ram.data() + (address - kRam), data.data(), data.size());
      return {true, 0};
    }
    if (address < 0x1000) return {};
    accesses.push_back({address, data.size(), true, now_cycles, core.pc()});
    if (on_access) on_access(accesses.back());
    return {true, latency};
  }

  std::vector<std::byte> ram;
  Core core;
  std::vector<BusAccess> accesses;
  std::function<void(const BusAccess&)> on_access;
  std::uint64_t latency = 0;

 private:
  static CoreConfig at_ram(CoreConfig config) {
    config.reset_pc = kRam;
    return config;
  }
  static bool in_ram(std::uint64_t address, std::size_t size) {
    return address >= kRam && address - kRam <= kRamBytes - size;
  }
};

}  // namespace hpimvp::riscv::assembly
