// Which instruction forms serve which experiment of a random program, and what the generator has to
// know about their operands.
#pragma once

#include <vector>

#include "tests/conformance/riscv_assembler.h"

namespace hpimvp::conformance {

using FormList = std::vector<const InstructionForm*>;

struct FormCatalog {
  FormCatalog();

  FormList integer;
  FormList compressed;
  FormList memory;
  FormList compressed_memory;
  FormList atomic;  // AMOs, without LR and SC
  FormList branches;
  FormList csr;
  // Floating-point arithmetic by the width of its operands (of its result, from integers).
  FormList half;
  FormList single;
  FormList wide;

  const FormList& of_width(FloatWidth width) const {
    return width == FloatWidth::kHalf ? half : width == FloatWidth::kSingle ? single : wide;
  }
};

bool writes_integer_register(Format format);
bool is_store(Format format);
// Compressed loads and stores relative to x2.
bool uses_stack_pointer(Format format);
// Bytes that a load, store or atomic moves.
unsigned access_bytes(const InstructionForm& form);

}  // namespace hpimvp::conformance
