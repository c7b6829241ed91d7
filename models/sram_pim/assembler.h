// The text assembler of tile programs.
//
//   # the tile's slice of a vector: r1 address, r2 elements
//   .equ SCALE, 1 << 10
//   start:
//       lc      r6, SCALE + 4        # any 64-bit constant
//   loop:
//       vh.copy r6, r1, r2
//       sync    VCU | XFER
//       ldd     r7, table(r0)
//       bne     r6, r0, loop
//       halt
//       .align  8
//   table:
//       .dword  0x123456789
//
// A line holds labels, then one instruction or directive; `#`, `;` and `//` begin a comment.
// Operands are registers r0 to r31, expressions (decimal, 0x and 0b numbers, symbols, labels;
// unary - and ~; * / % + - << >> & ^ | with C's precedence, parentheses; 64-bit wrapping), memory
// operands `expression(register)` and branch targets (addresses). A label may be used before it is
// defined as a branch target and as the immediate of `li`.
//
// Directives: .equ NAME, VALUE   .word VALUE, ...   .dword VALUE, ...   .float NUMBER, ...
// .zero BYTES   .align BYTES (multiples of 4). Short forms: lc rd, VALUE   mv rd, rs   j TARGET.
// Symbols defined from the start: VCU 1, PIM 2, XFER 4, TCU 8, TRN 16 (the units in sync's mask).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/sram_pim/program.h"

namespace hpimvp::sram_pim {

struct AssemblyDiagnostic {
  unsigned line;    // from 1
  unsigned column;  // from 1
  std::string message;
};

// what() lists every diagnostic as "name:line:column: message".
class AssemblyError : public ProgramError {
 public:
  AssemblyError(std::string_view source_name, std::vector<AssemblyDiagnostic> diagnostics);
  const std::vector<AssemblyDiagnostic>& diagnostics() const { return diagnostics_; }

 private:
  std::vector<AssemblyDiagnostic> diagnostics_;
};

// Throws AssemblyError. `base`: address in control memory of the first word.
Program assemble(std::string_view source, std::string_view source_name = "<program>",
                 std::uint32_t base = 0);

}  // namespace hpimvp::sram_pim
