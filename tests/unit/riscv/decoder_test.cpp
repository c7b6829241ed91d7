#include "models/riscv/decoder.h"

#include <catch2/catch.hpp>
#include <string>

namespace {

using namespace hpimvp::riscv;

struct Expected {
  std::uint32_t bits;
  const char* operation;
  int rd, rs1, rs2;
  std::int32_t immediate;
};

/// Encodings as GNU as produces them for the instruction in the comment. A register of -1 is one
/// that the operation does not have.
constexpr Expected kExpected[] = {
    {0x12345537, "Lui", 10, -1, -1, 0x12345000},  // lui a0, 0x12345
    {0xfffff517, "Auipc", 10, -1, -1, -4096},     // auipc a0, 0xfffff
    {0xff010113, "Addi", 2, 2, -1, -16},          // addi sp, sp, -16
    {0x03f51513, "Slli", 10, 10, -1, 63},         // slli a0, a0, 63
    {0x43f55513, "Srai", 10, 10, -1, 63},         // srai a0, a0, 63
    {0x40c5853b, "Subw", 10, 11, 12, 0},          // subw a0, a1, a2
    {0xfe0518e3, "Bne", -1, 10, 0, -16},          // bnez a0, .-16
    {0xffdff06f, "Jal", 0, -1, -1, -4},           // j .-4
    {0x00008067, "Jalr", 0, 1, -1, 0},            // ret
    {0xfea43c23, "Sd", -1, 8, 10, -8},            // sd a0, -8(s0)
    {0xff843503, "Ld", 10, 8, -1, -8},            // ld a0, -8(s0)
    {0x02c5b533, "Mulhu", 10, 11, 12, 0},         // mulhu a0, a1, a2
    {0x1005b52f, "LrD", 10, 11, -1, 0},           // lr.d a0, (a1)
    {0x18c5a52f, "ScW", 10, 11, 12, 0},           // sc.w a0, a2, (a1)
    {0x20c5e533, "Sh3add", 10, 11, 12, 0},        // sh3add a0, a1, a2
    {0x0805853b, "AddUw", 10, 11, 0, 0},          // zext.w a0, a1
    {0x60059513, "Clz", 10, 11, -1, 0},           // clz a0, a1
    {0x6b85d513, "Rev8", 10, 11, -1, 0},          // rev8 a0, a1
    {0x0805c53b, "ZextH", 10, 11, -1, 0},         // zext.h a0, a1
    {0x00c5f553, "FaddS", 10, 11, 12, 0},         // fadd.s fa0, fa1, fa2
    {0x6ac5f543, "FmaddD", 10, 11, 12, 0},        // fmadd.d fa0, fa1, fa2, fa3
    {0x04c5f553, "FaddH", 10, 11, 12, 0},         // fadd.h fa0, fa1, fa2
    {0x4025f553, "FcvtSFromH", 10, 11, -1, 0},    // fcvt.s.h fa0, fa1
    {0xc2259553, "FcvtLFromD", 10, 11, -1, 0},    // fcvt.l.d a0, fa1, rtz
    {0xe4058553, "FmvXFromH", 10, 11, -1, 0},     // fmv.x.h a0, fa1
    {0x34102573, "Csrrs", 10, 0, -1, 0x341},      // csrr a0, mepc
    {0x30046073, "Csrrsi", 0, -1, -1, 0x300},     // csrsi mstatus, 8
    {0x4501, "Addi", 10, 0, -1, 0},               // c.li a0, 0
    {0x1141, "Addi", 2, 2, -1, -16},              // c.addi sp, -16
    {0x7139, "Addi", 2, 2, -1, -64},              // c.addi16sp sp, -64
    {0x0808, "Addi", 10, 2, -1, 16},              // c.addi4spn a0, sp, 16
    {0x75fd, "Lui", 11, -1, -1, -4096},           // c.lui a1, 0xfffff
    {0x2505, "Addiw", 10, 10, -1, 1},             // c.addiw a0, 1
    {0x8d8d, "Sub", 11, 11, 11, 0},               // c.sub a1, a1
    {0x9d2d, "Addw", 10, 10, 11, 0},              // c.addw a0, a1
    {0x6108, "Ld", 10, 10, -1, 0},                // c.ld a0, 0(a0)
    {0xe42e, "Sd", -1, 2, 11, 8},                 // c.sdsp a1, 8(sp)
    {0x65a2, "Ld", 11, 2, -1, 8},                 // c.ldsp a1, 8(sp)
    {0x8082, "Jalr", 0, 1, -1, 0},                // c.jr ra
    {0x9582, "Jalr", 1, 11, -1, 0},               // c.jalr a1
    {0x852e, "Add", 10, 0, 11, 0},                // c.mv a0, a1
    {0xd97d, "Beq", -1, 10, 0, -10},              // c.beqz a0, .-10
    {0x9002, "Ebreak", -1, -1, -1, 0},            // c.ebreak
};

}  // namespace

TEST_CASE("decoder: operations and operands of typical encodings") {
  for (const Expected& expected : kExpected) {
    INFO(std::hex << expected.bits);
    const Instruction actual = decode(expected.bits);
    CHECK(info(actual.operation).name == std::string(expected.operation));
    if (expected.rd >= 0) CHECK(actual.rd == expected.rd);
    if (expected.rs1 >= 0) CHECK(actual.rs1 == expected.rs1);
    if (expected.rs2 >= 0) CHECK(actual.rs2 == expected.rs2);
    CHECK(actual.immediate == expected.immediate);
    CHECK(actual.length == ((expected.bits & 3) == 3 ? 4 : 2));
  }
}

TEST_CASE("decoder: reserved and absent encodings are illegal") {
  for (const std::uint32_t bits : {
           0x00000000u,  // c.unimp
           0xffffffffu,
           0x0000007fu,      // longer than 32 bits
           0x06c5f553u,      // fadd.q
           0x00c5d553u,      // fadd.s with reserved rounding mode 5
           0x10200073u,      // sret
           0x12000073u,      // sfence.vma
           0x2000u | 0x01u,  // c.addiw x0
           0x6101u,          // c.addi16sp 0
           0x4002u,          // c.lwsp x0
           0x8002u,          // c.jr x0
           0x1005452fu,      // lr with a byte width
           0x40055553u,      // fcvt.s.s
       }) {
    INFO(std::hex << bits);
    CHECK(decode(bits).operation == Operation::kIllegal);
  }
}

TEST_CASE("decoder: every operation has a name of its own and a place in one group") {
  for (int number = 0; number <= static_cast<int>(Operation::kEndOfBlock); ++number) {
    const auto operation = static_cast<Operation>(number);
    const OperationInfo& operands = info(operation);
    REQUIRE(operands.name != nullptr);
    CHECK(ends_block(operation) == (operands.group == OperationGroup::kControl));
  }
}
