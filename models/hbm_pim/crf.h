// Instructions of Samsung's processing units, as they stand in the command register file (CRF) of
// 32 entries: 32-bit words, encoded as published with HBM2-PIM (S. Lee et al., "Hardware
// Architecture and Software Stack for PIM Based on Commercial DRAM Technology", ISCA 2021, and
// Samsung's open PIMSimulator). docs/pim_programming.md is the manual.
//
//   bits   31-28   27-25  24-22  21-19  18-16  15  12  11-8  7-4   3-0
//          opcode  dst    src0   src1   src2   A   R   dst#  src0# src1#
//   JUMP   opcode  27-11: times it is taken, 10-0: entries back from the next one
//   NOP    opcode  10-0: further triggers it takes
// MAD's src2 has the number src1#. A: registers numbered by the column's address (AAM). R: ReLU.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hpimvp::hbm_pim {

inline constexpr std::uint32_t kCrfEntries = 32;
inline constexpr std::uint32_t kGrfRegisters = 8;  // of GRF_A, and of GRF_B
inline constexpr std::uint32_t kSrfRegisters = 8;  // of SRF_M, and of SRF_A

enum class CrfOpcode : std::uint8_t {
  kNop = 0,
  kAdd = 1,   // dst = src0 + src1
  kMul = 2,   // dst = src0 * src1
  kMac = 3,   // dst = src0 * src1 + dst
  kMad = 4,   // dst = src0 * src1 + src2
  kMov = 8,   // dst = src0
  kFill = 9,  // the same for 8 columns, registers numbered as with AAM
  kJump = 14,
  kExit = 15,
};

enum class CrfOperand : std::uint8_t {
  kAdderOutput = 0,  // A_OUT, M_OUT: latches of the pipeline; no program may name them here
  kMultiplierOutput = 1,
  kEvenBank = 2,
  kOddBank = 3,
  kGrfA = 4,
  kGrfB = 5,
  kSrfM = 6,
  kSrfA = 7,
};

struct CrfInstruction {
  CrfOpcode opcode = CrfOpcode::kNop;
  CrfOperand destination = CrfOperand::kAdderOutput;
  CrfOperand source0 = CrfOperand::kAdderOutput;
  CrfOperand source1 = CrfOperand::kAdderOutput;
  CrfOperand source2 = CrfOperand::kAdderOutput;
  bool aam = false;
  bool relu = false;
  std::uint8_t destination_index = 0;  // 4 bits
  std::uint8_t source0_index = 0;
  std::uint8_t source1_index = 0;
  std::uint32_t count = 0;  // NOP: 11 bits; JUMP: 17 bits
  std::uint32_t back = 0;   // JUMP: 11 bits

  friend bool operator==(const CrfInstruction&, const CrfInstruction&) = default;
};

// Bits that the opcode does not use are 0. Values too large for their fields lose their upper bits.
std::uint32_t encode(const CrfInstruction& instruction);
// Nothing: there is no such opcode. Bits that the opcode does not use are ignored.
std::optional<CrfInstruction> decode(std::uint32_t word);

// "MAC GRF_B[0], GRF_A[0], EVEN_BANK, AAM", "MOV GRF_A[3], ODD_BANK, RELU", "JUMP 7, 2" (times,
// entries back), "NOP 7", "EXIT". A word without an opcode: ".word 0x50000000".
std::string disassemble(std::uint32_t word);
// The inverse. Throws std::invalid_argument saying what it does not understand.
std::uint32_t assemble(std::string_view text);

// Which instruction each trigger executes: control flow does not depend on values.
class CrfSequencer {
 public:
  enum class Status : std::uint8_t {
    kRuns,
    kEnded,      // EXIT, or behind the last entry
    kUndefined,  // an entry without an opcode
    kLost,       // jumps before entry 0, or in circles without an instruction
  };
  struct Step {
    Status status = Status::kRuns;
    std::uint32_t entry = 0;
  };

  explicit CrfSequencer(const std::array<std::uint32_t, kCrfEntries>& words);

  // The entry that the next trigger executes. Jumps take no trigger.
  Step next();
  // Meaningful for entries that next() names.
  const CrfInstruction& instruction(std::uint32_t entry) const { return *instructions_[entry]; }

 private:
  std::array<std::optional<CrfInstruction>, kCrfEntries> instructions_;
  std::array<std::uint32_t, kCrfEntries> jumps_left_{};
  std::array<bool, kCrfEntries> jumping_{};  // has been taken, and not yet passed
  std::uint32_t entry_ = 0;
  std::uint32_t triggers_left_ = 0;  // of the instruction at entry_; 0: not begun
};

}  // namespace hpimvp::hbm_pim
