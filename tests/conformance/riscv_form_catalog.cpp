#include "tests/conformance/riscv_form_catalog.h"

#include <algorithm>
#include <functional>
#include <initializer_list>

namespace hpimvp::conformance {
namespace {

FormList forms_where(const std::function<bool(const InstructionForm&)>& wanted) {
  FormList list;
  for (const InstructionForm& form : instruction_forms()) {
    if (wanted(form)) list.push_back(&form);
  }
  return list;
}

bool has_format(const InstructionForm& form, std::initializer_list<Format> formats) {
  return std::find(formats.begin(), formats.end(), form.format) != formats.end();
}

FloatWidth width_of(Extension extension) {
  switch (extension) {
    case Extension::kF:
      return FloatWidth::kSingle;
    case Extension::kD:
      return FloatWidth::kDouble;
    case Extension::kZfh:
      return FloatWidth::kHalf;
    default:
      return FloatWidth::kNone;
  }
}

FormList float_forms(FloatWidth width) {
  return forms_where([width](const InstructionForm& f) {
    if (has_format(f, {Format::kIntToFp, Format::kIntMoveToFp})) {
      return width_of(f.extension) == width;
    }
    return reads_float_rs1(f.format) && f.source_width == width;
  });
}

}  // namespace

bool writes_integer_register(Format format) {
  switch (format) {
    case Format::kRegister:
    case Format::kImmediate:
    case Format::kShift64:
    case Format::kShift32:
    case Format::kUnary:
    case Format::kUpper:
    case Format::kJump:
    case Format::kJumpRegister:
    case Format::kLoad:
    case Format::kCsr:
    case Format::kCsrImmediate:
    case Format::kLoadReserved:
    case Format::kAtomic:
    case Format::kFpCompare:
    case Format::kFpToInt:
    case Format::kFpMoveToInt:
    case Format::kCompressedAddi4spn:
    case Format::kCompressedLoadWord:
    case Format::kCompressedLoadDouble:
    case Format::kCompressedImmediate:
    case Format::kCompressedAndi:
    case Format::kCompressedLui:
    case Format::kCompressedShift:
    case Format::kCompressedShiftPrime:
    case Format::kCompressedArithmetic:
    case Format::kCompressedLoadWordSp:
    case Format::kCompressedLoadDoubleSp:
    case Format::kCompressedTwoRegisters:
      return true;
    default:
      return false;
  }
}

unsigned access_bytes(const InstructionForm& form) {
  switch (form.format) {
    case Format::kCompressedLoadWord:
    case Format::kCompressedStoreWord:
    case Format::kCompressedLoadWordSp:
    case Format::kCompressedStoreWordSp:
      return 4;
    default:
      return is_compressed(form.format) ? 8U : 1U << (form.match >> 12 & 3);
  }
}

bool is_store(Format format) {
  return format == Format::kStore || format == Format::kFpStore ||
         format == Format::kCompressedStoreWord || format == Format::kCompressedStoreDouble ||
         format == Format::kCompressedFpStore || format == Format::kCompressedStoreWordSp ||
         format == Format::kCompressedStoreDoubleSp || format == Format::kCompressedFpStoreSp;
}

bool uses_stack_pointer(Format format) {
  return format >= Format::kCompressedLoadWordSp && format <= Format::kCompressedFpStoreSp;
}

FormCatalog::FormCatalog() {
  integer = forms_where([](const InstructionForm& f) {
    return has_format(f, {Format::kRegister, Format::kImmediate, Format::kShift64, Format::kShift32,
                          Format::kUnary, Format::kUpper});
  });
  compressed = forms_where([](const InstructionForm& f) {
    return f.mnemonic == "c.nop" ||
           has_format(f,
                      {Format::kCompressedAddi4spn, Format::kCompressedImmediate,
                       Format::kCompressedAndi, Format::kCompressedAddi16sp, Format::kCompressedLui,
                       Format::kCompressedShift, Format::kCompressedShiftPrime,
                       Format::kCompressedArithmetic, Format::kCompressedTwoRegisters});
  });
  memory = forms_where([](const InstructionForm& f) {
    return has_format(f, {Format::kLoad, Format::kStore, Format::kFpLoad, Format::kFpStore});
  });
  compressed_memory = forms_where([](const InstructionForm& f) {
    return uses_stack_pointer(f.format) ||
           has_format(f, {Format::kCompressedLoadWord, Format::kCompressedLoadDouble,
                          Format::kCompressedFpLoad, Format::kCompressedStoreWord,
                          Format::kCompressedStoreDouble, Format::kCompressedFpStore});
  });
  atomic = forms_where([](const InstructionForm& f) {
    return f.format == Format::kAtomic && f.mnemonic.substr(0, 3) == "amo";
  });
  branches = forms_where([](const InstructionForm& f) {
    return has_format(f, {Format::kBranch, Format::kCompressedBranch});
  });
  csr = forms_where([](const InstructionForm& f) {
    return has_format(f, {Format::kCsr, Format::kCsrImmediate});
  });
  half = float_forms(FloatWidth::kHalf);
  single = float_forms(FloatWidth::kSingle);
  wide = float_forms(FloatWidth::kDouble);
}

}  // namespace hpimvp::conformance
